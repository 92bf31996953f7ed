"""Everything that the meter of a correction counts and measures, behind one door.

Thread-safety: `apply`, `compare_with` and `read` belong under the lock of the correction; `changed`
is emitted by the thread that measures the distances.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from napari_brainseg.session.live_distance import LiveDistance
from napari_brainseg.session.meter import Meter, Overlap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psygnal import SignalInstance

__all__ = ["LiveMeter"]

_revisions = itertools.count(1)


class LiveMeter:
    """Counts at once, measures a moment later.

    Parameters
    ----------
    base : ndarray of uint8, shape (Z, Y, X)
        The mask that the correction started from.
    current : ndarray of uint8, shape (Z, Y, X)
        The correction as it is now; not kept.
    truth, prediction : ndarray of uint8, shape (Z, Y, X), or None
        Masks to compare with; kept, not copied.
    spacing_mm : tuple of float or None
        Of voxels along z, y and x.
    voxel_volume_ml : float or None
        Volume of a voxel in millilitres.
    """

    def __init__(
        self,
        base: NDArray[np.uint8],
        current: NDArray[np.uint8],
        *,
        truth: NDArray[np.uint8] | None = None,
        prediction: NDArray[np.uint8] | None = None,
        spacing_mm: tuple[float, float, float] | None = None,
        voxel_volume_ml: float | None = None,
    ) -> None:
        self._ml = voxel_volume_ml
        self._from_base = Overlap(base, current)
        self._from_truth = None if truth is None else Overlap(truth, current)
        self._from_prediction = None if prediction is None else Overlap(prediction, current)
        self._distance = LiveDistance(current, spacing_mm)
        if truth is not None:
            self._distance.compare("truth", truth)
        if prediction is not None:
            self._distance.compare("prediction", prediction)

    @property
    def changed(self) -> SignalInstance:
        """Emits nothing but the news: the distances are current again."""
        return self._distance.changed

    def compare_with(self, prediction: NDArray[np.uint8], current: NDArray[np.uint8]) -> None:
        """Set the prediction to compare the correction with, as the correction is now."""
        self._from_prediction = Overlap(prediction, current)
        self._distance.compare("prediction", prediction)

    def apply(
        self, indices: NDArray[np.int64], before: NDArray[np.uint8], after: NDArray[np.uint8]
    ) -> None:
        """Take changed voxels in (flat indices with old and new values)."""
        for overlap in (self._from_base, self._from_truth, self._from_prediction):
            if overlap is not None:
                overlap.apply(indices, before, after)
        self._distance.apply(indices, after)

    def read(self, *, strokes: int, seconds: float) -> Meter:
        """All figures as they are now; costs microseconds."""
        truth, prediction = self._from_truth, self._from_prediction
        distances = self._distance.distances
        return Meter(
            dsc_truth=None if truth is None else truth.dsc,
            dsc_prediction=None if prediction is None else prediction.dsc,
            volume_vox=self._from_base.current_vox,
            volume_ml=self._in_ml(self._from_base.current_vox),
            added_vox=self._from_base.added_vox,
            removed_vox=self._from_base.removed_vox,
            strokes=strokes,
            seconds=seconds,
            hd95_truth=distances.truth,
            hd95_prediction=distances.prediction,
            hd95_unit=self._distance.unit,
            hd95_is_current=distances.is_current,
            truth_vox=None if truth is None else truth.fixed_vox,
            prediction_vox=None if prediction is None else prediction.fixed_vox,
            truth_ml=None if truth is None else self._in_ml(truth.fixed_vox),
            prediction_ml=None if prediction is None else self._in_ml(prediction.fixed_vox),
            revision=next(_revisions),
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the distances are current; whether they are."""
        return self._distance.wait(timeout)

    def close(self) -> None:
        """Measure no distances any more."""
        self._distance.close()

    def _in_ml(self, voxels: int) -> float | None:
        return None if self._ml is None else voxels * self._ml
