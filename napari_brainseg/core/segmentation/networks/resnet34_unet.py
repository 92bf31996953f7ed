"""U-Net on a ResNet34 encoder, which may start from ImageNet weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.blocks import conv_block

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ResNet34UNet"]

BLOCKS = (3, 4, 6, 3)


class ResNet34UNet(SegmentationNetwork):
    """Decoder of a U-Net on the feature maps of a ResNet34.

    The encoder is MONAI's 2D ``ResNet`` with the state-dict keys of torchvision's ``resnet34``,
    without its last layer. The decoder doubles the size five times by nearest neighbour, takes
    the encoder's feature maps of that size in, and ends at full resolution without a skip
    connection, as in ``segmentation_models.pytorch``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of the first convolution; 64 is ResNet34.

    References
    ----------
    He et al.: Deep residual learning for image recognition. CVPR 2016,
    doi 10.1109/CVPR.2016.90
    """

    multiple = 32
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {}

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 64) -> None:
        # the import takes seconds: only those who want the network shall wait for it
        from monai.networks.nets.resnet import ResNet

        super().__init__(in_channels, features)
        widths = [features * 2**level for level in range(4)]
        self.encoder = ResNet(
            "basic",
            list(BLOCKS),
            widths,
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_size=7,
            conv1_t_stride=2,
            feed_forward=False,
            bias_downsample=False,
        )
        skips = [*widths[2::-1], features, 0]
        outputs = [*widths[2::-1], max(1, features // 2), max(1, features // 4)]
        inputs = [widths[3], *outputs[:-1]]
        self.decoder = nn.ModuleList(
            conv_block(below + skip, width)
            for below, skip, width in zip(inputs, skips, outputs, strict=True)
        )
        self.conv = nn.Conv2d(outputs[-1], out_channels, 3, padding=1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        x = self.step(self._stem, x)
        skips = [x]
        for level in range(1, 5):
            for i, block in enumerate(getattr(self.encoder, f"layer{level}")):
                x = self.step(self._encode, level == 1 and i == 0, block, x)
            skips.append(x)
        del skips[-1]  # of the last level, where the decoder starts
        for block in self.decoder:
            x = self.step(_decode, block, x, *skips[-1:])
            del skips[-1:]
        logits: Tensor = self.conv(x)
        return logits

    def _stem(self, x: Tensor) -> Tensor:
        out: Tensor = self.encoder.act(self.encoder.bn1(self.encoder.conv1(x)))
        return out

    def _encode(self, pool: bool, block: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = block(self.encoder.maxpool(x) if pool else x)
        return out


def _decode(block: nn.Module, x: Tensor, *skip: Tensor) -> Tensor:
    x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    out: Tensor = block(torch.cat((x, *skip), dim=1))
    return out
