"""Where a mask and the ground truth agree and where not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["FALSE_NEGATIVE", "FALSE_POSITIVE", "TRUE_POSITIVE", "Counts", "Difference"]

FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE = 1, 2, 3
"""Labels of the difference: truth counts 1, the mask 2."""


class Counts(NamedTuple):
    """Voxels of each kind."""

    true_positive: int
    false_positive: int
    false_negative: int


class Difference:
    """Labels of a mask compared with the ground truth, kept up to date in place.

    Parameters
    ----------
    truth : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones.
    mask : ndarray of uint8, shape (Z, Y, X)
        The same grid.

    Attributes
    ----------
    labels : ndarray of uint8, shape (Z, Y, X)
        0, `FALSE_NEGATIVE`, `FALSE_POSITIVE` or `TRUE_POSITIVE`. It changes in place.
    """

    def __init__(self, truth: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        self._truth = truth
        self.labels = np.empty(truth.shape, np.uint8)
        self.update(mask)

    def update(self, mask: NDArray[np.uint8], slices: Iterable[int] | None = None) -> None:
        """Compare again: some slices, or all."""
        if slices is None:
            _compare(self._truth, mask, self.labels)
        else:
            for z in slices:
                _compare(self._truth[z], mask[z], self.labels[z])

    def counts(self, slice_index: int) -> Counts:
        """Count the voxels of a slice by its index, 0-based."""
        found = np.bincount(self.labels[slice_index].ravel(), minlength=4)
        return Counts(
            int(found[TRUE_POSITIVE]), int(found[FALSE_POSITIVE]), int(found[FALSE_NEGATIVE])
        )


def _compare(truth: NDArray[np.uint8], mask: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    np.left_shift(mask, 1, out=labels)
    np.bitwise_or(labels, truth, out=labels)
