"""What a new version would change, patient by patient, before anybody promotes it.

A review opens no case. It reads the folders by itself and predicts with both versions in the
background, so it claims no write right, marks no slice as seen, starts no clock, and the case that
is open stays as it is, with its correction. What it writes is two things: predictions, which the
store keeps as it keeps any other, and who looked at what (`effect_log`).

Thread-safety: every method may be called from any thread. Signals are emitted in the thread in
which the thing happened, mostly a worker: a widget connects with ``thread="main"``.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError, DataError
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.session import effect_log
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.effect_cases import EffectTally
from napari_brainseg.session.prediction_job import Priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Progress
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.effect_cases import EffectCase
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.prediction_store import PredictionStore
    from napari_brainseg.session.prefetch import LoadedCase

__all__ = ["Activity", "EffectPicture", "EffectReview", "Work"]

_log = logging.getLogger(__name__)
_POLL_S = 0.05
_ALL_DONE_S = 3600.0


class Work(StrEnum):
    """What is being done for a patient."""

    READING = "reading"
    """Its files."""
    CURRENT = "current"
    """The version in use predicts it."""
    CANDIDATE = "candidate"
    """The new version predicts it."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is being done for a patient, and how far it is.

    Parameters
    ----------
    index : int
        Place of the patient in the review.
    work : Work
    done, total : int
        Of its steps; both 0 where that is not known yet.
    """

    index: int
    work: Work
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class EffectPicture:
    """A patient with all that there is to see.

    Parameters
    ----------
    study : Study
        Its images.
    reference : ndarray of uint8, shape (Z, Y, X)
        The mask that both are compared with, zeros and ones.
    current, candidate : ndarray of uint8, shape (Z, Y, X)
        What the version in use, and the new one, delivers.
    current_dsc, candidate_dsc : float
        Of these masks with the reference.
    gained, lost : ndarray of int, shape (Z,)
        Voxels a slice that only the new version marks, and only the one in use.
    """

    study: Study
    reference: NDArray[np.uint8]
    current: NDArray[np.uint8]
    candidate: NDArray[np.uint8]
    current_dsc: float
    candidate_dsc: float
    gained: NDArray[np.int64]
    lost: NDArray[np.int64]

    @classmethod
    def of(
        cls, study: Study, current: NDArray[np.uint8], candidate: NDArray[np.uint8]
    ) -> EffectPicture:
        """Compare two masks (Z, Y, X) of a study that carries its reference."""
        from napari_brainseg.core.segmentation.metrics import dsc

        # A patient without a mask file is one without a lesion.
        truth = np.zeros_like(current) if study.truth is None else study.truth.data
        old, new = current != 0, candidate != 0
        return cls(
            study,
            truth,
            old.astype(np.uint8),
            new.astype(np.uint8),
            dsc(old, truth),
            dsc(new, truth),
            np.count_nonzero(new & ~old, axis=(1, 2)),
            np.count_nonzero(old & ~new, axis=(1, 2)),
        )

    @property
    def slices(self) -> tuple[int, ...]:
        """Indices of the slices in which the two versions differ."""
        return tuple(int(z) for z in np.flatnonzero(self.gained + self.lost))

    @property
    def start(self) -> int:
        """The slice with the largest difference; without any, that with most of the reference."""
        changed = self.gained + self.lost
        if not changed.any():
            changed = np.count_nonzero(self.reference, axis=(1, 2))
        return int(changed.argmax()) if changed.any() else len(changed) // 2


class EffectReview:
    """Steps through patients and holds what both versions predict of the one on show.

    The patients before and after it are prepared ahead; all others are let go.

    Parameters
    ----------
    cases : sequence of EffectCase
        What to look at, see `effect_cases`.
    candidate, current : Bundle
        The new version, and the one in use.
    service : PredictionService
        Predicts what the store does not hold.
    store : PredictionStore
        Where predictions are kept.
    catalogue : Catalogue
        Keeps who looked at what.
    editor : str
        Who looks.

    Raises
    ------
    DataError
        If there is no patient to look at, or the catalogue cannot be written.
    """

    moved = Signal(int)
    """Another patient is on show."""
    prepared = Signal(int)
    """The picture of a patient is there."""
    activity_changed = Signal(object)
    """`Activity`."""
    failed = Signal(int, object)
    """``(index, BrainSegError)``: a patient that cannot be shown."""
    reviewed_changed = Signal(object)
    """`Reviewed`."""
    fault = Signal(object)
    """`BrainSegError`: that somebody looked could not be kept."""
    closed = Signal()
    """The review is over."""

    def __init__(
        self,
        cases: Sequence[EffectCase],
        *,
        candidate: Bundle,
        current: Bundle,
        service: PredictionService,
        store: PredictionStore,
        catalogue: Catalogue,
        editor: str = "",
    ) -> None:
        if not cases:
            raise DataError(
                "There is nothing to review: no correction was approved, and no patient is locked.",
                "Approve a correction first, or choose locked patients.",
            )
        self.cases = tuple(cases)
        self.candidate, self.current = candidate, current
        self._service, self._store, self._catalogue = service, store, catalogue
        self._editor = editor
        self._changed = threading.Condition()
        self._index = 0
        self._pictures: dict[int, EffectPicture] = {}
        self._measured: dict[int, tuple[float, float]] = {}
        self._faults: dict[int, BrainSegError] = {}
        self._activity: Activity | None = None
        self._job: tuple[PredictionJob, int, Work] | None = None
        self._looks: list[str] = []
        self._closed = False
        names = [case.patient for case in self.cases]
        self._reviewed = effect_log.note_cases(catalogue, candidate.version, current.version, names)
        service.progress.connect(self._on_progress)
        self._loop = BackgroundLoop(
            "brainseg-effect", self._step, last=self._keep_looks, low_priority=True
        )
        self._loop.wake()

    # state ------------------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Place of the patient on show, 0-based."""
        return self._index

    @property
    def case(self) -> EffectCase:
        """The patient on show."""
        return self.cases[self._index]

    @property
    def picture(self) -> EffectPicture | None:
        """What there is to see of the patient on show, `None` until it is prepared."""
        return self.picture_of(self._index)

    @property
    def activity(self) -> Activity | None:
        """What is being done now, perhaps for the patient that comes next."""
        return self._activity

    @property
    def reviewed(self) -> Reviewed:
        """How far the review came."""
        return self._reviewed

    @property
    def is_closed(self) -> bool:
        """Whether the review is over."""
        return self._closed

    def picture_of(self, index: int) -> EffectPicture | None:
        """Return what is prepared of a patient, `None` where it is not or was let go."""
        with self._changed:
            return self._pictures.get(index)

    def fault_of(self, index: int) -> BrainSegError | None:
        """Why a patient cannot be shown."""
        return self._faults.get(index)

    def measured(self, index: int) -> tuple[float, float] | None:
        """DSC of the version in use and of the new one, of the masks that were shown."""
        return self._measured.get(index)

    def is_seen(self, index: int) -> bool:
        """Whether somebody looked at a patient, in this review or in an earlier one."""
        patient = self.cases[index].patient
        return any(look.patient == patient for look in self._reviewed.looks)

    def change_of(self, index: int) -> float | None:
        """DSC of the new version minus that of the old, as fairly as it is known.

        The gate's figure where there is one. What the masks on show give counts only for a
        patient that the new version did not train on.
        """
        case = self.cases[index]
        if case.change is not None:
            return case.change
        shown = self._measured.get(index)
        if shown is None or case.trained_on_candidate:
            return None
        return shown[1] - shown[0]

    def tally(self, kind: str | None = None) -> EffectTally:
        """Count patients that got better, stayed equal and got worse; see `change_of`.

        Parameters
        ----------
        kind : {"corrected", "locked"}, optional
            All if left out.
        """
        return EffectTally.of(
            self.change_of(i) for i, c in enumerate(self.cases) if kind in (None, c.kind)
        )

    # steps ------------------------------------------------------------------------------------

    def go_to(self, index: int) -> None:
        """Show another patient, 0-based; beyond the ends, nothing happens."""
        with self._changed:
            if self._closed or index == self._index or not 0 <= index < len(self.cases):
                return
            self._index = index
            for other in self._pictures.keys() - self._near():
                del self._pictures[other]
        self.moved.emit(index)
        self._loop.wake()

    def go_to_patient(self, patient: str | None) -> None:
        """Show a patient by its name; nothing happens if it is not among the cases."""
        found = [i for i, case in enumerate(self.cases) if case.patient == patient]
        if found:
            self.go_to(found[0])

    def next(self) -> None:
        """Show the next patient."""
        self.go_to(self._index + 1)

    def previous(self) -> None:
        """Show the patient before."""
        self.go_to(self._index - 1)

    def retry(self) -> None:
        """Try again to prepare the patient on show."""
        with self._changed:
            self._faults.pop(self._index, None)
        self._loop.wake()

    def note_look(self, index: int) -> None:
        """Note that a patient was seen on the screen; it is kept in the background."""
        if self.is_seen(index) or self._closed:
            return
        with self._changed:
            patient = self.cases[index].patient
            if patient not in self._looks:
                self._looks.append(patient)
        self._loop.wake()

    def close(self, timeout: float = 0.0) -> None:
        """Stop what is being predicted for the review, and let everything go.

        Parameters
        ----------
        timeout : float
            Seconds to wait for the thread; a window does not.
        """
        with self._changed:
            already, self._closed = self._closed, True
            self._pictures.clear()
        self._loop.close(timeout)
        if not already:
            self._service.progress.disconnect(self._on_progress)
            self.closed.emit()

    # in the thread ------------------------------------------------------------------------------

    def _near(self) -> tuple[int, ...]:
        """Places to be prepared, the most urgent first."""
        around = (self._index, self._index + 1, self._index - 1)
        return tuple(i for i in around if 0 <= i < len(self.cases))

    def _is_wanted(self, index: int) -> bool:
        with self._changed:
            if self._closed or index not in self._near():
                return False
            # What is on show does not wait for what may come.
            return index == self._index or not self._lacks(self._index)

    def _lacks(self, index: int) -> bool:
        return index not in self._pictures and index not in self._faults

    def _step(self) -> float:
        self._keep_looks()
        with self._changed:
            index = next((i for i in self._near() if self._lacks(i)), None)
        if index is None or self._closed:
            return _ALL_DONE_S
        try:
            picture = self._prepare(index)
        except CancelledError:
            return 0.0
        except BrainSegError as error:
            self._refuse(index, error)
        except Exception as error:
            what = f"{self.cases[index].patient} cannot be shown"
            fault = DataError(
                f"{what}: {type(error).__name__}: {error}.",
                "Go on with the next patient, and report it with the log.",
            )
            self._refuse(index, fault)
            raise
        else:
            with self._changed:
                self._measured[index] = (picture.current_dsc, picture.candidate_dsc)
                if self._closed or index not in self._near():
                    return 0.0
                self._pictures[index] = picture
            self._tell(None)
            self.prepared.emit(index)
        return 0.0

    def _refuse(self, index: int, error: BrainSegError) -> None:
        _log.info("%s is not shown in the review: %s", self.cases[index].patient, error)
        with self._changed:
            self._faults[index] = error
        self._tell(None)
        self.failed.emit(index, error)

    def _prepare(self, index: int) -> EffectPicture:
        from napari_brainseg.core.formats import discover
        from napari_brainseg.session.prefetch import can_predict, load_case

        self._tell(Activity(index, Work.READING))
        path = self.cases[index].path
        folders = discover(path).folders
        if len(folders) != 1:
            raise DataError(f"{path} holds {len(folders)} patients, not one.")
        loaded = load_case(folders[0], workers=1)
        if not can_predict(loaded.study):
            raise DataError(
                f"{loaded.study.patient} has no FLAIR images; no model can predict it.",
                "Go on with the next patient.",
            )
        old = self._predicted(index, loaded, self.current, Work.CURRENT)
        new = self._predicted(index, loaded, self.candidate, Work.CANDIDATE)
        return EffectPicture.of(loaded.study, old, new)

    def _predicted(
        self, index: int, loaded: LoadedCase, bundle: Bundle, work: Work
    ) -> NDArray[np.uint8]:
        if not self._is_wanted(index):
            raise CancelledError("Another patient is on show.")
        self._tell(Activity(index, work))
        kept = self._store.load(loaded.sha, bundle.version)
        if kept is not None and kept.mask.shape == loaded.study.image.grid_shape:
            return kept.mask
        asked: list[Priority] = []

        def ask(priority: Priority) -> PredictionJob:
            asked.append(priority)
            return self._service.predict(
                loaded.study, bundle, priority=priority, sha=loaded.sha, store=self._store
            )

        on_show = index == self._index
        job = ask(Priority.FOREGROUND if on_show else Priority.PREFETCH)
        self._job = (job, index, work)
        try:
            while not job.wait(_POLL_S):
                if not self._is_wanted(index):
                    for priority in asked:
                        self._service.release(job, priority)
                    raise CancelledError("Another patient is on show.")
                if index == self._index and Priority.FOREGROUND not in asked:
                    again = ask(Priority.FOREGROUND)
                    if again is not job:
                        # It ended in between.
                        self._service.release(again, Priority.FOREGROUND)
        finally:
            self._job = None
        if job.prediction is not None:
            return job.prediction.mask
        if job.reason is FinishReason.CANCELLED:
            raise DataError(f"The prediction of {loaded.study.patient} was stopped.", "Try again.")
        raise job.error or DataError(f"{loaded.study.patient} could not be predicted.")

    def _on_progress(self, job: PredictionJob, progress: Progress) -> None:
        ours = self._job
        if ours is not None and ours[0] is job:
            self._tell(Activity(ours[1], ours[2], progress.done, progress.total))

    def _tell(self, activity: Activity | None) -> None:
        self._activity = activity
        if not self._closed:
            self.activity_changed.emit(activity)

    def _keep_looks(self) -> None:
        with self._changed:
            looks, self._looks = self._looks, []
        for patient in looks:
            try:
                self._reviewed = effect_log.note_look(
                    self._catalogue,
                    self.candidate.version,
                    self.current.version,
                    patient,
                    editor=self._editor,
                )
            except BrainSegError as error:
                self.fault.emit(error)
            else:
                self.reviewed_changed.emit(self._reviewed)
