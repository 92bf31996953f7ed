"""Export of corrected cases into the workspace's training set. Originals are never touched.

One line of the manifest a correction; see `core.dataset.versions` for what is kept beside it and
`core.dataset.rebuild` for how any past state is made again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction_record import CorrectionRecord

__all__ = ["export_case", "exported_patients", "waiting_patients", "withdraw"]

_PATIENCE_S = 30.0
"""Another window's export takes some seconds on a slow disk."""


def export_case(
    case: Case,
    training_set: Path,
    *,
    editor: str,
    record: CorrectionRecord | None = None,
    second_reader: str | None = None,
    note: str = "",
    findings: Iterable[str] = (),
) -> ManifestEntry:
    """Write image and corrected mask in kaggle_3m layout, read them back, record them.

    The files are compared in a hidden folder before they take the patient's place, and the
    patient is as it was before if the line of the manifest cannot be written: whatever fails, a
    second try finds everything in order.

    Parameters
    ----------
    case : Case
        With a correction; paint that was not committed yet is committed first.
    training_set : Path
        Folder of the workspace. An earlier export of the patient is replaced as a whole; its
        mask stays among the versions.
    editor : str
        Who signs the correction off.
    record : CorrectionRecord, optional
        What the catalogue knows of it.
    second_reader : str, optional
        Who read it as well.
    note : str
        Of the editor.
    findings : iterable of str
        What the checks found and was let pass.

    Returns
    -------
    ManifestEntry
        What was appended to the manifest: only after the files were found equal, voxel by voxel.

    Raises
    ------
    DataError
        If there is no correction, the folder cannot be written, or what was read back differs.
    """
    from napari_brainseg.core.dataset import hashing
    from napari_brainseg.core.dataset.file_lock import file_lock
    from napari_brainseg.core.dataset.layout import EXPORT_LOCK, write_patient
    from napari_brainseg.core.dataset.manifest import ManifestEntry, append_entry
    from napari_brainseg.core.dataset.versions import keep_mask

    correction = case.correction
    if correction is None:
        raise DataError(f"{case.patient} has no correction to export.", "Start a correction first.")
    correction.commit()
    mask, meter = correction.saved, correction.meter
    study = case.study
    started = None if record is None else datetime.fromtimestamp(record.created).astimezone()
    entry = ManifestEntry(
        patient=study.patient,
        source=None if study.format is StudyFormat.DICOM else study.path,
        started=started,
        editor=editor,
        second_reader=second_reader,
        note=note,
        findings=tuple(findings),
        base_model=correction.base_version,
        correction_base=correction.base,
        image_sha256=case.image_sha256,
        mask_sha256=keep_mask(training_set, mask),
        base_mask_sha256=hashing.sha256_of_arrays(correction.base_mask),
        original_mask_sha256=None if case.truth is None else hashing.sha256_of_arrays(case.truth),
        voxels_added=meter.added_vox,
        voxels_removed=meter.removed_vox,
        strokes=meter.strokes,
        seconds=meter.seconds,
        tools={} if record is None else dict(record.tools),
        slices_touched=_differing_slices(correction.base_mask, mask),
        workspace_id=None if record is None else record.workspace_id,
        correction_id=correction.id,
    )
    with file_lock(training_set / EXPORT_LOCK, patience_s=_PATIENCE_S):
        _keep_other_images(training_set, entry)
        write_patient(
            training_set,
            study.patient,
            study.image,
            mask,
            study.slice_numbers,
            overwrite=True,
            geometry=study.image.geometry,
            check=lambda folder: _compare(folder, study, mask),
            record=lambda: append_entry(training_set, entry),
        )
    return entry


def withdraw(training_set: Path, patient: str, *, editor: str, note: str) -> ManifestEntry | None:
    """Take a patient out of the training set; its files are kept among the versions.

    Returns
    -------
    ManifestEntry or None
        The line that was appended, the withdrawn one but for time, editor and note; `None` if
        the patient was not in the set.

    Raises
    ------
    DataError
        If it cannot be recorded, or the files cannot be removed; in the latter case they count
        no more, and the next call removes them.
    """
    from napari_brainseg.core.dataset.file_lock import file_lock
    from napari_brainseg.core.dataset.layout import EXPORT_LOCK
    from napari_brainseg.core.dataset.manifest import MANIFEST_NAME

    if not (training_set / MANIFEST_NAME).is_file():
        return None
    with file_lock(training_set / EXPORT_LOCK, patience_s=_PATIENCE_S):
        return _withdraw(training_set, patient, editor, note)


def _withdraw(training_set: Path, patient: str, editor: str, note: str) -> ManifestEntry | None:
    from napari_brainseg.core.dataset.layout import remove_patient
    from napari_brainseg.core.dataset.manifest import ManifestEntry, append_entry, read_manifest
    from napari_brainseg.core.dataset.versions import has_mask, keep_images, keep_mask
    from napari_brainseg.core.formats import load_study

    latest = {entry.patient: entry for entry in read_manifest(training_set)}.get(patient)
    if latest is None:
        return None
    folder = training_set / patient
    if folder.is_dir() and not has_mask(training_set, latest.mask_sha256):
        # Exported before versions were kept.
        truth = load_study(folder).truth
        if truth is not None:
            keep_mask(training_set, truth.data)
    keep_images(training_set, patient, latest.image_sha256)
    entry = None
    if not latest.withdrawn:
        changed = {"withdrawn": True, "editor": editor, "note": note, "second_reader": None}
        fields = latest.model_dump(exclude={"created", "software_version", *changed})
        entry = ManifestEntry.model_validate(fields | changed)
        append_entry(training_set, entry)
    remove_patient(training_set, patient)
    return entry


def exported_patients(training_set: Path) -> tuple[str, ...]:
    """Patients with an exported correction that is still there, sorted.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    from napari_brainseg.core.dataset.manifest import current_entries

    return tuple(p for p in current_entries(training_set) if (training_set / p).is_dir())


def waiting_patients(
    training_set: Path,
    bundle: Bundle,
    *,
    began: float | None = None,
    validation: Iterable[str] = (),
) -> tuple[str, ...]:
    """Patients with an exported correction that a model was not trained on, sorted.

    A correction was learnt from if the patient was trained on, and

    - the model's bundle names the mask (``training["mask_sha256"]``, patient to hash), or else
    - the same mask was exported before the training began (before the bundle was made, where the
      begin is not known), or
    - the mask is the ground truth that the patient came with.

    A patient that is exported again with another mask waits anew; one that is withdrawn does not
    wait, nor does one that validates.

    Parameters
    ----------
    training_set : Path
        Its folder.
    bundle : Bundle
        The model.
    began : float, optional
        When its training began, Unix seconds.
    validation : iterable of str
        Patients that never train.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    from napari_brainseg.core.dataset.manifest import current_entries, read_manifest
    from napari_brainseg.core.formats import undated

    entries = read_manifest(training_set)
    learnt = {undated(name) for name in bundle.train_patients}
    barred = {undated(name) for name in validation}
    masks = bundle.manifest.training.get("mask_sha256")
    at = _made(bundle) if began is None else began
    before = {
        (e.patient, e.mask_sha256)
        for e in entries
        if e.created.timestamp() <= at and not e.withdrawn
    }

    def waits(entry: ManifestEntry) -> bool:
        if undated(entry.patient) not in learnt:
            return True
        if isinstance(masks, dict):
            return bool(masks.get(entry.patient) != entry.mask_sha256)
        is_truth = entry.mask_sha256 == entry.original_mask_sha256
        return not is_truth and (entry.patient, entry.mask_sha256) not in before

    return tuple(
        patient
        for patient, entry in current_entries(entries).items()
        if (training_set / patient).is_dir() and undated(patient) not in barred and waits(entry)
    )


def _made(bundle: Bundle) -> float:
    made = datetime.fromisoformat(bundle.manifest.created)
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()


def _keep_other_images(training_set: Path, entry: ManifestEntry) -> None:
    """Keep an earlier export if it holds other images, which would be lost with it."""
    from napari_brainseg.core.dataset.manifest import current_entries
    from napari_brainseg.core.dataset.versions import keep_images

    earlier = current_entries(training_set).get(entry.patient)
    if earlier is not None and earlier.image_sha256 != entry.image_sha256:
        keep_images(training_set, entry.patient, earlier.image_sha256)


def _differing_slices(base: NDArray[np.uint8], mask: NDArray[np.uint8]) -> int:
    return sum(not np.array_equal(a, b) for a, b in zip(base, mask, strict=True))


def _compare(folder: Path, study: Study, mask: NDArray[np.uint8]) -> None:
    from napari_brainseg.core.formats import load_study

    hint = "Export again; if it happens twice, check the disk."
    again = load_study(folder)
    if again.slice_numbers != study.slice_numbers:
        raise DataError(
            f"The export {folder} holds the slices {again.slice_numbers}, the study "
            f"{study.slice_numbers}.",
            hint,
        )
    if not np.array_equal(again.image.data, study.image.data):
        raise DataError(f"The images read back from {folder} differ from the study.", hint)
    written = np.zeros_like(mask) if again.truth is None else again.truth.data
    if not np.array_equal(written, mask):
        wrong = int(np.count_nonzero(written != mask))
        raise DataError(
            f"The masks read back from {folder} differ from the correction in {wrong} voxels.",
            hint,
        )
