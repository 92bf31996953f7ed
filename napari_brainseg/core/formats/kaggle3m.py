"""One patient folder of kaggle_3m: which file is which slice. Names only, no pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.names import (
    EXAMPLE_NAME,
    is_tiff,
    parse_slice_name,
)
from napari_brainseg.core.formats.sidecar import GEOMETRY_FILE
from napari_brainseg.core.imaging import DataError, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_brainseg.core.imaging import Modality, SeriesInfo

__all__ = ["Listing", "Slices", "StudyFolder", "list_folder", "slices_by_number", "study_folder"]

_SHOWN = 5
"""File names spelt out in a message; the rest is counted."""


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """A patient's files, as far as names and headers tell.

    Parameters
    ----------
    path : Path
        What opens this patient again, alone: its folder, or the first of its files where several
        patients share a folder.
    patient : str
        Name of the study, e.g. ``TCGA_CS_4944_20010208``.
    images : tuple of Path
        Image files. kaggle_3m: one a slice, ascending by slice number; else all files of all
        series.
    masks : tuple of Path or None
        kaggle_3m: mask file of each image, all ``None`` where the patient has no masks; else the
        files of the ground truth, if there is one.
    slice_numbers : tuple of int
        kaggle_3m: ascending, they may have gaps. Empty elsewhere: slices count from 1.
    warnings : tuple of str
        What a reader should know, e.g. a gap in the slice numbers.
    format : StudyFormat
        Of the files.
    series : tuple of SeriesInfo
        NIfTI and DICOM: what the study can be put together from, masks included.
    roles : tuple of (Modality, str)
        NIfTI and DICOM: which series (by key) stands for which modality.
    truth : str
        NIfTI and DICOM: key of the series that is the ground truth; empty without one.
    person : str
        DICOM: what the files call the patient, for the window only; written nowhere.
    as_found : tuple of roles and truth, or None
        What was recognised, where others were chosen.
    """

    path: Path
    patient: str
    images: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    slice_numbers: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    format: StudyFormat = StudyFormat.KAGGLE_3M
    series: tuple[SeriesInfo, ...] = ()
    roles: tuple[tuple[Modality, str], ...] = ()
    truth: str = ""
    person: str = field(default="", repr=False)
    as_found: tuple[tuple[tuple[Modality, str], ...], str] | None = None

    @property
    def has_masks(self) -> bool:
        """Whether the patient comes with ground truth."""
        return any(mask is not None for mask in self.masks)

    @property
    def slices(self) -> int:
        """Number of slices, as far as it is known without pixels; else 0."""
        if self.format is StudyFormat.KAGGLE_3M:
            return len(self.images)
        keys = [key for _, key in sorted(self.roles, key=lambda role: role[0] != "FLAIR")]
        return self.find(keys[0]).slices if keys else 0

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the study is read from; a change of one of them changes the study."""
        masks = tuple(mask for mask in self.masks if mask is not None)
        if self.format is not StudyFormat.KAGGLE_3M:
            return (*self.images, *masks)
        sidecar = self.path / GEOMETRY_FILE
        return (*self.images, *masks, *((sidecar,) if sidecar.is_file() else ()))

    def find(self, key: str) -> SeriesInfo:
        """Return a series by its key.

        Raises
        ------
        DataError
            If there is none.
        """
        for series in self.series:
            if series.key == key:
                return series
        known = ", ".join(series.key for series in self.series) or "none"
        raise DataError(f"{self.patient} has no series {key!r}, only: {known}.", "Choose one.")

    def with_roles(self, roles: Mapping[Modality, str], truth: str | None = None) -> StudyFolder:
        """Choose which series stands for which modality.

        Parameters
        ----------
        roles : mapping of Modality to str
            Modality to key; modalities left out are missing then.
        truth : str, optional
            Key of the mask that is the ground truth, empty for none; as it is where left out.

        Raises
        ------
        DataError
            If there is no such series, one is named twice, or a mask is named as an image.
        """
        chosen = tuple(sorted(roles.items()))
        keys = [key for _, key in chosen]
        if len(set(keys)) != len(keys):
            raise DataError(
                f"{self.patient}: one series is chosen for two modalities: {', '.join(keys)}.",
                "Choose another series for each modality.",
            )
        for key in keys:
            if self.find(key).is_mask:
                raise DataError(
                    f"{self.patient}: {key} is a mask, not an image.", "Choose an image series."
                )
        key = self.truth if truth is None else truth
        masks: tuple[Path | None, ...] = self.find(key).files if key else ()
        before = (self.roles, self.truth) if self.as_found is None else self.as_found
        as_found = None if before == (chosen, key) else before
        return replace(self, roles=chosen, truth=key, masks=masks, as_found=as_found)

    def with_warning(self, text: str) -> StudyFolder:
        """Add what a reader should know."""
        return replace(self, warnings=(*self.warnings, text))


class Listing(NamedTuple):
    """Entries of a folder by kind, each sorted by name."""

    tiffs: tuple[str, ...]
    folders: tuple[str, ...]
    others: tuple[str, ...]


def list_folder(path: Path) -> Listing:
    """Read a folder once; hidden entries are left out.

    Raises
    ------
    DataError
        If the folder does not exist, is a file, or may not be read.
    """
    tiffs: list[str] = []
    folders: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__MACOSX")):
                    continue
                # A dangling link counts as a file: reading it then says what is wrong.
                kind = folders if entry.is_dir() else tiffs if is_tiff(entry.name) else others
                kind.append(entry.name)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.", "Check the path.") from error
    except NotADirectoryError as error:
        raise DataError(
            f"{path} is a file, not a folder.",
            "Open the folder that holds the patient's slices.",
        ) from error
    except PermissionError as error:
        raise DataError(
            f"No permission to read the folder {path}.",
            "Ask its owner for read access, or copy it to a place of your own.",
        ) from error
    except OSError as error:
        raise DataError(
            f"The folder {path} cannot be read: {error.strerror or error}.",
            "Check that the disk or network drive is connected.",
        ) from error
    return Listing(tuple(sorted(tiffs)), tuple(sorted(folders)), tuple(sorted(others)))


class Slices(NamedTuple):
    """File names of one patient by slice number."""

    patient: str
    images: dict[int, str]
    masks: dict[int, str]
    strangers: tuple[str, ...]


def slices_by_number(path: Path, names: Sequence[str]) -> Slices:
    """Sort the TIFF files of a folder into images and masks by slice number.

    Parameters
    ----------
    path : Path
        The patient's folder, for the messages.
    names : sequence of str
        Names of the TIFF files in it; those that fit no slice come back as ``strangers``.

    Raises
    ------
    DataError
        If no name fits the pattern, several patients share the folder, or a slice number occurs
        twice.
    """
    patients: dict[str, str] = {}
    images: dict[int, str] = {}
    masks: dict[int, str] = {}
    strangers: list[str] = []
    for name in names:
        parsed = parse_slice_name(name)
        if parsed is None:
            strangers.append(name)
            continue
        patients.setdefault(parsed.patient, name)
        kind, slices = ("mask", masks) if parsed.is_mask else ("image", images)
        if parsed.number in slices and len(patients) == 1:
            raise DataError(
                f"Slice {parsed.number} has two {kind} files in {path}: "
                f"{slices[parsed.number]} and {name}.",
                "Keep one of the two and move the other away.",
            )
        slices[parsed.number] = name
    if not patients:
        raise DataError(
            f"None of the {len(names)} TIFF files in {path} is named like a slice "
            f"({EXAMPLE_NAME}): {_some(strangers)}.",
            "Rename them to PATIENT_NUMBER.tif, masks to PATIENT_NUMBER_mask.tif.",
        )
    if len(patients) > 1:
        first = ", ".join(
            f"{patient} ({name})" for patient, name in list(patients.items())[:_SHOWN]
        )
        raise DataError(
            f"The folder {path} mixes {len(patients)} patients: {first}.",
            "Move the slices of each patient to a folder of its own.",
        )
    return Slices(next(iter(patients)), images, masks, tuple(strangers))


def study_folder(path: Path, names: Sequence[str]) -> StudyFolder:
    """Pair images with masks and sort them by number.

    Parameters
    ----------
    path : Path
        The patient's folder.
    names : sequence of str
        Names of the TIFF files in it.

    Raises
    ------
    DataError
        As `slices_by_number`, and if images and masks do not pair up.
    """
    patient, images, masks, strangers = slices_by_number(path, names)
    _require_pairs(path, images, masks)
    numbers = tuple(sorted(images))
    warnings = _gap_warnings(numbers)
    if strangers:
        warnings = (
            *warnings,
            f"Left out, not named like a slice ({EXAMPLE_NAME}): {_some(strangers)}.",
        )
    return StudyFolder(
        path=path,
        patient=patient,
        images=tuple(path / images[n] for n in numbers),
        masks=tuple(path / masks[n] if n in masks else None for n in numbers),
        slice_numbers=numbers,
        warnings=warnings,
    )


def _require_pairs(path: Path, images: Mapping[int, str], masks: Mapping[int, str]) -> None:
    if not images:
        raise DataError(
            f"The folder {path} holds {len(masks)} masks but no images.",
            "Put the images beside their masks.",
        )
    if not masks:
        return
    if bare := sorted(images.keys() - masks.keys()):
        raise DataError(
            f"{len(bare)} of {len(images)} images in {path} have no mask: "
            f"{_some([images[n] for n in bare])}.",
            "Add the missing masks (all 0 where there is no lesion), "
            "or move all masks away to open the patient without ground truth.",
        )
    if orphans := sorted(masks.keys() - images.keys()):
        raise DataError(
            f"{len(orphans)} of {len(masks)} masks in {path} have no image: "
            f"{_some([masks[n] for n in orphans])}.",
            "Add the missing images, or move these masks away.",
        )


def _gap_warnings(numbers: tuple[int, ...]) -> tuple[str, ...]:
    first, last = numbers[0], numbers[-1]
    warnings = []
    if first > 1:
        warnings.append(f"Slice numbers start at {first}; {_run(1, first - 1)} may be missing.")
    gaps = [(a + 1, b - 1) for a, b in pairwise(numbers) if b > a + 1]
    if gaps:
        alone = len(gaps) == 1 and gaps[0][0] == gaps[0][1]
        named = ", ".join(_run(*gap) for gap in gaps)
        warnings.append(
            f"{'Slice' if alone else 'Slices'} {named} {'is' if alone else 'are'} missing between "
            f"{first} and {last}; the volume closes the gap, so distances across it are wrong."
        )
    return tuple(warnings)


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
