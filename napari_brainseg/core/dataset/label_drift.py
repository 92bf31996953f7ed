"""Whether corrections are systematically larger or smaller than what they started from."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LEAST_CASES", "LabelDrift", "label_drift", "signed_rank_p"]

LEAST_CASES = 5
"""With fewer pairs no outcome of the test is below 0.05."""
SIGNIFICANCE = 0.05
LEAST_CHANGE = 0.05
"""A median change of less than this share is noise of outlines, whatever its sign."""


@dataclass(frozen=True, slots=True)
class LabelDrift:
    """How corrections differ in size from the masks that they started from.

    Parameters
    ----------
    cases : int
        Pairs with a lesion in one of the masks at least.
    larger, smaller : int
        Corrections that have more or fewer voxels than their base.
    median_change : float
        Median of (corrected - base) / base, over pairs whose base has a lesion.
    p : float
        Two-sided, of the signed-rank test.
    """

    cases: int
    larger: int
    smaller: int
    median_change: float
    p: float

    @property
    def is_systematic(self) -> bool:
        """Whether it is more than chance and more than noise."""
        return self.p < SIGNIFICANCE and abs(self.median_change) >= LEAST_CHANGE

    def __str__(self) -> str:
        """Say it in words, with the figures."""
        is_up = self.median_change > 0
        many = self.larger if is_up else self.smaller
        return (
            f"Corrections are {abs(self.median_change):.0%} {'larger' if is_up else 'smaller'} "
            f"than the model's masks (median; {many} of {self.cases} cases; p = {self.p:.2g})."
        )


def label_drift(pairs: Iterable[tuple[int, int]]) -> LabelDrift | None:
    """Test whether corrections are systematically larger or smaller.

    The size of a change is 2 (corrected - base) / (corrected + base), which ranks changes as the
    logarithm of their ratio does and also has a value where one of the masks is empty. The test is
    Wilcoxon's for paired samples.

    Parameters
    ----------
    pairs : iterable of (int, int)
        Lesion voxels of what the model predicted, and of the correction.

    Returns
    -------
    LabelDrift or None
        `None` with fewer than `LEAST_CASES` pairs that have a lesion.
    """
    known = [(base, corrected) for base, corrected in pairs if base or corrected]
    if len(known) < LEAST_CASES:
        return None
    changes = [2 * (corrected - base) / (corrected + base) for base, corrected in known]
    return LabelDrift(
        cases=len(known),
        larger=sum(change > 0 for change in changes),
        smaller=sum(change < 0 for change in changes),
        median_change=median(
            [(corrected - base) / base for base, corrected in known if base] or [0.0]
        ),
        p=signed_rank_p(changes),
    )


def signed_rank_p(differences: Sequence[float]) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test, exact also with ties.

    By the distribution of the sum of ranks over all signs (Wilcoxon 1945, doi 10.2307/3001968);
    zeros are left out. scipy has it too, but takes half a second to import.
    """
    values = np.array([d for d in differences if d != 0], dtype=np.float64)
    if not len(values):
        return 1.0
    # Twice the mean rank of each is a whole number, also among ties.
    sizes = np.abs(values)
    ranks = np.array([np.sum(sizes < s) + np.sum(sizes <= s) + 1 for s in sizes], dtype=np.int64)
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[:-rank]
        chances = (chances + moved) / 2
    found = int(ranks[values > 0].sum())
    tail = min(float(chances[: found + 1].sum()), float(chances[found:].sum()))
    return min(1.0, 2 * tail)
