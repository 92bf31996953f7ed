"""Export of corrected cases into the workspace's training set. Originals are never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.case import Case

__all__ = ["export_case", "exported_patients"]


def export_case(case: Case, training_set: Path, *, editor: str) -> ManifestEntry:
    """Write image and corrected mask in kaggle_3m layout, read them back, record them.

    Parameters
    ----------
    case : Case
        With a correction; paint that was not committed yet is committed first.
    training_set : Path
        Folder of the workspace. An earlier export of the patient is replaced as a whole.
    editor : str
        Who signs the correction off.

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
    from napari_brainseg.core.dataset.layout import write_patient
    from napari_brainseg.core.dataset.manifest import ManifestEntry, append_entry

    correction = case.correction
    if correction is None:
        raise DataError(f"{case.patient} has no correction to export.", "Start a correction first.")
    correction.commit()
    mask, meter = correction.saved, correction.meter
    study = case.study
    folder = write_patient(
        training_set, study.patient, study.image, mask, study.slice_numbers, overwrite=True
    )
    _compare(folder, study, mask)
    entry = ManifestEntry(
        patient=study.patient,
        source=study.path,
        editor=editor,
        base_model=correction.base_version,
        correction_base=correction.base,
        image_sha256=case.image_sha256,
        mask_sha256=hashing.sha256_of_arrays(mask),
        original_mask_sha256=None if case.truth is None else hashing.sha256_of_arrays(case.truth),
        voxels_added=meter.added_vox,
        voxels_removed=meter.removed_vox,
        strokes=meter.strokes,
        seconds=meter.seconds,
    )
    append_entry(training_set, entry)
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
