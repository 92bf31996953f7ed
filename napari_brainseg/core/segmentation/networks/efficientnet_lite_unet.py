"""U-Net on an EfficientNet-Lite encoder, which may start from ImageNet weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.blocks import conv_block
from napari_brainseg.core.segmentation.networks.efficientnet_lite import EfficientNetLite

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EfficientNetLiteUNet"]


class EfficientNetLiteUNet(SegmentationNetwork):
    """Decoder of a U-Net on the feature maps of an EfficientNet-Lite.

    The decoder doubles the size by nearest neighbour, takes in the encoder's feature maps of that
    size and, at full resolution, the image itself, so that outlines follow its pixels.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps at full resolution; each level below doubles them.
    variant : {0, 1, 2}
        Lite0, Lite1 or Lite2.
    stages : {7, 5}
        Stages of the encoder; five end at 1/16 of the size and leave three quarters of the
        encoder's parameters out.

    References
    ----------
    See `EfficientNetLite`; the decoder is that of Ronneberger et al.: U-Net. MICCAI 2015,
    arXiv 1505.04597.
    """

    multiple = 32
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {"variant": (0, 1, 2), "stages": (7, 5)}

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        features: int = 16,
        variant: int = 0,
        stages: int = 7,
    ) -> None:
        super().__init__(in_channels, features)
        self.encoder = EfficientNetLite(in_channels, variant, stages)
        skips = [in_channels, *self.encoder.widths]
        below = skips.pop()
        decoder: list[nn.Module] = []
        for level in reversed(range(len(skips))):
            width = features * 2**level
            decoder.append(conv_block(below + skips[level], width))
            below = width
        self.decoder = nn.ModuleList(decoder)
        self.conv = nn.Conv2d(below, out_channels, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        skips = [x]
        x = self.step(self.encoder.stem, x)
        for first, end in self.encoder.levels:
            for i in range(first, end):
                x = self.step(self.encoder.blocks[i], x)
            skips.append(x)
        del skips[-1]  # of the last level, where the decoder starts
        for block in self.decoder:
            x = self.step(_decode, block, x, skips.pop())
        logits: Tensor = self.conv(x)
        return logits


def _decode(block: nn.Module, x: Tensor, skip: Tensor) -> Tensor:
    x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    out: Tensor = block(torch.cat((x, skip), dim=1))
    return out
