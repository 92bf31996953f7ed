"""Predictions of the open case, which a person waits for.

Thread-safety: every method may be called from any thread; signals mostly come from the worker.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.prediction import Priority

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Progress
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.prediction_store import PredictionStore

__all__ = ["ForegroundPredictions"]


class ForegroundPredictions:
    """Asks the service for the open case and hands the results to it.

    Parameters
    ----------
    service : PredictionService
        Runs the jobs, those of the background too, which go by unseen here.
    """

    started = Signal(object)
    """`PredictionJob`."""
    progress = Signal(object)
    """`Progress`."""
    finished = Signal(object)
    """`PredictionJob`: ended, or nobody waits for it any more."""
    fault = Signal(object)
    """`BrainSegError`."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._lock = threading.RLock()
        self._jobs: dict[PredictionJob, Case] = {}
        service.started.connect(self._on_started)
        service.progress.connect(self._on_progress)
        service.finished.connect(self._on_finished)

    def predict(
        self, case: Case, bundle: Bundle, *, device: str, tta: bool, store: PredictionStore
    ) -> PredictionJob:
        """Predict a case; another prediction of it is stopped, the same one is joined."""
        with self._lock:
            before = [job for job, of in self._jobs.items() if of is case]
            job = self._service.predict(
                case.study, bundle, device=device, tta=tta, sha=case.image_sha256, store=store
            )
            runs = job.is_running
            for other in before:
                # Joined: what was asked twice counts once.
                self._service.release(other, Priority.FOREGROUND)
            self._jobs[job] = case
        if runs and job not in before:
            # It began in the background, where nobody was told.
            self.started.emit(job)
        return job

    def cancel(self) -> None:
        """Stop what the user waits for."""
        with self._lock:
            jobs = tuple(self._jobs)
        for job in jobs:
            job.cancel()

    def leave(self, case: Case) -> None:
        """Stop predicting a case that is no longer open, unless the background wants it too."""
        with self._lock:
            jobs = [job for job, of in self._jobs.items() if of is case]
            for job in jobs:
                self._service.release(job, Priority.FOREGROUND)
            go_on = [job for job in jobs if not job.is_cancelled]
            for job in go_on:
                del self._jobs[job]
        for job in go_on:
            self.finished.emit(job)

    def _on_started(self, job: PredictionJob) -> None:
        with self._lock:
            mine = job in self._jobs
        if mine:
            self.started.emit(job)

    def _on_progress(self, job: PredictionJob, progress: Progress) -> None:
        if job in self._jobs:
            self.progress.emit(progress)

    def _on_finished(self, job: PredictionJob) -> None:
        with self._lock:
            case = self._jobs.pop(job, None)
        if case is None:
            return
        if job.prediction is not None:
            try:
                case.set_prediction(job.prediction)
            except BrainSegError as error:
                self.fault.emit(error)
        elif job.error is not None:
            self.fault.emit(job.error)
        self.finished.emit(job)
