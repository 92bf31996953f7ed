"""Any past state of a training set, made again from its manifest; and whether one is sound."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.hashing import image_sha256, sha256_of_arrays
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.manifest import (
    MANIFEST_NAME,
    ManifestEntry,
    current_entries,
    manifest_lines,
)
from napari_brainseg.core.dataset.versions import has_mask, kept_images, load_mask
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["Problem", "entries_at", "rebuild", "verify"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a training set.

    Parameters
    ----------
    line : int
        Of the manifest, from 1.
    patient : str
        Whose.
    message : str
        What.
    """

    line: int
    patient: str
    message: str


def entries_at(training_set: Path, at: int | datetime | None = None) -> dict[str, ManifestEntry]:
    """Return what was in the set at a past moment, by patient.

    Parameters
    ----------
    training_set : Path
        Its folder.
    at : int, datetime or None
        After this line of the manifest (from 1), or at this time, one with a time zone; `None`
        for now.

    Raises
    ------
    DataError
        If there is no manifest, no such line, or it cannot be read.
    """
    return current_entries(entry for _, entry in _lines_until(training_set, at))


def rebuild(
    training_set: Path,
    target: Path,
    at: int | datetime | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, ...]:
    """Write a past state of a training set in kaggle_3m layout, with its lines of the manifest.

    Masks come from the versions that were kept, images from the export, an export that was
    replaced, or the folder that the patient was read from: whichever holds what the manifest's
    hash says. Nothing is guessed: all hashes are checked before anything is written, and
    `target` appears when all is written.

    Parameters
    ----------
    training_set : Path
        Its folder.
    target : Path
        A folder that is not there yet, or is empty.
    at : int, datetime or None
        See `entries_at`.
    progress : callable, optional
        Gets patients written and patients in all.

    Returns
    -------
    tuple of str
        The patients, sorted.

    Raises
    ------
    DataError
        If `target` is taken, something is missing or was changed (all of it is named), or the
        place cannot be written.
    """
    _refuse_taken(training_set, target)
    lines = _lines_until(training_set, at)
    entries = current_entries(entry for _, entry in lines)
    missing = [why for entry in entries.values() if (why := _lacks(training_set, entry))]
    if missing:
        raise DataError(
            f"The training set cannot be made again: {' '.join(missing)}",
            "Bring back the original folders of the patients, or restore the training set's "
            "folder .versions from a backup.",
        )
    scratch = target.with_name(f".{target.name}.new-{uuid.uuid4().hex[:8]}")
    try:
        scratch.mkdir(parents=True)
        try:
            for number, (patient, entry) in enumerate(entries.items(), start=1):
                study = _study_of(training_set, entry)
                mask = _mask_of(training_set, entry)
                # Both were there a moment ago.
                assert study is not None
                assert mask is not None
                write_patient(
                    scratch, patient, study.image, mask, study.slice_numbers,
                    geometry=study.image.geometry,
                )  # fmt: skip
                if progress is not None:
                    progress(number, len(entries))
            write_atomically(scratch / MANIFEST_NAME, b"".join(line + b"\n" for line, _ in lines))
            if target.is_dir():
                target.rmdir()
            scratch.replace(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except OSError as error:
        raise DataError(
            f"Cannot write the training set to {target}: {error.strerror or error}.",
            "Check permissions and free space.",
        ) from error
    return tuple(entries)


def verify(training_set: Path) -> tuple[Problem, ...]:
    """Check the files of a training set against its manifest, versions included.

    Every line must have its mask and a source of its images; the patients of today must hold
    what the manifest says.

    Raises
    ------
    DataError
        If there is no manifest, or it cannot be read.
    """
    entries = [entry for _, entry in _lines_until(training_set, None)]
    current = current_entries(entries)
    problems = []
    for number, entry in enumerate(entries, start=1):
        if not entry.withdrawn and (why := _lacks(training_set, entry)):
            problems.append(Problem(number, entry.patient, why))
        if current.get(entry.patient) is entry:
            problems += [
                Problem(number, entry.patient, why) for why in _differs(training_set, entry)
            ]
    return tuple(problems)


def _lines_until(
    training_set: Path, at: int | datetime | None
) -> tuple[tuple[bytes, ManifestEntry], ...]:
    lines = manifest_lines(training_set)
    if not lines:
        raise DataError(
            f"{training_set} is no training set: it has no {MANIFEST_NAME}.",
            "Name the folder training_set of a workspace.",
        )
    if isinstance(at, datetime):
        moment = at if at.tzinfo else at.astimezone()
        return tuple(item for item in lines if item[1].created <= moment)
    if at is not None and not 1 <= at <= len(lines):
        raise DataError(
            f"The manifest of {training_set} has {len(lines)} lines, not {at}.",
            f"Give a number from 1 to {len(lines)}.",
        )
    return lines[:at]


def _refuse_taken(training_set: Path, target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(
            f"{target} is there already.", "Name a folder that does not exist yet, or is empty."
        )
    if target.resolve().is_relative_to(training_set.resolve()):
        raise DataError(f"{target} lies inside the training set.", "Name a folder somewhere else.")


def _lacks(training_set: Path, entry: ManifestEntry) -> str:
    """Say what of an entry cannot be found again; empty if nothing."""
    lacking = []
    if _mask_of(training_set, entry) is None:
        lacking.append(f"mask {entry.mask_sha256[:12]}")
    if _study_of(training_set, entry) is None:
        lacking.append(f"images {entry.image_sha256[:12]}")
    if not lacking:
        return ""
    verb = "is" if lacking == [lacking[0]] and lacking[0].startswith("mask") else "are"
    return f"The {' and the '.join(lacking)} of {entry.patient} {verb} missing or changed."


def _mask_of(training_set: Path, entry: ManifestEntry) -> NDArray[np.uint8] | None:
    if has_mask(training_set, entry.mask_sha256):
        # A damaged one may still be in the export.
        with contextlib.suppress(DataError):
            return load_mask(training_set, entry.mask_sha256)
    for study in _studies(training_set, entry):
        truth = study.truth
        if truth is not None and sha256_of_arrays(truth.data) == entry.mask_sha256:
            return truth.data
    return None


def _study_of(training_set: Path, entry: ManifestEntry) -> Study | None:
    for study in _studies(training_set, entry):
        if image_sha256(study) == entry.image_sha256:
            return study
    return None


def _studies(training_set: Path, entry: ManifestEntry) -> Iterator[Study]:
    """Read the places where the patient of an entry may lie; unreadable ones are passed over."""
    from napari_brainseg.core.formats import load_study

    kept = kept_images(training_set, entry.patient, entry.image_sha256)
    for folder in (training_set / entry.patient, kept, entry.source):
        if folder is not None and folder.exists():
            try:
                yield load_study(folder)
            except DataError:
                continue


def _differs(training_set: Path, entry: ManifestEntry) -> list[str]:
    """Compare a patient's folder with the entry that describes it."""
    from napari_brainseg.core.formats import load_study

    folder = training_set / entry.patient
    if not folder.is_dir():
        return [f"The folder {folder} is missing."]
    try:
        study = load_study(folder)
    except DataError as error:
        return [str(error)]
    problems = []
    if image_sha256(study) != entry.image_sha256:
        problems.append(f"The images in {folder} are not those of the manifest.")
    if study.truth is None or sha256_of_arrays(study.truth.data) != entry.mask_sha256:
        problems.append(f"The masks in {folder} are not those of the manifest.")
    return problems
