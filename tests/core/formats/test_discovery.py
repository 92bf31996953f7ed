from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
from napari_brainseg.core.formats import discover, is_study_path
from napari_brainseg.core.imaging import DataError

Writer = Callable[..., Path]


def test_one_patient_is_sorted_by_number_and_paired(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "P_1_20010101", [10, 9, 2, 1, *range(3, 9)])

    found = discover(folder)

    (study,) = found.folders
    assert study.patient == "P_1_20010101"
    assert study.slice_numbers == tuple(range(1, 11))
    assert [p.name for p in study.images[-2:]] == ["P_1_20010101_9.tif", "P_1_20010101_10.tif"]
    assert [p.name for p in study.masks if p][-1] == "P_1_20010101_10_mask.tif"
    assert study.warnings == ()
    assert found.faults == ()


def test_patient_without_masks_is_fine(tmp_path: Path, write_slices: Writer) -> None:
    study = discover(write_slices(tmp_path / "P", masks=False)).folders[0]

    assert study.masks == (None,) * 5
    assert not study.has_masks


def test_the_files_name_the_patient_not_the_folder(tmp_path: Path, write_slices: Writer) -> None:
    study = discover(write_slices(tmp_path / "left", patient="P_20010101")).folders[0]

    assert study.patient == "P_20010101"


@pytest.mark.parametrize("between", ["", "kaggle_3m"])
def test_root_of_many_with_or_without_a_level_between(
    tmp_path: Path, write_slices: Writer, between: str
) -> None:
    for name in ("B", "A", "C"):
        write_slices(tmp_path / between / name)
    (tmp_path / between / "README.md").write_text("notes")
    (tmp_path / between / ".cache").mkdir()

    assert discover(tmp_path).patients == ("A", "B", "C")


def test_a_faulty_patient_does_not_stop_the_others(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A")
    write_slices(tmp_path / "B")
    (tmp_path / "B" / "B_3_mask.tif").unlink()
    (tmp_path / "C").mkdir()

    found = discover(tmp_path)

    assert found.patients == ("A",)
    assert [f.path.name for f in found.faults] == ["B", "C"]
    assert "B_3.tif" in found.faults[0].error.message
    assert "empty" in found.faults[1].error.message


def test_folders_of_other_things_are_no_faults(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A")
    (tmp_path / "figures" / "deep").mkdir(parents=True)
    (tmp_path / "figures" / "a.png").write_bytes(b"")

    found = discover(tmp_path)

    assert found.patients == ("A",)
    assert found.faults == ()
    assert found.ignored == (tmp_path / "figures",)


def test_the_only_patient_of_a_root_raises_its_fault(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A")
    (tmp_path / "A" / "A_2.tif").unlink()

    with pytest.raises(DataError, match=r"A_2_mask\.tif"):
        discover(tmp_path)


def test_image_without_its_mask_among_masked_ones(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A")
    (folder / "A_4_mask.tif").unlink()

    with pytest.raises(DataError, match=r"1 of 5 images .* no mask: A_4\.tif") as caught:
        discover(folder)
    assert "Add the missing masks" in caught.value.hint


def test_masks_without_any_image(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A", [1, 2])
    for number in (1, 2):
        (folder / f"A_{number}.tif").unlink()

    with pytest.raises(DataError, match="2 masks but no images"):
        discover(folder)


@pytest.mark.parametrize("twin", ["A_03.tif", "A_3.tiff", "A_03_mask.tif"])
def test_duplicate_slice_number_names_both_files(
    tmp_path: Path, write_slices: Writer, twin: str
) -> None:
    folder = write_slices(tmp_path / "A")
    (folder / twin).write_bytes((folder / "A_3.tif").read_bytes())

    with pytest.raises(DataError, match="Slice 3 has two") as caught:
        discover(folder)
    assert twin in caught.value.message
    assert "A_3" in caught.value.message


def test_gap_in_the_numbers_is_a_warning_that_names_it(
    tmp_path: Path, write_slices: Writer
) -> None:
    folder = write_slices(tmp_path / "A", [1, 2, 4, 8, 9])

    (warning,) = discover(folder).folders[0].warnings

    assert "Slices 3, 5-7 are missing between 1 and 9" in warning


def test_single_missing_slice_and_late_start(tmp_path: Path, write_slices: Writer) -> None:
    start, gap = discover(write_slices(tmp_path / "A", [3, 5])).folders[0].warnings

    assert "start at 3; 1-2 may be missing" in start
    assert "Slice 4 is missing" in gap


def test_an_absurd_slice_number_does_not_hang(tmp_path: Path, write_slices: Writer) -> None:
    (warning,) = discover(write_slices(tmp_path / "A", [1, 10**15])).folders[0].warnings

    assert f"2-{10**15 - 1}" in warning


def test_mixed_patients_are_named(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A")
    write_slices(folder, patient="B")

    with pytest.raises(DataError, match=r"mixes 2 patients: A .*, B ") as caught:
        discover(folder)
    assert "folder of its own" in caught.value.hint


def test_one_patient_in_two_folders_is_kept_once(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "first", patient="A")
    write_slices(tmp_path / "second", patient="A")

    found = discover(tmp_path)

    assert [f.path.name for f in found.folders] == ["first"]
    assert "two folders" in found.faults[0].error.message
    assert found.faults[0].path.name == "second"


def test_tiffs_with_other_names(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A")
    (folder / "overview.tif").write_bytes(b"")
    assert "overview.tif" in discover(folder).folders[0].warnings[0]

    lone = tmp_path / "lone"
    lone.mkdir()
    (lone / "overview.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"None of the 1 TIFF files .* overview\.tif"):
        discover(lone)


def test_a_stray_tiff_hides_no_patients(tmp_path: Path, write_slices: Writer) -> None:
    write_slices(tmp_path / "A")
    (tmp_path / "overview.tif").write_bytes(b"")
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "scan.tif").write_bytes(b"")

    found = discover(tmp_path)

    assert [f.path.name for f in found.folders] == ["A"]
    assert [f.path.name for f in found.faults] == ["B"]
    assert "scan.tif" in found.faults[0].error.message
    write_dicom_phantom(tmp_path / "C", phantom_study(1, slices=2, size=32))
    (tmp_path / "C" / "preview.tif").write_bytes(b"")
    assert len(discover(tmp_path / "C").folders) == 1


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path} is empty") as caught:
        discover(tmp_path)
    assert "TCGA_CS_4944_20010208_7.tif" in caught.value.hint


def test_folder_of_other_things_says_what_it_holds(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm", "notes"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub" / "subsub").mkdir(parents=True)

    with pytest.raises(DataError, match=r"2 files \(\.dcm\), 1 file \(no ending\), 1 folder w"):
        discover(tmp_path)


def test_pictures_for_show_are_told_from_scans(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.JPG").write_bytes(b"")
    with pytest.raises(DataError, match=r"only 1 file \(\.jpg\)") as caught:
        discover(tmp_path)
    assert "export the series as DICOM" in caught.value.hint


def test_missing_path_and_file_for_a_folder(tmp_path: Path, write_slices: Writer) -> None:
    with pytest.raises(DataError, match="does not exist"):
        discover(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is one slice") as caught:
        discover(write_slices(tmp_path / "A") / "A_1.tif")
    assert "folder that holds" in caught.value.hint


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder unreadable; mode bits would not stop root."""
    scandir = os.scandir

    def lock(folder: Path) -> None:
        def refuse(path: str | Path) -> object:
            if Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

    return lock


def test_no_permission_for_a_single_patient(
    tmp_path: Path, write_slices: Writer, locked: Callable[[Path], None]
) -> None:
    folder = write_slices(tmp_path / "A")
    locked(folder)

    with pytest.raises(DataError, match=f"No permission to read the folder {folder}") as caught:
        discover(folder)
    assert "read access" in caught.value.hint
    assert not is_study_path(folder)


def test_no_permission_for_one_of_many(
    tmp_path: Path, write_slices: Writer, locked: Callable[[Path], None]
) -> None:
    write_slices(tmp_path / "A")
    locked(write_slices(tmp_path / "B"))

    found = discover(tmp_path)

    assert found.patients == ("A",)
    assert "No permission" in found.faults[0].error.message


def test_patients_are_found_by_name_with_or_without_date(
    tmp_path: Path, write_slices: Writer
) -> None:
    for name in ("A_20010101", "B_20010101", "B_20020202"):
        write_slices(tmp_path / name, [1])
    found = discover(tmp_path)

    assert found.find("A").patient == "A_20010101"
    assert found.find("B_20020202").patient == "B_20020202"
    with pytest.raises(DataError, match="B has 2 studies"):
        found.find("B")
    with pytest.raises(DataError, match="no patient C"):
        found.find("C")


def test_relative_path_keeps_its_names(
    tmp_path: Path, write_slices: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_slices(tmp_path / "A"))

    assert discover(".").folders[0].path.name == "A"


def test_study_paths_are_recognised_cheaply(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "root" / "kaggle_3m" / "A", [1])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.tif").write_bytes(b"")

    assert is_study_path(folder)
    assert is_study_path(folder.parent)
    assert is_study_path(str(tmp_path / "root"))
    assert not is_study_path(tmp_path / "other")
    assert not is_study_path(folder / "A_1.tif")
    assert not is_study_path(tmp_path / "nowhere")
    assert not is_study_path("a\0b")


def test_discovery_reads_no_pixels(
    tmp_path: Path, write_slices: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_slices(tmp_path / "A")
    for path in folder.iterdir():
        path.write_bytes(b"")

    assert discover(folder).patients == ("A",)
    assert is_study_path(folder)
