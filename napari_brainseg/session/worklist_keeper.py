"""Keeps a worklist up to date with the catalogue: what this window does, and what others do.

Thread-safety: every method may be called from any thread; signals are emitted in the keeper's.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.worklist_table import Work, WorklistTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_brainseg.session.survey import SurveyedRoot
    from napari_brainseg.session.worklist_query import Marks

__all__ = ["WorklistKeeper"]

_log = logging.getLogger(__name__)


class WorklistKeeper:
    """Reads the work on patients into a table, and writes their status.

    Parameters
    ----------
    table : WorklistTable
        Gets what was read.
    window : str
        This window among the claims of `OpenCases`.
    version_in_use : callable, optional
        Gives the version of the model in use.
    poll_s : float
        Seconds between two looks for what other windows did.
    """

    told = Signal(object)
    """frozenset of patients whose rows changed, `None` when rows came or went."""
    fault = Signal(object)
    """`BrainSegError`: a status could not be kept."""

    def __init__(
        self,
        table: WorklistTable,
        *,
        window: str,
        version_in_use: Callable[[], str | None] | None,
        poll_s: float,
    ) -> None:
        self._table = table
        self._window = window
        self._version_in_use = version_in_use
        self._poll_s = poll_s
        self._poll_at = 0.0
        self._lock = threading.Lock()
        self._root: SurveyedRoot | None = None
        self._marks: Marks | None = None
        self._stale: set[str] = set()
        self._all_stale = False
        self._statuses: list[tuple[SurveyedRoot, str, str]] = []
        self._loop = BackgroundLoop("brainseg-worklist", self._step, last=self._write)

    def enter(self, root: SurveyedRoot) -> None:
        """Fill the table for another root; reads the whole catalogue.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        marks, work = self._read(root)
        with self._lock:
            self._root, self._marks = root, marks
            self._stale.clear()
            self._all_stale = False
        self._table.enter(root, work)
        self._loop.wake()

    def update(self, patient: str) -> None:
        """Read one patient again, soon."""
        with self._lock:
            self._stale.add(patient)
        self._loop.wake()

    def reload(self) -> None:
        """Read all again, soon."""
        with self._lock:
            self._all_stale = True
        self._loop.wake()

    def set_status(self, patient: str, status: str) -> None:
        """Write a status, soon."""
        with self._lock:
            if self._root is not None:
                self._statuses.append((self._root, patient, status))
        self._loop.wake()

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._loop.close()

    # in the thread ----------------------------------------------------------------------------

    def _step(self) -> float:
        self._write()
        with self._lock:
            root = self._root
            stale, self._stale = self._stale, set()
            everything, self._all_stale = self._all_stale, False
        if root is None:
            return self._poll_s
        try:
            if everything:
                self._read_again(root)
            elif stale:
                self._refresh(root, stale)
            if time.monotonic() >= self._poll_at:
                self._poll_at = time.monotonic() + self._poll_s
                self._poll(root)
        except BrainSegError as error:
            # Rows stay as they are; what is new is noticed as soon as the catalogue answers.
            _log.warning("The worklist was not refreshed: %s", error)
        return max(0.0, self._poll_at - time.monotonic())

    def _poll(self, root: SurveyedRoot) -> None:
        """Notice what other windows did, and other parts of this one."""
        from napari_brainseg.session.open_cases import OpenCases
        from napari_brainseg.session.worklist_query import news

        before = self._marks
        if before is None:
            return
        fresh, marks = news(root.catalogue, before)
        elsewhere = OpenCases(root.catalogue).elsewhere(self._window)
        stale = fresh | self._table.set_elsewhere(root, elsewhere)
        if marks.promotion != before.promotion:
            # Another window took another model into use: predictions of all may be stale now.
            self._read_again(root)
            return
        if stale:
            self._refresh(root, stale)
        with self._lock:
            if self._marks is before:
                self._marks = marks

    def _write(self) -> None:
        """Keep the statuses that wait."""
        from napari_brainseg.session.worklist_status import keep_status

        with self._lock:
            statuses, self._statuses = self._statuses, []
        for root, patient, status in statuses:
            folder = next((f for f in root.discovery.folders if f.patient == patient), None)
            try:
                keep_status(root.catalogue, patient, folder, root.records.get(patient), status)
            except BrainSegError as error:
                self.fault.emit(error)
            with self._lock:
                self._stale.add(patient)

    def _read_again(self, root: SurveyedRoot) -> None:
        marks, work = self._read(root)
        with self._lock:
            if self._root is root:
                self._marks = marks
        self.told.emit(self._table.fill(root, work))

    def _refresh(self, root: SurveyedRoot, patients: Iterable[str]) -> None:
        from napari_brainseg.session.worklist_query import read_known

        chosen = [patient for patient in patients if self._table.entry(patient) is not None]
        if chosen:
            known = read_known(root.catalogue, chosen)
            self.told.emit(self._table.replace(root, chosen, known))

    def _read(self, root: SurveyedRoot) -> tuple[Marks, Work]:
        from napari_brainseg.session.open_cases import OpenCases
        from napari_brainseg.session.worklist_query import read_known, read_marks

        # The marks first: what happens meanwhile is read twice rather than never.
        marks = read_marks(root.catalogue)
        elsewhere = OpenCases(root.catalogue).elsewhere(self._window)
        return marks, Work(read_known(root.catalogue), self._read_version(), elsewhere)

    def _read_version(self) -> str | None:
        try:
            return None if self._version_in_use is None else self._version_in_use()
        except BrainSegError as error:
            # Where models are shown it is told as well; here figures of any model serve.
            _log.warning("The model in use cannot be told: %s", error)
            return None
