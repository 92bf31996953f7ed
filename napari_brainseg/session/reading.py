"""Reading through a worklist: which patient next and why, loaded ahead, timed, marked as open.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.batch import BatchPrediction
from napari_brainseg.session.prefetch import LoadedCase, Prefetcher, load_case
from napari_brainseg.session.worklist import Worklist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.open_cases import OpenCases
    from napari_brainseg.session.ordering import Suggestion
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.shelf import Shelf
    from napari_brainseg.session.visits import Visit
    from napari_brainseg.session.worklist_row import WorklistRow

__all__ = ["Reading"]

_log = logging.getLogger(__name__)
_CHOOSE_NEXT = ("strategy", "blind_share", "prefetch", "prefetch_mb", "predict_on_open")
"""Preferences that decide what is loaded ahead."""


class Reading:
    """What lies around the open case.

    Parameters
    ----------
    shelf : Shelf
        Catalogue, store and models in use.
    service : PredictionService
        Runs predictions of the background too.
    preferences : Preferences
        Ordering, blind share, what is loaded ahead.

    Attributes
    ----------
    worklist : Worklist
    prefetcher : Prefetcher
    batch : BatchPrediction
    """

    def __init__(self, shelf: Shelf, service: PredictionService, preferences: Preferences) -> None:
        self._shelf = shelf
        self._service = service
        self._preferences = preferences
        self._window = uuid.uuid4().hex
        self._lock = threading.RLock()
        self._studies: Discovery | None = None
        self._opened_before: set[str] = set()
        self._ordered: tuple[object, tuple[Suggestion, ...]] | None = None
        self._claims: OpenCases | None = None
        self._claims_of: Catalogue | None = None
        self._visit: Visit | None = None
        self._opening = 0
        self._at: tuple[Path, str] | None = None
        self._editor: str | None = None
        self.worklist = Worklist(
            lambda: shelf.catalogue,
            version_in_use=lambda: shelf.registry.current_version,
            busy=lambda: self._opening > 0 or service.is_busy,
            window=self._window,
        )
        self.prefetcher = Prefetcher(service, shelf, preferences)
        self.batch = BatchPrediction(
            service,
            shelf,
            patients=self._readable,
            find=self.folder,
            known_sha=self._known_sha,
            root_fault=self._root_fault,
        )
        service.stored.connect(self._on_stored)
        preferences.changed.connect(self._on_preference)

    @property
    def window(self) -> str:
        """Names this window to others, for its whole life."""
        return self._window

    @property
    def studies(self) -> Discovery | None:
        """What the opened path holds, as of the last look; patients come and go."""
        studies, later = self._studies, self.worklist.discovery
        if studies is not None and later is not None and later.root == studies.root:
            return later
        return studies

    @property
    def visit(self) -> Visit | None:
        """The stay at the open case, which counts the time."""
        return self._visit

    # patients ---------------------------------------------------------------------------------

    def enter(self, found: Discovery) -> None:
        """Take up the patients of a path; the workspace is the right one already."""
        with self._lock:
            moved = self._studies is None or self._studies.root != found.root
            self._studies = found
            if moved:
                self._opened_before.clear()
        if moved:
            self._at = None
            self.batch.cancel()
            self.prefetcher.clear()
        self._editor = self._shelf.editor
        self.worklist.enter(found)

    def folder(self, patient: str) -> StudyFolder:
        """List a patient's files as they are now.

        Raises
        ------
        DataError
            If nothing is open, there is no such patient, or it cannot be read.
        """
        from napari_brainseg.core.formats import open_again

        studies = self._studies
        if studies is None:
            raise DataError("No folder of patients is open.", "Open one first.")
        try:
            # Those that came later are known to the worklist only.
            row = self.worklist.row(patient)
            path = studies.find(patient).path if row is None else row.path
            return open_again(path, patient)
        except DataError as error:
            raise self._explained(error) from error

    def bring(self, folder: StudyFolder) -> LoadedCase:
        """Return a patient from memory where its files are as they were, else read it.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        case = self.prefetcher.take(folder)
        if case is not None:
            return case
        try:
            return load_case(folder)
        except DataError as error:
            raise self._explained(error) from error

    def prediction_of(self, case: LoadedCase) -> Prediction | None:
        """Return what the model in use said of a patient earlier, if that is known."""
        try:
            version = self._shelf.registry.current_version
            if case.prediction is not None and case.prediction.model_version == version:
                return case.prediction
            return self._shelf.store.latest(case.sha, version)
        except BrainSegError as error:
            # A patient opens without any model too; predicting it tells what is wrong.
            _log.warning("No stored prediction of %s: %s", case.study.patient, error)
            return None

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """While a person waits for a patient, nothing else is read from the disk."""
        with self._lock:
            self._opening += 1
        try:
            yield
        finally:
            with self._lock:
                self._opening -= 1

    # what comes next --------------------------------------------------------------------------

    def suggestions(self) -> tuple[Suggestion, ...]:
        """Cases still to do, the best first, by the preferred strategy."""
        from napari_brainseg.session.ordering import STRATEGIES, order

        rows = self.worklist.rows
        values = self._preferences.values
        strategy = values.strategy if values.strategy in STRATEGIES else "worklist"
        key = (rows, strategy, values.blind_share, self._editor)
        with self._lock:
            if self._ordered is not None and _is_same(self._ordered[0], key):
                return self._ordered[1]
        found = order(rows, strategy, blind_share=values.blind_share, editor=self._editor)
        with self._lock:
            self._ordered = (key, found)
        return found

    def suggestion_of(self, patient: str) -> Suggestion | None:
        """Why a patient should be read, `None` where nothing is left to do."""
        return next((s for s in self.suggestions() if s.patient == patient), None)

    def next_case(self, current: str | None) -> Suggestion | None:
        """Return the case to read after `current`, `None` at the end of the work.

        In worklist order that is the next one to do further down, then from the top; with other
        strategies the best one that was not looked at since the root was opened.
        """
        others = [s for s in self.suggestions() if s.patient != current]
        if not others:
            return None
        if self._preferences.get("strategy") == "worklist":
            places = {row.patient: place for place, row in enumerate(self.worklist.rows)}
            here = places.get(current or "", -1)
            return next((s for s in others if places[s.patient] > here), others[0])
        return next((s for s in others if s.patient not in self._opened_before), others[0])

    def neighbour(self, current: str | None, step: int) -> str | None:
        """Return the readable patient after (`step` 1) or before (-1) in worklist order."""
        rows = self.worklist.rows
        here = next((i for i, row in enumerate(rows) if row.patient == current), None)
        if here is None:
            return None
        beyond = rows[here + 1 :] if step > 0 else reversed(rows[:here])
        return next((row.patient for row in beyond if _is_readable(row)), None)

    # the open case ----------------------------------------------------------------------------

    def settle(self, case: Case, loaded: LoadedCase | None) -> None:
        """Note that a case is open now: its time runs, others see it, and neighbours load."""
        from napari_brainseg.session.open_cases import OpenCases
        from napari_brainseg.session.visits import Visit

        self._end_visit()
        editor = self._shelf.editor
        try:
            if self._claims is None or self._claims_of is not self._shelf.catalogue:
                self._free()
                self._claims_of = self._shelf.catalogue
                self._claims = OpenCases(self._claims_of)
            self._claims.claim(self._window, case.id, case.patient, editor)
        except BrainSegError as error:
            _log.warning("%s is not marked as open: %s", case.patient, error)
        self._visit = Visit(self._shelf.catalogue, case.id, editor)
        with self._lock:
            self._opened_before.add(case.patient)
        self.worklist.update(case.patient)
        if case.study.path is not None:
            self._at = (case.study.path, case.patient)
            self.prefetcher.settle(case.study.path, loaded, tuple(self._likely(case.patient)))

    def active(self) -> None:
        """Note an input of the user; costs a microsecond."""
        visit = self._visit
        if visit is not None:
            visit.active()

    def name_editor(self, name: str) -> None:
        """Note who works from now on."""
        self._editor = name
        visit = self._visit
        if visit is not None:
            visit.editor = name

    def change_model(self) -> None:
        """Another model may be in use: its figures and predictions count from now on."""
        self.prefetcher.forget_predictions()
        self.worklist.reload()

    def leave(self, patient: str) -> None:
        """Note that no case is open any more."""
        self._at = None
        self._end_visit()
        self._free()
        self.worklist.update(patient)

    def close(self) -> None:
        """End all threads."""
        self._service.stored.disconnect(self._on_stored)
        self._preferences.changed.disconnect(self._on_preference)
        self.batch.close()
        self.prefetcher.close()
        self._end_visit()
        self._free()
        self.worklist.close()

    # inside -----------------------------------------------------------------------------------

    def _likely(self, current: str) -> Iterator[tuple[Path, Callable[[], StudyFolder]]]:
        suggestion = self.next_case(current)
        names = [
            None if suggestion is None else suggestion.patient,
            self.neighbour(current, 1),
            self.neighbour(current, -1),
        ]
        for name in dict.fromkeys(n for n in names if n is not None):
            row = self.worklist.row(name)
            if row is not None:
                yield row.path, lambda name=name: self.folder(name)  # type: ignore[misc]

    def _readable(self) -> list[str]:
        return [row.patient for row in self.worklist.rows if _is_readable(row)]

    def _known_sha(self, patient: str, folder: StudyFolder) -> str | None:
        from napari_brainseg.session.patient_log import read_patient
        from napari_brainseg.session.pixel_facts import fingerprint
        from napari_brainseg.session.worklist_entries import root_key

        studies = self._studies
        if studies is None:
            return None
        record = read_patient(self._shelf.catalogue, root_key(studies), patient)
        if record is None or record.image_sha256 is None:
            return None
        try:
            return record.image_sha256 if record.fingerprint == fingerprint(folder) else None
        except OSError:
            return None

    def _explained(self, error: DataError) -> DataError:
        """Tell an unplugged disk from a patient that cannot be read."""
        return self._root_fault() or error

    def _root_fault(self) -> DataError | None:
        root = None if self._studies is None else self._studies.root
        if root is None or _has_entries(root):
            return None
        return DataError(
            f"The folder {root} cannot be reached any more.",
            "Plug the disk in or connect the network drive, then try again. "
            "Nothing of your work was lost.",
        )

    def _end_visit(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.end()

    def _free(self) -> None:
        claims, self._claims = self._claims, None
        if claims is not None:
            try:
                claims.release(self._window)
            except BrainSegError as error:
                _log.warning("A case stays marked as open: %s", error)

    def _on_preference(self, name: str) -> None:
        at = self._at
        if name in _CHOOSE_NEXT and at is not None:
            self.prefetcher.settle(at[0], None, tuple(self._likely(at[1])))

    def _on_stored(self, job: PredictionJob) -> None:
        self.worklist.update(job.study.patient)
        if job.study.path is not None and job.prediction is not None:
            self.prefetcher.note(job.study.path, job.prediction)


def _has_entries(folder: Path) -> bool:
    # An unplugged disk may leave an empty folder behind.
    try:
        return folder.is_file() or any(folder.iterdir())
    except OSError:
        return False


def _is_readable(row: WorklistRow) -> bool:
    return row.fault is None and not row.vanished


def _is_same(known: object, key: tuple[object, ...]) -> bool:
    # The rows by identity: comparing ten thousand of them would take longer than ordering.
    return isinstance(known, tuple) and known[0] is key[0] and known[1:] == key[1:]
