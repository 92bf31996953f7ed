"""What a path holds: one patient, or a root of many. Names only, no pixels."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from napari_brainseg.core.formats.kaggle3m import Listing, StudyFolder, list_folder, study_folder
from napari_brainseg.core.formats.names import EXAMPLE_NAME, parse_slice_name, undated
from napari_brainseg.core.imaging import DataError

__all__ = ["Discovery", "Fault", "discover", "is_study_path"]

_LEVELS = 2
"""Patients may lie in the root itself or one folder deeper (``root/kaggle_3m/PATIENT``)."""

_PROBED = 40
"""Entries that `is_study_path` looks at in a folder before it gives up."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A patient that cannot be read, and why."""

    path: Path
    error: DataError


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found below a path.

    Parameters
    ----------
    root : Path
        The path that was searched.
    folders : tuple of StudyFolder
        Readable patients, sorted by name.
    faults : tuple of Fault
        Patients among them whose files are in disorder, and empty folders.
    ignored : tuple of Path
        Folders among them that hold other things than slices, e.g. notes or figures.
    """

    root: Path
    folders: tuple[StudyFolder, ...]
    faults: tuple[Fault, ...] = ()
    ignored: tuple[Path, ...] = ()

    @property
    def patients(self) -> tuple[str, ...]:
        """Names of the readable patients, sorted."""
        return tuple(folder.patient for folder in self.folders)

    def find(self, patient: str) -> StudyFolder:
        """Return a patient's folder, by full name or by the name without the date.

        Raises
        ------
        DataError
            If there is no such patient, or more than one.
        """
        hits = [f for f in self.folders if f.patient == patient] or [
            f for f in self.folders if undated(f.patient) == patient
        ]
        if len(hits) == 1:
            return hits[0]
        if hits:
            names = ", ".join(f.patient for f in hits)
            raise DataError(
                f"{patient} has {len(hits)} studies in {self.root}: {names}.",
                "Give the name with its date.",
            )
        raise DataError(
            f"There is no patient {patient} in {self.root}.",
            f"It holds {len(self.folders)} patients; check the spelling.",
        )


class _NoSlicesError(DataError):
    """A folder without a single TIFF: not a patient, perhaps not meant to be one."""


class _EmptyError(_NoSlicesError):
    """A folder without anything: a patient whose files were lost."""


class _Found(NamedTuple):
    folders: list[StudyFolder]
    faults: list[Fault]
    ignored: list[Path]


def discover(path: Path | str) -> Discovery:
    """Find the patients below a path without reading a pixel.

    Parameters
    ----------
    path : Path or str
        A patient's folder, or a folder of patients, or one with a level more between.

    Returns
    -------
    Discovery
        A faulty patient among many is listed in ``faults`` and the rest goes on.

    Raises
    ------
    DataError
        If the path cannot be read, holds no slices, or its only patient is faulty.
    """
    # Absolute, so that a patient opened as "." has a name and a root too.
    root = Path(path).absolute()
    found = _search(root, _LEVELS)
    folders, twins = _without_twins(found.folders)
    faults = sorted([*found.faults, *twins], key=lambda fault: fault.path)
    if not folders and len(faults) == 1:
        raise faults[0].error
    return Discovery(root, tuple(folders), tuple(faults), tuple(sorted(found.ignored)))


def is_study_path(path: Path | str) -> bool:
    """Whether a path is worth handing to `discover`: looks at a few names, never raises.

    Parameters
    ----------
    path : Path or str
        Anything that a user may drop on the window.
    """
    return _probe(Path(path), _LEVELS)


def _search(folder: Path, levels: int) -> _Found:
    listing = list_folder(folder)
    if listing.tiffs:
        return _Found([study_folder(folder, listing.tiffs)], [], [])
    found = _Found([], [], [])
    for name in listing.folders if levels else ():
        path = folder / name
        try:
            below = _search(path, levels - 1)
        except DataError as error:
            if isinstance(error, _NoSlicesError) and not isinstance(error, _EmptyError):
                found.ignored.append(path)
            else:
                found.faults.append(Fault(path, error))
            continue
        found.folders.extend(below.folders)
        found.faults.extend(below.faults)
        found.ignored.extend(below.ignored)
    if not found.folders and all(isinstance(f.error, _EmptyError) for f in found.faults):
        raise _no_slices(folder, listing)
    return found


def _no_slices(folder: Path, listing: Listing) -> _NoSlicesError:
    hint = f"Choose a folder with slices named like {EXAMPLE_NAME}, or a folder of such folders."
    if not listing.folders and not listing.others:
        return _EmptyError(f"The folder {folder} is empty.", hint)
    kinds = Counter(Path(name).suffix.lower() or "no ending" for name in listing.others)
    held = [f"{count} files ({kind})" for kind, count in kinds.most_common(3)]
    if listing.folders:
        held.append(f"{len(listing.folders)} folders without slices")
    return _NoSlicesError(
        f"The folder {folder} holds no TIFF slices, only {', '.join(held)}.", hint
    )


def _without_twins(folders: list[StudyFolder]) -> tuple[list[StudyFolder], list[Fault]]:
    """Keep one folder a patient name: two would be mistaken for each other everywhere."""
    kept: dict[str, StudyFolder] = {}
    twins = []
    for folder in sorted(folders, key=lambda f: (f.patient, f.path)):
        first = kept.setdefault(folder.patient, folder)
        if first is not folder:
            error = DataError(
                f"The patient {folder.patient} lies in two folders: {first.path} and "
                f"{folder.path}; the second is left out.",
                "Keep one of them, or open them one at a time.",
            )
            twins.append(Fault(folder.path, error))
    return list(kept.values()), twins


def _probe(folder: Path, levels: int) -> bool:
    below: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if parse_slice_name(entry.name) is not None and not entry.is_dir():
                    return True
                hidden = entry.name.startswith(".")
                if levels and not hidden and len(below) < _PROBED and entry.is_dir():
                    below.append(entry.path)
    except (OSError, ValueError):
        return False
    return any(_probe(Path(path), levels - 1) for path in below)
