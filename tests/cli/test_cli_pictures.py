"""``brainseg pictures``: what is drawn of which masks, refusals, exit codes."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

from napari_brainseg.cli.pictures import _mask_of
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting import interactive
from napari_brainseg.core.reporting.root_pictures import PictureCase

FIRST, SECOND = "PHANTOM_0009_0000", "PHANTOM_0009_0001"


@pytest.fixture(autouse=True)
def _priority(monkeypatch):
    monkeypatch.setattr("napari_brainseg.cli.pictures.lower_priority", lambda: None)


@pytest.fixture
def drawn(monkeypatch) -> list[PictureCase]:
    """What is drawn, noted in place of drawing it."""
    noted: list[PictureCase] = []

    def note(study, masks, dest, *, model=None, **_):
        noted.append(PictureCase(study, masks, model))
        return []

    monkeypatch.setattr("napari_brainseg.core.reporting.root_pictures.write_pictures", note)
    return noted


@pytest.fixture(scope="session")
def masks(tmp_path_factory, patients):
    """One mask a patient, as `brainseg predict` names them."""
    root = tmp_path_factory.mktemp("masks")
    for patient in (FIRST, SECOND):
        study = load_study(patients / patient)
        mask = np.roll(study.truth.data, 1, 1)
        folder = write_patient(root, patient, None, mask, study.slice_numbers, durable=False)
        (folder / f"{patient}.json").write_text('{"model": "quick-1"}')
    return root


def test_patients_are_predicted_and_drawn_into_folder_and_zip(brainseg, patients, model, tmp_path):
    out, archive = tmp_path / "out", tmp_path / "all.zip"
    result = brainseg(
        "pictures", patients, "--out", out, "--archive", archive, "--kinds", "triptych,chart",
        "--model", model.path, "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    names = {p.relative_to(out).as_posix() for p in out.rglob("*.png")}
    assert names == {
        f"{FIRST}/{FIRST}_triptych.png", f"{SECOND}/{SECOND}_triptych.png", "dsc_prediction.png"
    }  # fmt: skip
    with zipfile.ZipFile(archive) as packed:
        assert set(packed.namelist()) == names
    assert "3 pictures of 2 of 2 patients" in result.stdout


def test_masks_that_are_there_are_drawn_in_place_of_predicting(
    brainseg, patients, masks, drawn, tmp_path
):
    result = brainseg("pictures", patients, "--out", tmp_path, "--masks", masks)
    assert result.exit_code == 0, result.stderr
    assert [case.model for case in drawn] == ["quick-1", "quick-1"]
    for case in drawn:
        expected = np.roll(case.study.truth.data, 1, 1)
        assert np.array_equal(case.masks["prediction"].data, expected)


def test_masks_by_people_are_called_so(brainseg, patients, masks, drawn, tmp_path):
    result = brainseg(
        "pictures", patients / FIRST, "--out", tmp_path, "--masks", masks / FIRST,
        "--masks-are", "correction",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert list(drawn[0].masks) == ["correction"]
    assert drawn[0].model is None


def test_volumes_named_like_their_patients_are_found(tmp_path):
    for name in (f"{FIRST}_seg.nii.gz", f"{FIRST}5.nii.gz", f"{SECOND}.nii"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "one" / FIRST).mkdir(parents=True)
    (tmp_path / "one" / FIRST / "lesion.nii.gz").write_bytes(b"")

    assert _mask_of(tmp_path, FIRST, only=False) == tmp_path / f"{FIRST}_seg.nii.gz"
    assert _mask_of(tmp_path, SECOND, only=False) == tmp_path / f"{SECOND}.nii"
    assert _mask_of(tmp_path / "one", FIRST, only=False).name == "lesion.nii.gz"
    assert _mask_of(tmp_path / f"{SECOND}.nii", FIRST, only=True) == tmp_path / f"{SECOND}.nii"
    with pytest.raises(DataError, match="several patients"):
        _mask_of(tmp_path / f"{SECOND}.nii", FIRST, only=False)
    (tmp_path / f"{SECOND}-b.nii").write_bytes(b"")
    with pytest.raises(DataError, match="holds 2 masks"):
        _mask_of(tmp_path, SECOND, only=False)


def test_a_patient_without_mask_is_named_and_the_others_go_on(
    brainseg, patients, masks, drawn, tmp_path
):
    shutil.copytree(masks / FIRST, tmp_path / "some" / FIRST)
    result = brainseg("pictures", patients, "--out", tmp_path / "o", "--masks", tmp_path / "some")
    assert result.exit_code == 1
    assert f"holds no masks of {SECOND}" in result.stderr
    assert "1 of 2 patients" in result.stdout
    assert [case.study.patient for case in drawn] == [FIRST]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no place for the pictures"),
        (("--out", "x", "--kinds", "overlay,hologram"), "'hologram' is no kind"),
        (("--show",), "a window shows one"),
        (("--out", "x", "--masks", "/nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(brainseg, patients, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    result = brainseg("pictures", patients, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert list(tmp_path.rglob("*.png")) == []


def test_the_zip_that_is_read_is_not_written(brainseg, tmp_path):
    source = tmp_path / "scans.zip"
    source.write_bytes(b"PK\x03\x04")
    result = brainseg("pictures", source, "--archive", source)
    assert result.exit_code == 1
    assert "read from" in result.stderr
    assert source.read_bytes() == b"PK\x03\x04"


def test_pictures_never_go_into_the_patients_folder(brainseg, patients, masks):
    before = sorted(patients.rglob("*"))
    result = brainseg("pictures", patients, "--out", patients, "--masks", masks)
    assert result.exit_code == 1
    assert "its own files" in result.stderr
    assert sorted(patients.rglob("*")) == before


def test_one_patient_is_shown_with_its_mask(brainseg, patients, masks, monkeypatch):
    shown = []
    monkeypatch.setattr(
        interactive, "show_interactive",
        lambda study, masks, **options: shown.append((study.patient, list(masks), options)),
    )  # fmt: skip
    result = brainseg(
        "pictures", patients / FIRST, "--show", "--masks", masks, "--modality", "post"
    )
    assert result.exit_code == 0, result.stderr
    ((patient, names, options),) = shown
    assert (patient, names) == (FIRST, ["prediction"])
    assert options["modality"] == "post-contrast"
    assert options["model"] == "quick-1"
