from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.dataset import layout
from napari_brainseg.core.dataset.layout import recover, write_patient
from napari_brainseg.core.formats import discover, load_masks, load_study
from napari_brainseg.core.imaging import DataError, LabelVolume, Modality, ScalarVolume

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (3, 4, 8, 9), np.uint8)
MASK = RNG.integers(0, 2, (4, 8, 9), np.uint8)
NUMBERS = (2, 9, 10, 12)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_is_written_reads_back_voxel_by_voxel(tmp_path: Path, wrapped: bool) -> None:
    image = ScalarVolume(IMAGE) if wrapped else IMAGE
    mask = LabelVolume(MASK) if wrapped else MASK

    folder = write_patient(tmp_path / "set", "A_20010101", image, mask, NUMBERS)
    study = load_study(folder)

    assert folder == tmp_path / "set" / "A_20010101"
    assert study.patient == "A_20010101"
    assert study.slice_numbers == NUMBERS
    np.testing.assert_array_equal(study.image.data, IMAGE)
    assert study.truth is not None
    np.testing.assert_array_equal(study.truth.data, MASK)
    assert not [t for t in threading.enumerate() if t.name.startswith("brainseg-write")]


def test_the_files_are_those_of_kaggle_3m(tmp_path: Path) -> None:
    folder = write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)

    assert _names(folder) == sorted(f"A_{n}{m}.tif" for n in NUMBERS for m in ("", "_mask"))
    np.testing.assert_array_equal(tifffile.imread(folder / "A_9.tif")[..., 1], IMAGE[1, 1])
    mask = tifffile.imread(folder / "A_9_mask.tif")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, MASK[1] * 255)


def test_image_or_mask_alone(tmp_path: Path) -> None:
    write_patient(tmp_path / "images", "A", IMAGE, None, NUMBERS)
    write_patient(tmp_path / "masks", "A", None, MASK, NUMBERS)

    assert load_study(tmp_path / "images").truth is None
    mask, numbers = load_masks(tmp_path / "masks" / "A")
    np.testing.assert_array_equal(mask.data, MASK)
    assert numbers == NUMBERS


def test_the_same_slices_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_patient(tmp_path / "1", "A", IMAGE, MASK, NUMBERS, durable=False)
    two = write_patient(tmp_path / "2", "A", IMAGE, MASK, NUMBERS)

    for name in _names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_patient_is_only_overwritten_when_asked(tmp_path: Path) -> None:
    write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)
    with pytest.raises(DataError, match="a patient A in"):
        write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)

    folder = write_patient(tmp_path, "A", IMAGE[:, :2], 1 - MASK[:2], (1, 2), overwrite=True)

    assert _names(tmp_path) == ["A"]
    assert len(_names(folder)) == 4
    truth = load_study(folder).truth
    assert truth is not None
    np.testing.assert_array_equal(truth.data, 1 - MASK[:2])


def test_a_full_disk_leaves_the_old_patient_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)
    before = {name: (folder / name).read_bytes() for name in _names(folder)}
    write = tifffile.imwrite
    calls = iter(range(100))

    def fail_later(*args: object, **options: object) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")
        write(*args, **options)

    monkeypatch.setattr(tifffile, "imwrite", fail_later)
    with pytest.raises(DataError, match=r"Cannot write the patient A .* No space left") as caught:
        write_patient(tmp_path, "A", IMAGE, 1 - MASK, NUMBERS, overwrite=True)

    assert "free space" in caught.value.hint
    assert _names(tmp_path) == ["A"]
    assert {name: (folder / name).read_bytes() for name in _names(folder)} == before


def test_a_failed_swap_brings_the_old_patient_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)
    replace = Path.replace

    def fail_for_new(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(DataError, match="Input/output"):
        write_patient(tmp_path, "A", IMAGE, 1 - MASK, NUMBERS, overwrite=True)

    assert _names(tmp_path) == ["A"]
    truth = load_study(tmp_path / "A").truth
    assert truth is not None
    np.testing.assert_array_equal(truth.data, MASK)


def test_a_write_cut_off_by_a_crash_is_tidied_up(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_patient(tmp_path, name, IMAGE, MASK, NUMBERS)
    (tmp_path / "A").rename(tmp_path / ".A.old-0123abcd")
    write_patient(tmp_path / "x", "A", IMAGE, MASK, NUMBERS).rename(tmp_path / ".A.new-89abcdef")
    (tmp_path / "x").rmdir()
    (tmp_path / ".B.old-0123abcd").mkdir()
    (tmp_path / ".mine.txt").write_text("kept")

    assert discover(tmp_path).patients == ("B",)
    recover(tmp_path)

    assert _names(tmp_path) == [".mine.txt", "A", "B"]
    assert discover(tmp_path).patients == ("A", "B")


def test_writing_tidies_up_its_own_patient_only(tmp_path: Path) -> None:
    for leftover in (".A.new-00000000", ".B.new-00000000"):
        (tmp_path / leftover).mkdir()

    write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)

    assert _names(tmp_path) == [".B.new-00000000", "A"]
    recover(tmp_path / "nowhere")


def test_the_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = layout.os.fsync
    monkeypatch.setattr(layout.os, "fsync", lambda handle: (synced.append(handle), fsync(handle)))

    write_patient(tmp_path, "B", IMAGE, MASK, NUMBERS, durable=False)
    assert synced == []
    write_patient(tmp_path, "A", IMAGE, MASK, NUMBERS)

    assert len(synced) >= 2 * len(NUMBERS) + 2


@pytest.mark.parametrize("name", ["", "../A", "a/b", ".A", "A B", "A\\B"])
def test_names_that_cannot_name_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a folder"):
        write_patient(tmp_path / "set", name, IMAGE, MASK, NUMBERS)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("image", "mask", "numbers", "fault"),
    [
        (None, None, (), "neither image nor mask"),
        (IMAGE[:2], None, NUMBERS, r"shape \(2, 4, 8, 9\)"),
        (IMAGE.astype(np.float32), None, NUMBERS, "dtype float32"),
        (IMAGE, MASK[:3], NUMBERS, r"mask has shape \(3, 8, 9\), the image \(4, 8, 9\)"),
        (IMAGE, MASK * np.uint8(255), NUMBERS, "only 0 and 1"),
        (IMAGE, MASK * 0.5, NUMBERS, "float64 values"),
        (IMAGE, MASK, (1, 2, 3), "4 slices need"),
        (IMAGE, MASK, (1, 2, 2, 3), "different slice numbers"),
        (IMAGE, MASK, (-1, 2, 3, 4), "from 0 up"),
        (
            ScalarVolume(IMAGE, (Modality.FLAIR, Modality.PRE, Modality.POST)),
            None,
            NUMBERS,
            "channels are FLAIR, pre-contrast",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path, image, mask, numbers, fault) -> None:
    with pytest.raises(DataError, match=fault):
        write_patient(tmp_path / "set", "A", image, mask, numbers)
    assert not (tmp_path / "set").exists()
