from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.formats.tiff import read_image_slice, read_mask_slice
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path


def _encode(data: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, photometric="rgb", metadata=None, **options)
    return buffer.getvalue()


IMAGE = np.random.default_rng(0).integers(0, 255, (24, 20, 3), np.uint8)


@pytest.mark.parametrize(
    "options", [{}, {"rowsperstrip": 5}, {"byteorder": ">"}, {"compression": "zlib"}]
)
def test_encoding_does_not_matter(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "A_1.tif"
    path.write_bytes(_encode(IMAGE, **options))

    np.testing.assert_array_equal(read_image_slice(path), IMAGE)


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 5}, {"compression": "zlib"}])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, options: dict[str, object]) -> None:
    whole = _encode(IMAGE, **options)
    path = tmp_path / "A_1.tif"
    for length in [*range(0, 260, 3), *range(260, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=re.escape(str(path))) as caught:
            read_image_slice(path)
        assert "damaged, cut short or no TIFF" in caught.value.message
        assert "again" in caught.value.hint


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "A_1.tif"
    path.write_text("<html>404</html>" * 50)

    with pytest.raises(DataError, match="no TIFF"):
        read_image_slice(path)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (np.zeros((8, 9), np.uint8), r"shape \(8, 9\); expected \(Y, X, 3\)"),
        (np.zeros((8, 9, 4), np.uint8), r"shape \(8, 9, 4\)"),
        (np.zeros((8, 9, 3), np.uint16), "uint16 values; expected uint8"),
        (np.zeros((8, 9, 3), np.float32), "float32 values"),
    ],
)
def test_images_of_wrong_shape_or_dtype(tmp_path: Path, data: np.ndarray, value: str) -> None:
    path = tmp_path / "A_1.tif"
    tifffile.imwrite(path, data, photometric="minisblack" if data.ndim == 2 else "rgb")

    with pytest.raises(DataError, match=value) as caught:
        read_image_slice(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_stack_in_one_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "A_1.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 9, 3), np.uint8), photometric="rgb", metadata=None)

    with pytest.raises(DataError, match="holds 5 pages"):
        read_image_slice(path)


@pytest.mark.parametrize("mark", [1, 7, 255])
def test_any_value_beside_zero_marks_the_lesion(tmp_path: Path, mark: int) -> None:
    data = np.zeros((8, 9), np.uint8)
    data[2:4] = mark
    path = tmp_path / "A_1_mask.tif"
    tifffile.imwrite(path, data, photometric="minisblack")

    lesion, value = read_mask_slice(path)

    np.testing.assert_array_equal(lesion, data != 0)
    assert value == mark


def test_blurred_mask_names_its_values(tmp_path: Path) -> None:
    data = np.zeros((8, 9), np.uint8)
    data[2], data[3] = 128, 255
    path = tmp_path / "A_1_mask.tif"
    tifffile.imwrite(path, data, photometric="minisblack")

    with pytest.raises(DataError, match=r"3 values \(0, 128, 255\)") as caught:
        read_mask_slice(path)
    assert str(path) in caught.value.message
    assert "255 for lesion" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (np.zeros((8, 9, 3), np.uint8), r"shape \(8, 9, 3\); expected \(Y, X\)"),
        (np.zeros((8, 9), np.float32), "float32 values"),
    ],
)
def test_masks_of_wrong_shape_or_dtype(tmp_path: Path, data: np.ndarray, value: str) -> None:
    path = tmp_path / "A_1_mask.tif"
    tifffile.imwrite(path, data, photometric="minisblack" if data.ndim == 2 else "rgb")

    with pytest.raises(DataError, match=value):
        read_mask_slice(path)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (PermissionError(13, "Permission denied"), "No permission to read the slice"),
        (FileNotFoundError(2, "No such file"), "does not exist any more"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
        (ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package"), "compressed"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_failing_reads_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, message: str
) -> None:
    def refuse(*_: object) -> None:
        raise fault

    monkeypatch.setattr(tifffile, "TiffFile", refuse)

    with pytest.raises(DataError, match=message) as caught:
        read_image_slice(tmp_path / "A_1.tif")
    assert "A_1.tif" in caught.value.message
    assert caught.value.hint
