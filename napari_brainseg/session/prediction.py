"""Predictions in the background: one worker thread, jobs one after another, each can be stopped.

Thread-safety: `PredictionService.predict` and `PredictionJob.cancel` may be called from any
thread. All signals are emitted in the worker thread; a widget connects with ``thread="main"``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from psygnal import EmitLoopError, Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError, ModelError
from napari_brainseg.core.protocol import FinishReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines.child import TorchChild
    from napari_brainseg.core.segmentation.inference import Prediction, Progress

__all__ = ["EnginePredictor", "PredictionJob", "PredictionService", "Predictor"]

_log = logging.getLogger(__name__)
_NICE = 10


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


class PredictionJob:
    """A prediction that was asked for.

    Connect to the signals of the service (or of the desk) rather than to these where the job may
    end before you connect.

    Attributes
    ----------
    study : Study
    bundle : Bundle
    device : str
    tta : bool
    reason : FinishReason or None
        `None` until it ended.
    prediction : Prediction or None
        The result of a completed job.
    error : BrainSegError or None
        What a failed job met.
    """

    progress = Signal(object)
    """`Progress`, after each batch."""
    finished = Signal(object, object, object)
    """``(FinishReason, Prediction | None, BrainSegError | None)``, exactly once."""

    def __init__(self, study: Study, bundle: Bundle, *, device: str, tta: bool) -> None:
        self.study = study
        self.bundle = bundle
        self.device = device
        self.tta = tta
        self.reason: FinishReason | None = None
        self.prediction: Prediction | None = None
        self.error: BrainSegError | None = None
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()

    @property
    def is_finished(self) -> bool:
        """Whether it ended, for whatever reason."""
        return self.reason is not None

    def cancel(self) -> None:
        """Ask to stop; the job ends before its next batch."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came within `timeout` seconds. Not for the GUI thread."""
        return self._ended.wait(timeout)

    def _end(
        self, reason: FinishReason, prediction: Prediction | None, error: BrainSegError | None
    ) -> None:
        self.reason, self.prediction, self.error = reason, prediction, error


class PredictionService:
    """Runs prediction jobs, one at a time, in the order they came.

    Parameters
    ----------
    predictor : Predictor, optional
        What runs them; by default the engines of the kernel.
    """

    started = Signal(PredictionJob)
    """A job begins."""
    progress = Signal(PredictionJob, object)
    """``(job, Progress)``."""
    finished = Signal(PredictionJob)
    """A job ended; see its `reason`, `prediction` and `error`."""

    def __init__(self, predictor: Predictor | None = None) -> None:
        self._predictor = EnginePredictor() if predictor is None else predictor
        self._queue: queue.Queue[PredictionJob | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._open: list[PredictionJob] = []
        self._closed = False

    def predict(
        self, study: Study, bundle: Bundle, *, device: str = "auto", tta: bool = False
    ) -> PredictionJob:
        """Queue a prediction and return at once.

        Raises
        ------
        ModelError
            If the service was closed.
        """
        job = PredictionJob(study, bundle, device=device, tta=tta)
        with self._lock:
            if self._closed:
                raise ModelError("The viewer is closing; nothing is predicted any more.")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="brainseg-prediction", daemon=True
                )
                self._thread.start()
            self._open.append(job)
            self._queue.put(job)
        return job

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._lock:
            return bool(self._open)

    def cancel_all(self) -> None:
        """Ask every job to stop."""
        with self._lock:
            jobs = tuple(self._open)
        for job in jobs:
            job.cancel()

    def close(self, timeout: float = 10.0) -> None:
        """Stop all jobs, end the thread and the child process. Not called twice in vain."""
        with self._lock:
            thread, self._thread = self._thread, None
            already, self._closed = self._closed, True
        if already:
            return
        self.cancel_all()
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout)
        close = getattr(self._predictor, "close", None)
        if close is not None:
            close()

    def _work(self) -> None:
        _lower_priority()
        while (job := self._queue.get()) is not None:
            with _listeners():
                self.started.emit(job)
            job._end(*self._run(job))  # noqa: SLF001 -- service and job are one concept
            with self._lock:
                self._open.remove(job)
            with _listeners():
                job.finished.emit(job.reason, job.prediction, job.error)
            with _listeners():
                self.finished.emit(job)
            job._ended.set()  # noqa: SLF001 -- last, so that who waits finds signals delivered

    def _run(
        self, job: PredictionJob
    ) -> tuple[FinishReason, Prediction | None, BrainSegError | None]:
        def report(progress: Progress) -> None:
            with _listeners():
                job.progress.emit(progress)
            with _listeners():
                self.progress.emit(job, progress)

        try:
            if job.is_cancelled:
                raise CancelledError("The prediction was stopped.")
            prediction = self._predictor(
                job.study,
                job.bundle,
                device=job.device,
                tta=job.tta,
                progress=report,
                cancelled=lambda: job.is_cancelled,
            )
        except CancelledError:
            return FinishReason.CANCELLED, None, None
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


@contextlib.contextmanager
def _listeners() -> Iterator[None]:
    """Log a fault in a listener; it must not end the worker."""
    try:
        yield
    except EmitLoopError:
        _log.exception("A listener failed")


def _lower_priority() -> None:
    """Leave the processor to the window: Linux knows a priority for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
