"""Whether probabilities mean what they say, near the outlines where masks are decided.

Far from a lesion any network is sure and right; counted over a whole volume, that many voxels
would hide how it does where it matters. So voxels count within 10 voxels of an outline of the
truth or of the delivered mask: Euclidean distance in-plane, slice by slice, because slices lie
several times further apart than pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BAND_VOX", "BINS", "Calibration", "CalibrationCounts", "ReliabilityBin", "band"]

BAND_VOX = 10.0
BINS = 10
UNCERTAINTY_BINS = 1024
"""Even in the square root of the uncertainty: most voxels are nearly sure."""


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReliabilityBin(_Result):
    """Voxels whose probability lies in [low, high), 1 in the last one."""

    low: float
    high: float
    voxels: int
    probability: float | None
    """Mean over them; ``None`` where there are none."""
    lesion_share: float | None
    """How many of them are lesion."""


class Calibration(_Result):
    """Calibration over patients, near the outlines."""

    patients: int
    """Those with an outline of either kind."""
    band_vox: float = BAND_VOX
    voxels: int
    bins: tuple[ReliabilityBin, ...]
    expected_error: float
    """Mean over voxels of how far probability and share of lesion lie apart, by bin (expected
    calibration error; Guo et al. 2017, arXiv 1706.04599; of the probability of lesion)."""
    uncertainty_auroc: float | None
    """Chance that a wrong voxel of the delivered mask is less certain than a right one; 0.5 is no
    better than none. ``None`` where all are right or all wrong."""


@dataclass(eq=False)
class CalibrationCounts:
    """Sums of any number of patients; a few kilobytes however many.

    Parameters
    ----------
    patients : int
        Those that had an outline.
    voxels, lesion : ndarray of int64, shape (BINS,)
        By probability: voxels, and those of them that are lesion.
    probability : ndarray of float64, shape (BINS,)
        Sum of probabilities.
    right, wrong : ndarray of int64, shape (UNCERTAINTY_BINS,)
        By uncertainty: voxels where the mask is right and where it is not.
    """

    patients: int = 0
    voxels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    lesion: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    probability: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    right: NDArray[np.int64] = field(default_factory=lambda: np.zeros(UNCERTAINTY_BINS, np.int64))
    wrong: NDArray[np.int64] = field(default_factory=lambda: np.zeros(UNCERTAINTY_BINS, np.int64))

    @classmethod
    def of(
        cls,
        probability: NDArray[np.float32],
        uncertainty: NDArray[np.float32],
        mask: NDArray[np.generic],
        truth: NDArray[np.generic],
    ) -> CalibrationCounts:
        """Count one patient.

        Parameters
        ----------
        probability : ndarray of float32, shape (Z, Y, X)
            Of lesion.
        uncertainty : ndarray of float32, shape (Z, Y, X)
            0 (sure) to 1 (cannot tell).
        mask, truth : ndarray, shape (Z, Y, X)
            The mask as delivered, and the ground truth; what is not 0 is lesion.
        """
        near = band(mask, truth)
        return cls.near(probability[near], uncertainty[near], mask[near], truth[near])

    @classmethod
    def near(
        cls,
        probability: NDArray[np.float32],
        uncertainty: NDArray[np.float32],
        mask: NDArray[np.generic],
        truth: NDArray[np.generic],
    ) -> CalibrationCounts:
        """Count one patient whose voxels near outlines are picked already; see `of` and `band`.

        Parameters
        ----------
        probability, uncertainty, mask, truth : ndarray, shape (voxels,)
            As `of` takes them.
        """
        if probability.size == 0:
            return cls()
        given, is_lesion = probability.astype(np.float64), truth != 0
        place = np.clip((given * BINS).astype(np.int64), 0, BINS - 1)
        doubt = np.clip(
            (np.sqrt(uncertainty) * UNCERTAINTY_BINS).astype(np.int64), 0, UNCERTAINTY_BINS - 1
        )
        is_right = (mask != 0) == is_lesion
        return cls(
            patients=1,
            voxels=np.bincount(place, minlength=BINS),
            lesion=np.bincount(place[is_lesion], minlength=BINS),
            probability=np.bincount(place, weights=given, minlength=BINS).astype(np.float64),
            right=np.bincount(doubt[is_right], minlength=UNCERTAINTY_BINS),
            wrong=np.bincount(doubt[~is_right], minlength=UNCERTAINTY_BINS),
        )

    def __add__(self, other: CalibrationCounts) -> CalibrationCounts:
        """Put patients together."""
        return CalibrationCounts(
            self.patients + other.patients,
            self.voxels + other.voxels,
            self.lesion + other.lesion,
            self.probability + other.probability,
            self.right + other.right,
            self.wrong + other.wrong,
        )

    def summary(self) -> Calibration | None:
        """Say how well calibrated the model is; ``None`` where no voxel was counted."""
        total = int(self.voxels.sum())
        if total == 0:
            return None
        bins = tuple(
            ReliabilityBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                voxels=int(voxels),
                probability=float(given / voxels) if voxels else None,
                lesion_share=float(lesion / voxels) if voxels else None,
            )
            for index, (voxels, given, lesion) in enumerate(
                zip(self.voxels, self.probability, self.lesion, strict=True)
            )
        )
        return Calibration(
            patients=self.patients,
            voxels=total,
            bins=bins,
            expected_error=float(np.abs(self.probability - self.lesion).sum() / total),
            uncertainty_auroc=_auroc(self.right, self.wrong),
        )


def band(mask: NDArray[np.generic], truth: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Find voxels near an outline of either mask, slice by slice.

    An outline is made of the lesion pixels with a background pixel, or the border of the slice,
    beside, above or below them. Slices without lesion in either mask have none.

    Parameters
    ----------
    mask, truth : ndarray, shape (Z, Y, X)
        What is not 0 is lesion.

    Returns
    -------
    ndarray of bool, shape (Z, Y, X)
        Distance to the next outline pixel of the slice `BAND_VOX` or less.
    """
    from scipy import ndimage

    near = np.zeros(mask.shape, dtype=bool)
    outer = int(BAND_VOX)
    for z in range(mask.shape[0]):
        outline = np.zeros(mask.shape[1:], dtype=bool)
        for lesion in (mask[z] != 0, truth[z] != 0):
            if lesion.any():
                outline |= lesion & ~ndimage.binary_erosion(lesion)
        rows, columns = (np.flatnonzero(outline.any(axis=axis)) for axis in (1, 0))
        if rows.size == 0:
            continue
        box = tuple(
            slice(max(0, int(hits[0]) - outer), int(hits[-1]) + outer + 1)
            for hits in (rows, columns)
        )
        near[z][box] = ndimage.distance_transform_edt(~outline[box]) <= BAND_VOX
    return near


def _auroc(lower: NDArray[np.int64], upper: NDArray[np.int64]) -> float | None:
    """Chance that a draw from `upper` lies in a higher bin than one from `lower`; ties half."""
    pairs = float(lower.sum()) * float(upper.sum())
    if pairs == 0:
        return None
    below = np.cumsum(lower) - lower
    return float((upper * (below + lower / 2)).sum() / pairs)
