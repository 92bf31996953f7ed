"""The live figures of a correction, kept as running counts.

A stroke changes a few hundred of some four million voxels. Each overlap is a sum over voxels, so
it is enough to add up the changed ones; a full count is made only when a mask to compare with is
set. Distances take longer and come from `live_distance`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DistanceUnit", "Meter", "Overlap", "dsc_from_counts"]

DistanceUnit = Literal["mm", "voxels"]
"""Of HD95: millimetres where the voxel spacing is known, else voxels of every axis alike."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Figures shown while correcting.

    Parameters
    ----------
    dsc_truth : float or None
        Dice similarity coefficient of the correction with the ground truth, `None` without one.
    dsc_prediction : float or None
        The same with the prediction.
    volume_vox : int
        Lesion voxels of the correction.
    volume_ml : float or None
        The same in millilitres, `None` where the voxel spacing is unknown.
    added_vox, removed_vox : int
        Voxels that the correction has and its starting mask has not, and the other way round.
    strokes : int
        Strokes in force; an undone stroke does not count.
    seconds : float
        Time spent on editing, pauses left out.
    hd95_truth, hd95_prediction : float or None
        95 % Hausdorff distance of the correction to ground truth and prediction, as
        `core.segmentation.metrics` defines it: 0 where both masks are empty, NaN where only one
        is. `None` without a mask to compare with, or before it was measured for the first time.
    hd95_unit : {"mm", "voxels"}
        Of the distances.
    hd95_is_current : bool
        Whether the distances belong to the strokes so far; they lag a moment behind them, and
        `Correction.meter_changed` is emitted again when they have caught up.
    truth_vox, prediction_vox : int or None
        Lesion voxels of ground truth and prediction, `None` without one.
    truth_ml, prediction_ml : float or None
        The same in millilitres, `None` where the voxel spacing is unknown too.
    revision : int
        Grows with every change: of two meters of one session the one with the larger number is
        the later one, whichever thread brought it first. Not compared.
    """

    dsc_truth: float | None
    dsc_prediction: float | None
    volume_vox: int
    volume_ml: float | None
    added_vox: int
    removed_vox: int
    strokes: int
    seconds: float
    hd95_truth: float | None = None
    hd95_prediction: float | None = None
    hd95_unit: DistanceUnit = "voxels"
    hd95_is_current: bool = True
    truth_vox: int | None = None
    prediction_vox: int | None = None
    truth_ml: float | None = None
    prediction_ml: float | None = None
    revision: int = field(default=0, compare=False, repr=False)


def dsc_from_counts(first: int, second: int, common: int) -> float:
    """DSC from voxel counts; two empty masks agree fully (1.0)."""
    return 1.0 if first + second == 0 else 2.0 * common / (first + second)


class Overlap:
    """Running overlap of a mask that changes with one that does not.

    Parameters
    ----------
    fixed : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones; kept, not copied.
    current : ndarray of uint8, shape (Z, Y, X)
        The changing mask as it is now.
    """

    __slots__ = ("_fixed", "common", "current_vox", "fixed_vox")

    def __init__(self, fixed: NDArray[np.uint8], current: NDArray[np.uint8]) -> None:
        self._fixed = fixed.reshape(-1)
        self.fixed_vox = int(np.count_nonzero(fixed))
        self.current_vox = int(np.count_nonzero(current))
        self.common = int(np.count_nonzero(fixed & current))

    def apply(
        self, indices: NDArray[np.int64], before: NDArray[np.uint8], after: NDArray[np.uint8]
    ) -> None:
        """Count changed voxels (flat indices with old and new values, 0 or 1)."""
        change = after.astype(np.int64) - before
        self.current_vox += int(change.sum())
        self.common += int(change[self._fixed[indices] != 0].sum())

    @property
    def dsc(self) -> float:
        """DSC of the two masks."""
        return dsc_from_counts(self.current_vox, self.fixed_vox, self.common)

    @property
    def added_vox(self) -> int:
        """Voxels only in the changing mask."""
        return self.current_vox - self.common

    @property
    def removed_vox(self) -> int:
        """Voxels only in the fixed mask."""
        return self.fixed_vox - self.common
