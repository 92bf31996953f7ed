"""Which losses there are, and which values their parameters may take."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, NamedTuple

from training.losses import overlap, voxelwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["LIMITS", "LOSSES", "OVER_THE_BATCH", "Limit", "parameters_of"]

LOSSES: dict[str, Callable[..., Tensor]] = {
    "bce": voxelwise.bce,
    "dice": overlap.dice,
    "dice-per-sample": overlap.dice_per_sample,
    "iou": overlap.iou,
    "soft-iou": overlap.soft_iou,
    "focal": voxelwise.focal,
    "tversky": overlap.tversky,
    "focal-tversky": overlap.focal_tversky,
    "mse": voxelwise.mse,
}
"""Name to function of (logits, target) and of its parameters by keyword."""

OVER_THE_BATCH = frozenset({"dice", "iou", "tversky", "focal-tversky"})
"""Losses of a batch that are no mean over its samples."""


class Limit(NamedTuple):
    """Values that a parameter may take."""

    lowest: float
    highest: float
    lowest_too: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether `value` may be taken."""
        return (self.lowest < value or (self.lowest_too and value == self.lowest)) and (
            value <= self.highest
        )

    def __str__(self) -> str:
        start = "from" if self.lowest_too else "above"
        return f"{start} {self.lowest:g} to {self.highest:g}"


LIMITS: dict[tuple[str, str], Limit] = {
    ("focal", "gamma"): Limit(0, 10, lowest_too=True),
    ("focal", "alpha"): Limit(0, 1),
    ("tversky", "alpha"): Limit(0, 1),
    ("tversky", "beta"): Limit(0, 1),
    ("focal-tversky", "alpha"): Limit(0, 1),
    ("focal-tversky", "beta"): Limit(0, 1),
    ("focal-tversky", "gamma"): Limit(0, 10),
}
"""By loss and parameter."""


def parameters_of(name: str) -> dict[str, float]:
    """Parameters of a loss, with their defaults."""
    signature = inspect.signature(LOSSES[name]).parameters.values()
    return {p.name: p.default for p in signature if p.kind is p.KEYWORD_ONLY}
