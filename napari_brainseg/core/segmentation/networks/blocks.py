"""Blocks that several networks share."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

__all__ = ["ACTIVATIONS", "NORMS", "activation_layer", "conv_block", "norm_layer"]

NORMS = ("batch", "instance", "group")
ACTIVATIONS = ("relu", "leaky-relu", "gelu", "silu")
MOST_GROUPS = 8
"""Of a group norm; fewer where the width cannot be divided by it."""


def norm_layer(name: str, channels: int) -> nn.Module:
    """Normalisation by name, with a learnt scale and shift for each channel.

    Parameters
    ----------
    name : {'batch', 'instance', 'group'}
        Over the batch, over each image and channel, or over each image and group of channels.
    channels : int
        Feature maps.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.GroupNorm(math.gcd(MOST_GROUPS, channels), channels)


def activation_layer(name: str) -> nn.Module:
    """Activation by name: relu, leaky-relu, gelu or silu."""
    if name == "relu":
        return nn.ReLU(inplace=True)
    if name == "leaky-relu":
        return nn.LeakyReLU(inplace=True)
    return nn.GELU() if name == "gelu" else nn.SiLU()


def conv_block(
    in_channels: int,
    out_channels: int,
    *,
    convolutions: int = 2,
    norm: str = "batch",
    activation: str = "relu",
    bias: bool = False,
    prefix: str = "",
) -> nn.Sequential:
    """3x3 convolutions, each followed by normalisation and activation.

    Parameters
    ----------
    in_channels, out_channels : int
        Feature maps.
    convolutions : int
        How many, one behind the other.
    norm, activation : str
        See `norm_layer` and `activation_layer`.
    bias : bool
        Convolutions with a bias; the normalisation that follows takes it out again.
    prefix : str
        Of the names in the state dict: ``<prefix>conv1``, ``<prefix>norm1``, ...
    """
    layers: list[tuple[str, nn.Module]] = []
    channels = in_channels
    for i in range(1, convolutions + 1):
        layers += [
            (f"{prefix}conv{i}", nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias)),
            (f"{prefix}norm{i}", norm_layer(norm, out_channels)),
            (f"{prefix}act{i}", activation_layer(activation)),
        ]
        channels = out_channels
    return nn.Sequential(OrderedDict(layers))
