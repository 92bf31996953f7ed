"""Folders of locked DICOM patients stay out of the training set."""

from __future__ import annotations

import json
from pathlib import Path

from napari_brainseg.core.dataset.locked import (
    LockedPatient,
    LockedSet,
    freeze_locked,
    load_generations,
    load_locked,
)
from napari_brainseg.core.dataset.locked_places import PLACES_NAME


def locked(training_set: Path, n: int = 1, generation: int = 1) -> LockedSet:
    dicom = [
        LockedPatient(
            patient=f"PT-012345678{k}_20200101",
            image_sha256=f"{k}" * 64,
            mask_sha256="a" * 64,
            mask_source="ground truth",
            path=f"/scans/DOE^JANE_{k}",
            lesion_vox=5,
        )
        for k in range(n)
    ]
    corrected = "PT-fedcba9876_20200101"
    tiff = "TCGA_CS_4944_20010208"
    others = [
        dicom[0].model_copy(
            update={
                "patient": corrected,
                "image_sha256": "e" * 64,
                "mask_source": "correction",
                "path": str(training_set / corrected),
            }
        ),
        dicom[0].model_copy(
            update={"patient": tiff, "image_sha256": "f" * 64, "path": f"/scans/{tiff}"}
        ),
    ]
    return LockedSet(patients=(*dicom, *others), generation=generation)


def test_the_training_set_does_not_say_where_dicom_patients_lie(tmp_path: Path) -> None:
    training_set = tmp_path / "training_set"
    file = training_set / "locked.json"
    first, second = locked(training_set), locked(training_set, 2, 2)

    freeze_locked(file, first)
    freeze_locked(file, second)

    assert load_generations(file) == (first, second)
    for written in training_set.rglob("*"):
        if written.is_file():
            assert b"DOE" not in written.read_bytes()
    assert b"TCGA_CS_4944_20010208" in file.read_bytes()
    assert "DOE^JANE_1" in (tmp_path / PLACES_NAME).read_text()


def test_a_training_set_that_was_copied_still_loads(tmp_path: Path) -> None:
    training_set = tmp_path / "training_set"
    file = training_set / "locked.json"
    frozen = locked(training_set)
    freeze_locked(file, frozen)
    (tmp_path / PLACES_NAME).unlink()

    loaded = load_locked(file)

    assert loaded is not None
    assert loaded.digest == frozen.digest
    (lost,) = [p for p in loaded.patients if p.patient == "PT-0123456780_20200101"]
    assert not Path(lost.path).exists()


def test_folders_in_files_of_earlier_versions_are_taken_out(tmp_path: Path) -> None:
    training_set = tmp_path / "training_set"
    file = training_set / "locked.json"
    first = locked(training_set)
    training_set.mkdir()
    content = {"schema_version": 1, "generations": [first.model_dump(mode="json")]}
    file.write_text(json.dumps(content))
    assert load_locked(file) == first

    freeze_locked(file, locked(training_set, 2, 2))

    assert "DOE" not in file.read_text()
    assert load_generations(file)[0] == first
