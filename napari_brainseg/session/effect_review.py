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
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError, DataError
from napari_brainseg.session import effect_log
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.effect_cases import EffectTally, Figures
from napari_brainseg.session.effect_preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.effect_cases import EffectCase
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.effect_picture import Activity, EffectPicture
    from napari_brainseg.session.prediction import PredictionService
    from napari_brainseg.session.prediction_store import PredictionStore

__all__ = ["EffectReview"]

_log = logging.getLogger(__name__)
_ALL_DONE_S = 3600.0


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
        self._catalogue, self._editor = catalogue, editor
        self._changed = threading.Condition()
        self._index = 0
        self._pictures: dict[int, EffectPicture] = {}
        self._measured: dict[int, Figures] = {}
        self._faults: dict[int, BrainSegError] = {}
        self._activity: Activity | None = None
        self._looks: list[str] = []
        self._closed = False
        names = [case.patient for case in self.cases]
        self._reviewed = effect_log.note_cases(catalogue, candidate.version, current.version, names)
        self._preparation = Preparation(
            candidate,
            current,
            service,
            store,
            is_wanted=self._is_wanted,
            is_on_show=lambda index: index == self._index,
            tell=self._tell,
        )
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

    def measured(self, index: int) -> Figures | None:
        """Figures of the masks that were made for this review, `None` before they were."""
        return self._measured.get(index)

    def is_seen(self, index: int) -> bool:
        """Whether somebody looked at a patient, in this review or in an earlier one."""
        patient = self.cases[index].patient
        return any(look.patient == patient for look in self._reviewed.looks)

    def fair_figures(self, index: int) -> Figures | None:
        """Figures of a patient that training on it does not flatter, as far as they are known.

        Those of the gate where there are any. What the masks on show give counts only for a
        patient that the new version did not train on.
        """
        case = self.cases[index]
        if case.figures is not None:
            return case.figures
        return None if case.trained_on_candidate else self._measured.get(index)

    def tally(self, kind: str | None = None) -> EffectTally:
        """Count patients that got better, stayed equal and got worse; see `fair_figures`.

        Parameters
        ----------
        kind : {"corrected", "locked"}, optional
            All if left out.
        """
        return EffectTally.of(
            self.fair_figures(i) for i, c in enumerate(self.cases) if kind in (None, c.kind)
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
            self._preparation.close()
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
            picture = self._preparation.make(index, self.cases[index])
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
                self._measured[index] = picture.figures
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
