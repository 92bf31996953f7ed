"""What a path holds: one patient, or a root of many. Names only, no pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.beside import (
    CONVERT_PAIRS,
    holds_dicom,
    holds_images,
    images_below,
    listed,
    pairs_in,
)
from napari_brainseg.core.formats.faults import Fault
from napari_brainseg.core.formats.kaggle3m import Listing, StudyFolder, list_folder, study_folder
from napari_brainseg.core.formats.names import EXAMPLE_NAME, is_tiff, parse_slice_name, undated
from napari_brainseg.core.formats.probing import is_dicom, is_nifti_name, is_zip
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Discovery", "Fault", "discover", "is_study_path", "open_again"]

_LEVELS = 3
"""Patients may lie in the root itself or deeper: ``root/kaggle_3m/PATIENT``, or as in BIDS
``root/sub-01/ses-01/anat``."""

_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pdf"}


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


class _MisnamedError(_NoSlicesError):
    """A folder with TIFF files none of which is named like a slice."""


class _Found(NamedTuple):
    folders: list[StudyFolder]
    faults: list[Fault]
    ignored: list[Path]


def discover(
    path: Path | str,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    as_recognised: bool = False,
) -> Discovery:
    """Find the patients below a path without reading a pixel.

    Parameters
    ----------
    path : Path or str
        A patient's folder, a folder of patients, or one with a level more between; kaggle_3m,
        NIfTI or DICOM (nested as deep as exports are). Or one file: a NIfTI volume or a DICOM
        file stands for the patient that it belongs to; a zip archive is unpacked first.
    progress : callable, optional
        Gets the number of files looked at so far, now and then.
    cancelled : callable, optional
        Asked now and then.
    as_recognised : bool
        Leave the user's choices of series aside; see `series_choices`.

    Returns
    -------
    Discovery
        A faulty patient among many is listed in ``faults`` and the rest goes on.

    Raises
    ------
    DataError
        If the path cannot be read, holds no images, or its only patient is faulty.
    CancelledError
        If `cancelled` said so.
    """
    # Absolute, so that a patient opened as "." has a name and a root too.
    asked = root = Path(path).absolute()
    if root.name.upper() == "DICOMDIR" and root.is_file():
        # The list of what a CD holds: its files lie in the folders around it.
        asked = root = root.parent
    if root.is_file():
        if not is_zip(root):
            folders = [_of_file(root)]
            return Discovery(folders[0].path, _chosen(folders, as_recognised))
        from napari_brainseg.core.formats.archive import unpack

        root = unpack(root, progress=progress, cancelled=cancelled)
    try:
        found = _search_all(root, progress, cancelled)
    except _NoSlicesError as error:
        if root == asked:
            raise
        # The place in the cache says nothing to the user.
        said = error.message.replace(f"The folder {root}", f"The archive {asked}")
        said = said.replace(str(root), str(asked))
        raise DataError(said, error.hint) from error
    folders, twins = _without_twins(found.folders)
    faults = sorted([*found.faults, *twins], key=lambda fault: fault.path)
    if not folders and len(faults) == 1:
        raise faults[0].error
    return Discovery(
        root, _chosen(folders, as_recognised), tuple(faults), tuple(sorted(found.ignored))
    )


def open_again(path: Path | str, patient: str) -> StudyFolder:
    """List a patient's files as they are now, with the user's choice of series.

    Parameters
    ----------
    path : Path or str
        `StudyFolder.path`.
    patient : str
        Name of the patient, who may share the path with others by now; one who is alone there may
        have been renamed.

    Raises
    ------
    DataError
        If the path cannot be read or the patient is not there.
    """
    found = discover(path)
    return found.folders[0] if len(found.folders) == 1 else found.find(patient)


def is_study_path(path: Path | str) -> bool:
    """Whether a path is worth handing to `discover`: looks at a few names, never raises.

    Parameters
    ----------
    path : Path or str
        Anything that a user may drop on the window.
    """
    place = Path(path)
    try:
        if place.is_file():
            return is_nifti_name(place.name) or is_dicom(place) or is_zip(place)
    except (OSError, ValueError):
        return False
    return holds_images(place, _LEVELS) or holds_dicom(place)


def _chosen(folders: list[StudyFolder], as_recognised: bool) -> tuple[StudyFolder, ...]:
    if as_recognised or not any(folder.series for folder in folders):
        return tuple(folders)
    from napari_brainseg.core.formats.series_choices import with_choices

    return with_choices(folders)


def _of_file(path: Path) -> StudyFolder:
    if is_nifti_name(path.name):
        from napari_brainseg.core.formats.nifti.discovery import nifti_file

        return nifti_file(path)
    if is_dicom(path):
        from napari_brainseg.core.formats.dicom.discovery import dicom_file

        return dicom_file(path)
    if path.suffix.lower() in (".hdr", ".img"):
        raise DataError(
            f"{path} is one half of an Analyze or NIfTI pair (.hdr and .img), which cannot be "
            "opened.",
            CONVERT_PAIRS,
        )
    if is_tiff(path.name):
        hint = "Open the folder that holds the patient's slices."
        raise DataError(f"{path} is one slice, not a patient.", hint)
    raise DataError(
        f"{path} is no image that can be opened.",
        "Open a folder of slices (TIFF or DICOM), a NIfTI file (.nii, .nii.gz), a DICOM file or a "
        "zip archive of them.",
    )


def _search_all(
    root: Path,
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> _Found:
    """Search for slices and NIfTI files first, then for DICOM, also among and below them."""
    nothing: _NoSlicesError | None = None
    try:
        found = _search(root, _LEVELS)
    except _NoSlicesError as error:
        nothing, found = error, _Found([], [], [])
    taken = {folder.path for folder in found.folders} | {
        fault.path for fault in found.faults if not isinstance(fault.error, _EmptyError)
    }
    from napari_brainseg.core.formats.dicom.discovery import dicom_folders

    folders, faults = dicom_folders(root, beside=taken, progress=progress, cancelled=cancelled)
    if folders or faults:
        held = [f.path for f in folders] + [f.path for f in faults]
        ignored = [p for p in found.ignored if not any(h.is_relative_to(p) for h in held)]
        return _Found([*found.folders, *folders], [*found.faults, *faults], ignored)
    if nothing is not None:
        raise nothing
    return found


def _search(folder: Path, levels: int) -> _Found:
    listing = list_folder(folder)
    volumes = [name for name in listing.others if is_nifti_name(name)]
    if any(parse_slice_name(name) for name in listing.tiffs):
        study = study_folder(folder, listing.tiffs)
        if volumes:
            study = study.with_warning(
                f"NIfTI files beside the slices are left out: {listed(volumes)}. Put them into a "
                "folder of their own."
            )
        return _Found([_told_of_below(study, folder, listing, levels)], [], [])
    if volumes:
        from napari_brainseg.core.formats.nifti.discovery import nifti_folders

        studies = nifti_folders(folder, volumes)
        if studies:
            studies[0] = _told_of_below(studies[0], folder, listing, levels)
            if pairs := pairs_in(listing):
                studies[0] = studies[0].with_warning(
                    f"Pairs of Analyze (.hdr and .img) are left out: {listed(pairs)}. "
                    f"{CONVERT_PAIRS}"
                )
        return _Found(studies, [], [])
    found = _Found([], [], [])
    for name in listing.folders if levels else ():
        path = folder / name
        try:
            below = _search(path, levels - 1)
        except DataError as error:
            if isinstance(error, _NoSlicesError) and not isinstance(
                error, (_EmptyError, _MisnamedError)
            ):
                found.ignored.append(path)
            else:
                found.faults.append(Fault(path, error))
            continue
        found.folders.extend(below.folders)
        found.faults.extend(below.faults)
        found.ignored.extend(below.ignored)
    if not found.folders and all(isinstance(f.error, _EmptyError) for f in found.faults):
        if listing.tiffs:
            try:
                study_folder(folder, listing.tiffs)
            except DataError as error:
                raise _MisnamedError(error.message, error.hint) from error
        raise _no_slices(folder, listing)
    return found


def _told_of_below(study: StudyFolder, folder: Path, listing: Listing, levels: int) -> StudyFolder:
    """Tell of images in folders below the root: whose they are nobody can tell."""
    if levels == _LEVELS and (text := images_below(folder, listing, levels - 1)):
        return study.with_warning(text)
    return study


def _no_slices(folder: Path, listing: Listing) -> _NoSlicesError:
    hint = (
        f"Choose a folder with slices named like {EXAMPLE_NAME}, with NIfTI or DICOM files, or a "
        "folder of such folders."
    )
    if not listing.folders and not listing.others:
        return _EmptyError(f"The folder {folder} is empty.", hint)
    kinds = Counter(Path(name).suffix.lower() or "no ending" for name in listing.others)
    held = [f"{_number(count, 'file')} ({kind})" for kind, count in kinds.most_common(3)]
    if listing.folders:
        held.append(f"{_number(len(listing.folders), 'folder')} without slices")
    if pairs_in(listing):
        hint = CONVERT_PAIRS
    elif _PICTURES & kinds.keys():
        hint = "JPEG, PNG and other pictures for show hold no scan: export the series as DICOM."
    return _NoSlicesError(
        f"The folder {folder} holds no images that can be opened, only {', '.join(held)}.", hint
    )


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


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
