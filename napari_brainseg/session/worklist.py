"""The worklist: patients of a study root, what is known of each, and how far the work is.

Thread-safety: every method may be called from any thread, and none but `enter` and `close` waits
for the disk. Signals are emitted in background threads; a widget connects with ``thread="main"``.
"""

from __future__ import annotations

import uuid
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.survey import Survey, SurveyedRoot
from napari_brainseg.session.worklist_entries import is_alone, root_key
from napari_brainseg.session.worklist_keeper import WorklistKeeper
from napari_brainseg.session.worklist_row import WorklistRow
from napari_brainseg.session.worklist_table import WorklistTable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Worklist", "WorklistRow"]

_STATUSES = ("new", "in progress", "corrected", "second reader", "approved", "rejected")
"""The values of `CaseStatus`, whose module brings the database along."""


class Worklist:
    """Rows for all patients of the root that was entered.

    What the catalogue knows is there as soon as `enter` returns; one thread then looks at the
    files of new and changed patients, another one at what other windows do.

    Parameters
    ----------
    catalogue_of : callable
        Gives the catalogue of the workspace in use.
    version_in_use : callable, optional
        Gives the version of the model in use, whose figures are preferred.
    busy : callable, optional
        Whether the user waits for something; then pixels are read at a trickle.
    window : str, optional
        Name of this window among the claims of `OpenCases`; a new one if left out.
    rescan_s : float
        Seconds between two looks for patients that came or went.
    poll_s : float
        Seconds between two looks for what other windows did.
    """

    changed = Signal(object)
    """frozenset of str: patients whose rows changed."""
    reset = Signal()
    """Rows came or went."""
    surveying = Signal(int, int)
    """``(done, total)`` patients whose pixels were looked at in the background."""
    root_fault_changed = Signal(object)
    """`BrainSegError` when the root cannot be reached, `None` when it is back."""
    fault = Signal(object)
    """`BrainSegError` of something that ran in the background, e.g. a status not kept."""

    def __init__(
        self,
        catalogue_of: Callable[[], Catalogue],
        *,
        version_in_use: Callable[[], str | None] | None = None,
        busy: Callable[[], bool] | None = None,
        window: str | None = None,
        rescan_s: float = 30.0,
        poll_s: float = 3.0,
    ) -> None:
        self.window = window or uuid.uuid4().hex
        self._catalogue_of = catalogue_of
        self._root: SurveyedRoot | None = None
        self._root_fault: BrainSegError | None = None
        self._progress = (0, 0)
        self._table = WorklistTable()
        self._survey = Survey(busy=busy, interval_s=rescan_s)
        self._survey.scanned.connect(self._on_scanned)
        self._survey.looked.connect(self._on_looked)
        self._survey.progress.connect(self._on_progress)
        self._survey.root_fault.connect(self._on_root_fault)
        self._keeper = WorklistKeeper(
            self._table, window=self.window, version_in_use=version_in_use, poll_s=poll_s
        )
        self._keeper.told.connect(self._tell)
        self._keeper.fault.connect(self._on_fault)

    # what is shown ----------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[WorklistRow, ...]:
        """All rows, by name of the patient; the same tuple until one changes."""
        return self._table.rows

    def row(self, patient: str) -> WorklistRow | None:
        """Return the row of a patient."""
        return self._table.row(patient)

    def thumbnail(self, patient: str) -> NDArray[np.uint8] | None:
        """Grey levels (H, W), read-only; `None` until the pixels were looked at."""
        root = self._root
        record = None if root is None else root.records.get(patient)
        return None if record is None or record.thumbnail is None else _picture(record.thumbnail)

    @property
    def counts(self) -> dict[str, int]:
        """Readable patients by status, every status named."""
        found = Counter(r.status for r in self.rows if not r.vanished and r.fault is None)
        return {status: found[status] for status in _STATUSES}

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Columns of ``data.csv`` that have a value for some patient."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.attributes))

    @property
    def notices(self) -> tuple[BrainSegError, ...]:
        """What is amiss without keeping a patient from being read, e.g. a faulty ``data.csv``."""
        return self._table.notices

    @property
    def root_fault(self) -> BrainSegError | None:
        """Why the root cannot be reached, with the mend; the rows stay as they were.

        It is tried again every few seconds; `rescan` tries at once.
        """
        return self._root_fault

    @property
    def progress(self) -> tuple[int, int]:
        """What `surveying` told last."""
        return self._progress

    @property
    def discovery(self) -> Discovery | None:
        """What the root holds, as of the last look."""
        return None if self._root is None else self._root.discovery

    def folder(self, patient: str) -> StudyFolder | None:
        """Files of a patient; `None` where they are gone or in disorder."""
        entry = self._table.entry(patient)
        return None if entry is None else entry.folder

    def image_sha256(self, patient: str, folder: StudyFolder | None = None) -> str | None:
        """Content hash of a patient's image, `None` if it is not known.

        Parameters
        ----------
        patient : str
            Name in the worklist.
        folder : StudyFolder, optional
            Its files now: compared with those that were looked at, a matter of a millisecond.
        """
        from napari_brainseg.session.pixel_facts import fingerprint

        root = self._root
        record = None if root is None else root.records.get(patient)
        if record is None or record.image_sha256 is None or folder is None:
            return None if record is None else record.image_sha256
        try:
            same = folder.path == record.path and fingerprint(folder) == record.fingerprint
        except OSError:
            return None
        return record.image_sha256 if same else None

    # what can be done -------------------------------------------------------------------------

    def enter(self, discovery: Discovery) -> None:
        """Show the patients found; what their pixels tell follows in the background.

        Takes a part of a second for thousands of patients: not for the GUI thread.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        from napari_brainseg.session.patient_log import read_patients

        catalogue, key = self._catalogue_of(), root_key(discovery)
        records = read_patients(catalogue, key)
        root = SurveyedRoot(key, is_alone(discovery), catalogue, discovery, records)
        self._keeper.enter(root)
        self._root, self._progress = root, (0, 0)
        self.reset.emit()
        self._on_root_fault(None)
        self._survey.enter(root)

    def rescan(self) -> None:
        """Look now for patients that came, went or changed; try a root that cannot be reached."""
        self._survey.rescan()

    def pause(self) -> None:
        """Read no pixels in the background for now."""
        self._survey.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._survey.resume()

    def update(self, patient: str) -> None:
        """Read again, in the background, what the catalogue knows of one patient."""
        self._keeper.update(patient)

    def reload(self) -> None:
        """Read again, in the background, what the catalogue knows of all.

        Needed when another model is used; work of any window is noticed without.
        """
        self._keeper.reload()

    def set_status(self, patient: str, status: str) -> None:
        """Keep how far the work on a patient is; the row follows, or `fault` tells why not.

        Not for the case that is open in this window: that one has `Case.mark`.

        Parameters
        ----------
        patient : str
            Name in the worklist.
        status : str
            Any value of `CaseStatus`: every status can be reopened.

        Raises
        ------
        DataError
            If there is no such status.
        """
        if status not in _STATUSES:
            raise DataError(f"There is no status {status!r}.", f"Known: {', '.join(_STATUSES)}.")
        self._keeper.set_status(patient, status)

    def close(self) -> None:
        """End the threads; what was learnt is kept."""
        self._survey.close()
        self._keeper.close()

    # from the survey --------------------------------------------------------------------------

    def _tell(self, differing: frozenset[str] | None) -> None:
        if differing is None:
            self.reset.emit()
        elif differing:
            self.changed.emit(differing)

    def _on_fault(self, error: BrainSegError) -> None:
        self.fault.emit(error)

    def _on_scanned(self, root: SurveyedRoot) -> None:
        self._tell(self._table.fill(root))

    def _on_looked(self, root: SurveyedRoot, patient: str) -> None:
        self._table.replace(root, (patient,))
        if root is self._root:
            # Told in any case: the thumbnail is new though the row may be the same.
            self.changed.emit(frozenset((patient,)))

    def _on_progress(self, done: int, total: int) -> None:
        self._progress = (done, total)
        self.surveying.emit(done, total)

    def _on_root_fault(self, error: BrainSegError | None) -> None:
        if error is not None or self._root_fault is not None:
            self._root_fault = error
            self.root_fault_changed.emit(error)


@lru_cache(maxsize=1024)
def _picture(blob: bytes) -> NDArray[np.uint8] | None:
    from napari_brainseg.session.thumbnails import unpack_thumbnail

    try:
        return unpack_thumbnail(blob)
    except ValueError:
        return None
