"""Patients of a DICOM export: files to series, series to studies. Headers only, no pixels."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.faults import Fault
from napari_brainseg.core.formats.probing import may_be_dicom
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord
    from napari_brainseg.core.formats.dicom.index import DicomIndex
    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = ["dicom_file", "dicom_folders"]

_CLIMB = 4
"""Folders above a file that are looked at for more of its study."""
_SIBLINGS = 60
_PROBES = 4
"""Files of a neighbouring folder that are asked for their study."""

_HINT = "Export the study again from the archive (PACS); a whole DICOM export is a folder of files."


def dicom_folders(
    root: Path,
    *,
    skip: Collection[Path] = (),
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[list[StudyFolder], list[Fault]]:
    """Find the DICOM studies below a folder, as deep as exports are nested.

    Parameters
    ----------
    root : Path
        Any folder.
    skip : collection of Path
        Folders that are known to be something else.
    progress : callable, optional
        Gets the number of files looked at so far, now and then.
    cancelled : callable, optional
        Asked now and then.

    Returns
    -------
    folders : list of StudyFolder
        One for each study of each patient, sorted by name.
    faults : list of Fault
        Folders with DICOM files of which none can be read; the root, where files are DICOM but
        none is a picture.

    Raises
    ------
    CancelledError
        If `cancelled` said so.
    DataError
        If the key of patients' names can neither be read nor made.
    """
    from napari_brainseg.core.formats.dicom.index import index_folder

    index = index_folder(root, skip=skip, progress=progress, cancelled=cancelled)
    return _sorted_out(root, index, skip)


def dicom_file(path: Path) -> StudyFolder:
    """Find the study that a DICOM file belongs to, with its files in the folders around.

    Raises
    ------
    DataError
        If the file cannot be read or is no picture.
    """
    from napari_brainseg.core.formats.dicom.index import header_of, index_folder

    header = header_of(path)
    if header is None:
        raise DataError(f"{path} is no DICOM file with a patient in it.", _HINT)
    if not header.is_image:
        raise DataError(
            f"{path} holds no picture, but {_kind(header)}.",
            "Open a file of an image series, or the folder of the whole study.",
        )
    folders, _ = _sorted_out(path.parent, index_folder(_top_of(path, header)), ())
    for folder in folders:
        if any(path in series.files for series in folder.series):
            return folder
    # Another copy of the same file was kept: the study is that of the copy.
    for folder in folders:
        if any(header.series_uid == series.key.partition("#")[0] for series in folder.series):
            return folder
    raise DataError(f"{path} belongs to no study that can be opened.", _HINT)


def _sorted_out(
    root: Path, index: DicomIndex, skip: Collection[Path]
) -> tuple[list[StudyFolder], list[Fault]]:
    from napari_brainseg.core.formats.dicom.studies import group_studies, study_folders

    studies = group_studies(index.records)
    folders = study_folders(studies, skip=skip)
    folders, faults = _with_broken(folders, index)
    if index.records and not folders and not faults:
        kinds = ", ".join(sorted({_kind(record) for record in index.records}))
        count = len(index.records)
        error = DataError(
            f"The folder {root} holds {count} DICOM {'file' if count == 1 else 'files'}, but no "
            f"pictures: {kinds}.",
            _HINT,
        )
        faults.append(Fault(root, error))
    return folders, faults


def _with_broken(
    folders: list[StudyFolder], index: DicomIndex
) -> tuple[list[StudyFolder], list[Fault]]:
    """Tell of broken files: with the studies they lie with, or by themselves."""
    by_place: dict[Path, list[tuple[Path, DataError]]] = defaultdict(list)
    for path, error in index.broken:
        by_place[path.parent].append((path, error))
    held: dict[Path, list[int]] = defaultdict(list)
    for number, folder in enumerate(folders):
        for place in {file.parent for file in (*folder.images, *folder.masks) if file is not None}:
            held[place].append(number)
        if folder.path.is_dir():
            held[folder.path].append(number)
    counts: dict[int, list[tuple[Path, DataError]]] = defaultdict(list)
    faults = []
    for place, found in by_place.items():
        near = next((held[above] for above in (place, *place.parents) if above in held), [])
        owners = near if place in held or len(set(near)) == 1 else []
        for number in set(owners):
            counts[number].extend(found)
        if not owners:
            faults.append(Fault(place, _all_broken(place, found)))
    for number, found in counts.items():
        folders[number] = replace(
            folders[number], warnings=(*folders[number].warnings, _some_broken(found))
        )
    return folders, faults


def _all_broken(place: Path, found: list[tuple[Path, DataError]]) -> DataError:
    if len(found) == 1:
        return found[0][1]
    return DataError(
        f"None of the {len(found)} DICOM files in {place} can be read, e.g. {found[0][1].message}",
        found[0][1].hint,
    )


def _some_broken(found: list[tuple[Path, DataError]]) -> str:
    path, error = found[0]
    why = error.message.removeprefix(str(path)).strip().rstrip(".")
    if len(found) == 1:
        return f"One file beside the others is left out: {path.name} {why}."
    return f"{len(found)} files beside the others are left out, e.g. {path.name} {why}."


def _kind(header: HeaderRecord) -> str:
    return header.modality or "another kind of object"


def _top_of(path: Path, header: HeaderRecord) -> Path:
    """Highest folder around a file that holds more of its study."""
    top = place = path.parent
    if not header.study_uid:
        return top
    for _ in range(_CLIMB):
        above = place.parent
        if above == place:
            break
        if (above / "DICOMDIR").is_file():
            return above
        if _holds_more(above, place, header.study_uid):
            top = above
        place = above
    return top


def _holds_more(above: Path, place: Path, study_uid: str) -> bool:
    """Whether a folder holds files of a study besides those below one of its folders."""
    try:
        with os.scandir(above) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith("."))
    except OSError:
        return False
    for name in names[: _SIBLINGS * 2]:
        beside = above / name
        if beside == place:
            continue
        if any(_study_of(file) == study_uid for file in _probes(beside)):
            return True
    return False


def _probes(beside: Path) -> list[Path]:
    if not beside.is_dir():
        return [beside] if may_be_dicom(beside.name) else []
    found: list[Path] = []
    for place, below, names in islice(os.walk(beside), 8):
        below.sort()
        files = [name for name in sorted(names) if may_be_dicom(name)]
        step = max(1, len(files) // _PROBES)
        found += [Path(place, name) for name in files[::step][:_PROBES]]
        if len(Path(place).relative_to(beside).parts) >= 2:
            below.clear()
    return found


def _study_of(path: Path) -> str:
    from napari_brainseg.core.formats.dicom.index import header_of

    try:
        header = header_of(path)
    except DataError:
        return ""
    return "" if header is None else header.study_uid
