"""Looks at the patients of a root in the background: who came and went, what their pixels tell.

One thread of low priority that gives way to what the user waits for. Nothing is written to the
root; what was learnt goes to the catalogue.

Thread-safety: every method may be called from any thread; signals are emitted in the survey's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.root_watch import RootWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.patient_log import PatientRecord

__all__ = ["Survey", "SurveyedRoot"]

_log = logging.getLogger(__name__)

_THOROUGH_EVERY = 10
"""Each such rescan trusts no folder's time; network drives may not keep them."""
_RETRY_S = 5.0
"""Between tries to reach a root that is gone."""
_HELD_S = 0.1
_BREATH_S = 0.01
"""Between two patients: the window's thread gets the interpreter."""
_WRITE_EVERY_S = 2.0
"""What was learnt of patients goes to the disk together: each write waits for the disk."""


@dataclass(eq=False)
class SurveyedRoot:
    """A folder of patients with what the catalogue knew of it when it was opened.

    Parameters
    ----------
    key : str
        Names the root in the catalogue.
    alone : bool
        A single patient was opened: the others of the root have not vanished.
    catalogue : Catalogue
        Where the facts are kept.
    discovery : Discovery
        What the root holds; replaced by each rescan.
    records : dict of str to PatientRecord
        By patient; values are replaced, never changed.
    """

    key: str
    alone: bool
    catalogue: Catalogue
    discovery: Discovery
    records: dict[str, PatientRecord]
    watch: RootWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = RootWatch(self.discovery)


class Survey:
    """Keeps the records of a root up to date.

    Parameters
    ----------
    busy : callable, optional
        Whether the user waits for something; then pixels are read at a trickle.
    interval_s : float
        Seconds between two looks for new and vanished patients.
    trickle_s : float
        Seconds between two patients while `busy`, which a batch may be for hours.
    """

    scanned = Signal(object)
    """`SurveyedRoot` whose discovery or records changed."""
    looked = Signal(object, str)
    """``(SurveyedRoot, patient)``: the pixels were read, or cannot be."""
    progress = Signal(int, int)
    """``(done, total)`` patients looked at."""
    root_fault = Signal(object)
    """`BrainSegError` when the root cannot be reached, `None` when it is back."""

    def __init__(
        self,
        *,
        busy: Callable[[], bool] | None = None,
        interval_s: float = 30.0,
        trickle_s: float = 5.0,
    ) -> None:
        self._busy = busy
        self._interval = interval_s
        self._trickle = trickle_s
        self._lock = threading.Lock()
        self._next: SurveyedRoot | None = None
        self._root: SurveyedRoot | None = None
        self._asked = False
        self._paused = False
        self._fault: BrainSegError | None = None
        self._backlog: deque[StudyFolder] = deque()
        self._done = 0
        self._unsaved: dict[str, PatientRecord] = {}
        self._saved_at = 0.0
        self._scan_at = 0.0
        self._looked_at = time.monotonic()
        self._scans = 0
        self._loop = BackgroundLoop(
            "brainseg-survey", self._step, last=self._save, low_priority=True
        )

    def enter(self, root: SurveyedRoot) -> None:
        """Go on with another root, or with the same one anew."""
        with self._lock:
            self._next = root
        self._loop.wake()

    def rescan(self) -> None:
        """Look at once for patients that came, went or changed; try a root that is gone."""
        with self._lock:
            self._asked = True
        self._loop.wake()

    def pause(self) -> None:
        """Read no pixels for now."""
        self._paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._paused = False
        self._loop.wake()

    def close(self) -> None:
        """Write what was learnt and end the thread."""
        self._loop.close()

    # in the thread ----------------------------------------------------------------------------

    def _step(self) -> float:
        with self._lock:
            entered, self._next = self._next, None
            asked, self._asked = self._asked, False
        if entered is not None:
            self._save()
            self._root, self._fault, self._scans = entered, None, 0
            self._backlog.clear()
            self.root_fault.emit(None)
            self._reconcile(entered, None)
            self._scan_at = time.monotonic() + self._interval
            return 0.0
        root = self._root
        if root is None:
            return 3600.0
        if asked or time.monotonic() >= self._scan_at:
            self._scan(root, thorough=asked)
            return 0.0
        if self._backlog and self._fault is None:
            if time.monotonic() - self._saved_at > _WRITE_EVERY_S:
                self._save()
            if self._is_held():
                return _HELD_S
            # Taken off afterwards: where the catalogue fails, it is tried again.
            self._look_at(root, self._backlog[0])
            self._backlog.popleft()
            self._report()
            if self._backlog:
                return _BREATH_S
        self._save()
        return max(0.0, self._scan_at - time.monotonic())

    def _is_held(self) -> bool:
        now = time.monotonic()
        busy = self._busy is not None and self._busy()
        if self._paused or (busy and now - self._looked_at < self._trickle):
            return True
        self._looked_at = now
        return False

    def _scan(self, root: SurveyedRoot, *, thorough: bool) -> None:
        self._scans += 1
        try:
            changes = root.watch.changes()
            back = self._fault is not None
            if thorough or back or self._scans % _THOROUGH_EVERY == 0:
                changes = None
            found = changes is None or bool(changes)
            if found:
                root.discovery = root.watch.discover()
        except DataError as error:
            self._lose(error)
            return
        self._scan_at = time.monotonic() + self._interval
        if back:
            self._fault = None
            self.root_fault.emit(None)
        if changes is not None:
            # A file that was still being copied grows without its folder's time changing.
            faulty = (f.path for f in root.discovery.folders if _is_faulty(root, f))
            changes.update(faulty)
        if changes is None or changes:
            self._reconcile(root, changes, found=found, again=thorough or back)

    def _lose(self, error: BrainSegError) -> None:
        self._scan_at = time.monotonic() + min(_RETRY_S, self._interval)
        self._fault = error
        self.root_fault.emit(error)

    def _reconcile(
        self,
        root: SurveyedRoot,
        changes: set[Path] | None,
        *,
        found: bool = True,
        again: bool = True,
    ) -> None:
        """Compare the records with the folder.

        Parameters
        ----------
        root : SurveyedRoot
            With its latest discovery.
        changes : set of Path or None
            Folders whose files may differ, `None` for all.
        found : bool
            The discovery is new.
        again : bool
            Look again at patients that could not be read.
        """
        from napari_brainseg.session.reconcile import came_or_changed, vanished

        changed = came_or_changed(
            root.discovery, root.records, changes, again=again, stop=self._is_called_off
        )
        if changed is None:
            return
        if not root.alone:
            changed |= vanished(root.discovery, root.records)
        root.records.update(changed)
        self._unsaved.update(changed)
        self._save()
        if found or changed:
            self.scanned.emit(root)
            self._queue(root, (f for f in root.discovery.folders if not _is_looked_at(root, f)))

    def _is_called_off(self) -> bool:
        return self._loop.is_closed or self._next is not None

    def _queue(self, root: SurveyedRoot, folders: Iterable[StudyFolder]) -> None:
        """Have patients looked at, those that wait already not twice."""
        waiting = {folder.path for folder in self._backlog}
        if not waiting:
            self._done = 0
        self._backlog = deque(f for f in self._backlog if not _is_looked_at(root, f))
        self._backlog.extend(f for f in folders if f.path not in waiting)
        if self._backlog:
            self._report()

    def _look_at(self, root: SurveyedRoot, folder: StudyFolder) -> None:
        from napari_brainseg.session.patient_log import read_patient
        from napari_brainseg.session.pixel_facts import fingerprint, look

        known = root.records.get(folder.patient)
        try:
            mark = fingerprint(folder)
        except OSError:
            self.rescan()
            return
        if known is not None:
            # Another window on this workspace may have been faster.
            there = read_patient(root.catalogue, root.key, folder.patient)
            if there is not None and there.fingerprint == mark and there.image_sha256:
                record = replace(there, path=folder.path, vanished=None)
            else:
                record = look(folder, replace(known, fingerprint=mark))
                if record.fault is not None and not _is_there(root, folder):
                    self.rescan()
                    return
                self._unsaved[folder.patient] = record
            root.records[folder.patient] = record
            self.looked.emit(root, folder.patient)
        self._done += 1

    def _report(self) -> None:
        self.progress.emit(self._done, self._done + len(self._backlog))

    def _save(self) -> None:
        from napari_brainseg.session.patient_log import save_patients

        self._saved_at = time.monotonic()
        root, unsaved = self._root, self._unsaved
        if root is None or not unsaved:
            return
        self._unsaved = {}
        try:
            save_patients(root.catalogue, root.key, unsaved.values())
        except BrainSegError as error:
            # It is shown all the same, and learnt again the next time.
            _log.warning("What was learnt of %d patients was not kept: %s", len(unsaved), error)


def _is_looked_at(root: SurveyedRoot, folder: StudyFolder) -> bool:
    record = root.records.get(folder.patient)
    return record is None or record.is_looked_at


def _is_faulty(root: SurveyedRoot, folder: StudyFolder) -> bool:
    record = root.records.get(folder.patient)
    return record is not None and record.fault is not None


def _is_there(root: SurveyedRoot, folder: StudyFolder) -> bool:
    """Whether a fault lies in the files, not in a disk that was unplugged."""
    return root.discovery.root.exists() and folder.path.exists()
