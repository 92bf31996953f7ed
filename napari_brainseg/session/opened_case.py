"""The one case that is open: what was painted is saved when another takes its place.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.case_follower import CaseFollower
from napari_brainseg.session.disk_watch import SourceFiles, SourceWatch

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.foreground import ForegroundPredictions
    from napari_brainseg.session.meter import Meter
    from napari_brainseg.session.ordering import Suggestion
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.prefetch import LoadedCase
    from napari_brainseg.session.reading import Reading
    from napari_brainseg.session.shelf import Shelf

__all__ = ["OpenedCase"]


class OpenedCase:
    """Opens a loaded patient as the case at work, and passes on what happens to it.

    Parameters
    ----------
    shelf : Shelf
        Where the work is kept.
    reading : Reading
        What lies around the case.
    foreground : ForegroundPredictions
        Predicts it.
    preferences : Preferences
        Whether predictions show, and are made, without being asked for.
    """

    opened = Signal(object)
    """`Case`, with its saved correction and prediction."""
    closed = Signal()
    """No case is open any more."""
    prediction_ready = Signal(object)
    """`Prediction` that may be shown."""
    correction_started = Signal(object)
    """`Correction`."""
    corrected = Signal(object)
    """`Meter`."""
    status_changed = Signal(str)
    """`CaseStatus`."""
    fault = Signal(object)
    """`BrainSegError` of what was not asked for."""

    def __init__(
        self,
        shelf: Shelf,
        reading: Reading,
        foreground: ForegroundPredictions,
        preferences: Preferences,
    ) -> None:
        self._shelf = shelf
        self._reading = reading
        self._foreground = foreground
        self._preferences = preferences
        self._lock = threading.RLock()
        self._case: Case | None = None
        self._watches: tuple[CaseFollower | SourceWatch, ...] = ()
        self._suggestion: Suggestion | None = None

    @property
    def case(self) -> Case | None:
        """The open case."""
        return self._case

    @property
    def suggestion(self) -> Suggestion | None:
        """Why it should be read."""
        return self._suggestion

    def show(self, loaded: LoadedCase) -> Case:
        """Open a patient in place of the one before.

        Raises
        ------
        DataError
            If the one before has strokes that the disk does not take: it stays open.
        """
        from napari_brainseg.session.case import Case

        # What was painted must be on disk before the same patient may be opened again.
        if self._case is not None:
            self._save(self._case, must=True)
        suggestion = self._reading.suggestion_of(loaded.study.patient)
        case = Case(
            loaded.study,
            self._shelf.catalogue,
            image_sha256=loaded.sha,
            blind=suggestion is not None and suggestion.blind,
            window=self._reading.window,
            editor=self._shelf.editor,
        )
        predict = bool(self._preferences.get("predict_on_open"))
        if predict:
            loaded.prediction = self._reading.prediction_of(loaded)
            if loaded.prediction is not None:
                case.set_prediction(loaded.prediction)
        case.prediction_changed.connect(self._on_prediction)
        case.correction_started.connect(self._on_correction_started)
        case.corrected.connect(self._on_corrected)
        case.status_changed.connect(self._on_status)
        with self._lock:
            before, self._case = self._case, case
            watches, self._watches = self._watches, _watches_of(case, loaded)
            self._suggestion = suggestion
        if before is not None:
            self._leave(before, watches)
        self.opened.emit(case)
        if predict and loaded.prediction is None:
            self._predict(case)
        self._reading.settle(case, loaded)
        return case

    def close(self) -> None:
        """Close the case. Paint that was not committed is committed."""
        with self._lock:
            case, self._case = self._case, None
            watches, self._watches = self._watches, ()
            self._suggestion = None
        if case is not None:
            self._leave(case, watches)
            self._reading.leave(case.patient)
            self.closed.emit()

    def _predict(self, case: Case) -> None:
        from napari_brainseg.session.prefetch import can_predict

        if not can_predict(case.study):
            return
        shelf = self._shelf
        try:
            self._foreground.predict(
                case, shelf.registry.current, device="auto", tta=False, store=shelf.store
            )
        except BrainSegError as error:
            # The patient can be looked at and corrected all the same.
            self.fault.emit(error)

    def _leave(self, case: Case, watches: tuple[CaseFollower | SourceWatch, ...]) -> None:
        for watch in watches:
            watch.close()
        # Not under the lock: a signal that is being emitted elsewhere holds its own.
        case.prediction_changed.disconnect(self._on_prediction)
        case.correction_started.disconnect(self._on_correction_started)
        case.corrected.disconnect(self._on_corrected)
        case.status_changed.disconnect(self._on_status)
        self._foreground.leave(case)
        self._save(case)
        try:
            case.close()
        except BrainSegError as error:
            self.fault.emit(error)

    def _save(self, case: Case, *, must: bool = False) -> None:
        correction = case.correction
        if correction is None:
            return
        try:
            correction.commit()
        except BrainSegError as error:
            if must and correction.unsaved and not correction.is_lost:
                raise
            self.fault.emit(error)

    def _on_prediction(self, prediction: Prediction) -> None:
        self.prediction_ready.emit(prediction)

    def _on_correction_started(self, correction: Correction) -> None:
        self.correction_started.emit(correction)

    def _on_corrected(self, meter: Meter) -> None:
        self._reading.active()
        self.corrected.emit(meter)

    def _on_status(self, status: str) -> None:
        case = self._case
        if case is not None:
            self._reading.worklist.update(case.patient)
        self.status_changed.emit(status)


def _watches_of(case: Case, loaded: LoadedCase) -> tuple[CaseFollower | SourceWatch, ...]:
    """Look after what other windows and programs do to a case."""
    follower = CaseFollower(case)
    if case.study.path is None:
        return (follower,)
    case.sources = SourceFiles(case.study, fingerprint=loaded.fingerprint)
    return follower, SourceWatch(case.sources, case.note_sources)
