"""Figures of merit of a mask; numpy and scipy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["dsc"]


def dsc(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Dice similarity coefficient, 2 TP / (A + B); 1 where both masks are empty."""
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    if total == 0:
        return 1.0
    return 2.0 * int(np.count_nonzero((a != 0) & (b != 0))) / total
