"""The U-Net of the tutorials: biased convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from napari_brainseg.core.segmentation.networks.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.segmentation.networks.base import Option

__all__ = ["DoubleConvUNet"]


class DoubleConvUNet(UNet):
    """U-Net whose blocks are two of (3x3 convolution with bias, batch norm, ReLU).

    The network of row 15 of the reference table at 64 features. The bias is taken out again by
    the norm behind it: it costs parameters and changes nothing but the way weights decay.

    Parameters
    ----------
    in_channels, out_channels, features : int
        See `UNet`.
    """

    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {}
    convolution_bias = True

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 64) -> None:
        super().__init__(in_channels, out_channels, features)
