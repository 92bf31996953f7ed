"""Rows of a worklist, joined from files, catalogue and other windows; no disk.

Thread-safety: every method may be called from any thread. Rows are joined under one lock and
shown under another, so that the window never waits for thousands of rows to be joined.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.session.worklist_entries import Entry, assemble, make_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.survey import SurveyedRoot
    from napari_brainseg.session.worklist_query import Known
    from napari_brainseg.session.worklist_row import WorklistRow

__all__ = ["Work", "WorklistTable"]


@dataclass(slots=True)
class Work:
    """What is known beside the files: the work on each patient, model in use, other windows."""

    known: dict[str, Known] = field(default_factory=dict)
    version: str | None = None
    elsewhere: dict[str, str] = field(default_factory=dict)


class WorklistTable:
    """Rows by patient, in worklist order."""

    def __init__(self) -> None:
        self._joining = threading.Lock()
        self._showing = threading.Lock()
        self._root: SurveyedRoot | None = None
        self._work = Work()
        self._entries: dict[str, Entry] = {}
        self._rows: dict[str, WorklistRow] = {}
        self._in_order: tuple[WorklistRow, ...] | None = ()
        self.notices: tuple[BrainSegError, ...] = ()

    @property
    def rows(self) -> tuple[WorklistRow, ...]:
        """All rows; the same tuple until one changes."""
        with self._showing:
            if self._in_order is None:
                self._in_order = tuple(self._rows.values())
            return self._in_order

    def row(self, patient: str) -> WorklistRow | None:
        """Return one row."""
        return self._rows.get(patient)

    def entry(self, patient: str) -> Entry | None:
        """Files of one patient."""
        return self._entries.get(patient)

    def enter(self, root: SurveyedRoot, work: Work) -> None:
        """Show another root."""
        with self._joining:
            self._root, self._work = root, work
            self._fill(root)

    def fill(self, root: SurveyedRoot, work: Work | None = None) -> frozenset[str] | None:
        """Join all rows again, if `root` is still shown.

        Parameters
        ----------
        root : SurveyedRoot
            With its latest discovery and records.
        work : Work, optional
            What is known now; as before if left out.

        Returns
        -------
        frozenset of str, or None
            Patients whose rows changed; `None` if rows came or went.
        """
        with self._joining:
            if self._root is not root:
                return frozenset()
            if work is not None:
                self._work = work
            return self._fill(root)

    def replace(
        self, root: SurveyedRoot, patients: Iterable[str], known: dict[str, Known] | None = None
    ) -> frozenset[str]:
        """Join some rows again, if `root` is still shown; returns those that changed.

        Parameters
        ----------
        root : SurveyedRoot
            With its latest records.
        patients : iterable of str
            Those not in the worklist are passed over.
        known : dict of str to Known, optional
            What is known of them now; as before if left out.
        """
        differing = set()
        with self._joining:
            if self._root is not root:
                return frozenset()
            for patient in patients:
                if patient not in self._rows:
                    continue
                if known is not None:
                    self._work.known.pop(patient, None)
                    if patient in known:
                        self._work.known[patient] = known[patient]
                row = self._join(root, self._entries[patient])
                if row != self._rows[patient]:
                    differing.add(patient)
                    with self._showing:
                        self._rows[patient] = row
                        self._in_order = None
        return frozenset(differing)

    def set_elsewhere(self, root: SurveyedRoot, elsewhere: dict[str, str]) -> frozenset[str]:
        """Take what other windows have open; returns the patients for which that differs."""
        with self._joining:
            if self._root is not root:
                return frozenset()
            before, self._work.elsewhere = self._work.elsewhere, elsewhere
        return frozenset(patient for patient, _ in before.items() ^ elsewhere.items())

    def _fill(self, root: SurveyedRoot) -> frozenset[str] | None:
        entries, notices = assemble(root.discovery, root.records, alone=root.alone)
        rows = {patient: self._join(root, entry) for patient, entry in entries.items()}
        before, noted = self._rows, self.notices
        with self._showing:
            self._entries, self._rows, self._in_order = entries, rows, None
            self.notices = notices
        if rows.keys() != before.keys() or len(noted) != len(notices):
            return None
        return frozenset(p for p, row in rows.items() if before[p] != row)

    def _join(self, root: SurveyedRoot, entry: Entry) -> WorklistRow:
        patient, work = entry.patient, self._work
        return make_row(
            entry,
            root.records.get(patient),
            work.known.get(patient),
            work.version,
            work.elsewhere.get(patient),
        )
