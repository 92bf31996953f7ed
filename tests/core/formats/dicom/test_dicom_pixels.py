"""Stored values become real ones; what is broken says so."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import (
    PhantomSeries,
    sample,
    write_dicom_phantom,
)
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.dicom.codestreams import codestream_size
from napari_brainseg.core.imaging import DataError, Modality

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

FLAIR = Modality.FLAIR
SHAPE = (4, 32, 40)


@pytest.fixture(scope="module")
def phantom() -> Study:
    return phantom_study(4, slices=6, size=32, missing=())


def _write(folder: Path, phantom: Study, change: Callable | None = None, **fields: Any):
    series = PhantomSeries(FLAIR, shape=SHAPE, spacing_mm=(20, 6, 5), **fields)
    write_dicom_phantom(folder, phantom, series=[series])
    for path in sorted(folder.rglob("*.dcm")):
        if change is not None:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)
    return sample(phantom, series)


def _native(folder: Path) -> np.ndarray:
    return load_study(folder, workers=2).native[FLAIR]


def _set(**elements: Any):
    def change(dataset: pydicom.Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("fields", "dtype"),
    [
        ({}, np.int16),
        ({"signed": False}, np.uint16),
        ({"bits_stored": 12}, np.int16),
        ({"signed": False, "bits_stored": 12}, np.int16),
        ({"signed": False, "slope": 1, "intercept": -1024, "bits_stored": 12}, np.int16),
        ({"signed": False, "slope": 1, "intercept": -1024}, np.int32),
        ({"slope": 2, "intercept": -50}, np.int32),
        ({"slope": 0.37, "intercept": -3.5}, np.float32),
        ({"enhanced": True, "slope": 0.5, "intercept": 2}, np.float32),
        ({"enhanced": True, "signed": False, "bits_stored": 12}, np.int16),
    ],
)
def test_real_values(tmp_path: Path, phantom: Study, fields: dict, dtype: type) -> None:
    sampled = _write(tmp_path, phantom, **fields)
    found = _native(tmp_path)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, sampled.values, rtol=1e-6)
    assert found.max() > found.min()


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1])
def test_compressed(tmp_path: Path, phantom: Study, syntax, signed, enhanced) -> None:
    if syntax in (JPEGLSLossless, JPEGLosslessSV1):
        pytest.importorskip("imagecodecs")
        pytest.importorskip("libjpeg")
    sampled = _write(
        tmp_path,
        phantom,
        transfer_syntax=syntax,
        signed=signed,
        enhanced=enhanced,
        slope=1,
        intercept=-300 if signed else 0,
        bits_stored=12,
    )
    np.testing.assert_array_equal(_native(tmp_path), sampled.values)


def test_slices_each_with_a_slope_of_its_own(tmp_path: Path, phantom: Study) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        slope = 1 + int(dataset.InstanceNumber) / 4
        dataset.RescaleSlope = slope
        dataset.RescaleIntercept = 10 * int(dataset.InstanceNumber)
        heights[float(dataset.ImagePositionPatient[2])] = (slope, int(dataset.RescaleIntercept))

    heights: dict[float, tuple[float, float]] = {}
    sampled = _write(tmp_path, phantom, change)
    found = _native(tmp_path)
    for z, height in enumerate(sorted(heights)):
        slope, intercept = heights[height]
        np.testing.assert_allclose(found[z], sampled.stored[z] * slope + intercept, rtol=1e-6)


def test_bits_above_the_stored_ones_do_not_count(tmp_path: Path, phantom: Study) -> None:
    """Old files keep overlays there; signed ones may be without their sign."""

    def change(dataset: pydicom.Dataset) -> None:
        plane = np.frombuffer(dataset.PixelData, np.uint16) | np.uint16(0x5000)
        dataset.PixelData = plane.tobytes()

    sampled = _write(tmp_path / "u", phantom, change, signed=False, bits_stored=12)
    np.testing.assert_array_equal(_native(tmp_path / "u"), sampled.values)
    signed = _write(tmp_path / "s", phantom, change, bits_stored=12, gain=2, intercept=900, slope=2)
    assert signed.stored.min() < 0
    np.testing.assert_array_equal(_native(tmp_path / "s"), signed.values)


def test_a_slope_that_is_no_number_is_told(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom, slope=7, intercept=0)
    for path in tmp_path.rglob("*.dcm"):
        held = path.read_bytes()
        at = held.index(b"\x28\x00\x53\x10DS") + 8
        path.write_bytes(held[:at] + b"x" + held[at + 1 :])
    assert "RescaleSlope is 'x" in " ".join(load_study(tmp_path).warnings)


def test_values_in_the_highest_bits(tmp_path: Path, phantom: Study) -> None:
    """Old files may have them there (HighBit), with anything below."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.HighBit = 15
        plane = np.frombuffer(dataset.PixelData, np.uint16) << 4 | np.uint16(5)
        dataset.PixelData = plane.astype(np.uint16).tobytes()

    sampled = _write(tmp_path, phantom, change, signed=False, bits_stored=12)
    np.testing.assert_array_equal(_native(tmp_path), sampled.values)


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)]
)
def test_pixels_that_are_floats(tmp_path: Path, phantom: Study, keyword, dtype) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        plane = np.frombuffer(dataset.PixelData, np.int16) / 7
        del dataset.PixelData
        dataset.BitsAllocated = 8 * np.dtype(dtype).itemsize
        for word in ("BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, word)
        setattr(dataset, keyword, plane.astype(dtype).tobytes())

    sampled = _write(tmp_path, phantom, change)
    found = _native(tmp_path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, (sampled.stored / 7).astype(dtype))


def test_deflated(tmp_path: Path, phantom: Study) -> None:
    sampled = _write(tmp_path, phantom, transfer_syntax="1.2.840.10008.1.2.1.99")
    np.testing.assert_array_equal(_native(tmp_path), sampled.values)


def test_a_deflated_bomb_is_not_unpacked(tmp_path: Path, phantom: Study, monkeypatch) -> None:
    files = "napari_brainseg.core.formats.dicom.files"
    monkeypatch.setattr(f"{files}._MOST_INFLATED", 1 << 20)
    _write(tmp_path, phantom, transfer_syntax="1.2.840.10008.1.2.1.99")
    path = _first(tmp_path)
    data = path.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    body = zlib.decompress(data[start:], -zlib.MAX_WBITS)
    worker = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = worker.compress(body) + worker.compress(bytes(1 << 21)) + worker.flush()
    path.write_bytes(data[:start] + bomb)
    with pytest.raises(DataError, match="deflated and grows beyond 1 MB") as caught:
        load_study(tmp_path)
    assert str(path) in caught.value.message


def test_monochrome1_is_turned_round(tmp_path: Path, phantom: Study) -> None:
    change = _set(PhotometricInterpretation="MONOCHROME1")
    sampled = _write(tmp_path, phantom, change, signed=False, bits_stored=12)
    np.testing.assert_array_equal(_native(tmp_path), 4095 - sampled.values)


def test_hounsfield_values_stay(tmp_path: Path, phantom: Study) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.Modality = "CT"
        plane = np.frombuffer(dataset.PixelData, np.uint16).copy()
        plane[:2] = 0, 4095
        dataset.PixelData = plane.tobytes()

    _write(tmp_path, phantom, change, signed=False, slope=1, intercept=-1024, bits_stored=12)
    study = load_study(discover(tmp_path).folders[0])
    (volume,) = study.native.values()
    assert (volume.min(), volume.max()) == (-1024, 3071)
    assert volume.dtype == np.int16


@pytest.mark.parametrize(("vr", "value"), [("SS", -2000), ("US", 63536)])
def test_padding_becomes_the_lowest_value(tmp_path: Path, phantom: Study, vr, value) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        plane = np.frombuffer(dataset.PixelData, np.int16).copy()
        plane[:5] = -2000
        dataset.PixelData = plane.tobytes()
        dataset.add_new("PixelPaddingValue", vr, value)

    sampled = _write(tmp_path, phantom, change, slope=1, intercept=0)
    found = _native(tmp_path)
    rest = np.delete(sampled.values.reshape(4, -1), range(5), axis=1)
    assert (found.reshape(4, -1)[:, :5] == rest.min()).all()
    np.testing.assert_array_equal(found.reshape(4, -1)[:, 5:], rest)


def test_blank_slices_hold_the_lowest_value(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom, missing=(2,), slope=1, intercept=-40)
    study = load_study(tmp_path)
    found = study.native[FLAIR]
    assert found.shape == SHAPE
    assert (found[2] == found.min()).all()
    assert study.grid.frames[2] is None
    assert any("Slice 3 of 4 is missing" in warning for warning in study.warnings)


def _first(folder: Path) -> Path:
    return sorted(folder.rglob("*.dcm"))[0]


def test_cut_off_pixels_name_the_file(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom)
    path = _first(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="cut off") as caught:
        load_study(tmp_path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "says 8 bits"),
        ({"BitsAllocated": 12}, "12 bits, which cannot be"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000"),
        ({"NumberOfFrames": "2000000000"}, "2000000000"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, phantom: Study, elements, said) -> None:
    _write(tmp_path, phantom, _set(**elements))
    with pytest.raises(DataError, match=said):
        load_study(discover(tmp_path).folders[0])


def test_absurd_claims_of_compressed_files_are_refused(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom, _set(Rows=60000, Columns=60000), transfer_syntax=RLELossless)
    with pytest.raises(DataError, match="60000 x 60000"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("syntax", "hint"),
    [(JPEGLosslessSV1, "napari-brainseg[jpeg]"), (JPEG2000Lossless, "pylibjpeg-openjpeg")],
)
def test_a_missing_decoder_is_named(tmp_path: Path, phantom: Study, monkeypatch, syntax, hint):
    from pydicom.pixels.decoders.base import Decoder

    pytest.importorskip("imagecodecs")
    _write(tmp_path, phantom, transfer_syntax=syntax)
    monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
    with pytest.raises(DataError, match="cannot be read here") as caught:
        load_study(tmp_path)
    assert str(syntax.name) in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_syntax_is_said(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom, transfer_syntax=RLELossless)
    for path in tmp_path.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
        dataset.save_as(path)
    with pytest.raises(DataError, match="MPEG2"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("syntax", "marker", "at", "size"),
    [
        (JPEG2000Lossless, b"\xff\x4f\xff\x51", 8, struct.pack(">II", 60_000, 60_000)),
        (JPEGLSLossless, b"\xff\xf7", 5, struct.pack(">HH", 60_000, 60_000)),
        (JPEGLosslessSV1, b"\xff\xc3", 5, struct.pack(">HH", 60_000, 60_000)),
    ],
)
@pytest.mark.parametrize("enhanced", [False, True])
def test_a_codestream_that_claims_gigabytes_meets_no_decoder(
    tmp_path: Path, phantom: Study, syntax, marker, at, size, enhanced
) -> None:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("libjpeg")
    _write(tmp_path, phantom, transfer_syntax=syntax, enhanced=enhanced)
    path = _first(tmp_path)
    data = bytearray(path.read_bytes())
    start = data.index(marker) + at
    data[start : start + len(size)] = size
    path.write_bytes(data)
    with pytest.raises(DataError, match="the compressed picture says") as caught:
        load_study(tmp_path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xff\xff",
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8\xff\xc0\x00\x11\x08",
        b"\xff\x4f\xff\x51\x00\x29",
        b"\xff\x4f\xff\x51\x00\x29\x00\x00" + struct.pack(">8IH", 9, 9, 0, 0, 0, 0, 0, 0, 1),
        b"\xff\x4f\xff\x51\x00\x29\x00\x00" + struct.pack(">8IH", 9999, 9999, 0, 0, 1, 1, 0, 0, 1),
    ],
)
def test_broken_headers_of_codestreams_have_no_size(frame: bytes) -> None:
    assert codestream_size(frame) is None


def test_garbage_instead_of_a_codestream(tmp_path: Path, phantom: Study) -> None:
    _write(tmp_path, phantom, transfer_syntax=JPEG2000Lossless)
    path = _first(tmp_path)
    data = path.read_bytes()
    at = data.index(b"\xff\x4f\xff\x51")
    path.write_bytes(data[: at + 8] + bytes(len(data) - at - 8))
    with pytest.raises(DataError) as caught:
        load_study(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in caught.value.message
