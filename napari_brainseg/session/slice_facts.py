"""What is known of each slice of a case, and where to look next.

Thread-safety: none of its own; one object belongs to one thread, the window's main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["SliceFacts"]

DOUBTFUL_BITS = 0.3
"""From so much uncertainty on a voxel is doubtful: a probability between 0.05 and 0.95.

Calibrated probabilities are hardly ever 0 or 1, so that the traces of thousands of sure voxels
would add up to more than what is really in doubt. The canvas shows doubt from there on, too.
"""
DOUBT_FLOOR_BITS = 1.0
"""Less doubt in a slice, summed over its voxels, is nothing to look at."""


class SliceFacts:
    """Counts per slice of one case, kept up to date stroke by stroke.

    Masks are kept, not copied: the correction is counted again from the array that the brush
    writes into, for the slices that `touch` names.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) in voxels.

    Attributes
    ----------
    prediction, truth, correction : ndarray of int64, shape (Z,), or None
        Lesion voxels of each mask in each slice; `None` where there is no such mask.
    doubtful : ndarray of int64, shape (Z,), or None
        Voxels whose uncertainty is at least `DOUBTFUL_BITS`.
    uncertainty : ndarray of float64, shape (Z,), or None
        Sum of the uncertainty of the doubtful voxels, in bits.
    mean_uncertainty : ndarray of float64, shape (Z,), or None
        Mean uncertainty of all voxels of the slice, 0 to 1 bit.
    disagreement : ndarray of int64, shape (Z,), or None
        Voxels in which the correction (the prediction where there is none) differs from the
        truth; without a truth, in which the correction differs from the prediction.
    edited : ndarray of bool, shape (Z,)
        Whether the correction differs from the mask it started from.
    seen : ndarray of bool, shape (Z,)
        Whether somebody has looked at the slice.
    """

    changed = Signal(object)
    """`frozenset` of the slices whose figures changed, `None` for all of them."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.seen = np.zeros(shape[0], np.bool_)
        self.edited = np.zeros(shape[0], np.bool_)
        self.prediction: NDArray[np.int64] | None = None
        self.truth: NDArray[np.int64] | None = None
        self.correction: NDArray[np.int64] | None = None
        self.doubtful: NDArray[np.int64] | None = None
        self.uncertainty: NDArray[np.float64] | None = None
        self.mean_uncertainty: NDArray[np.float64] | None = None
        self.disagreement: NDArray[np.int64] | None = None
        self._predicted: NDArray[np.uint8] | None = None
        self._true: NDArray[np.uint8] | None = None
        self._corrected: NDArray[np.uint8] | None = None
        self._base: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def set_truth(self, mask: NDArray[np.uint8] | None) -> None:
        """Take the ground truth, shape (Z, Y, X)."""
        self._true = mask
        self.truth = None if mask is None else _areas(mask)
        self._compare()
        self.changed.emit(None)

    def set_prediction(self, mask: NDArray[np.uint8] | None) -> None:
        """Take the prediction at the threshold on show, shape (Z, Y, X).

        Quick enough to be called at each step of a threshold's slider.
        """
        self._predicted = mask
        self.prediction = None if mask is None else _areas(mask)
        self._compare()
        self.changed.emit(None)

    def set_uncertainty(self, uncertainty: NDArray[np.float32] | None) -> None:
        """Take the voxels' uncertainty in bits, shape (Z, Y, X)."""
        if uncertainty is None:
            self.doubtful = self.uncertainty = self.mean_uncertainty = None
        else:
            flat = uncertainty.reshape(self.shape[0], -1)
            doubtful = flat >= DOUBTFUL_BITS
            self.doubtful = _counts(doubtful)
            self.uncertainty = np.array(
                [
                    plane[where].sum(dtype=np.float64)
                    for plane, where in zip(flat, doubtful, strict=True)
                ]
            )
            self.mean_uncertainty = flat.mean(axis=1, dtype=np.float64)
        self.changed.emit(None)

    def set_correction(
        self, data: NDArray[np.uint8] | None, base: NDArray[np.uint8] | None = None
    ) -> None:
        """Take the mask being painted and the one it started from, both (Z, Y, X)."""
        self._corrected = data
        self._base = data if base is None else base
        self.edited = np.zeros(self.shape[0], np.bool_)
        self.correction = None
        if data is not None and self._base is not None:
            self.correction = _areas(data)
            self.edited = _differing(data, self._base) > 0
        self._compare()
        self.changed.emit(None)

    def touch(self, slices: Iterable[int]) -> None:
        """Count the correction again in slices (0-based) in which it was painted."""
        if self._corrected is None or self.correction is None or self._base is None:
            return
        touched = sorted(set(slices))
        against = self._against()
        for z in touched:
            mask = self._corrected[z]
            self.correction[z] = np.count_nonzero(mask)
            self.edited[z] = bool(np.any((mask != 0) != (self._base[z] != 0)))
            if against is not None and self.disagreement is not None:
                self.disagreement[z] = np.count_nonzero((mask != 0) != (against[z] != 0))
        if touched:
            self.changed.emit(frozenset(touched))

    def set_seen(self, seen: NDArray[np.bool_]) -> None:
        """Take what was seen before, shape (Z,); slices seen already stay so."""
        self.seen |= seen
        self.changed.emit(None)

    def mark_seen(self, index: int) -> bool:
        """Note that a slice (0-based) was looked at; whether that is news."""
        if self.seen[index]:
            return False
        self.seen[index] = True
        self.changed.emit(frozenset({index}))
        return True

    # where to look next ----------------------------------------------------------------------

    @property
    def lesion(self) -> NDArray[np.bool_]:
        """Slices in which any of the masks has a lesion, shape (Z,)."""
        found = np.zeros(self.shape[0], np.bool_)
        for areas in (self.prediction, self.truth, self.correction):
            if areas is not None:
                found |= areas > 0
        return found

    @property
    def worst(self) -> tuple[int, ...]:
        """Slices worth a second look, the worst first: most disagreement, then most doubt."""
        differing = np.zeros(self.shape[0]) if self.disagreement is None else self.disagreement
        doubt = np.zeros(self.shape[0]) if self.uncertainty is None else self.uncertainty
        ranked = np.lexsort((np.arange(self.shape[0]), -doubt, -differing))
        return tuple(
            int(z) for z in ranked if differing[z] > 0 or doubt[z] >= DOUBT_FLOOR_BITS
        )  # fmt: skip

    def next_lesion(self, index: int) -> int | None:
        """Index of the next slice with a lesion, `None` behind the last one."""
        behind = np.flatnonzero(self.lesion[index + 1 :])
        return index + 1 + int(behind[0]) if behind.size else None

    def previous_lesion(self, index: int) -> int | None:
        """Index of the slice with a lesion before this one, `None` before the first one."""
        before = np.flatnonzero(self.lesion[: max(index, 0)])
        return int(before[-1]) if before.size else None

    def next_worst(self, index: int) -> int | None:
        """Index of the slice that is next worst after this one; after the least, the worst again.

        From a slice that is not among them it is the worst one.
        """
        ranked = self.worst
        if not ranked:
            return None
        return ranked[(ranked.index(index) + 1) % len(ranked)] if index in ranked else ranked[0]

    def next_unseen(self, index: int) -> int | None:
        """Index of the next slice nobody has looked at, `None` if there is none.

        Slices with a lesion come first, then their neighbours, then the others; of each kind the
        next one below, and at the end from the top again.
        """
        lesion = self.lesion
        near = lesion.copy()
        near[1:] |= lesion[:-1]
        near[:-1] |= lesion[1:]
        order = (index + 1 + np.arange(self.shape[0])) % self.shape[0]
        for kind in (lesion, near, np.ones_like(lesion)):
            left = order[(kind & ~self.seen)[order]]
            left = left[left != index]
            if left.size:
                return int(left[0])
        return None

    def _against(self) -> NDArray[np.uint8] | None:
        if self._true is not None:
            return self._true
        return None if self._corrected is None else self._predicted

    def _compare(self) -> None:
        mine = self._predicted if self._corrected is None else self._corrected
        against = self._against()
        self.disagreement = None
        if mine is not None and against is not None:
            self.disagreement = _differing(mine, against)


def _areas(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    return _counts(mask != 0)


def _differing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int64]:
    return _counts((first != 0) != (second != 0))


def _counts(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    # Five times as quick as `count_nonzero` with axes, which adds up voxel by voxel.
    return np.fromiter((np.count_nonzero(plane) for plane in flags), np.int64, len(flags))
