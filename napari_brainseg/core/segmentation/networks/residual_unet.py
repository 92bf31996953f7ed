"""Residual U-Net: MONAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_brainseg.core.segmentation.networks.base import SegmentationNetwork

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ResidualUNet"]

LEVELS = 4


class ResidualUNet(SegmentationNetwork):
    """MONAI's ``UNet`` with two residual units a level, batch norm and PReLU.

    Strided convolutions halve the image four times, the first of them in the first unit, so that
    all feature maps but the last are at half resolution or below; transposed convolutions and
    one more unit lead back up.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of the first level; each level doubles them.

    References
    ----------
    Kerfoot et al.: Left-ventricle quantification using residual U-Net. STACOM 2018.
    doi 10.1007/978-3-030-12029-0_40
    """

    multiple = 2**LEVELS

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 32) -> None:
        # the import takes seconds: only those who want the network shall wait for it
        from monai.networks.nets.unet import UNet as MonaiUNet

        super().__init__(in_channels, features)
        self.unet = MonaiUNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=[features * 2**level for level in range(LEVELS + 1)],
            strides=[2] * LEVELS,
            num_res_units=2,
            norm="BATCH",
        )

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        return self._level(self.unet.model, x)

    def _level(self, level: Any, x: Tensor) -> Tensor:
        """One level and all below it: MONAI nests them as (down, skip connection, up)."""
        down, skip, up = level
        x = self.step(down, x)
        inner = skip.submodule
        below = self._level(inner, x) if len(list(inner.children())) == 3 else self.step(inner, x)
        out: Tensor = self.step(_join, up, x, below)
        return out


def _join(up: nn.Module, skip: Tensor, below: Tensor) -> Tensor:
    out: Tensor = up(torch.cat((skip, below), dim=1))
    return out
