"""Patients of a DICOM export: files to series, series to studies. Headers only, no pixels."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.faults import Fault
from napari_brainseg.core.formats.probing import may_be_dicom
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord
    from napari_brainseg.core.formats.dicom.index import DicomIndex
    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = ["dicom_file", "dicom_folders"]

_CLIMB = 2
"""Folders above that of a file whose other folders are asked for more of its study."""
_NEIGHBOURS = 60
"""Entries of such a folder that are looked at."""
_PROBED_FOLDERS = 4
_PROBED_FILES = 8
"""Folders of a neighbour, and files of each, that are asked which study they are of."""
_PROBED_IN_ALL = 400

_found_below: dict[Path, Path] = {}
"""Files that stand for a study, for it shares its folder with others: the root each was found
below, so that it is found whole again."""
_REMEMBERED = 20_000

_HINT = "Export the study again from the archive (PACS); a whole DICOM export is a folder of files."


def dicom_folders(
    root: Path,
    *,
    beside: Collection[Path] = (),
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[list[StudyFolder], list[Fault]]:
    """Find the DICOM studies below a folder, as deep as exports are nested.

    Parameters
    ----------
    root : Path
        Any folder.
    beside : collection of Path
        Folders of patients of other formats: DICOM files in them are found too, but such a folder
        is no study's own.
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

    index = index_folder(root, progress=progress, cancelled=cancelled)
    folders, faults = _sorted_out(root, index, beside)
    if len(_found_below) > _REMEMBERED:
        _found_below.clear()
    _found_below.update({f.path: root for f in folders if f.path in f.images})
    return folders, faults


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
    known = _found_below.get(path)
    top = known if known is not None and path.is_relative_to(known) else _top_of(path, header)
    folders, _ = _sorted_out(path.parent, index_folder(top), ())
    for folder in folders:
        if any(path in series.files for series in folder.series):
            return folder
    # Another copy of the same file was kept: the study is that of the copy.
    for folder in folders:
        if any(header.series_uid == series.key.partition("#")[0] for series in folder.series):
            return folder
    raise DataError(f"{path} belongs to no study that can be opened.", _HINT)


def _sorted_out(
    root: Path, index: DicomIndex, beside: Collection[Path]
) -> tuple[list[StudyFolder], list[Fault]]:
    from napari_brainseg.core.formats.dicom.studies import group_studies, study_folders

    studies = group_studies(index.records)
    folders = study_folders(studies, beside=beside)
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
    """Folder around a file that holds all of its study, as far as a look around tells."""
    from napari_brainseg.core.formats.dicom.index import index_folder

    top = place = path.parent
    if not header.study_uid:
        return top
    for _ in range(_CLIMB):
        place = place.parent
        if place == place.parent:
            break
        known = {record.sop_instance_uid for record in index_folder(top).records}
        if _holds_more(place, top, header.study_uid, known):
            top = place
    return top


def _holds_more(place: Path, top: Path, study_uid: str, known: Collection[str]) -> bool:
    """Whether other folders in a place hold files of a study; copies do not count."""
    try:
        with os.scandir(place) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except OSError:
        return False
    neighbours = [place / name for name in names if not top.is_relative_to(place / name)]
    files = (file for neighbour in neighbours[:_NEIGHBOURS] for file in _probes(neighbour))
    for header in map(_header, islice(files, _PROBED_IN_ALL)):
        if (
            header is not None
            and header.study_uid == study_uid
            and header.sop_instance_uid not in known
        ):
            return True
    return False


def _probes(folder: Path) -> Iterator[Path]:
    """Give some files of a folder and those below, by lot: even steps may meet one patient only."""
    for place, below, names in islice(os.walk(folder), _PROBED_FOLDERS):
        below.sort()
        files = [name for name in sorted(names) if may_be_dicom(name)]
        if len(files) > _PROBED_FILES:
            files = Random(0).sample(files, _PROBED_FILES)
        yield from (Path(place, name) for name in files)


def _header(path: Path) -> HeaderRecord | None:
    from napari_brainseg.core.formats.dicom.index import header_of

    try:
        return header_of(path)
    except DataError:
        return None
