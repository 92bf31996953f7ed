"""Masks to files and back: the same voxels, whatever the format and the storage order."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.masks import mask_file_name, mask_record, write_mask
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker, describe_mask, read_mask
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import DataError, Geometry, LabelVolume, ScalarVolume, Study

if TYPE_CHECKING:
    from numpy.typing import NDArray

_spec = importlib.util.spec_from_file_location(
    "seg_sources", Path(__file__).parents[1] / "formats" / "seg_sources.py"
)
assert _spec is not None
assert _spec.loader is not None
sources = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sources)

MAKER = MaskMaker("SEMIAUTOMATIC", "default-3", "Ada", "1.2.3")
ENDINGS = {
    MaskFormat.TIFF: "slices",
    MaskFormat.NIFTI: "mask.nii.gz",
    MaskFormat.DICOM_SEG: "mask.dcm",
    MaskFormat.DICOM_SEG_FRACTIONAL: "fractional.dcm",
}


def kaggle_study(folder: Path, shape: tuple[int, int, int], seed: int = 0) -> Study:
    image = np.random.default_rng(seed).integers(1, 255, (3, *shape), dtype=np.uint8)
    numbers = range(4, 4 + shape[0])
    write_patient(folder, "A_20200101", image, None, numbers, durable=False)
    return load_study(folder / "A_20200101")


def nifti_study(folder: Path, shape: tuple[int, int, int], codes: str, seed: int = 0) -> Study:
    """Stored with axes in any order and direction, e.g. ``LSP``, and a little oblique."""
    data = np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)
    turn = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(tuple(codes)), shape)
    tilt = np.eye(4)
    tilt[:3, :3] = [[0.99, -0.14, 0], [0.14, 0.99, 0], [0, 0, 1]]
    affine = tilt @ np.diag([0.9, 1.1, 3.0, 1.0]) @ turn
    folder.mkdir(parents=True)
    for name in ("flair", "t1", "t1ce"):
        image = nibabel.Nifti1Image(data, affine)
        nibabel.save(image, folder / f"B_20200102_{name}.nii.gz")
    return load_study(folder)


def random_mask(study: Study, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return (rng.random(study.image.grid_shape) < 0.3).astype(np.uint8)


def formats_for(study: Study) -> list[MaskFormat]:
    dicom = study.format == "DICOM"
    return [kind for kind in MaskFormat if dicom or not kind.is_dicom]


def require_round_trips(study: Study, folder: Path, seed: int) -> None:
    mask = random_mask(study, seed)
    for kind in formats_for(study):
        path = write_mask(folder / ENDINGS[kind], study, mask, kind, maker=MAKER)
        back = read_mask(path, study)
        np.testing.assert_array_equal(back.data, mask, err_msg=kind)
        assert back.geometry == study.image.geometry
        assert describe_mask(path).lesion_voxels == np.count_nonzero(mask)


SHAPES = st.tuples(st.integers(2, 5), st.integers(3, 6), st.integers(3, 6))


@settings(max_examples=10)
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_every_format_of_a_kaggle_patient(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("kaggle")
    require_round_trips(kaggle_study(folder / "root", shape), folder / "out", seed)


@settings(max_examples=15)
@given(
    shape=SHAPES,
    axes=st.permutations(["LR", "AP", "SI"]),
    signs=st.tuples(*[st.integers(0, 1)] * 3),
    seed=st.integers(0, 1000),
)
def test_every_format_of_a_nifti_patient_in_any_orientation(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    axes: list[str],
    signs: tuple[int, ...],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("nifti")
    codes = "".join(axis[sign] for axis, sign in zip(axes, signs, strict=True))
    require_round_trips(nifti_study(folder / "src", shape, codes), folder / "out", seed)


@settings(max_examples=8)
@given(
    shape=SHAPES,
    plane=st.sampled_from(sorted(sources.PLANES)),
    tilt=st.floats(-25, 25),
    downwards=st.booleans(),
    enhanced=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_format_of_a_dicom_patient_in_any_orientation(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    plane: str,
    tilt: float,
    downwards: bool,
    enhanced: bool,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("dicom")
    affine = sources.affine_of(plane, tilt_deg=tilt, downwards=downwards)
    study = sources.dicom_study(folder / "src", shape, affine, enhanced=enhanced)
    require_round_trips(study, folder / "out", seed)


def test_a_dicom_mask_goes_by_nifti_to_dicom(tmp_path: Path) -> None:
    study = sources.dicom_study(
        tmp_path / "src", affine=sources.affine_of("sagittal", tilt_deg=7, downwards=True)
    )
    mask = random_mask(study, 3)
    nifti = write_mask(tmp_path / "a.nii", study, mask, MaskFormat.NIFTI, maker=MAKER)
    seg = write_mask(
        tmp_path / "a.dcm", study, read_mask(nifti, study), MaskFormat.DICOM_SEG, maker=MAKER
    )

    np.testing.assert_array_equal(read_mask(seg, study).data, mask)


def test_a_nifti_mask_has_the_affine_of_its_input(tmp_path: Path) -> None:
    study = nifti_study(tmp_path / "src", (4, 5, 6), "PIR")

    path = write_mask(
        tmp_path / "m.nii.gz", study, random_mask(study, 0), MaskFormat.NIFTI, maker=MAKER
    )

    source = nibabel.load(tmp_path / "src" / "B_20200102_flair.nii.gz")
    written = nibabel.load(path)
    np.testing.assert_array_equal(written.affine, source.affine)
    assert written.shape == source.shape


def test_slices_that_go_with_a_spacing_keep_it(tmp_path: Path) -> None:
    study = nifti_study(tmp_path / "src", (4, 5, 6), "LPS")

    write_mask(tmp_path / "m", study, random_mask(study, 0), MaskFormat.TIFF, maker=MAKER)

    told = json.loads((tmp_path / "m" / "geometry.json").read_text())
    assert told["spacing_mm"] == pytest.approx(study.image.geometry.spacing_mm)


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    for kind in (MaskFormat.TIFF, MaskFormat.NIFTI):
        dest = tmp_path / "out" / ENDINGS[kind]
        first, second = random_mask(study, 0), random_mask(study, 1)
        write_mask(dest, study, first, kind, maker=MAKER)
        with pytest.raises(DataError, match="is there already"):
            write_mask(dest, study, second, kind, maker=MAKER)
        np.testing.assert_array_equal(read_mask(dest, study).data, first)
        write_mask(dest, study, second, kind, maker=MAKER, overwrite=True)
        np.testing.assert_array_equal(read_mask(dest, study).data, second)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mask.nii.gz", "slices"]


def test_a_folder_with_other_things_is_never_replaced(tmp_path: Path) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    dest = tmp_path / "out"
    dest.mkdir()
    (dest / "notes.txt").write_text("mine")

    with pytest.raises(DataError, match=r"more than masks, e.g. notes\.txt"):
        write_mask(dest, study, random_mask(study, 0), MaskFormat.TIFF, maker=MAKER, overwrite=True)

    assert (dest / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", [MaskFormat.TIFF, MaskFormat.NIFTI])
def test_the_folder_of_the_images_is_refused(tmp_path: Path, kind: MaskFormat) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    before = sorted(study.path.iterdir())

    with pytest.raises(DataError, match="original data is never written to"):
        write_mask(
            study.path / "masks" / ENDINGS[kind], study, random_mask(study, 0), kind, maker=MAKER
        )

    assert sorted(study.path.iterdir()) == before


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    whole: Any = {"dest": tmp_path / "m", "study": study, "format": MaskFormat.TIFF}

    with pytest.raises(DataError, match="other values than 0 and 1"):
        write_mask(mask=np.full((3, 4, 4), 0.3), maker=MAKER, **whole)
    with pytest.raises(DataError, match=r"shape \(2, 4, 4\), the study \(3, 4, 4\)"):
        write_mask(mask=np.zeros((2, 4, 4), np.uint8), maker=MAKER, **whole)
    with pytest.raises(DataError, match="Only for studies opened from DICOM"):
        write_mask(
            tmp_path / "m.dcm", study, np.zeros((3, 4, 4), np.uint8), MaskFormat.DICOM_SEG,
            maker=MAKER,
        )  # fmt: skip


def test_a_record_tells_the_origin_and_nothing_of_the_person(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "src")
    mask = random_mask(study, 0)
    record = mask_record(study, mask, MAKER, which="correction", approved="2026-01-02T03:04:05Z")

    path = write_mask(
        tmp_path / "out" / "m.nii.gz", study, mask, MaskFormat.NIFTI, maker=MAKER, record=record
    )

    text = (path.parent / "m.json").read_text()
    told = json.loads(text)
    assert told["model_version"] == "default-3"
    assert told["editor"] == "Ada"
    assert told["software_version"] == "1.2.3"
    assert told["approved"] == "2026-01-02T03:04:05Z"
    assert told["volume_ml"] == pytest.approx(mask.sum() * 4 * 0.9 * 0.8 / 1000)
    for secret in ("Doe", "4711", "19600101", study.grid.series_uid, str(tmp_path)):
        assert secret not in text


def test_masks_of_another_patient_are_refused_with_both_grids(tmp_path: Path) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    other = kaggle_study(tmp_path / "other", (4, 4, 4))
    path = write_mask(tmp_path / "m", other, random_mask(other, 0), MaskFormat.TIFF, maker=MAKER)

    with pytest.raises(DataError, match=r"\(4, 4, 4\) with slices 4-7.*\(3, 4, 4\).*4-6"):
        read_mask(path, study)


def test_slices_of_another_grid_are_resampled_where_both_say_where_they_lie(
    tmp_path: Path,
) -> None:
    affine = ((0.0, 0.0, 2.0, 0.5), (0.0, 2.0, 0.0, 0.5), (2.0, 0.0, 0.0, 0.5), (0.0, 0, 0, 1))
    fine = tuple(tuple(v / 2 if 0 < abs(v) == 2 else 0.0 if v == 0.5 else v for v in row)
                 for row in affine)  # fmt: skip
    mask = np.zeros((2, 3, 3), np.uint8)
    mask[1, 1, 2] = 1
    write_patient(
        tmp_path, "A", None, LabelVolume(mask), [1, 2], geometry=Geometry.from_affine(affine)
    )
    image = ScalarVolume(np.zeros((3, 4, 6, 6), np.uint8), geometry=Geometry.from_affine(fine))
    study = Study("A", image)

    with pytest.raises(DataError, match="resampled"):
        read_mask(tmp_path / "A", study)
    found = read_mask(tmp_path / "A", study, resample=True)

    np.testing.assert_array_equal(found.data, mask.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_paths_without_a_mask_say_what_is_wanted(tmp_path: Path) -> None:
    study = kaggle_study(tmp_path / "root", (3, 4, 4))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "one.tif").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("nothing", "does not exist"),
        ("notes.txt", "no mask that can be read"),
        ("one.tif", "one slice of a mask"),
        ("empty", "holds no masks"),
    ):
        with pytest.raises(DataError, match=words):
            read_mask(tmp_path / name, study)
    with pytest.raises(DataError, match="no segments"):
        read_mask(tmp_path / "empty", study, segment=1)
    image = tmp_path / "image.nii.gz"
    write_nifti(image, np.linspace(0, 1, 48, dtype=np.float32).reshape(3, 4, 4), Geometry())
    with pytest.raises(DataError, match="is no mask"):
        describe_mask(image)


def test_names_say_patient_date_and_which_mask() -> None:
    names = [mask_file_name("A_20200101", "prediction", kind) for kind in MaskFormat]

    assert names == [
        "A_20200101_prediction",
        "A_20200101_prediction_mask.nii.gz",
        "A_20200101_prediction.dcm",
        "A_20200101_prediction_fractional.dcm",
    ]
    assert mask_file_name("A", "truth", MaskFormat.DICOM_SEG, 2) == "A_truth_2.dcm"


@pytest.mark.parametrize("kind", list(MaskFormat))
def test_a_place_that_is_no_folder_or_full_is_said_in_words(
    tmp_path: Path, kind: MaskFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sources.dicom_study(tmp_path / "in", (3, 4, 5))
    mask: Any = np.zeros(study.image.grid_shape, np.uint8)
    mask[1, 1, 1] = 1
    if kind is MaskFormat.DICOM_SEG_FRACTIONAL:
        mask = mask.astype(np.float32)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(DataError, match="is a file, not a folder") as caught:
        write_mask(file / "deeper" / ENDINGS[kind], study, mask, kind, maker=MAKER)
    assert str(file) in caught.value.message
    assert caught.value.hint == "Choose a folder."

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left") as caught:
        write_mask(tmp_path / ENDINGS[kind], study, mask, kind, maker=MAKER)
    assert "free space" in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in"]
