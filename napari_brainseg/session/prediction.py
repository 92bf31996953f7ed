"""Predictions in the background: one worker thread, the most urgent first, each can be stopped.

Thread-safety: `PredictionService.predict` and `PredictionJob.cancel` may be called from any
thread. All signals are emitted in the worker thread; a widget connects with ``thread="main"``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Protocol

from psygnal import EmitLoopError, Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError, ModelError
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.session.background_loop import lower_priority
from napari_brainseg.session.prediction_job import PredictionJob, Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines.child import TorchChild
    from napari_brainseg.core.segmentation.inference import Prediction, Progress
    from napari_brainseg.session.prediction_store import PredictionStore

__all__ = ["EnginePredictor", "PredictionJob", "PredictionService", "Predictor", "Priority"]

_log = logging.getLogger(__name__)


class Predictor(Protocol):
    """What runs a prediction; by default `EnginePredictor`."""

    def __call__(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str,
        tta: bool,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Prediction:
        """Segment `study`; raise `CancelledError` soon after `cancelled` says so."""
        ...


class EnginePredictor:
    """OpenVINO in the calling thread, Torch in a long-lived child process."""

    def __init__(self) -> None:
        self._child: TorchChild | None = None

    def __call__(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str,
        tta: bool,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Prediction:
        """Segment `study` on the engine that fits; see `core.segmentation.inference.predict`."""
        from napari_brainseg.core.segmentation.engines import choose
        from napari_brainseg.core.segmentation.inference import predict

        run: Predictor = predict
        if choose(bundle, device).kind == "torch":
            run = self._torch().predict
        return run(study, bundle, device=device, tta=tta, progress=progress, cancelled=cancelled)

    def _torch(self) -> TorchChild:
        if self._child is None:
            from napari_brainseg.core.segmentation.engines.child import TorchChild

            self._child = TorchChild()
        return self._child

    def close(self) -> None:
        """End the child; its GPU memory is free afterwards."""
        if self._child is not None:
            self._child.close()
            self._child = None


class PredictionService:
    """Runs prediction jobs, one at a time: the most urgent first, then in the order they came.

    A foreground job does not wait for a less urgent one that runs: that one makes way at its next
    batch and begins again later. Work that is asked for twice is done once, as urgently as the
    more urgent of the two needs it.

    Parameters
    ----------
    predictor : Predictor, optional
        What runs them; by default the engines of the kernel.
    """

    started = Signal(PredictionJob)
    """A job begins, or begins again after it had to make way."""
    progress = Signal(PredictionJob, object)
    """``(job, Progress)``."""
    finished = Signal(PredictionJob)
    """A job ended; see its `reason`, `prediction` and `error`."""
    stored = Signal(PredictionJob)
    """The prediction of a finished job is in its store, with its figures in the catalogue."""

    def __init__(self, predictor: Predictor | None = None) -> None:
        self._predictor = EnginePredictor() if predictor is None else predictor
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._open: list[PredictionJob] = []
        self._closed = False

    def predict(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str = "auto",
        tta: bool = False,
        priority: Priority = Priority.FOREGROUND,
        sha: str | None = None,
        store: PredictionStore | None = None,
    ) -> PredictionJob:
        """Queue a prediction and return at once.

        Parameters
        ----------
        study : Study
        bundle : Bundle
        device : str
            ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        tta : bool
            Average with the mirrored volume.
        priority : Priority
            How urgent it is.
        sha : str, optional
            Content hash of the image; a job of the same content is joined.
        store : PredictionStore, optional
            Where to keep the result.

        Returns
        -------
        PredictionJob
            A new one, or the one that does this already: it is as urgent as asked from now on.

        Raises
        ------
        ModelError
            If the service was closed.
        """
        with self._changed:
            if self._closed:
                raise ModelError("The viewer is closing; nothing is predicted any more.")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="brainseg-prediction", daemon=True
                )
                self._thread.start()
            job = next((j for j in self._open if j.is_same(study, bundle, device, tta, sha)), None)
            if job is None:
                job = PredictionJob(study, bundle, device=device, tta=tta, sha=sha, store=store)
                self._open.append(job)
            job.want(priority)
            self._changed.notify()
        return job

    @property
    def is_busy(self) -> bool:
        """Whether a job that a person waits for runs or waits."""
        return self.is_busy_with(Priority.FOREGROUND)

    def is_busy_with(self, priority: Priority) -> bool:
        """Whether a job of this priority runs or waits."""
        with self._changed:
            return any(job.priority is priority for job in self._open)

    def release(self, job: PredictionJob, priority: Priority) -> None:
        """Tell that who asked with `priority` needs the job no more; it stops if nobody does."""
        with self._changed:
            job.unwant(priority)

    def cancel_all(self) -> None:
        """Ask every job to stop."""
        with self._changed:
            jobs = tuple(self._open)
        for job in jobs:
            job.cancel()

    def close(self, timeout: float = 10.0) -> None:
        """Stop all jobs, end the thread and the child process. Not called twice in vain."""
        with self._changed:
            thread, self._thread = self._thread, None
            already, self._closed = self._closed, True
            self._changed.notify()
        if already:
            return
        self.cancel_all()
        if thread is not None:
            thread.join(timeout)
        close = getattr(self._predictor, "close", None)
        if close is not None:
            close()

    def _work(self) -> None:
        lower_priority()
        while (job := self._next()) is not None:
            self._serve(job)
            # A study and its prediction are large: none is kept until the next one comes.
            del job

    def _next(self) -> PredictionJob | None:
        with self._changed:
            while not self._open:
                if self._closed:
                    return None
                self._changed.wait()
            # Those that were cancelled first: whoever asked for them waits to be told.
            job = min(self._open, key=lambda j: (not j.is_cancelled, j.priority))
            job.is_running = True
            return job

    def _serve(self, job: PredictionJob) -> None:
        with _listeners():
            self.started.emit(job)
        end = self._run(job)
        with self._changed:
            job.is_running = False
            self._open.remove(job)
            if end is None:
                self._open.insert(0, job)  # the head of its class
                return
        job.end(*end)
        with _listeners():
            job.finished.emit(*end)
        with _listeners():
            self.finished.emit(job)
        self._keep(job)
        job.let_go()

    def _must_make_way(self, job: PredictionJob) -> bool:
        with self._changed:
            return job.priority is not Priority.FOREGROUND and any(
                other.priority is Priority.FOREGROUND and not other.is_cancelled
                for other in self._open
                if other is not job
            )

    def _run(
        self, job: PredictionJob
    ) -> tuple[FinishReason, Prediction | None, BrainSegError | None] | None:
        """Run a job; `None` if it had to make way."""
        made_way = False

        def report(progress: Progress) -> None:
            with _listeners():
                job.progress.emit(progress)
            with _listeners():
                self.progress.emit(job, progress)

        def cancelled() -> bool:
            nonlocal made_way
            made_way = self._must_make_way(job)
            return made_way or job.is_cancelled

        try:
            if job.is_cancelled:
                raise CancelledError("The prediction was stopped.")
            prediction = self._predictor(
                job.study,
                job.bundle,
                device=job.device,
                tta=job.tta,
                progress=report,
                cancelled=cancelled,
            )
        except CancelledError:
            return (
                None if made_way and not job.is_cancelled else (FinishReason.CANCELLED, None, None)
            )
        except BrainSegError as error:
            return FinishReason.FAILED, None, error
        except Exception as error:  # noqa: BLE001 -- logged, and reported to the user
            # The worker must outlive any fault of an engine: the next prediction may go well.
            _log.exception("Prediction of %s failed", job.study.patient)
            fault = ModelError(
                f"The prediction of {job.study.patient} failed: {type(error).__name__}: {error}.",
                "Try again on the CPU; if it fails there too, report it with the log.",
            )
            return FinishReason.FAILED, None, fault
        if job.is_cancelled:
            return FinishReason.CANCELLED, None, None
        return FinishReason.COMPLETED, prediction, None

    def _keep(self, job: PredictionJob) -> None:
        """Keep a result, after it was shown: packing takes a part of a second."""
        if job.prediction is None or job.store is None or job.sha is None:
            return
        try:
            job.store.save(job.study, job.prediction, job.sha, tta=job.tta)
        except BrainSegError as error:
            _log.warning("The prediction of %s was not kept: %s", job.study.patient, error)
            job.store_error = error
            return
        with _listeners():
            self.stored.emit(job)


@contextlib.contextmanager
def _listeners() -> Iterator[None]:
    """Log a fault in a listener; it must not end the worker."""
    try:
        yield
    except EmitLoopError:
        _log.exception("A listener failed")
