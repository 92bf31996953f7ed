"""EfficientNet-Lite: inverted residual blocks without squeeze-and-excitation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EfficientNetLite"]

STEM = 32
EXPANSION = 6
NORM_EPS = 1e-3


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, EXPANSION, 24),
    _Stage(2, 5, 2, EXPANSION, 40),
    _Stage(3, 3, 2, EXPANSION, 80),
    _Stage(3, 5, 1, EXPANSION, 112),
    _Stage(4, 5, 2, EXPANSION, 192),
    _Stage(1, 3, 1, EXPANSION, 320),
)
SCALING = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}
"""Variant to its factors of width and depth."""


class EfficientNetLite(nn.Module):
    """Feature maps of EfficientNet-Lite at 1/2, 1/4, 1/8, 1/16 and, with seven stages, 1/32.

    The names in the state dict are those of ``efficientnet_lite_pytorch`` without the leading
    underscores. A strided convolution pads as TensorFlow's "SAME" does for even sizes, at the
    right and the bottom, as the published weights were trained.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    variant : {0, 1, 2}
        Lite0, Lite1 or Lite2.
    stages : {5, 7}
        How many of the seven stages; five end at 1/16.

    References
    ----------
    Tan, Le: EfficientNet. ICML 2019, arXiv 1905.11946; the Lite variants: Google, 2020,
    github.com/tensorflow/tpu, models/official/efficientnet/lite.
    """

    def __init__(self, in_channels: int = 3, variant: int = 0, stages: int = 7) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(in_channels, STEM, 3, stride=2, bias=False)
        self.bn0 = nn.BatchNorm2d(STEM, eps=NORM_EPS)
        self.act = nn.ReLU6(inplace=True)
        self.variant = variant
        self.published_blocks = 0
        """Blocks of all seven stages."""
        blocks: list[nn.Module] = []
        ends: list[int] = []
        widths: list[int] = []
        width_factor, depth_factor = SCALING[variant]
        channels = STEM
        for i, stage in enumerate(STAGES):
            # the first and the last stage keep their depth
            fixed = i in (0, len(STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * depth_factor)
            self.published_blocks += repeats
            if i >= stages:
                continue
            width = _round_width(stage.width * width_factor)
            if stage.stride == 2:
                ends.append(len(blocks))
                widths.append(channels)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(
                    _InvertedResidual(channels, width, stage.kernel, stride, stage.expansion)
                )
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.levels: Sequence[tuple[int, int]] = tuple(
            zip([0, *ends], [*ends, len(blocks)], strict=True)
        )
        """First block and end of each size, from 1/2 down."""
        self.widths = (*widths, channels)
        """Channels of the feature maps of each size."""

    def stem(self, x: Tensor) -> Tensor:
        """Halve the size for the first time."""
        out: Tensor = self.act(self.bn0(self.conv_stem(_pad_same(x, 3, 2))))
        return out


class _InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel, narrow by 1x1; added to the input where shapes agree."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand_conv = nn.Conv2d(in_channels, inner, 1, bias=False) if expansion > 1 else None
        self.bn0 = nn.BatchNorm2d(inner, eps=NORM_EPS) if expansion > 1 else None
        self.depthwise_conv = nn.Conv2d(
            inner, inner, kernel, stride=stride, groups=inner, bias=False,
            padding=kernel // 2 if stride == 1 else 0,
        )  # fmt: skip
        self.bn1 = nn.BatchNorm2d(inner, eps=NORM_EPS)
        self.project_conv = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=NORM_EPS)
        self.act = nn.ReLU6(inplace=True)
        self.kernel, self.stride = kernel, stride
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = x
        if self.expand_conv is not None and self.bn0 is not None:
            out = self.act(self.bn0(self.expand_conv(out)))
        out = self.act(self.bn1(self._filter(_pad_same(out, self.kernel, self.stride))))
        narrow: Tensor = self.bn2(self.project_conv(out))
        return x + narrow if self.residual else narrow

    def _filter(self, x: Tensor) -> Tensor:
        """Filter each channel; on a CPU in fp32, where the gradient is asked for.

        oneDNN has no fast bf16 gradient of strided or 5x5 depthwise convolutions: it takes 2 to 10
        times as long as that in fp32 (torch 2.13, AVX-512).
        """
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            out: Tensor = self.depthwise_conv(x)
            return out
        with torch.autocast("cpu", enabled=False):
            full: Tensor = self.depthwise_conv(x.float())
        return full


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    if stride == 1:
        return x
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return nn.functional.pad(x, (before, after, before, after))


def _round_width(width: float) -> int:
    """To a multiple of 8, at least 90 % of what was asked for, as in the published networks."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
