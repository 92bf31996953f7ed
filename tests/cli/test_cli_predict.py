"""``brainseg predict``: files, refusals, exit codes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.predictor import Predictor

FIRST = "PHANTOM_0009_0000"


def _bytes(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_masks_of_all_patients_are_what_the_model_says(brainseg, patients, model, tmp_path):
    before = _bytes(patients)
    result = brainseg(
        "predict", patients, "--out", tmp_path / "masks", "--model", model.path, "--device", "cpu",
        "--json", tmp_path / "all.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert _bytes(patients) == before
    for index in range(2):
        patient = f"PHANTOM_0009_{index:04d}"
        study = load_study(patients / patient)
        expected = predict(study, model, device="cpu").mask
        folder = tmp_path / "masks" / patient
        for z, number in enumerate(study.slice_numbers):
            written = tifffile.imread(folder / f"{patient}_{number}_mask.tif")
            assert np.array_equal(written, expected[z] * 255)
        record = json.loads((folder / f"{patient}.json").read_text())
        assert record["model"] == model.version
        assert record["volume_vox"] == int(expected.sum())
        assert record["volume_ml"] is None
        assert record["engine"] == "OpenVINO on CPU"
        assert record["reason"]
        assert {"load", "preprocess", "infer", "postprocess", "total"} <= record["seconds"].keys()
        assert f"{patient}: {record['volume_vox']} voxels" in result.stdout
    everything = json.loads((tmp_path / "all.json").read_text())
    assert [r["patient"] for r in everything["patients"]] == [FIRST, "PHANTOM_0009_0001"]
    assert everything["faults"] == []


def test_one_patient_with_test_time_augmentation(brainseg, patients, model, tmp_path):
    result = brainseg(
        "predict", patients / FIRST, "-o", tmp_path, "-m", model.path, "-d", "cpu", "--tta"
    )
    assert result.exit_code == 0, result.stderr
    expected = predict(load_study(patients / FIRST), model, device="cpu", tta=True).mask
    written = tifffile.imread(tmp_path / FIRST / f"{FIRST}_3_mask.tif")
    assert np.array_equal(written, expected[2] * 255)


def test_a_broken_patient_is_named_and_the_others_go_on(brainseg, patients, model, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(patients, root)
    (root / FIRST / f"{FIRST}_3.tif").write_bytes(b"cut off")
    result = brainseg(
        "predict", root, "--out", tmp_path / "masks", "-m", model.path, "-d", "cpu",
        "--json", tmp_path / "all.json",
    )  # fmt: skip
    assert result.exit_code == 1
    assert f"{FIRST}_3.tif" in result.stderr
    assert "1 of 2 patients" in result.stdout
    assert (tmp_path / "masks" / "PHANTOM_0009_0001" / "PHANTOM_0009_0001_1_mask.tif").is_file()
    assert not (tmp_path / "masks" / FIRST).exists()
    assert json.loads((tmp_path / "all.json").read_text())["faults"][0]["patient"] == FIRST


def test_masks_never_go_into_the_patients_own_folder(brainseg, patients, model):
    before = _bytes(patients)
    for destination in (patients, patients / FIRST):
        result = brainseg(
            "predict", patients / FIRST, "--out", destination, "-m", model.path, "--overwrite"
        )
        assert result.exit_code == 1
        assert "original data is never written to" in result.stderr
    assert _bytes(patients) == before


def test_masks_do_not_go_where_patients_are_read_from(brainseg, patients, model):
    result = brainseg("predict", patients, "-o", patients / "masks", "-m", model.path)
    assert result.exit_code == 1
    assert "patients without images" in result.stderr
    assert not (patients / "masks").exists()


def test_earlier_masks_are_replaced_only_when_asked(brainseg, patients, model, tmp_path):
    arguments = ("predict", patients / FIRST, "--out", tmp_path, "-m", model.path, "-d", "cpu")
    assert brainseg(*arguments).exit_code == 0
    again = brainseg(*arguments)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert brainseg(*arguments, "--overwrite").exit_code == 0
    foreign = tmp_path / FIRST / f"{FIRST}_1.tif"
    foreign.write_bytes(b"somebody's image")
    refused = brainseg(*arguments, "--overwrite")
    assert refused.exit_code == 1
    assert "more than masks" in refused.stderr
    assert foreign.read_bytes() == b"somebody's image"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["predict", "nowhere", "--out", "masks"], 1, "nowhere does not exist"),
        (["predict", "PATIENTS", "--out", "masks", "--model", "nothing"], 1, "no model 'nothing'"),
        (["predict", "PATIENTS", "--out", "masks", "--device", "gpu"], 2, "cuda:N"),
        (["predict", "PATIENTS"], 2, "--out"),
        (["unknown"], 2, "No such command"),
    ],
)
def test_exit_codes_and_messages(brainseg, patients, tmp_path, monkeypatch, arguments, code, text):
    monkeypatch.chdir(tmp_path)
    result = brainseg(*[patients if a == "PATIENTS" else a for a in arguments])
    assert result.exit_code == code
    assert text in result.stderr
    if code == 1:
        assert "What to do:" in result.stderr


def test_ctrl_c_and_a_stop_leave_with_130_and_no_half_patient(
    brainseg, patients, model, tmp_path, monkeypatch
):
    for error in (KeyboardInterrupt(), CancelledError("The prediction was stopped.")):

        def stop(self, study, error=error, **options):
            raise error

        monkeypatch.setattr(Predictor, "predict", stop)
        result = brainseg("predict", patients, "-o", tmp_path, "-m", model.path, "-d", "cpu")
        assert result.exit_code == 130
        assert "Stopped" in result.stderr
    assert list(tmp_path.iterdir()) == []
