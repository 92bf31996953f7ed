"""The masks of the open case as they are shown, and how they differ from the ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_brainseg.viewer.difference import Counts, Difference
from napari_brainseg.viewer.live_threshold import LiveThreshold
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    PREDICTION_NAME,
    TRUTH_NAME,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case

__all__ = ["CaseMasks"]


class CaseMasks:
    """Masks of one case; the case itself is never changed.

    Parameters
    ----------
    case : Case
        Has truth, prediction and correction.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.live: LiveThreshold | None = None
        self._difference: Difference | None = None
        self._is_stale = True
        self.take_prediction()

    def take_prediction(self) -> None:
        """Follow the prediction of the case; its threshold is the delivered one."""
        prediction = self.case.prediction
        if prediction is None:
            self.live = None
        elif self.live is None or self.live.prediction is not prediction:
            self.live = LiveThreshold(prediction)
        self._is_stale = True

    def take_correction(self) -> None:
        """Follow the correction of the case, which began or was set aside."""
        self._is_stale = True

    def mask(self, name: str) -> NDArray[np.uint8] | None:
        """Return what is on show, (Z, Y, X); `None` where there is nothing of that name."""
        case = self.case
        if name == TRUTH_NAME:
            return case.truth
        if name == PREDICTION_NAME:
            return None if self.live is None else self.live.mask
        if name == CORRECTION_NAME:
            return None if case.correction is None else case.correction.data
        if name == DIFFERENCE_NAME:
            return self.difference
        return None

    def has(self, name: str) -> bool:
        """Whether the case has data for an overlay."""
        if name == DIFFERENCE_NAME:
            return self.difference_of is not None
        if name == DOUBT_NAME:
            return self.live is not None
        return self.mask(name) is not None

    @property
    def doubt(self) -> NDArray[np.float32] | None:
        """Uncertainty of the prediction in bits, (Z, Y, X)."""
        return None if self.live is None else self.live.prediction.uncertainty

    @property
    def difference_of(self) -> Literal["correction", "prediction"] | None:
        """What is compared with the truth, `None` where one of them lacks."""
        if self.case.truth is None:
            return None
        if self.case.correction is not None:
            return "correction"
        return None if self.live is None else "prediction"

    @property
    def difference(self) -> NDArray[np.uint8] | None:
        """Labels of `difference.Difference`, (Z, Y, X), made when first asked for."""
        return None if (found := self._compared()) is None else found.labels

    def counts(self, slice_index: int) -> Counts | None:
        """Voxels of each kind in a slice, `None` where nothing is compared."""
        return None if (found := self._compared()) is None else found.counts(slice_index)

    def note_change(self, of: str, slices: Iterable[int] | None = None) -> bool:
        """Take note that a mask changed in place; whether the difference changed with it.

        Parameters
        ----------
        of : {"correction", "prediction"}
            Which one.
        slices : iterable of int, optional
            Where; everywhere by default.
        """
        if self.difference_of != of:
            return False
        mask = self._compared_mask()
        if self._difference is not None and not self._is_stale and mask is not None:
            self._difference.update(mask, slices)
        return True

    def _compared(self) -> Difference | None:
        mask, truth = self._compared_mask(), self.case.truth
        if mask is None or truth is None:
            self._difference = None
            return None
        if self._difference is None:
            self._difference = Difference(truth, mask)
        elif self._is_stale:
            self._difference.update(mask)
        self._is_stale = False
        return self._difference

    def _compared_mask(self) -> NDArray[np.uint8] | None:
        of = self.difference_of
        if of is None:
            return None
        return self.mask(CORRECTION_NAME if of == "correction" else PREDICTION_NAME)
