"""Files that another program changes under us: originals of the open case, exported masks.

What counts is what a file holds: its pixels are hashed and compared with those that were read. A
file whose size and time are as they were is not read again until the case is signed off.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, DataError, StudyFormat
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.claimants import time_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.case import Case

__all__ = ["SourceChange", "SourceFiles", "SourceWatch", "changed_exports", "changed_sources"]

_log = logging.getLogger(__name__)
EVERY_S = 10.0
_NAMED = 3


@dataclass(frozen=True, slots=True)
class SourceChange:
    """Files of a patient that no longer hold what was read.

    Parameters
    ----------
    patient : str
        Name of the patient.
    paths : tuple of Path
        Changed, removed or added files, sorted.
    since : float or None
        Unix time of the latest change, if a file tells it.
    images : bool
        Whether there are images among them, not masks only.
    """

    patient: str
    paths: tuple[Path, ...]
    since: float | None
    images: bool

    @property
    def error(self) -> DataError:
        """What happened and what to do, for the user."""
        names = ", ".join(path.name for path in self.paths[:_NAMED])
        if len(self.paths) > _NAMED:
            names += f" and {len(self.paths) - _NAMED} more"
        many = "files" if len(self.paths) > 1 else "file"
        when = "" if self.since is None else f" at {time_words(self.since)}"
        hint = (
            "Open the patient again to see the images as they are now. Your correction belongs "
            "to the old ones: it stays saved, and shows again when they are back."
            if self.images
            else "Open the patient again to see the ground truth as it is now; your correction "
            "stays."
        )
        return DataError(
            f"Another program changed {len(self.paths)} {many} of {self.patient}{when}: {names}.",
            hint,
        )


class SourceFiles:
    """Files that a study was read from, to be compared with what it holds.

    Parameters
    ----------
    study : Study
        As it was read.
    fingerprint : str, optional
        Of the files when they were read; if they still have it, they need not be read now.
    """

    def __init__(self, study: Study, *, fingerprint: str = "") -> None:
        self._study = study
        self._lock = threading.Lock()
        self._files = _files_of(study)
        is_tiff_folder = study.path is not None and study.format is StudyFormat.KAGGLE_3M
        self._names = _tiffs(study.path) if is_tiff_folder and study.path is not None else None
        self._same: dict[Path, tuple[int, int]] = {}
        if fingerprint and self._files:
            stamps = {path: _stamp(path) for path in self._files}
            if _fingerprint(study) == fingerprint:
                self._same = {path: s for path, s in stamps.items() if s is not None}

    def look(self, *, all_of_them: bool = False) -> SourceChange | None:
        """Compare files with the study.

        Parameters
        ----------
        all_of_them : bool
            Read those too whose size and time are as they were.

        Returns
        -------
        SourceChange or None
            `None` if all is as it was, or the folder cannot be reached.
        """
        folder = self._study.path
        if folder is None or not folder.exists():
            return None
        with self._lock:
            if all_of_them:
                self._same.clear()
            if self._names is None:
                changed = self._differing()
            else:
                changed = {path for path in self._files if not self._is_same(path)}
        if self._names is not None:
            changed |= _tiffs(folder) - self._names
        if not changed or not folder.exists():
            # It may have gone in the middle, which looks like as many changed files.
            return None
        times = [stamp[1] / 1e9 for path in changed if (stamp := _stamp(path)) is not None]
        images = any(self._files.get(path, (0, False))[1] is False for path in changed)
        return SourceChange(
            self._study.patient, tuple(sorted(changed)), max(times, default=None), images
        )

    def _differing(self) -> set[Path]:
        """Files of a NIfTI or DICOM study whose change changed the study; read as a whole."""
        stamps = {path: _stamp(path) for path in self._files}
        changed = {path for path, s in stamps.items() if s is None or self._same.get(path) != s}
        if changed and self._reads_the_same():
            self._same = {path: s for path, s in stamps.items() if s is not None}
            return set()
        return changed

    def _reads_the_same(self) -> bool:
        from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
        from napari_brainseg.core.formats import load_study

        known = self._study
        try:
            folder = _folder_of(known)
            if folder is None:
                return False
            found = load_study(folder, workers=1)
        except BrainSegError:
            return False
        if (found.truth is None) != (known.truth is None):
            return False
        same_truth = (
            found.truth is None
            or known.truth is None
            or mask_sha256(found.truth) == mask_sha256(known.truth)
        )
        return same_truth and image_sha256(found) == image_sha256(known)

    def _is_same(self, path: Path) -> bool:
        stamp = _stamp(path)
        if stamp is not None and self._same.get(path) == stamp:
            return True
        self._same.pop(path, None)
        if stamp is None or not self._holds_the_same(path):
            return False
        self._same[path] = stamp
        return True

    def _holds_the_same(self, path: Path) -> bool:
        from napari_brainseg.core.dataset.hashing import sha256_of_arrays
        from napari_brainseg.core.formats.tiff import read_image_slice, read_mask_slice

        z, is_mask = self._files[path]
        try:
            if is_mask:
                truth = self._study.truth
                found = read_mask_slice(path)[0].astype("uint8")
                known = None if truth is None else truth.data[z]
            else:
                found = read_image_slice(path).transpose(2, 0, 1)
                known = self._study.image.data[:, z]
        except DataError:
            return False
        return known is not None and sha256_of_arrays(found) == sha256_of_arrays(known)


class SourceWatch:
    """A thread that looks now and then at the files of the open case.

    Parameters
    ----------
    files : SourceFiles
        Of the case.
    tell : callable
        Gets a `SourceChange`, or `None` when all is as it was again; in the thread.
    every_s : float
        Seconds between looks.
    """

    def __init__(
        self,
        files: SourceFiles,
        tell: Callable[[SourceChange | None], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._files = files
        self._tell = tell
        self._every = every_s
        self._told: SourceChange | None = None
        self._loop = BackgroundLoop("brainseg-files", self._step, low_priority=True)
        self._loop.wake()

    def close(self) -> None:
        """End the thread."""
        self._loop.close()

    def _step(self) -> float:
        if not self._loop.is_closed:
            found = self._files.look()
            if found != self._told:
                self._told = found
                self._tell(found)
        return self._every


def changed_sources(case: Case) -> tuple[Path, ...]:
    """Files of a case that no longer hold what was read; reads all of them.

    Some 60 slices take a tenth of a second: not for the GUI thread.

    Returns
    -------
    tuple of Path
        Changed, removed or added; empty if none, or if the folder cannot be reached.
    """
    files = SourceFiles(case.study) if case.sources is None else case.sources
    found = files.look(all_of_them=True)
    return () if found is None else found.paths


def changed_exports(training_set: Path) -> tuple[str, ...]:
    """Patients whose exported masks are not those that the manifest tells of; reads all masks.

    Parameters
    ----------
    training_set : Path
        Its folder.

    Returns
    -------
    tuple of str
        Sorted; a patient whose folder is gone does not count.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    from napari_brainseg.core.dataset.hashing import mask_sha256
    from napari_brainseg.core.dataset.manifest import current_entries
    from napari_brainseg.core.formats import load_masks

    changed = []
    for patient, entry in current_entries(training_set).items():
        folder = training_set / patient
        if not folder.is_dir():
            continue
        try:
            same = mask_sha256(load_masks(folder)[0]) == entry.mask_sha256
        except DataError as error:
            _log.info("The export %s cannot be read: %s", folder, error)
            same = False
        if not same:
            changed.append(patient)
    return tuple(changed)


def _files_of(study: Study) -> dict[Path, tuple[int, bool]]:
    """Each file with the index of its slice, and whether it is a mask."""
    try:
        found = _folder_of(study)
    except BrainSegError:
        return {}
    if found is None:
        return {}
    if found.format is not StudyFormat.KAGGLE_3M:
        masks = {mask for mask in found.masks if mask is not None}
        return {path: (0, path in masks) for path in found.files}
    slices = {number: z for z, number in enumerate(study.slice_numbers)}
    files: dict[Path, tuple[int, bool]] = {}
    for number, image, mask in zip(found.slice_numbers, found.images, found.masks, strict=True):
        if number in slices:
            files[image] = (slices[number], False)
            if mask is not None:
                files[mask] = (slices[number], True)
    return files


def _folder_of(study: Study) -> StudyFolder | None:
    """List the files of a study as they are now, with the series that it was made of."""
    from napari_brainseg.core.formats import open_again

    if study.path is None:
        return None
    found = open_again(study.path, study.patient)
    if study.format is StudyFormat.KAGGLE_3M:
        return found
    return found.with_roles(study.roles, study.truth_key)


def _fingerprint(study: Study) -> str:
    from napari_brainseg.session.pixel_facts import fingerprint

    try:
        folder = _folder_of(study)
        return "" if folder is None else fingerprint(folder)
    except (OSError, BrainSegError):
        return ""


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _tiffs(folder: Path) -> set[Path]:
    from napari_brainseg.core.formats.names import is_tiff

    try:
        with os.scandir(folder) as entries:
            return {folder / entry.name for entry in entries if is_tiff(entry.name)}
    except OSError:
        return set()
