"""Losses by name and weight, on logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOSSES", "WeightedLoss", "bce", "build_loss", "dice"]


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss over the flattened batch: 1 - (2 I + 1) / (P + T + 1).

    The definition of Buda et al. 2019 (doi 10.1016/j.compbiomed.2019.05.002), smooth 1.
    """
    probability = torch.sigmoid(logits.float())
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, mean over voxels."""
    return F.binary_cross_entropy_with_logits(logits.float(), target)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"bce": bce, "dice": dice}


class WeightedLoss(nn.Module):
    """A weighted sum of named losses."""

    def __init__(self, terms: tuple[tuple[str, float], ...]) -> None:
        super().__init__()
        self.terms = terms

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss (scalar) of logits (B, 1, H, W) against targets 0/1 of the same shape."""
        total = logits.new_zeros((), dtype=torch.float32)
        for name, weight in self.terms:
            total = total + weight * LOSSES[name](logits, target)
        return total


def build_loss(spec: str) -> WeightedLoss:
    """Read a loss such as ``bce:0.5+dice:0.5`` (a weight left out is 1).

    Raises
    ------
    ConfigError
        If a name is unknown or a weight is no positive number.
    """
    terms = []
    for part in spec.split("+"):
        name, _, weight = part.strip().partition(":")
        if name not in LOSSES:
            raise ConfigError(
                f"There is no loss '{name}' (in '{spec}').", f"Known: {', '.join(LOSSES)}."
            )
        try:
            value = float(weight or 1)
        except ValueError:
            value = -1.0
        if not value > 0:
            raise ConfigError(
                f"The weight '{weight}' of the loss '{name}' is no positive number.",
                "Write for example bce:0.5+dice:0.5.",
            )
        terms.append((name, value))
    return WeightedLoss(tuple(terms))
