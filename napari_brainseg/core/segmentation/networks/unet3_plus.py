"""UNet3+: every decoder sees every scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.blocks import ACTIVATIONS, NORMS, conv_block

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNet3Plus"]

SCALES = 5
SLICES_AT_ONCE = 4
"""That gradient checkpointing upsamples; fewer take less memory."""


class UNet3Plus(SegmentationNetwork):
    """UNet3+: a decoder block joins branches from five scales, encoder above and decoder below.

    A branch brings its feature maps to the decoder's scale (max-pooling or bilinear upsampling)
    and to `features` channels (3x3 convolution, norm, activation); one convolution of 5 x
    `features` channels fuses them. The classification-guided module of the paper is left out:
    slices without tumour are told by the mask.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of the first scale and of each branch; each scale doubles them. The paper
        has 64.
    norm : {'batch', 'instance', 'group'}
        Normalisation after each convolution.
    activation : {'relu', 'leaky-relu', 'gelu', 'silu'}
        Activation after each normalisation.
    deep_supervision : bool
        A head on each of the five scales; while training all logits are given, upsampled to full
        size, the finest first.

    References
    ----------
    Huang et al.: UNet 3+: a full-scale connected UNet for medical image segmentation. ICASSP
    2020. doi 10.1109/ICASSP40776.2020.9053405
    """

    multiple = 2 ** (SCALES - 1)
    bytes_a_feature = 140
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {
        "norm": NORMS,
        "activation": ACTIVATIONS,
        "deep_supervision": (False, True),
    }

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        features: int = 64,
        *,
        norm: str = "batch",
        activation: str = "relu",
        deep_supervision: bool = False,
    ) -> None:
        super().__init__(in_channels, features)

        def block(channels: int, width: int, convolutions: int) -> nn.Module:
            return conv_block(
                channels, width, convolutions=convolutions, norm=norm, activation=activation
            )

        widths = [features * 2**scale for scale in range(SCALES)]
        fused = SCALES * features
        self.pool = nn.MaxPool2d(2)
        self.encoders = nn.ModuleList(
            block(channels, width, 2)
            for channels, width in zip([in_channels, *widths], widths, strict=False)
        )
        self.branches = nn.ModuleList()
        self.fusions = nn.ModuleList()
        for scale in range(SCALES - 1):
            sources = [*widths[: scale + 1], *[fused] * (SCALES - 2 - scale), widths[-1]]
            self.branches.append(nn.ModuleList(block(width, features, 1) for width in sources))
            self.fusions.append(block(fused, fused, 1))
        heads = [*[fused] * (SCALES - 1), widths[-1]] if deep_supervision else [fused]
        self.heads = nn.ModuleList(nn.Conv2d(width, out_channels, 3, padding=1) for width in heads)

    def logits(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W); see the class."""
        maps: list[Tensor] = []
        for scale in range(SCALES):
            maps.append(self.step(self._encode, scale, maps[-1] if maps else x))
        decoded = list(maps)
        for scale in range(SCALES - 2, -1, -1):
            sources = [*maps[: scale + 1], *decoded[scale + 1 :]]
            branches = [self.step(self._branch, scale, i, one) for i, one in enumerate(sources)]
            decoded[scale] = self.step(self._fuse, scale, *branches)
        if self.training and len(self.heads) > 1:
            return tuple(self.step(self._head, scale, one) for scale, one in enumerate(decoded))
        return self._head(0, decoded[0])

    def _encode(self, scale: int, x: Tensor) -> Tensor:
        out: Tensor = self.encoders[scale](self.pool(x) if scale else x)
        return out

    def _branch(self, scale: int, source: int, x: Tensor) -> Tensor:
        convolution, norm, activation = self.branches[scale][source]  # type: ignore[index]
        if source < scale:
            x = convolution(nn.functional.max_pool2d(x, 2 ** (scale - source)))
        elif source == scale:
            x = convolution(x)
        elif self.recomputes:
            # a batch of the deepest scale at full size would be larger than all else together
            parts = torch.split(x, SLICES_AT_ONCE)
            x = torch.cat([self.step(_upsampled, convolution, source - scale, p) for p in parts])
        else:
            x = _upsampled(convolution, source - scale, x)
        out: Tensor = activation(norm(x))
        return out

    def _fuse(self, scale: int, *branches: Tensor) -> Tensor:
        out: Tensor = self.fusions[scale](torch.cat(branches, dim=1))
        return out

    def _head(self, scale: int, x: Tensor) -> Tensor:
        logits: Tensor = self.heads[scale](x)
        return _upsample(logits, scale) if scale else logits


def _upsampled(convolution: nn.Module, doublings: int, x: Tensor) -> Tensor:
    out: Tensor = convolution(_upsample(x, doublings))
    return out


def _upsample(x: Tensor, doublings: int) -> Tensor:
    return nn.functional.interpolate(
        x, scale_factor=float(2**doublings), mode="bilinear", align_corners=False
    )
