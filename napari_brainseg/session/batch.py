"""Predicts the whole worklist in the background, after everything that a person waits for.

Thread-safety: every method may be called from any thread; `changed` is emitted in the thread in
which the thing happened, mostly the batch's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError, ModelError
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.session.prediction import Priority
from napari_brainseg.session.prefetch import can_predict, load_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.prediction_store import PredictionStore
    from napari_brainseg.session.shelf import Shelf

__all__ = ["BatchPrediction", "BatchState"]

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_RECENT = 10
"""Patients that the time left is judged by: the load of the computer changes in an afternoon."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is.

    Parameters
    ----------
    done : int
        Patients dealt with, the skipped and the failed ones included.
    total : int
        Patients in all.
    running : bool
        Under way, perhaps paused.
    paused : bool
        Waits for `BatchPrediction.resume`.
    current : str or None
        Patient at work.
    failed : mapping of str to BrainSegError
        Patient to what was met.
    seconds_left : float or None
        Estimate; `None` until one patient was predicted.
    skipped : int
        Patients whose prediction by the model in use was there already.
    cancelled : bool
        Ended before all were dealt with.
    """

    done: int = 0
    total: int = 0
    running: bool = False
    paused: bool = False
    current: str | None = None
    failed: Mapping[str, BrainSegError] = field(default_factory=dict)
    seconds_left: float | None = None
    skipped: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class _Order:
    """What one batch does, fixed at its start."""

    patients: tuple[str, ...]
    store: PredictionStore
    bundle: Bundle
    device: str
    rerun: bool
    with_disagreement: bool


class BatchPrediction:
    """Predicts patient after patient into the store.

    Parameters
    ----------
    service : PredictionService
        Runs the predictions, at the lowest priority.
    shelf : Shelf
        The store and the model in use.
    patients : callable
        Gives the patients of the worklist, in its order.
    find : callable
        Lists the files of a patient; `DataError` if there is none of that name.
    known_sha : callable
        Content hash of a patient's image, if it is known without reading the pixels.
    root_fault : callable
        Why the folder of patients cannot be reached, `None` as long as it can.
    """

    changed = Signal(object)
    """`BatchState`."""

    def __init__(
        self,
        service: PredictionService,
        shelf: Shelf,
        *,
        patients: Callable[[], Iterable[str]],
        find: Callable[[str], StudyFolder],
        known_sha: Callable[[str, StudyFolder], str | None],
        root_fault: Callable[[], BrainSegError | None] = lambda: None,
    ) -> None:
        self._service = service
        self._shelf = shelf
        self._patients = patients
        self._find = find
        self._known_sha = known_sha
        self._root_fault = root_fault
        self._changed = threading.Condition()
        self._state = BatchState()
        self._thread: threading.Thread | None = None
        self._cancelled = False
        self._paused = False
        self._closed = False

    @property
    def state(self) -> BatchState:
        """How far it is now, or how the last one ended."""
        return self._state

    @property
    def is_running(self) -> bool:
        """Whether a batch is under way, perhaps paused."""
        return self._state.running

    def start(
        self,
        patients: Iterable[str] | None = None,
        *,
        rerun: bool = False,
        with_disagreement: bool = False,
        device: str = "auto",
    ) -> None:
        """Predict in the background with the model in use now.

        Reads the catalogue: call it by `Desk.submit` from a window.

        Parameters
        ----------
        patients : iterable of str, optional
            All of the worklist, in its order, if left out.
        rerun : bool
            Predict those again whose prediction by this model is there.
        with_disagreement : bool
            Average the mirrored view in, which tells how much the two disagree; twice the time.
        device : str
            ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

        Raises
        ------
        ConfigError
            If a batch is under way.
        DataError
            If there is no patient to predict.
        ModelError
            If the model in use cannot be opened.
        """
        names = tuple(self._patients() if patients is None else patients)
        if not names:
            raise DataError("There are no patients to predict.", "Open a folder of patients first.")
        order = _Order(
            names, self._shelf.store, self._shelf.registry.current, device, rerun, with_disagreement
        )
        with self._changed:
            if self.is_running:
                raise ConfigError(
                    "A batch prediction is under way.", "Wait for its end, or stop it first."
                )
            if self._closed:
                raise ModelError("The viewer is closing; nothing is predicted any more.")
            self._cancelled = self._paused = False
            self._state = BatchState(total=len(names), running=True)
            self._thread = threading.Thread(
                target=self._work, args=(order,), name="brainseg-batch", daemon=True
            )
            self._thread.start()

    def pause(self) -> None:
        """Let the patient at work end, then wait."""
        self._set_paused(True)

    def resume(self) -> None:
        """Go on."""
        self._set_paused(False)

    def cancel(self) -> None:
        """Stop at once; what is predicted stays in the store."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def close(self, timeout: float = 10.0) -> None:
        """Stop, and wait for the thread."""
        with self._changed:
            self._closed = True
            thread = self._thread
        self.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _set_paused(self, paused: bool) -> None:
        with self._changed:
            if not self._state.running:
                return
            self._paused = paused
            self._changed.notify_all()
        self._tell(paused=paused)

    # in the thread ------------------------------------------------------------------------------

    def _work(self, order: _Order) -> None:
        failed: dict[str, BrainSegError] = {}
        took: deque[float] = deque(maxlen=_RECENT)
        self._tell()
        done = skipped = 0
        for patient in order.patients:
            if not self._may_go_on():
                break
            self._tell(current=patient)
            start = time.monotonic()
            try:
                predicted = self._predict(patient, order)
            except BrainSegError as error:
                gone = self._root_fault()
                failed[patient] = error if gone is None else gone
                if gone is not None:
                    # A disk that was unplugged would fail all the others as well.
                    self._tell(failed=MappingProxyType(dict(failed)))
                    break
            except Exception as error:  # noqa: BLE001 -- logged, and told with the patient
                _log.exception("Batch prediction of %s failed", patient)
                failed[patient] = ModelError(
                    f"{patient} could not be predicted: {type(error).__name__}: {error}.",
                    "The rest goes on. Please report it with the log.",
                )
            else:
                if predicted is None:
                    break
                if predicted:
                    took.append(time.monotonic() - start)
                else:
                    skipped += 1
            done += 1
            left = (len(order.patients) - done) * sum(took) / len(took) if took else None
            self._tell(
                done=done,
                skipped=skipped,
                failed=MappingProxyType(dict(failed)),
                seconds_left=left,
            )
        self._tell(
            running=False,
            paused=False,
            current=None,
            seconds_left=None,
            cancelled=done < len(order.patients),
        )

    def _predict(self, patient: str, order: _Order) -> bool | None:
        """Predict one patient: whether there was something to do; `None` if it was stopped."""
        folder = self._find(patient)
        sha = self._known_sha(patient, folder)
        if sha is not None and not self._is_due(sha, order):
            return False
        case = load_case(folder)
        if not self._is_due(case.sha, order):
            return False
        if not can_predict(case.study):
            raise DataError(
                f"{patient} has no FLAIR: the lesion is defined on FLAIR, so no mask can be "
                "predicted.",
                "Add the FLAIR series, or say which one it is (Series in the window, --flair in "
                "the shell); or segment by hand from an empty mask.",
            )
        while True:
            job = self._service.predict(
                case.study,
                order.bundle,
                device=order.device,
                tta=order.with_disagreement,
                priority=Priority.BATCH,
                sha=case.sha,
                store=order.store,
            )
            if not self._wait(job):
                return None
            if job.reason is not FinishReason.CANCELLED:
                break
            # The user stopped it where it was shown; the batch still wants it, a little later.
            if not self._may_go_on(_POLL_S):
                return None
        if job.error is not None:
            raise job.error
        if job.store_error is not None:
            raise job.store_error
        return True

    def _is_due(self, sha: str, order: _Order) -> bool:
        if order.rerun:
            return True
        views = (True,) if order.with_disagreement else (True, False)
        return not any(order.store.has(sha, order.bundle.version, tta) for tta in views)

    def _wait(self, job: PredictionJob) -> bool:
        """Wait for a job; whether it ended by itself."""
        while not job.wait(_POLL_S):
            if self._cancelled:
                self._service.release(job, Priority.BATCH)
                return False
        return True

    def _may_go_on(self, pause_s: float = 0.0) -> bool:
        """Wait while paused; whether the batch goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled, pause_s)
            self._changed.wait_for(lambda: self._cancelled or not self._paused)
            return not self._cancelled

    def _tell(self, **changes: object) -> None:
        with self._changed:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]
            state = self._state
        try:
            self.changed.emit(state)
        except EmitLoopError:
            _log.exception("A listener of the batch failed")
