"""What was drawn for each slice of a batch: small tensors that say all that will be done."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Draws"]


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers of a batch of B slices with M modalities, on the CPU.

    Where a strength is 0, that slice is left as it is. What is None is done to no slice.
    """

    matrices: Tensor | None = None
    """(B, 2, 3): window to canvas, pixels about the centres, rows (x, y). None: centred."""
    elastic: Tensor | None = None
    """(B, 2, G, G): displacement (x, y) in pixels on a coarse grid over the window."""
    missing_all: Tensor | None = None
    """(B,) bool: FLAIR replaces both other modalities."""
    missing_post: Tensor | None = None
    """(B,) bool: FLAIR replaces the post-contrast modality."""
    gain: Tensor | None = None
    """(B, M)."""
    offset: Tensor | None = None
    """(B, M)."""
    gamma: Tensor | None = None
    """(B,): logarithm of the exponent."""
    bias: Tensor | None = None
    """(B, G, G): logarithm of the field on a coarse grid over the window."""
    blur: Tensor | None = None
    """(B,): SD in pixels."""
    noise: Tensor | None = None
    """(B,): SD."""
    seeds: Tensor | None = None
    """(B,) int64: of the noise of each slice."""

    def part(self, start: int, stop: int, step: int = 1) -> Draws:
        """Take those of the slices ``start:stop:step``, as one of several processes does."""
        own = slice(start, stop, step)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Draws(**{name: v if v is None else v[own] for name, v in values.items()})
