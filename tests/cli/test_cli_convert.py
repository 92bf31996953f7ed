"""``brainseg convert``: there, back, what is said, exit codes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from napari_brainseg.core.dataset.convert_manifest import read_conversion
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import Modality
from napari_brainseg.session.series_choices import SeriesChoices

FIRST, SECOND = "PHANTOM_0009_0000", "PHANTOM_0009_0001"


def _bytes(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.glob("*/*") if p.parent != folder}


@pytest.mark.parametrize("to", ["nifti", "png"])
def test_there_and_back(brainseg, patients, tmp_path, to):
    before = _bytes(patients)
    there = brainseg("convert", patients, tmp_path / "there", "--to", to)
    assert there.exit_code == 0, there.stderr
    assert f"2 of 2 patients written as {to}" in there.stdout
    back = brainseg("convert", tmp_path / "there", tmp_path / "back", "--back")
    assert back.exit_code == 0, back.stderr
    assert "2 of 2 patients brought back" in back.stdout
    assert _bytes(tmp_path / "back") == before == _bytes(patients)


def test_a_zip_of_many_patients_and_a_list_of_some(brainseg, patients, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in patients.glob("*/*"):
            archive.write(path, path.relative_to(patients))
    (tmp_path / "list.txt").write_text(f"# the second one\n{SECOND}\n")
    result = brainseg(
        "convert", tmp_path / "all.zip", tmp_path / "out", "--to", "kaggle_3m",
        "--patients", tmp_path / "list.txt",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert [p.name for p in (tmp_path / "out").glob("PH*")] == [SECOND]
    assert "1 of 1 patients" in result.stdout


def test_a_dry_run_lists_and_writes_nothing(brainseg, patients, tmp_path):
    result = brainseg("convert", patients, tmp_path / "out", "--to", "nifti", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert f"{FIRST}_flair.nii.gz" in result.stdout
    assert str(tmp_path / "out" / SECOND) in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_faulty_patient_is_named_at_the_end(brainseg, patients, tmp_path):
    shutil.copytree(patients, tmp_path / "in")
    broken = tmp_path / "in" / FIRST / f"{FIRST}_2.tif"
    broken.write_bytes(b"II*\0")
    result = brainseg("convert", tmp_path / "in", tmp_path / "out", "--to", "png")
    assert result.exit_code == 1
    assert str(broken) in result.stderr
    assert "1 of 2 patients" in result.stdout
    again = brainseg("convert", tmp_path / "in", tmp_path / "out", "--to", "png")
    assert "1 were there already" in again.stdout


def test_series_are_chosen_and_patients_named_as_asked(brainseg, tmp_path):
    study = phantom_study(5, 0, slices=3, size=32, lesions=1, missing=())
    write_dicom_phantom(tmp_path / "in", study, shape=(3, 32, 32))
    result = brainseg(
        "convert", tmp_path / "in", tmp_path / "out", "--to", "nifti", "--identifiers",
        "--pre", "none",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (name,) = read_conversion(tmp_path / "out")
    assert name == "PH-0001_20200102"
    assert {p.name for p in (tmp_path / "out" / name).iterdir()} == {
        f"{name}_flair.nii.gz", f"{name}_t1ce.nii.gz",
    }  # fmt: skip
    wrong = brainseg(
        "convert", tmp_path / "in", tmp_path / "other", "--to", "png", "--flair", "spectroscopy"
    )
    assert wrong.exit_code == 1
    assert "spectroscopy" in wrong.stderr
    (patient,) = discover(tmp_path / "in").folders
    roles = dict(patient.roles)
    SeriesChoices().choose(patient, {Modality.FLAIR: roles[Modality.POST]})
    kept = {}
    for options in ([], ["--as-recognised"]):
        out = tmp_path / f"chosen{len(options)}"
        done = brainseg("convert", tmp_path / "in", out, "--to", "kaggle_3m", *options)
        assert done.exit_code == 0, done.stderr
        (kept[len(options)],) = read_conversion(out).values()
    assert kept[0].chosen_series.endswith(f"{Modality.POST} left out.")
    assert "PH-0001" not in kept[0].chosen_series
    assert kept[1].chosen_series == ""
    assert kept[0].image_sha256 != kept[1].image_sha256


@pytest.mark.parametrize(
    "options", [[], ["--to", "png", "--back"], ["--back", "--dry-run"], ["--to", "bmp"]]
)
def test_wrong_usage(brainseg, patients, tmp_path, options):
    assert brainseg("convert", patients, tmp_path / "out", *options).exit_code == 2


def test_the_destination_in_the_source_is_refused(brainseg, patients):
    result = brainseg("convert", patients, patients / "out", "--to", "png")
    assert result.exit_code == 1
    assert "What to do:" in result.stderr
    assert not (patients / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_leaves_no_half_patient(tmp_path):
    study = phantom_study(1, 0, slices=30, size=64, lesions=1)
    for index in range(8):
        write_patient(
            tmp_path / "in", f"PH_{index}", study.image, study.truth, study.slice_numbers,
            durable=False,
        )  # fmt: skip
    program = "from napari_brainseg.cli import app; app()"
    child = subprocess.Popen(
        [sys.executable, "-c", program, "convert", tmp_path / "in", tmp_path / "out",
         "--to", "png"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out = tmp_path / "out"
    while child.poll() is None:
        # The first patient stands, and the next one is being written.
        if list(out.glob("PH*")) and list(out.glob(".PH*.new-*")):
            break
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    done = {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()}
    assert 0 < len(done) < 8
    assert done == set(read_conversion(tmp_path / "out"))
    for name in done:
        slices = len(list((tmp_path / "in" / name).glob("*_mask.tif")))
        assert len(list((tmp_path / "out" / name).glob("*_mask.png"))) == slices
