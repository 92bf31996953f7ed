"""``brainseg mask``, and the formats of ``brainseg predict``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.masks import describe_mask, read_mask
from napari_brainseg.core.segmentation.inference import predict

FIRST = "PHANTOM_0009_0000"


@pytest.fixture(scope="session")
def dicom_patient(tmp_path_factory):
    """One small phantom as three DICOM series."""
    study = phantom_study(9, 0, slices=5, size=48, lesions=1)
    return write_dicom_phantom(tmp_path_factory.mktemp("export") / "DOE_JANE", study)


def test_a_dicom_patient_is_predicted_into_its_own_grid(brainseg, dicom_patient, model, tmp_path):
    out = tmp_path / "masks"
    for kind, ending in (
        ("nifti", "prediction_mask.nii.gz"),
        ("seg", "prediction.dcm"),
        ("seg-fractional", "prediction_fractional.dcm"),
    ):
        result = brainseg(
            "predict", dicom_patient, "-o", out, "-m", model.path, "-d", "cpu", "--format", kind
        )
        assert result.exit_code == 0, result.stderr
        study = load_study(dicom_patient)
        expected = predict(study, model, device="cpu")
        path = out / study.patient / f"{study.patient}_{ending}"
        found = read_mask(path, study).data
        mask = expected.probability >= 0.5 if kind == "seg-fractional" else expected.mask
        np.testing.assert_array_equal(found, mask)
    (segment,) = describe_mask(out / study.patient / f"{study.patient}_prediction.dcm").segments
    assert segment.how == "AUTOMATIC"
    assert model.version in segment.algorithm
    text = (out / study.patient / f"{study.patient}.json").read_text()
    record = json.loads(text)
    assert record["model"] == model.version
    assert record["volume_ml"] == pytest.approx(
        expected.mask.sum() * study.image.geometry.voxel_volume_ml
    )
    assert "DOE" not in text
    again = brainseg("predict", dicom_patient, "-o", out, "-m", model.path, "--format", "seg")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_series_are_chosen_and_pictures_drawn(brainseg, dicom_patient, model, tmp_path):
    result = brainseg(
        "predict", dicom_patient, "-o", tmp_path, "-m", model.path, "-d", "cpu",
        "--post", "none", "--pictures",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (folder,) = (tmp_path / "pictures").iterdir()
    assert any(folder.rglob("*.png"))
    record = json.loads((tmp_path / folder.name / f"{folder.name}.json").read_text())
    assert record["missing_modalities"] == ["post-contrast"]
    assert (tmp_path / folder.name / f"{folder.name}_1_mask.tif").is_file()


def test_a_series_that_is_not_there_is_a_fault_of_the_patient(
    brainseg, dicom_patient, model, tmp_path
):
    result = brainseg(
        "predict", dicom_patient, "-o", tmp_path, "-m", model.path, "--flair", "PERFUSION"
    )
    assert result.exit_code == 1
    assert "PERFUSION" in result.stderr


def test_dicom_output_of_tiff_patients_says_what_is_needed(brainseg, patients, model, tmp_path):
    result = brainseg(
        "predict", patients, "-o", tmp_path / "m", "-m", model.path, "--format", "seg"
    )
    assert result.exit_code == 1
    assert "Only for studies opened from DICOM" in result.stderr
    assert "--format nifti" in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_mask_goes_through_all_formats(brainseg, dicom_patient, tmp_path):
    study = load_study(dicom_patient)
    rng = np.random.default_rng(0)
    mask = (rng.random(study.image.grid_shape) < 0.2).astype(np.uint8)
    from napari_brainseg.core.dataset.layout import write_patient

    at = write_patient(tmp_path, study.patient, None, mask, study.slice_numbers)
    for name in ("a.nii.gz", "b.dcm", "c.nii", "slices"):
        result = brainseg("mask", "convert", at, dicom_patient, tmp_path / name, "-e", "Ada King")
        assert result.exit_code == 0, result.stderr
        assert "ml of lesion" in result.stdout
        at = tmp_path / name
        np.testing.assert_array_equal(read_mask(at, study).data, mask)
    assert json.loads((tmp_path / "a.json").read_text())["editor"] == "Ada King"
    told = brainseg("mask", "info", tmp_path / "b.dcm")
    facts = json.loads(brainseg("mask", "info", tmp_path / "b.dcm", "--json").output)
    assert f"{facts['lesion_voxels']} voxels" in told.output
    assert facts["segments"][0]["number"] == 1
    assert "DICOM SEG" in told.stdout
    assert "1  FLAIR abnormality" in told.stdout
    assert "manual" in told.stdout
    assert str(mask.sum()) in told.stdout
    again = brainseg("mask", "convert", at, dicom_patient, tmp_path / "a.nii.gz")
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_a_mask_of_another_patient_is_a_message(brainseg, patients, dicom_patient, tmp_path):
    result = brainseg("mask", "convert", patients / FIRST, dicom_patient, tmp_path / "m.dcm")
    assert result.exit_code == 1
    assert "another grid" in result.stderr
    assert not (tmp_path / "m.dcm").exists()
    missing = brainseg("mask", "info", tmp_path / "nothing.dcm")
    assert missing.exit_code == 1
    assert "does not exist" in missing.stderr
