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
