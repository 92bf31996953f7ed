"""Looks at a patient's files: are they as they were, and what do their pixels tell."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.thumbnails import make_thumbnail, pack_thumbnail

if TYPE_CHECKING:
    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.session.patient_log import PatientRecord

__all__ = ["fingerprint", "look"]

_log = logging.getLogger(__name__)


def fingerprint(folder: StudyFolder) -> str:
    """Hash names, sizes and times of a patient's files, and the choice of series; no pixels.

    Raises
    ------
    OSError
        If the folder is gone.
    """
    folder.path.stat()
    digest = hashlib.sha256()
    for path in folder.files:
        try:
            stat = path.stat()
        except OSError:
            # E.g. a dangling link: a state of the folder like any other; reading it will tell.
            digest.update(f"{path.name}|?\n".encode())
        else:
            digest.update(f"{path.name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    if folder.series:
        # The same files make another study when other series are chosen.
        chosen = [*(f"{role}={key}" for role, key in folder.roles), f"truth={folder.truth}"]
        digest.update("|".join(chosen).encode())
    return digest.hexdigest()


def look(folder: StudyFolder, record: PatientRecord) -> PatientRecord:
    """Read a patient once and note what the worklist shows of the pixels.

    Returns
    -------
    PatientRecord
        `record` with the facts, or with the fault and its mend.
    """
    try:
        # One reader: this runs in the background, the processor belongs to the window.
        study = load_study(folder, workers=1)
        spacing = study.image.geometry.spacing_mm
        return replace(
            record,
            missing=tuple(modality.value for modality in study.missing_modalities),
            truth_vox=None if study.truth is None else int(study.truth.data.sum(dtype="int64")),
            spacing_mm=None if spacing is None else "x".join(f"{s:g}" for s in spacing),
            image_sha256=image_sha256(study),
            thumbnail=pack_thumbnail(make_thumbnail(study)),
            fault=None,
            fault_hint=None,
        )
    except BrainSegError as error:
        return _faulty(record, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 -- logged, and shown in the patient's row
        _log.exception("Looking at %s failed", folder.path)
        return _faulty(
            record,
            f"{folder.path} cannot be read: {type(error).__name__}: {error}.",
            "Export the patient again.",
        )


def _faulty(record: PatientRecord, fault: str, hint: str) -> PatientRecord:
    return replace(
        record,
        missing=None,
        truth_vox=None,
        spacing_mm=None,
        image_sha256=None,
        thumbnail=None,
        fault=fault,
        fault_hint=hint,
    )
