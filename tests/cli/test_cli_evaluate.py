"""``brainseg evaluate``: the figures file and what it is made of."""

from __future__ import annotations

import json

import pytest

from napari_brainseg.core.segmentation.evaluation import evaluate_root

KEYS = {
    "patient", "slices", "dsc_reference", "dsc_native", "dsc_native_lcc", "hd95_vox",
    "volume_truth_vox", "volume_prediction_vox", "seconds", "hd95_mm", "sensitivity", "precision",
    "relative_volume_error", "lesion_free_slices", "lesion_free_slices_marked",
    "chosen_series",
}  # fmt: skip


def test_file_has_the_agreed_keys_and_the_figures_of_the_core(brainseg, patients, model, tmp_path):
    target = tmp_path / "new folder" / "figures.json"
    result = brainseg("evaluate", patients, "-m", model.path, "-d", "cpu", "--json", target)
    assert result.exit_code == 0, result.stderr
    content = json.loads(target.read_text())
    assert content.keys() == {"patients", "summary", "calibration"}
    expected = evaluate_root(patients, model, device="cpu")
    for written, known in zip(content["patients"], expected.patients, strict=True):
        assert written.keys() == KEYS
        assert set(written["seconds"]) == {"load", "preprocess", "infer", "postprocess", "total"}
        assert written["dsc_reference"] == known.dsc_reference
        assert written["dsc_native"] == known.dsc_native
        assert f"{known.dsc_native:.4f}" in result.stdout
        assert known.patient in result.stdout
    mean = content["summary"]["dsc_native"]["mean"]
    low, high = content["summary"]["dsc_native"]["mean_interval"]
    assert low <= mean <= high
    assert content["summary"]["model"] == model.version


def test_every_figure_over_patients_is_printed_mean_and_median(brainseg, patients, model, tmp_path):
    target = tmp_path / "figures.json"
    result = brainseg("evaluate", patients, "-m", model.path, "-d", "cpu", "--json", target)
    content = json.loads(target.read_text())
    summary, tally = content["summary"], content["summary"]["tally"]
    for label, name in (("DSC native", "dsc_native"), ("sensitivity", "sensitivity")):
        assert f"{label}: mean {summary[name]['mean']:.4f} (" in result.stdout
        assert f"median {summary[name]['median']:.4f} (" in result.stdout
    assert "precision: undefined" in result.stdout  # this model marks nothing
    assert "HD95 in voxels: " in result.stdout
    assert "HD95 in mm" not in result.stdout
    assert f"patients under 0.5 DSC: {tally['under_half']} of 2 (" in result.stdout
    free, marked = tally["lesion_free_slices"], tally["lesion_free_slices_marked"]
    assert f"lesion-free slices marked: {marked} of {free}" in result.stdout
    error = content["calibration"]["expected_error"]
    assert f"calibration error: {error:.4f} within 10 pixels of the outlines" in result.stdout


def test_patients_file_with_comments_names_who_is_measured(brainseg, patients, model, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("# locked\n\nPHANTOM_0009_0001\n", encoding="utf-8")
    target = tmp_path / "figures.json"
    result = brainseg(
        "evaluate", patients, "--patients", names, "-m", model.path, "-d", "cpu", "--json", target
    )
    assert result.exit_code == 0, result.stderr
    assert [p["patient"] for p in json.loads(target.read_text())["patients"]] == [
        "PHANTOM_0009_0001"
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"NOBODY_0001\n", "no patient NOBODY_0001"), (b"# only\n", "names no patient"),
     (b"\xff\xfe\x00", "not a text file")],
)  # fmt: skip
def test_useless_patients_files_are_refused(brainseg, patients, model, tmp_path, content, text):
    names = tmp_path / "names.txt"
    names.write_bytes(content)
    target = tmp_path / "figures.json"
    result = brainseg("evaluate", patients, "--patients", names, "-m", model.path, "--json", target)
    assert result.exit_code == 1
    assert text in result.stderr
    assert not target.exists()


def test_missing_patients_file_is_named(brainseg, patients, model, tmp_path):
    result = brainseg(
        "evaluate", patients, "--patients", tmp_path / "gone.txt", "-m", model.path,
        "--json", tmp_path / "figures.json",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "gone.txt" in result.stderr
