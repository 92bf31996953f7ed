"""What clinics and archives really send: each opens with a word of warning, or is refused."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import (
    PhantomPatient,
    PhantomSeries,
    write_dicom_phantom,
)
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import BrainSegError, CancelledError, DataError, Modality

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom import Dataset


@pytest.fixture(scope="module")
def phantom():
    return phantom_study(3, 0, slices=4, size=32, lesions=1, missing=())


@pytest.fixture(scope="module")
def sound(tmp_path_factory, phantom) -> Path:
    """One series of FLAIR, six slices; tests copy it."""
    series = PhantomSeries(Modality.FLAIR, (4.0, 1.0, 1.0), shape=(6, 48, 40))
    return write_dicom_phantom(tmp_path_factory.mktemp("sound"), phantom, series=[series])


def _edited(sound: Path, folder: Path, edit: Callable[[int, Dataset], None]) -> Path:
    """Copy of a study; `edit` gets each slice from below and its number from 0."""
    import pydicom

    datasets = [pydicom.dcmread(path) for path in sorted(sound.rglob("*.dcm"))]
    datasets.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    folder.mkdir(parents=True)
    for number, dataset in enumerate(datasets):
        edit(number, dataset)
        dataset.save_as(folder / f"IM{number}.dcm")
    return folder


def _only(path: Path):
    (folder,) = discover(path).folders
    return load_study(folder)


def test_two_patients_in_one_folder_stay_apart(tmp_path, phantom) -> None:
    series = [PhantomSeries(Modality.FLAIR, (4.0, 1.0, 1.0), shape=(3, 24, 20))]
    for index in (1, 2):
        folder = write_dicom_phantom(
            tmp_path / str(index), phantom, series=series, seed=index,
            patient=PhantomPatient(patient_id=f"ID{index}", name=f"P{index}"),
        )  # fmt: skip
        for path in folder.rglob("*.dcm"):
            shutil.copy(path, tmp_path / f"{index}{path.parent.name}{path.name}")
        shutil.rmtree(folder)
    found = discover(tmp_path)
    assert len(found.folders) == 2
    for folder in found.folders:
        again = discover(folder.path)
        assert folder.patient in again.patients
        assert load_study(folder).image.grid_shape == (3, 24, 20)


def test_two_studies_of_one_patient_stay_apart(tmp_path, phantom) -> None:
    series = [PhantomSeries(Modality.FLAIR, (4.0, 1.0, 1.0), shape=(3, 24, 20))]
    for index, date in enumerate(("20200102", "20210304"), start=1):
        write_dicom_phantom(
            tmp_path / "all" / f"v{index}", phantom, series=series, seed=index,
            patient=PhantomPatient(study_date=date),
        )  # fmt: skip
    patients = discover(tmp_path).patients
    assert [name[-8:] for name in patients] == ["20200102", "20210304"]
    assert len({name[:-9] for name in patients}) == 1


def test_missing_slices_keep_their_place(sound, tmp_path) -> None:
    shutil.copytree(sound, tmp_path / "in")
    whole = _only(sound)
    import pydicom

    files = sorted(
        (tmp_path / "in").rglob("*.dcm"),
        key=lambda p: float(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient[2]),
    )
    files[2].unlink()
    study = _only(tmp_path / "in")
    assert study.image.grid_shape == whole.image.grid_shape
    assert study.image.geometry.spacing_mm == pytest.approx(whole.image.geometry.spacing_mm)
    native, before = study.native[Modality.FLAIR], whole.native[Modality.FLAIR]
    assert native[2].min() == native[2].max()
    assert np.array_equal(np.delete(native, 2, 0), np.delete(before, 2, 0))
    assert any("missing" in warning for warning in study.warnings)


def test_varying_spacing_is_said(sound, tmp_path) -> None:
    def edit(number: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient[2] = float(dataset.ImagePositionPatient[2]) + 0.2 * number**2

    study = _only(_edited(sound, tmp_path / "in", edit))
    assert study.image.grid_shape[0] == 6
    assert any("spacing" in warning or "distance" in warning for warning in study.warnings)


def test_pixels_that_are_no_squares(phantom, tmp_path) -> None:
    series = [PhantomSeries(Modality.FLAIR, (4.0, 2.0, 0.5), shape=(3, 12, 40))]
    study = _only(write_dicom_phantom(tmp_path, phantom, series=series))
    assert study.image.geometry.spacing_mm == pytest.approx((4.0, 2.0, 0.5))


def test_oblique_slices(phantom, tmp_path) -> None:
    series = [
        PhantomSeries(Modality.FLAIR, (4.0, 1.0, 1.0), shape=(3, 24, 20), oblique_deg=(20, -10, 5))
    ]
    study = _only(write_dicom_phantom(tmp_path, phantom, series=series))
    turned = np.array(study.image.geometry.affine_lps)[:3, :3]
    assert study.image.geometry.spacing_mm == pytest.approx((4.0, 1.0, 1.0), rel=1e-4)
    assert np.count_nonzero(np.abs(turned) > 0.05) > 3


def test_signed_sixteen_bits(phantom, tmp_path) -> None:
    series = [
        PhantomSeries(
            Modality.FLAIR, (4.0, 1.0, 1.0), shape=(3, 24, 20), intercept=-1024.0, slope=1.0
        )
    ]
    native = _only(write_dicom_phantom(tmp_path, phantom, series=series)).native[Modality.FLAIR]
    assert native.min() >= -1024
    assert native.max() > 255
    assert native.dtype.kind in "if"


def _colour(number: int, dataset: Dataset) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(dataset.Rows * dataset.Columns * 3)


def _wrong_bits(number: int, dataset: Dataset) -> None:
    dataset.BitsAllocated = 32


def _too_few_bits(number: int, dataset: Dataset) -> None:
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7


def _no_place(number: int, dataset: Dataset) -> None:
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient


def _no_pixels(number: int, dataset: Dataset) -> None:
    dataset.PixelData = b""


def _other_sizes(number: int, dataset: Dataset) -> None:
    if number == 3:
        dataset.Rows = dataset.Rows // 2
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]


def _one_place(number: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [0, 0, 0]


def _no_spacing(number: int, dataset: Dataset) -> None:
    del dataset.PixelSpacing


@pytest.mark.parametrize(
    "edit",
    [
        _colour, _wrong_bits, _too_few_bits, _no_place, _no_pixels, _other_sizes, _one_place,
        _no_spacing,
    ],
)  # fmt: skip
def test_what_cannot_be_shown_as_it_is_says_so(sound, tmp_path, edit) -> None:
    _edited(sound, tmp_path / "in" / "series", edit)
    said: list[str] = []
    try:
        found = discover(tmp_path / "in")
        said += [str(fault.error) for fault in found.faults]
        for one in found.folders:
            said += load_study(one).warnings
    except BrainSegError as error:
        said.append(str(error))
    assert said, "a doubt that nobody hears of"


def test_names_beyond_ascii(sound, tmp_path) -> None:
    place = tmp_path / "Größe 患者 №7" / "sérié"
    place.parent.mkdir()
    shutil.copytree(sound, place)
    study = _only(place)
    assert study.patient.isascii()
    from napari_brainseg.core.dataset.convert import convert

    report = convert(place.parent, tmp_path / "Ausgabe ü", "kaggle_3m", durable=False)
    assert len(report.written) == 1


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.dcm", "/tmp/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm", "C:\\evil.dcm"]
)
def test_archives_that_lead_out_of_their_folder(sound, tmp_path, name) -> None:
    content = next(sound.rglob("*.dcm")).read_bytes()
    path = _zip(tmp_path / "x.zip", {"a/1.dcm": content, name: content})
    with pytest.raises(DataError, match=r"x\.zip"):
        discover(path)
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_that_unpacks_to_more_than_any_disk_holds(tmp_path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.dcm"), bytes(1 << 20), zipfile.ZIP_DEFLATED)
    raw = bytearray(stream.getvalue())
    at = raw.find(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    path = tmp_path / "bomb.zip"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"bomb\.zip"):
        discover(path)


def test_archives_in_archives_and_loops_are_left_alone(sound, tmp_path) -> None:
    content = next(sound.rglob("*.dcm")).read_bytes()
    inner = _zip(tmp_path / "inner.zip", {"deep.dcm": content})
    path = _zip(tmp_path / "outer.zip", {"1.dcm": content, "inner.zip": inner.read_bytes()})
    assert len(discover(path).folders) == 1


@pytest.mark.skipif(os.name == "nt", reason="no links and pipes")
def test_links_in_circles_and_pipes_are_not_followed(sound, tmp_path) -> None:
    shutil.copytree(sound, tmp_path / "in")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "gone.dcm").symlink_to(tmp_path / "nowhere.dcm")
    os.mkfifo(tmp_path / "in" / "pipe")
    assert len(discover(tmp_path / "in").folders) == 1


def _many(sound: Path, folder: Path, count: int) -> Path:
    files = [path.read_bytes() for path in sorted(sound.rglob("*.dcm"))]
    folder.mkdir()
    for index in range(count):
        place = folder / f"s{index // 100}"
        place.mkdir(exist_ok=True)
        (place / f"{index:05d}.dcm").write_bytes(files[index % len(files)])
    return folder


def _watch(folder: Path) -> None:
    told: list[int] = []
    assert len(discover(folder, progress=told.append).folders) == 1
    assert told == sorted(told)
    assert len(told) > 2
    with pytest.raises(CancelledError):
        discover(folder, cancelled=lambda: True)


def test_a_folder_of_many_files_tells_how_far_it_is_and_stops(sound, tmp_path) -> None:
    _watch(_many(sound, tmp_path / "in", 400))


@pytest.mark.slow
def test_a_folder_of_5000_files(sound, tmp_path) -> None:
    _watch(_many(sound, tmp_path / "in", 5000))
