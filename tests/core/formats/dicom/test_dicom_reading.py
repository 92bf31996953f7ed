"""Series of a scanner as a study: every structure where it lay in the patient."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import (
    PhantomPatient,
    PhantomSeries,
    default_series,
    phantom_affine,
    sample,
    write_dicom_phantom,
)
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.dicom.reading import load_series
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    Geometry,
    Modality,
    ScalarVolume,
    Study,
    StudyFormat,
)

if TYPE_CHECKING:
    from pathlib import Path

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST
BLOB_MM = 5.0


@pytest.fixture(scope="module")
def phantom() -> Study:
    return phantom_study(4, slices=8, size=32, missing=(), lesions=1)


@pytest.fixture(scope="module")
def beads() -> tuple[Study, np.ndarray]:
    """A phantom of seven bright beads whose places (LPS, mm) are known."""
    spacing = (2.5, 2.0, 2.0)
    shape = (48, 90, 90)
    bare = Study("BEADS", ScalarVolume(np.zeros((3, *shape), np.uint8), geometry=Geometry(spacing)))
    matrix = np.array(phantom_affine(bare))
    places = np.array(
        [(0, 0, 0), (30, 0, 0), (-35, 10, 5), (0, 40, -10), (5, -38, 8), (10, 5, 30), (-8, 0, -32)]
    )
    index = np.indices(shape).reshape(3, -1)
    lps = (matrix[:3, :3] @ index + matrix[:3, 3:]).T
    field = sum(np.exp(-((lps - p) ** 2).sum(1) / (2 * BLOB_MM**2)) for p in places)
    volume = np.rint(200 * field).reshape(shape).astype(np.uint8)
    image = ScalarVolume(np.stack([volume] * 3), geometry=Geometry(spacing))
    return Study("BEADS", image), places


def _found(volume: np.ndarray, affine, place: np.ndarray) -> np.ndarray:
    """Centre of mass around a place, LPS."""
    matrix = np.array(affine)
    index = np.indices(volume.shape).reshape(3, -1)
    lps = (matrix[:3, :3] @ index + matrix[:3, 3:]).T
    near = ((lps - place) ** 2).sum(1) < (2.5 * BLOB_MM) ** 2
    weight = volume.reshape(-1)[near].astype(float)
    return (lps[near] * weight[:, None]).sum(0) / weight.sum()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, phantom: Study) -> Path:
    """Give a whole study on disk; not to be changed."""
    return write_dicom_phantom(tmp_path_factory.mktemp("written"), phantom)


@pytest.mark.parametrize(
    ("plane", "enhanced"), [("axial", False), ("sagittal", True), ("coronal", True)]
)
def test_three_oblique_series_come_back_within_half_a_voxel(
    tmp_path: Path, beads, plane, enhanced
) -> None:
    study, places = beads
    common = {"plane": plane, "enhanced": enhanced}
    series = [
        PhantomSeries(PRE, (4.0, 1.5, 1.5), oblique_deg=(2, 8, -4), **common),
        PhantomSeries(FLAIR, (5.0, 2.0, 2.5), oblique_deg=(12, -7, 5), **common),
        PhantomSeries(POST, (3.0, 3.0, 3.0), oblique_deg=(-9, 3, 10), slope=0.5, **common),
    ]
    loaded = load_study(write_dicom_phantom(tmp_path, study, series=series))
    affine = loaded.image.geometry.affine_lps
    to_index = np.linalg.inv(np.array(affine)[:3, :3])
    for modality in KAGGLE_ORDER:
        for place in places:
            off = to_index @ (_found(loaded.native[modality], affine, place) - place)
            assert np.abs(off).max() < 0.5, (modality, place, off)


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_same_way_up_and_same_side_as_kaggle_3m(tmp_path: Path, phantom, plane, enhanced) -> None:
    """On the phantom's own voxels, cut in any plane, the very same volume comes back."""
    (z, y, x), (sz, sy, sx) = phantom.image.grid_shape, phantom.image.geometry.spacing_mm
    shape, spacing = {
        "axial": ((z, y, x), (sz, sy, sx)),
        "sagittal": ((x, z, y), (sx, sz, sy)),
        "coronal": ((y, z, x), (sy, sz, sx)),
    }[plane]
    series = PhantomSeries(FLAIR, spacing, shape, plane, enhanced=enhanced)
    loaded = load_study(write_dicom_phantom(tmp_path, phantom, series=[series]))
    assert np.array_equal(loaded.native[FLAIR], 8 * phantom.image.channel(FLAIR).astype(int))
    np.testing.assert_allclose(loaded.image.geometry.affine_lps, phantom_affine(phantom), atol=1e-6)
    assert loaded.missing_modalities == (PRE, POST)


def test_the_study_says_what_it_is(tmp_path: Path, phantom: Study) -> None:
    patient = PhantomPatient(name="Müller^Örn^J", patient_id="K-12", institution="Klinik am Ring")
    folder = write_dicom_phantom(tmp_path, phantom, patient=patient)
    study = load_study(folder)
    assert study.format is StudyFormat.DICOM
    assert set(study.native) == set(KAGGLE_ORDER)
    assert study.missing_modalities == ()
    assert study.warnings == ()
    assert len(study.series) == 3
    assert set(study.roles) == set(KAGGLE_ORDER)
    assert study.identity["Name"] == "Müller, Örn J"
    assert study.identity["Patient ID"] == "K-12"
    assert study.identity["Birth date"] == "1970-02-03"
    assert study.attributes["Age"] == "50 years"
    assert study.attributes["Field strength"] == "1.5 T"
    told = f"{study.patient} {study.attributes} {study.warnings}"
    assert not any(word in told for word in ("Müller", "K-12", "Klinik", "ACC-7001", "1970"))
    for volume in study.native.values():
        assert not volume.flags.writeable
        assert volume.dtype == np.int16


def test_the_grid_tells_each_stored_slice(tmp_path: Path, phantom: Study) -> None:
    series = PhantomSeries(FLAIR, (6, 5, 5), plane="coronal", oblique_deg=(20, 0, 9), missing=(3,))
    study = load_study(write_dicom_phantom(tmp_path, phantom, series=[series]))
    stored = study.grid.reorientation.undo(study.native[FLAIR])
    assert stored.shape == study.grid.shape
    assert study.grid.frames[3] is None
    for plane, frame in zip(stored, study.grid.frames, strict=True):
        if frame is not None:
            dataset = pydicom.dcmread(frame.path)
            assert dataset.SOPInstanceUID == frame.sop_instance_uid
            assert np.array_equal(plane, dataset.pixel_array)
            assert dataset.SeriesInstanceUID == study.grid.series_uid
    matrix = np.array(study.grid.affine_lps)
    first = pydicom.dcmread(study.grid.frames[0].path)
    np.testing.assert_allclose(matrix[:3, 3], first.ImagePositionPatient)


def test_number_of_threads_does_not_matter(written: Path) -> None:
    one, many = load_study(written, workers=1), load_study(written, workers=5)
    assert np.array_equal(one.image.data, many.image.data)
    assert one.grid == many.grid


def test_multiframe_and_single_frames_are_one_volume(
    tmp_path: Path, phantom: Study, written: Path
) -> None:
    a = load_study(written)
    b = load_study(write_dicom_phantom(tmp_path, phantom, enhanced=True))
    assert np.array_equal(a.image.data, b.image.data)
    assert [f.frame for f in b.grid.frames] == list(range(len(b.grid.frames)))[::-1]


def test_volumes_of_one_file_are_listed_each(tmp_path: Path, phantom: Study) -> None:
    """Two times, the second with its phases between the magnitudes."""
    folder = write_dicom_phantom(tmp_path, phantom, enhanced=True)
    (path,) = folder.glob("S0002/*")
    dataset = pydicom.dcmread(path)
    frames = list(dataset.pixel_array)
    kinds = [(1, "MAGNITUDE", 0), (2, "MAGNITUDE", 7), (2, "PHASE", 300)]
    groups, planes = [], []
    many = [pydicom.dcmread(path).PerFrameFunctionalGroupsSequence for _ in kinds]
    for k, plane in enumerate(frames):
        for (time, component, more), one in zip(kinds, many, strict=True):
            kind = pydicom.Dataset()
            kind.FrameType = ["ORIGINAL", "PRIMARY", "T2", "NONE"]
            kind.ComplexImageComponent = component
            one[k].MRImageFrameTypeSequence = [kind]
            one[k].FrameContentSequence[0].TemporalPositionIndex = time
            groups.append(one[k])
            planes.append(plane + np.asarray(more, plane.dtype))
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = np.stack(planes).tobytes()
    dataset.NumberOfFrames = len(groups)
    dataset.save_as(path)

    (found,) = discover(folder).folders
    listed = [s for s in found.series if s.files == (path,)]
    assert [s.key.partition("#")[2] for s in listed] == ["", "2", "3"]
    assert [s.role for s in listed] == [FLAIR, FLAIR, None]
    assert dict(found.roles)[FLAIR] == listed[0].key
    first, second, phase = (load_series(s) for s in listed)
    assert np.array_equal(first.data + 7, second.data)
    assert np.array_equal(first.data + 300, phase.data)
    assert not any("left out" in warning for warning in load_study(found).warnings)


def test_commas_and_blanked_positions_are_read_and_mosaics_refused(
    tmp_path: Path, phantom: Study
) -> None:
    series = PhantomSeries(FLAIR, (6, 5.5, 5.5))
    folder = write_dicom_phantom(tmp_path, phantom, series=[series])
    for path in folder.rglob("*.dcm"):
        path.write_bytes(path.read_bytes().replace(b"5.5\\5.5", b"5,5\\5,5"))
    assert load_study(folder).image.geometry.spacing_mm == pytest.approx((6, 5.5, 5.5))
    whole = load_study(folder).native[FLAIR]
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.SliceLocation = dataset.ImagePositionPatient[2]
        dataset.ImagePositionPatient = [0, 0, 0]
        dataset.save_as(path)
    blanked = load_study(folder)
    assert np.array_equal(np.sort(blanked.native[FLAIR], axis=None), np.sort(whole, axis=None))
    assert blanked.image.geometry.affine_lps is None
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        dataset.save_as(path)
    with pytest.raises(DataError, match="mosaic"):
        load_study(folder)


def test_old_multiframe_has_no_orientation(tmp_path: Path, phantom: Study) -> None:
    series = PhantomSeries(FLAIR, (6, 5, 5), enhanced=True)
    folder = write_dicom_phantom(tmp_path, phantom, series=[series])
    (path,) = folder.rglob("*.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence
    del dataset.SharedFunctionalGroupsSequence
    dataset.save_as(path)
    (found,) = discover(folder).folders
    study = load_study(found)
    assert study.image.geometry.affine_lps is None
    assert any("orientation unknown" in warning for warning in study.warnings)
    (volume,) = study.native.values()
    assert np.array_equal(volume, dataset.pixel_array)


def test_frames_of_reference_and_coverage_are_compared(tmp_path: Path, phantom: Study) -> None:
    series = [
        PhantomSeries(FLAIR, (6, 6, 6)),
        PhantomSeries(PRE, (6, 6, 6), shape=(3, 40, 40), frame_of_reference="moved"),
    ]
    study = load_study(write_dicom_phantom(tmp_path, phantom, series=series))
    text = "\n".join(study.warnings)
    assert "another frame of reference" in text
    assert "pre-contrast covers" in text


def test_each_series_keeps_its_warnings(tmp_path: Path, phantom: Study) -> None:
    series = [
        PhantomSeries(FLAIR, (6, 6, 6), duplicated=(2,)),
        PhantomSeries(POST, (6, 6, 6), missing=(4, 5), shear_mm=1.5),
    ]
    study = load_study(write_dicom_phantom(tmp_path, phantom, series=series))
    text = "\n".join(study.warnings)
    assert "post-contrast: Slices 5, 6 of" in text
    assert "post-contrast: The stack leans by 14.0 degrees" in text


def test_a_sheared_stack_lies_where_it_lay(tmp_path: Path, beads) -> None:
    study, places = beads
    series = PhantomSeries(FLAIR, (4, 2, 2), shear_mm=1.0)
    loaded = load_study(write_dicom_phantom(tmp_path, study, series=[series]))
    affine = loaded.image.geometry.affine_lps
    for place in places:
        assert np.abs(_found(loaded.native[FLAIR], affine, place) - place).max() < 1.0


def test_patients_mixed_in_one_folder_are_two(tmp_path: Path, phantom: Study) -> None:
    write_dicom_phantom(tmp_path / "a", phantom)
    other = PhantomPatient(name="Other^One", patient_id="PH-0002")
    write_dicom_phantom(tmp_path / "b", phantom, patient=other, seed=2)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in [*tmp_path.glob("a/*/*.dcm"), *tmp_path.glob("b/*/*.dcm")]:
        shutil.copy(path, mixed / f"{path.parts[-3]}{path.parent.name}{path.name}")
    found = discover(mixed)
    assert len(found.folders) == 2
    for folder in found.folders:
        study = load_study(folder)
        assert set(study.native) == set(KAGGLE_ORDER)
        assert not study.warnings


def test_single_slice(tmp_path: Path, phantom: Study) -> None:
    series = PhantomSeries(FLAIR, (5, 5, 5), shape=(1, 30, 30))
    study = load_study(write_dicom_phantom(tmp_path, phantom, series=[series]))
    assert study.image.data.shape == (3, 1, 30, 30)
    assert study.image.geometry.spacing_mm == pytest.approx((5, 5, 5))


def test_a_file_that_vanished_is_named(tmp_path: Path, phantom: Study) -> None:
    folder = write_dicom_phantom(tmp_path, phantom)
    (found,) = discover(folder).folders
    gone = found.images[3]
    gone.unlink()
    with pytest.raises(DataError) as caught:
        load_study(found)
    assert str(gone) in str(caught.value)


def test_one_series_alone(tmp_path: Path, phantom: Study) -> None:
    series = default_series(phantom)[1]
    (found,) = discover(write_dicom_phantom(tmp_path, phantom, series=[series])).folders
    loaded = load_series(found.series[0])
    sampled = sample(phantom, series)
    assert np.array_equal(loaded.grid.reorientation.undo(loaded.data), sampled.values)
    assert loaded.frame_of_reference


def test_truth_comes_from_a_segmentation_by_hand(tmp_path: Path, phantom: Study) -> None:
    from napari_brainseg.core.dataset.masks import write_mask
    from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker

    folder = write_dicom_phantom(tmp_path / "study", phantom)
    study = load_study(folder)
    mask = (study.native[FLAIR] > 500).astype(np.uint8)
    path = tmp_path / "seg.dcm"
    write_mask(path, study, mask, MaskFormat.DICOM_SEG, maker=MaskMaker("MANUAL"))
    path.rename(folder / "seg.dcm")
    again = load_study(folder)
    assert again.truth is not None
    assert np.array_equal(again.truth.data, mask)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎=やまだ^たろう", "山田, 太郎"),
        ("^^=홍^길동", "홍, 길동"),
        ("王^小东", "王, 小东"),
        ("", ""),
        ("==", ""),
    ],
)
def test_a_name_is_the_first_spelling_that_there_is(value: str, name: str) -> None:
    from napari_brainseg.core.formats.dicom.about import person_name

    assert person_name(value) == name
