"""Which slices a report shows, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["choose_slices", "spread"]

DOUBTFUL_BITS = 0.3
"""Only voxels with more doubt count; traces in thousands of sure ones would add up to more."""
LEAST_DOUBT_BITS = 1.0
"""Less doubt in a slice is nothing to look at."""
_LEAST_SHARE = 0.05
"""Of the largest cross-section: slices with less show the tip of a lesion."""


def choose_slices(
    mask: NDArray[np.generic],
    *,
    count: int,
    diameter_slice: int | None = None,
    uncertainty: NDArray[np.floating] | None = None,
    base: NDArray[np.generic] | None = None,
    truth: NDArray[np.generic] | None = None,
) -> dict[int, tuple[str, ...]]:
    """Choose the slices worth a look.

    First those that stand for something: the largest cross-section of the lesion, its longest
    diameter, most doubt, most corrected, most disagreement with the truth. Where there is room
    left, slices spread evenly through the lesion.

    Parameters
    ----------
    mask : ndarray, shape (Z, Y, X)
        What the report stands on.
    count : int
        How many at most.
    diameter_slice : int, optional
        Where the longest diameter was measured.
    uncertainty : ndarray, shape (Z, Y, X), optional
        Of the prediction, in bits.
    base : ndarray, shape (Z, Y, X), optional
        What was corrected.
    truth : ndarray, shape (Z, Y, X), optional

    Returns
    -------
    dict of int to tuple of str
        Index along Z to the reasons, in the order of the slices.
    """
    lesion = mask != 0
    areas = lesion.sum(axis=(1, 2))
    reasons: dict[int, list[str]] = {}

    def add(index: int, why: str) -> None:
        if index in reasons or len(reasons) < count:
            reasons.setdefault(index, []).append(why)

    if areas.any():
        add(int(areas.argmax()), "largest cross-section")
    if diameter_slice is not None:
        add(diameter_slice, "longest diameter")
    if base is not None:
        changed = (lesion != (base != 0)).sum(axis=(1, 2))
        if changed.any():
            add(int(changed.argmax()), "most corrected")
    if uncertainty is not None:
        doubt = np.where(uncertainty >= DOUBTFUL_BITS, uncertainty, 0).sum(axis=(1, 2))
        if doubt.max() >= LEAST_DOUBT_BITS:
            add(int(doubt.argmax()), "most uncertain")
    if truth is not None:
        differing = (lesion != (truth != 0)).sum(axis=(1, 2))
        if differing.any():
            add(int(differing.argmax()), "most disagreement")
    # The last few voxels of a lesion show nothing: they come where nothing else is left.
    for found in (areas >= max(1.0, _LEAST_SHARE * areas.max()), areas > 0):
        for index in spread(np.flatnonzero(found), reasons, count - len(reasons)):
            reasons[index] = []
    if not reasons:
        reasons[mask.shape[0] // 2] = ["middle of the stack, no lesion"]
    return {index: tuple(reasons[index]) for index in sorted(reasons)}


def spread(
    slices: Iterable[int], chosen: Iterable[int], room: int, *, nearest: int = 2
) -> list[int]:
    """Take slices one by one, each as far as possible from those that are shown already.

    Parameters
    ----------
    slices : iterable of int
        To choose among.
    chosen : iterable of int
        Shown already.
    room : int
        How many at most.
    nearest : int
        Least distance: a neighbour of a slice that is shown hardly shows anything new.
    """
    chosen = set(chosen)
    added: list[int] = []
    left = [int(z) for z in slices if z not in chosen]
    while left and len(added) < room:
        shown = [*chosen, *added]
        best = max(left, key=lambda z: min((abs(z - other) for other in shown), default=0))
        if shown and min(abs(best - other) for other in shown) < nearest:
            break
        added.append(best)
        left.remove(best)
    return added
