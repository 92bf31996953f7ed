"""Patients of the gate as they were locked: found, read once, held against their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
from napari_brainseg.core.dataset.locked_places import locked_folder
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari_brainseg.core.dataset.locked import LockedPatient, LockedSet
    from napari_brainseg.core.formats import StudyFolder

__all__ = ["Measurable", "find_locked", "find_named", "folders_by_name"]


@dataclass(frozen=True, slots=True)
class Measurable:
    """A patient's folder, with the hashes of what was read from it.

    Parameters
    ----------
    folder : StudyFolder
    image_sha256, mask_sha256 : str
        Of the intensities and of the mask.
    lesion_vox : int
        Voxels of the mask.
    """

    folder: StudyFolder
    image_sha256: str
    mask_sha256: str
    lesion_vox: int

    @property
    def patient(self) -> str:
        """Name of the study."""
        return self.folder.patient

    @classmethod
    def read(cls, folder: StudyFolder) -> Measurable:
        """Read a folder and hash it; nothing else is kept.

        Raises
        ------
        DataError
            If it cannot be read or has no masks.
        """
        study = load_study(folder, workers=1) if folder.has_masks else None
        if study is None or study.truth is None:
            raise DataError(f"{folder.path} holds no masks.", "Put them back.")
        return cls(
            folder, image_sha256(study), mask_sha256(study.truth), int(study.truth.data.sum())
        )


def folders_by_name(roots: Sequence[Path]) -> dict[str, StudyFolder]:
    """Find patients below folders by name; the first folder of several wins.

    Raises
    ------
    DataError
        If a folder does not exist or holds nobody.
    """
    found: dict[str, StudyFolder] = {}
    for root in roots:
        for folder in discover(root).folders:
            found.setdefault(folder.patient, folder)
    return found


def find_locked(
    locked: LockedSet,
    data: Mapping[str, StudyFolder],
    corrections: Mapping[str, StudyFolder],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Measurable, ...]:
    """Find all locked patients, and refuse those that are not what was locked.

    Parameters
    ----------
    locked : LockedSet
        Who, with hashes and the folder each one lay in.
    data, corrections : mapping of str to StudyFolder
        Where patients are looked for who have left their folder: ground truth in `data`,
        corrected ones in `corrections`.
    cancelled : callable, optional
        Asked before each patient.

    Raises
    ------
    DataError
        Naming every patient whose folder is gone, or whose image or mask has changed.
    CancelledError
        If `cancelled` said so.
    """
    found: list[Measurable] = []
    faults: list[str] = []
    for patient in locked.patients:
        if cancelled is not None and cancelled():
            raise CancelledError("The gate was stopped.")
        elsewhere = (corrections if patient.mask_source == "correction" else data).get(
            patient.patient
        )
        try:
            folder = locked_folder(patient) or elsewhere
            if folder is None:
                raise DataError(f"it is not in {patient.path} any more")
            measurable = Measurable.read(folder)
        except DataError as error:
            faults.append(f"{patient.patient}: {error.message.rstrip('.')}")
            continue
        if changed := _changed(patient, measurable):
            faults.append(f"{patient.patient}: {changed} has changed in {folder.path}")
        else:
            found.append(measurable)
    if faults:
        raise DataError(
            f"{len(faults)} of {len(locked.patients)} locked patients are not what was locked: "
            f"{'; '.join(faults)}.",
            "Put them back as they were (where series came to a study, choose the former ones "
            "under Series), or make a new generation of the locked set; figures on other images "
            "or masks would not compare.",
        )
    return tuple(found)


def find_named(names: Sequence[str], found: Mapping[str, StudyFolder]) -> tuple[Measurable, ...]:
    """Read corrected patients by name.

    Raises
    ------
    DataError
        Naming those that are not there; or if one cannot be read.
    """
    absent = [name for name in names if name not in found]
    if absent:
        raise DataError(
            f"Corrected patients are not in the training set any more: {', '.join(absent)}.",
            "Give the training set that the run had with --corrections.",
        )
    return tuple(Measurable.read(found[name]) for name in names)


def _changed(patient: LockedPatient, found: Measurable) -> str:
    parts = [
        part
        for part, locked, now in (
            ("the image", patient.image_sha256, found.image_sha256),
            ("the mask", patient.mask_sha256, found.mask_sha256),
        )
        if locked != now
    ]
    return " and ".join(parts)
