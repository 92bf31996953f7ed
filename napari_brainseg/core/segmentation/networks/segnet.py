"""SegNet: the decoder puts maxima back where the encoder found them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.base import SegmentationNetwork, tracing
from napari_brainseg.core.segmentation.networks.blocks import conv_block

__all__ = ["SegNet"]

CONVOLUTIONS = (2, 2, 3, 3, 3)


class SegNet(SegmentationNetwork):
    """SegNet: encoder of VGG16 (13 convolutions) and its mirror image, joined by pooling indices.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of the first stage; doubled three times. The paper has 64.

    References
    ----------
    Badrinarayanan, Kendall, Cipolla: SegNet: a deep convolutional encoder-decoder architecture
    for image segmentation. IEEE TPAMI 39, 2017. doi 10.1109/TPAMI.2016.2644615
    """

    multiple = 2 ** len(CONVOLUTIONS)

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 64) -> None:
        super().__init__(in_channels, features)
        widths = [features * 2 ** min(stage, 3) for stage in range(len(CONVOLUTIONS))]
        above = [in_channels, *widths[:-1]]
        self.encoders = nn.ModuleList(
            conv_block(channels, width, convolutions=count)
            for channels, width, count in zip(above, widths, CONVOLUTIONS, strict=True)
        )
        self.decoders = nn.ModuleList(
            _mirrored(width, channels, count)
            for channels, width, count in zip(
                [features, *widths[:-1]], widths, CONVOLUTIONS, strict=True
            )
        )
        self.conv = nn.Conv2d(features, out_channels, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        places = []
        for encoder in self.encoders:
            x, where = self.step(_encode, encoder, x)
            places.append(where)
        for decoder in reversed(self.decoders):
            x = self.step(_decode, decoder, x, places.pop())
        logits: Tensor = self.conv(x)
        return logits


def _mirrored(width: int, out_channels: int, count: int) -> nn.Sequential:
    """As many convolutions as the encoder has; the last one narrows to the stage above."""
    return nn.Sequential(
        conv_block(width, width, convolutions=count - 1),
        conv_block(width, out_channels, convolutions=1),
    )


def _encode(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    pooled, where = nn.functional.max_pool2d(block(x), 2, return_indices=True)
    return pooled, where


def _decode(block: nn.Module, x: Tensor, where: Tensor) -> Tensor:
    out: Tensor = block(_unpool(x, where))
    return out


def _unpool(x: Tensor, where: Tensor) -> Tensor:
    """Each value at its place in an image twice the size, zeros elsewhere."""
    if not tracing():
        return nn.functional.max_unpool2d(x, where, (2, 2))
    # OpenVINO knows no unpooling, but scatters
    batch, channels, height, width = x.shape
    flat = torch.zeros(batch, channels, 4 * height * width, dtype=x.dtype, device=x.device)
    flat = flat.scatter(2, where.flatten(2), x.flatten(2))
    return flat.reshape(batch, channels, 2 * height, 2 * width)
