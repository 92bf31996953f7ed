from __future__ import annotations

import pytest

from napari_brainseg.core.formats.names import is_tiff, parse_slice_name, undated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TCGA_CS_4944_20010208_7.tif", ("TCGA_CS_4944_20010208", 7, False)),
        ("TCGA_CS_4944_20010208_17_mask.tif", ("TCGA_CS_4944_20010208", 17, True)),
        ("PHANTOM_0042_0003_1.tiff", ("PHANTOM_0042_0003", 1, False)),
        ("A_01_MASK.TIF", ("A", 1, True)),
    ],
)
def test_slice_names_are_taken_apart(name: str, expected: tuple[str, int, bool]) -> None:
    assert parse_slice_name(name) == expected


@pytest.mark.parametrize(
    "name", ["scan.tif", "_7.tif", "A_7.png", "A_7_mask_old.tif", "._A_7.tif", "A_7.tif.part"]
)
def test_other_names_are_no_slices(name: str) -> None:
    assert parse_slice_name(name) is None


def test_resource_forks_of_macos_are_no_tiffs() -> None:
    assert is_tiff("A_7.TIFF")
    assert not is_tiff("._A_7.tif")


def test_the_date_is_taken_off_only_where_there_is_one() -> None:
    assert undated("TCGA_CS_4944_20010208") == "TCGA_CS_4944"
    assert undated("TCGA_CS_4944") == "TCGA_CS_4944"
    assert undated("PHANTOM_0042_0003") == "PHANTOM_0042_0003"


@pytest.mark.parametrize(
    ("studies", "person"),
    [
        (["PT-0123456789", "PT-0123456789-2", "PT-0123456789_20200101-27"], "PT-0123456789"),
        (["sub-01_ses-01", "sub-01_ses-post", "sub-01_20200101b"], "sub-01"),
        (["BraTS-GLI-00005-000", "BraTS-GLI-00005-001"], "BraTS-GLI-00005"),
        (["UPENN-GBM-00016_11", "UPENN-GBM-00016_21"], "UPENN-GBM-00016"),
        (["P7_baseline", "P7_follow-up2", "P7_week-000-1", "P7_Timepoint_3", "P7_visit1"], "P7"),
    ],
)
def test_visits_of_a_person_are_one_person(studies: list[str], person: str) -> None:
    assert {undated(study) for study in studies} == {person}


@pytest.mark.parametrize(
    "patient",
    ["BraTS20_Training_001", "BRATS_485", "CASE_T1", "mouse_m1", "brain_scan_2", "week-2", "X_12"],
)
def test_names_that_may_be_of_several_people_stay(patient: str) -> None:
    assert undated(patient) == patient
