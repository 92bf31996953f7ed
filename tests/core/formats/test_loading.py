from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.formats import discover, load_masks, load_study
from napari_brainseg.core.imaging import DataError, Modality

Writer = Callable[..., Path]


@pytest.mark.parametrize("workers", [None, 1, 5])
def test_slices_land_where_their_numbers_say(
    tmp_path: Path, write_slices: Writer, workers: int | None
) -> None:
    folder = write_slices(tmp_path / "A", range(1, 12))

    study = load_study(folder, workers=workers)

    assert study.image.data.shape == (3, 11, 12, 10)
    assert study.image.data.dtype == np.uint8
    assert study.truth is not None
    for z, number in enumerate(study.slice_numbers):
        image = tifffile.imread(folder / f"A_{number}.tif")
        mask = tifffile.imread(folder / f"A_{number}_mask.tif")
        np.testing.assert_array_equal(study.image.data[:, z].transpose(1, 2, 0), image)
        np.testing.assert_array_equal(study.truth.data[z], mask == 255)
    assert study.patient == "A"
    assert study.path == folder
    assert study.image.geometry.spacing_mm is None
    assert not [t for t in threading.enumerate() if t.name.startswith("brainseg-read")]


def test_what_was_discovered_loads_as_well(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A", [1, 3], masks=False)
    write_slices(tmp_path / "B", [1])

    study = load_study(discover(tmp_path).find("A"))

    assert study.truth is None
    assert study.slice_numbers == (1, 3)
    assert "Slice 2 is missing" in study.warnings[0]


def test_one_patient_is_asked_for(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A", [1])
    assert load_study(tmp_path).patient == "A"

    write_slices(tmp_path / "B", [1])
    with pytest.raises(DataError, match=r"holds 2 patients \(A, B\)"):
        load_study(tmp_path)


@pytest.mark.parametrize("name", ["A_3.tif", "A_3_mask.tif"])
def test_a_slice_of_another_size_is_named(tmp_path: Path, write_slices: Writer, name: str) -> None:
    folder = write_slices(tmp_path / "A")
    odd = write_slices(tmp_path / "odd", [3], patient="A", shape=(12, 11))
    (folder / name).write_bytes((odd / name).read_bytes())

    with pytest.raises(DataError, match=r"\(12, 11.*\(12, 10") as caught:
        load_study(folder)
    assert str(folder / name) in caught.value.message


def test_the_first_bad_slice_decides_the_error(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A", range(1, 9))
    for number in (7, 4):
        (folder / f"A_{number}.tif").write_bytes(b"II*\0")

    with pytest.raises(DataError, match=r"A_4\.tif"):
        load_study(folder, workers=4)
    assert not [t for t in threading.enumerate() if t.name.startswith("brainseg-read")]


def test_masks_that_disagree_on_the_lesion_value(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A")
    mask = tifffile.imread(folder / "A_3_mask.tif") // 255
    tifffile.imwrite(folder / "A_3_mask.tif", mask, photometric="minisblack")

    with pytest.raises(DataError, match=r"A_3_mask\.tif marks lesions with 1, A_1_mask.* 255"):
        load_study(folder)


def test_masks_of_zero_and_one_are_read(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A")
    before = load_study(folder).truth
    for path in folder.glob("*_mask.tif"):
        tifffile.imwrite(path, tifffile.imread(path) // 255, photometric="minisblack")

    after = load_study(folder).truth

    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(after.data, before.data)


def _rewrite(folder: Path, change: Callable[[np.ndarray], None]) -> None:
    for path in folder.glob("*_?.tif"):
        data = tifffile.imread(path)
        change(data)
        tifffile.imwrite(path, data, photometric="rgb")


def _pre_from_flair(data: np.ndarray) -> None:
    data[..., 0] = data[..., 1]


def _post_from_flair(data: np.ndarray) -> None:
    data[..., 2] = data[..., 1]


def _blank_post(data: np.ndarray) -> None:
    data[..., 2] = 0


def _blank_flair(data: np.ndarray) -> None:
    data[..., 1] = 17


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (_pre_from_flair, (Modality.PRE,)),
        (_post_from_flair, (Modality.POST,)),
        (_blank_post, (Modality.POST,)),
        (_blank_flair, (Modality.FLAIR,)),
    ],
)
def test_missing_modality_is_noticed(
    tmp_path: Path,
    write_slices: Writer,
    change: Callable[[np.ndarray], None],
    missing: tuple[Modality, ...],
) -> None:
    folder = write_slices(tmp_path / "A")
    assert load_study(folder).missing_modalities == ()

    _rewrite(folder, change)

    assert load_study(folder).missing_modalities == missing


def test_a_channel_is_not_missing_where_one_slice_differs(
    tmp_path: Path, write_slices: Writer
) -> None:
    folder = write_slices(tmp_path / "A")
    keep = (folder / "A_2.tif").read_bytes()
    _rewrite(folder, _post_from_flair)
    (folder / "A_2.tif").write_bytes(keep)

    assert load_study(folder).missing_modalities == ()


def test_masks_load_without_images(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A", [9, 10, 2])
    truth = load_study(folder).truth
    for number in (2, 9, 10):
        (folder / f"A_{number}.tif").unlink()

    mask, numbers = load_masks(folder)

    assert numbers == (2, 9, 10)
    assert truth is not None
    np.testing.assert_array_equal(mask.data, truth.data)


def test_masks_of_a_folder_without_masks(tmp_path: Path, write_slices: Writer) -> None:
    with pytest.raises(DataError, match="holds no masks"):
        load_masks(write_slices(tmp_path / "A", masks=False))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no masks"):
        load_masks(tmp_path / "empty")


@pytest.mark.real_data
def test_real_patient(real_sample: Path) -> None:
    found = discover(real_sample)
    assert found.patients == ("TCGA_CS_4944_20010208", "TCGA_HT_7602_19951103")

    study = load_study(found.find("TCGA_CS_4944"))

    assert study.image.data.shape == (3, 20, 256, 256)
    assert study.truth is not None
    assert study.truth.voxels == 28110
    assert study.attributes["age_at_initial_pathologic"] == "50"
    assert study.missing_modalities == ()
    assert study.warnings == ()
