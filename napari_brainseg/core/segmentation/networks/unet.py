"""The plain U-Net, with the state-dict keys of the published checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.blocks import ACTIVATIONS, NORMS, conv_block

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNet"]

LEVELS = 4


class UNet(SegmentationNetwork):
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
    norm : {'batch', 'instance', 'group'}
        Normalisation after each convolution.
    activation : {'relu', 'leaky-relu', 'gelu', 'silu'}
        Activation after each normalisation.

    References
    ----------
    Buda, Saha, Mazurowski: Association of genomic subtypes of lower-grade gliomas with shape
    features automatically extracted by a deep learning algorithm. Computers in Biology and
    Medicine 109, 2019. doi 10.1016/j.compbiomed.2019.05.002
    """

    multiple = 2**LEVELS
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {
        "norm": NORMS,
        "activation": ACTIVATIONS,
    }
    convolution_bias: ClassVar[bool] = False
    """Whether the 3x3 convolutions have a bias."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        features: int = 32,
        *,
        norm: str = "batch",
        activation: str = "relu",
    ) -> None:
        super().__init__(in_channels, features)

        def block(channels: int, width: int, prefix: str) -> nn.Module:
            return conv_block(
                channels,
                width,
                norm=norm,
                activation=activation,
                bias=self.convolution_bias,
                prefix=prefix,
            )

        self.widths = [features * 2**level for level in range(LEVELS + 1)]
        channels = in_channels
        for level, width in enumerate(self.widths[:-1], start=1):
            self.add_module(f"encoder{level}", block(channels, width, f"enc{level}"))
            channels = width
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = block(channels, self.widths[-1], "bottleneck")
        for level in range(LEVELS, 0, -1):
            width = self.widths[level - 1]
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"decoder{level}", block(2 * width, width, f"dec{level}"))
        self.conv = nn.Conv2d(features, out_channels, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W)."""
        skips = []
        for level in range(1, LEVELS + 1):
            x = self.step(self.encode, level, x)
            skips.append(x)
        x = self.step(self.encode, LEVELS + 1, x)
        for level in range(LEVELS, 0, -1):
            x = self.step(self.decode, level, x, skips.pop())
        logits: Tensor = self.conv(x)
        return logits

    def encode(self, level: int, x: Tensor) -> Tensor:
        """Feature maps of a level, 1 to 5, from those of the level above."""
        block = self.bottleneck if level > LEVELS else getattr(self, f"encoder{level}")
        out: Tensor = block(x if level == 1 else self.pool(x))
        return out

    def decode(self, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """Feature maps of a level from those of the level below and of the encoder."""
        x = getattr(self, f"upconv{level}")(x)
        out: Tensor = getattr(self, f"decoder{level}")(
            torch.cat((x, self.gate(level, x, skip)), dim=1)
        )
        return out

    def gate(self, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """Give the decoder what it shall see of the encoder's feature maps: here, all."""
        del level, x
        return skip
