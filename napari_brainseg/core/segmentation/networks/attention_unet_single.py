"""U-Net whose decoder weighs its own feature maps by a single convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.unet import LEVELS, UNet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.segmentation.networks.base import Option

__all__ = ["SingleGateAttentionUNet"]


class SingleGateAttentionUNet(UNet):
    """U-Net with a spatial gate behind each block of the decoder.

    The gate is sigmoid(1x1 convolution to one channel) of the block's output, and multiplies
    that output: the network of row 10 of the reference table.

    Parameters
    ----------
    in_channels, out_channels, features : int
        See `UNet`.
    """

    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {}

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 32) -> None:
        super().__init__(in_channels, out_channels, features)
        self.gates = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in self.widths[:LEVELS])

    def decode(self, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """Feature maps of a level, weighed by themselves."""
        out = super().decode(level, x, skip)
        weight: Tensor = self.gates[level - 1](out).sigmoid()
        return out * weight
