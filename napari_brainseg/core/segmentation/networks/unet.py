"""The plain U-Net, with the state-dict keys of the published checkpoints."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

__all__ = ["UNet"]

LEVELS = 4


class UNet(nn.Module):
    """U-Net of Ronneberger et al. 2015 with batch norm, as in Buda et al. 2019.

    Four levels down and up; blocks of two (3x3 convolution without bias, batch norm, ReLU);
    2x2 transposed convolutions; a 1x1 convolution at the end. Keys of the state dict are those
    of ``mateuszbuda/brain-segmentation-pytorch``, so its checkpoints load unchanged.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of the first level; each level doubles them.

    References
    ----------
    Buda, Saha, Mazurowski: Association of genomic subtypes of lower-grade gliomas with shape
    features automatically extracted by a deep learning algorithm. Computers in Biology and
    Medicine 109, 2019. doi 10.1016/j.compbiomed.2019.05.002
    """

    multiple = 2**LEVELS
    """Height and width of the input must be multiples of this."""

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 32) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(LEVELS + 1)]
        channels = in_channels
        for level, width in enumerate(widths[:-1], start=1):
            self.add_module(f"encoder{level}", _block(channels, width, f"enc{level}"))
            channels = width
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = _block(channels, widths[-1], "bottleneck")
        for level in range(LEVELS, 0, -1):
            width = widths[level - 1]
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"decoder{level}", _block(2 * width, width, f"dec{level}"))
        self.conv = nn.Conv2d(features, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        skips = []
        for level in range(1, LEVELS + 1):
            x = self.get_submodule(f"encoder{level}")(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for level in range(LEVELS, 0, -1):
            x = self.get_submodule(f"upconv{level}")(x)
            x = self.get_submodule(f"decoder{level}")(torch.cat((x, skips.pop()), dim=1))
        logits: Tensor = self.conv(x)
        return logits


def _block(in_channels: int, features: int, name: str) -> nn.Sequential:
    layers: list[tuple[str, nn.Module]] = []
    for i, channels in enumerate((in_channels, features), start=1):
        layers += [
            (f"{name}conv{i}", nn.Conv2d(channels, features, 3, padding=1, bias=False)),
            (f"{name}norm{i}", nn.BatchNorm2d(features)),
            (f"{name}relu{i}", nn.ReLU(inplace=True)),
        ]
    return nn.Sequential(OrderedDict(layers))
