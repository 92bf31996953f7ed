"""Patients to another format and back: nothing is lost but what is said, nobody is named."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_brainseg.core.dataset.convert import convert, plan
from napari_brainseg.core.dataset.convert_back import convert_back
from napari_brainseg.core.dataset.convert_manifest import read_conversion
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomPatient, write_dicom_phantom
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.nifti.reading import read_nifti_mask
from napari_brainseg.core.imaging import CancelledError, DataError, Geometry, Modality

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [2, 3, 5, 8]
FIRST = "PHANTOM_0009_0000"
FORMATS = ("kaggle_3m", "nifti", "png")


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent != folder
    }


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> Path:
    """Three patients: complete; pre-contrast missing, with spacing; FLAIR missing, no masks."""
    root = tmp_path_factory.mktemp("kaggle")
    for index in range(3):
        study = phantom_study(9, index, slices=4, size=32, lesions=1)
        image = study.image.data.copy()
        if index:
            image[0 if index == 1 else 1] = image[1] if index == 1 else 0
        write_patient(
            root, study.patient, image, None if index == 2 else study.truth, NUMBERS,
            durable=False, geometry=Geometry((5.0, 1.0, 0.9)) if index else None,
        )  # fmt: skip
    return root


@pytest.fixture(scope="module")
def volumes(tmp_path_factory) -> Path:
    """A patient of NIfTI: signed, oblique, stored sideways, FLAIR of floats, labels 1 and 4."""
    folder = tmp_path_factory.mktemp("nifti") / "P1"
    folder.mkdir()
    rng = np.random.default_rng(1)
    affine = np.array([[0, 0, 2.5, -30], [1.0, 0.1, 0, 4], [-0.1, 1.0, 0, 9], [0, 0, 0, 1.0]])
    shape = (9, 12, 7)
    label = np.zeros(shape, np.uint8)
    label[2:5, 3:6, 2:4] = 1
    label[3, 4, 3] = 4
    content = {
        "P1_t1": rng.integers(-1000, 3000, shape).astype(np.int16),
        "P1_flair": rng.normal(100, 30, shape).astype(np.float32),
        "P1_t1ce": rng.integers(0, 60_000, shape).astype(np.uint16),
        "P1_seg": label,
    }
    for name, data in content.items():
        nibabel.Nifti1Image(data, affine).to_filename(folder / f"{name}.nii.gz")
    return folder.parent


@pytest.mark.parametrize("to", FORMATS)
def test_slices_come_back_byte_for_byte(slices, tmp_path, to) -> None:
    before = _files(slices)
    report = convert(slices, tmp_path / "there", to, durable=False)
    assert len(report.written) == 3
    assert not report.faults
    back = convert_back(tmp_path / "there", tmp_path / "back", durable=False)
    assert not back.faults
    assert not back.notes, "nothing was changed"
    assert _files(tmp_path / "back") == before == _files(slices)


@pytest.mark.parametrize("to", ["nifti", "png"])
def test_missing_modalities_get_no_file(slices, tmp_path, to) -> None:
    convert(slices, tmp_path, to, durable=False)
    known = read_conversion(tmp_path)
    assert known["PHANTOM_0009_0001"].missing_modalities == (Modality.PRE,)
    assert not list((tmp_path / "PHANTOM_0009_0001").glob("*_t1.*"))
    assert list((tmp_path / "PHANTOM_0009_0001").glob("*_flair.*"))
    assert not list((tmp_path / "PHANTOM_0009_0002").glob("*_flair.*"))


def test_converted_volumes_open_as_the_same_study(slices, tmp_path) -> None:
    convert(slices, tmp_path, "nifti", durable=False)
    for folder in discover(tmp_path).folders:
        was, now = load_study(slices / folder.patient), load_study(folder)
        assert now.missing_modalities == was.missing_modalities
        assert now.image.geometry.spacing_mm == pytest.approx(was.image.geometry.spacing_mm or None)
        if Modality.FLAIR not in was.missing_modalities:
            assert np.array_equal(now.image.data, was.image.data)
        if was.truth is not None:
            assert np.array_equal(now.truth.data, was.truth.data)


@pytest.mark.parametrize("to", FORMATS)
def test_volumes_come_back_on_their_grid(volumes, tmp_path, to) -> None:
    report = convert(volumes, tmp_path / "there", to, durable=False)
    convert_back(tmp_path / "there", tmp_path / "back", durable=False)
    scales = {c.modality: c.scale for c in read_conversion(tmp_path / "there")["P1"].channels}
    for ending, modality in (("t1", "PRE"), ("flair", "FLAIR"), ("t1ce", "POST"), ("seg", None)):
        was = nibabel.load(volumes / "P1" / f"P1_{ending}.nii.gz")
        now = nibabel.load(tmp_path / "back" / "P1" / f"P1_{ending}.nii.gz")
        assert np.array_equal(now.affine, was.affine)
        assert now.shape == was.shape
        expected, found = np.asarray(was.dataobj), np.asarray(now.dataobj)
        if modality is None:
            assert np.array_equal(found, expected > 0)
            continue
        assert found.dtype == expected.dtype
        scale = scales[Modality[modality]]
        if scale is None or scale.exact:
            assert np.array_equal(found, expected)
        else:
            kept = np.clip(expected.astype(float), scale.low, scale.high)
            rounding = 0.5 if expected.dtype.kind in "iu" else 1e-4
            assert np.abs(found - kept).max() <= scale.step / 2 + rounding
            assert any(str(Modality[modality]) in note for note in report.notes), "it is said"
    if to == "png":
        exact = [scales[m].exact for m in (Modality.PRE, Modality.POST, Modality.FLAIR)]
        assert exact == [True, True, False], "sixteen bits hold whole numbers, not floats"


@pytest.mark.parametrize("to", FORMATS)
def test_a_corrected_mask_goes_back_onto_the_grid_of_the_source(volumes, tmp_path, to) -> None:
    convert(volumes, tmp_path / "there", to, durable=False)
    folder = tmp_path / "there" / "P1"
    corrected = load_study(volumes / "P1").truth.data.copy()
    corrected[1, 2:4, 5] ^= 1
    if to == "nifti":
        path = folder / "P1_seg.nii.gz"
        image = nibabel.load(path)
        stored = load_study(volumes / "P1").grid.reorientation.undo(corrected)
        nibabel.Nifti1Image(np.ascontiguousarray(stored), image.affine).to_filename(path)
    for z, plane in enumerate(corrected, start=1):
        if to == "png":
            Image.fromarray(plane * np.uint8(255)).save(folder / f"P1_{z}_mask.png")
        elif to == "kaggle_3m":
            tifffile.imwrite(folder / f"P1_{z}_mask.tif", plane * np.uint8(255))
    report = convert_back(tmp_path / "there", tmp_path / "back", durable=False)
    assert any("mask was changed" in note for note in report.notes)
    again = load_study(tmp_path / "back" / "P1")
    assert np.array_equal(again.truth.data, corrected)


def test_a_mask_saved_by_a_program_that_needs_an_orientation_goes_back(slices, tmp_path) -> None:
    convert(slices, tmp_path / "there", "nifti", durable=False)
    path = tmp_path / "there" / FIRST / f"{FIRST}_seg.nii.gz"
    stored = np.asarray(nibabel.load(path).dataobj).copy()
    nibabel.Nifti1Image(stored, np.diag([-1.0, -1.0, 1.0, 1.0])).to_filename(path)
    report = convert_back(tmp_path / "there", tmp_path / "back", durable=False)
    assert not report.notes
    assert _files(tmp_path / "back") == _files(slices)


def _dicom(folder: Path, **who: str) -> Path:
    study = phantom_study(5, 0, slices=3, size=32, lesions=1)
    return write_dicom_phantom(
        folder, study, patient=PhantomPatient(**who), shape=(3, 16, 16), oblique_deg=(0.0, 0.0, 0.0)
    )


@pytest.mark.parametrize("to", FORMATS)
def test_an_import_of_dicom_names_nobody(tmp_path, to) -> None:
    source = _dicom(tmp_path / "in" / "Mueller_Hans", name="Müller^Hans", patient_id="4711-23")
    report = convert(tmp_path / "in", tmp_path / "out", to, durable=False)
    assert not report.faults
    (folder,) = report.written
    assert folder.name.startswith("PT-")
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    names = " ".join(p.name for p in (tmp_path / "out").rglob("*"))
    uids = {uid for series in discover(source).folders[0].series for uid in (series.key,)}
    for secret in (
        "Müller",
        "Mueller",
        "Hans",
        "4711-23",
        "19700203",
        "ACC-7001",
        "Hospital",
        *uids,
    ):
        assert secret not in names
        assert secret.encode() not in everything
    kept = load_study(folder) if to != "png" else None
    if kept is not None:
        assert kept.image.geometry.spacing_mm == pytest.approx(
            load_study(source).image.geometry.spacing_mm
        )


def test_a_mask_made_on_an_import_of_dicom_goes_back_onto_its_grid(tmp_path) -> None:
    source = _dicom(tmp_path / "in")
    study = load_study(source)
    report = convert(source, tmp_path / "out", "kaggle_3m", durable=False)
    (folder,) = report.written
    nothing = convert_back(tmp_path / "out", tmp_path / "none")
    assert "no mask" in str(nothing.faults[0].error)
    mask = np.zeros(study.image.grid_shape, np.uint8)
    mask[1, 4:9, 3:12] = 1
    for z, plane in enumerate(mask, start=1):
        tifffile.imwrite(folder / f"{folder.name}_{z}_mask.tif", plane * np.uint8(255))
    back = convert_back(tmp_path / "out", tmp_path / "back", durable=False)
    (path,) = back.written[0].iterdir()
    assert path.name == f"{folder.name}_seg.nii.gz"
    assert np.array_equal(read_nifti_mask(path, study).data, mask)


def test_identifiers_are_kept_where_asked_for(tmp_path) -> None:
    source = _dicom(tmp_path / "in", name="Müller^Hans", patient_id="4711/23")
    report = convert(source, tmp_path / "out", "nifti", identifiers=True, durable=False)
    (folder,) = report.written
    assert folder.name.startswith("4711-23-")
    assert folder.name.endswith("_20200102")
    identity = read_conversion(tmp_path / "out")[folder.name].identity
    assert identity == {"Name": "Müller, Hans", "Patient ID": "4711/23"}


def test_a_faulty_patient_does_not_keep_the_others(slices, tmp_path) -> None:
    root = tmp_path / "in"
    shutil.copytree(slices, root)
    broken = root / FIRST / f"{FIRST}_3.tif"
    broken.write_bytes(broken.read_bytes()[:90])
    report = convert(root, tmp_path / "out", "png", durable=False)
    assert [path.name for path in report.written] == ["PHANTOM_0009_0001", "PHANTOM_0009_0002"]
    (fault,) = report.faults
    assert str(broken) in str(fault.error)
    assert set(read_conversion(tmp_path / "out")) == {"PHANTOM_0009_0001", "PHANTOM_0009_0002"}
    assert not (tmp_path / "out" / FIRST).exists()


def test_stopping_leaves_whole_patients_and_the_same_call_goes_on(slices, tmp_path) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(CancelledError, match="1 of 3 patients"):
        convert(slices, tmp_path, "png", durable=False, cancelled=cancelled)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [FIRST]
    assert list(read_conversion(tmp_path)) == [FIRST]
    report = convert(slices, tmp_path, "png", durable=False)
    assert report.kept == (FIRST,)
    assert len(report.written) == 2


def test_what_is_there_is_kept_or_replaced(slices, tmp_path) -> None:
    convert(slices, tmp_path, "png", patients=[FIRST], durable=False)
    path = tmp_path / FIRST / f"{FIRST}_3_mask.png"
    path.unlink()
    assert convert(slices, tmp_path, "png", patients=[FIRST]).kept == (FIRST,)
    assert not path.exists()
    report = convert(slices, tmp_path, "nifti", patients=[FIRST])
    assert "as png" in str(report.faults[0].error)
    convert(slices, tmp_path, "nifti", patients=[FIRST], overwrite=True, durable=False)
    assert read_conversion(tmp_path)[FIRST].to == "nifti"
    (tmp_path / "strange").mkdir()
    assert not (tmp_path / FIRST / f"{FIRST}_3_flair.png").exists()


def test_a_strange_folder_of_the_same_name_is_not_touched(slices, tmp_path) -> None:
    (tmp_path / FIRST).mkdir()
    (tmp_path / FIRST / "notes.txt").write_text("mine")
    report = convert(slices, tmp_path, "png", patients=[FIRST], durable=False)
    assert "already" in str(report.faults[0].error)
    assert [p.name for p in (tmp_path / FIRST).iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("where", [".", "below", ".."])
def test_source_and_destination_lie_apart(slices, tmp_path, where) -> None:
    root = tmp_path / "in"
    shutil.copytree(slices, root)
    before = _files(tmp_path)
    with pytest.raises(DataError, match="destination"):
        convert(root, root / where, "png")
    with pytest.raises(DataError, match="destination"):
        convert_back(root, root / where)
    assert _files(tmp_path) == before


def test_odd_names_make_safe_folders_and_come_back(tmp_path) -> None:
    study = phantom_study(9, 0, slices=2, size=32, lesions=0)
    write_patient(tmp_path / "in", "A", study.image, study.truth, [1, 2], durable=False)
    odd = tmp_path / "in" / "Łukasz Ünal 7"
    (tmp_path / "in" / "A").rename(odd)
    for path in list(odd.iterdir()):
        number = path.name.split("_")[1].removesuffix(".tif")
        ending = "_mask.TIF" if "mask" in path.name else ".tiff"
        path.rename(odd / f"Łukasz Ünal 7_00{number}{ending}")
    before = _files(tmp_path / "in")
    report = convert(tmp_path / "in", tmp_path / "out", "nifti", durable=False)
    (folder,) = report.written
    assert folder.name.isascii()
    assert " " not in folder.name
    convert_back(tmp_path / "out", tmp_path / "back", durable=False)
    assert _files(tmp_path / "back") == before


@pytest.mark.parametrize("name", ["case_post", "mask", "CE", "flair", "sub-01", "a.b", "P_12"])
def test_names_that_read_as_a_sequence_do_not_mislead(tmp_path, name) -> None:
    study = phantom_study(9, 0, slices=2, size=32, lesions=1, missing=())
    write_patient(tmp_path / "in", name, study.image, study.truth, [1, 2], durable=False)
    convert(tmp_path / "in", tmp_path / "out", "nifti", durable=False)
    again = load_study(tmp_path / "out" / name)
    assert not again.missing_modalities
    assert np.array_equal(again.image.data, study.image.data)
    assert np.array_equal(again.truth.data, study.truth.data)
    planned, _ = plan(tmp_path / "in", tmp_path / "other", "nifti")
    assert set(planned[0].files) == {p.name for p in (tmp_path / "out" / name).iterdir()}
    convert_back(tmp_path / "out", tmp_path / "back", durable=False)
    assert _files(tmp_path / "back") == _files(tmp_path / "in")


def test_masks_of_ones_come_back_as_ones(tmp_path) -> None:
    study = phantom_study(9, 0, slices=2, size=32, lesions=1)
    mask = np.zeros((2, 32, 32), np.uint8)
    mask[1, 3:6, 4:9] = 1
    folder = write_patient(tmp_path / "in", "A", study.image, mask, [1, 2], durable=False)
    for path in folder.glob("*_mask.tif"):
        tifffile.imwrite(path, tifffile.imread(path) // 255, photometric="minisblack")
    convert(tmp_path / "in", tmp_path / "out", "png", durable=False)
    convert_back(tmp_path / "out", tmp_path / "back", durable=False)
    assert np.array_equal(tifffile.imread(tmp_path / "back" / "A" / "A_2_mask.tif"), mask[1])


def test_a_plan_writes_nothing(slices, tmp_path) -> None:
    planned, faults = plan(slices, tmp_path / "out", "kaggle_3m", patients=[FIRST])
    assert not faults
    assert [one.patient for one in planned] == [FIRST]
    assert planned[0].folder == tmp_path / "out" / FIRST
    assert sorted(planned[0].files) == sorted(p.name for p in (slices / FIRST).iterdir())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[]", b"{}", b'{"schema": 9, "patients": []}', b'{"schema": 1, "patients": [{}]}',
        b'{"schema": "x", "patients": []}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_named(tmp_path, content) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json"):
        convert_back(tmp_path, tmp_path.parent / "back")


@pytest.mark.parametrize("field", ["name", "source_name", "truth_file"])
def test_a_manifest_cannot_lead_out_of_its_folder(slices, tmp_path, field) -> None:
    convert(slices, tmp_path / "there", "png", patients=[FIRST], durable=False)
    path = tmp_path / "there" / "manifest.json"
    content = json.loads(path.read_text())
    content["patients"][0][field] = "../../evil"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="plain file name"):
        convert_back(tmp_path / "there", tmp_path / "back")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.unlink(), "missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:40]), "cannot be read"),
        (lambda p: Image.new("L", (9, 9)).save(p), "9 x 9"),
        (lambda p: Image.new("RGB", (32, 32)).save(p), "colour"),
    ],
)
def test_a_damaged_picture_keeps_only_its_patient_from_going_back(
    slices, tmp_path, damage, words
) -> None:
    convert(slices, tmp_path / "there", "png", durable=False)
    bad = tmp_path / "there" / FIRST / f"{FIRST}_3_flair.png"
    damage(bad)
    report = convert_back(tmp_path / "there", tmp_path / "back", durable=False)
    assert len(report.written) == 2
    assert words in str(report.faults[0].error)
    assert str(bad) in str(report.faults[0].error)
