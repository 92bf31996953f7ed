"""Elements of DICOM files that an image needs, with or without its pixels; never a bare fault."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom import Dataset
    from pydicom.tag import BaseTag

__all__ = [
    "Header",
    "number",
    "numbers",
    "read_before_pixels",
    "read_whole",
    "text",
]

_WORDS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "Modality",
    "Manufacturer", "ManufacturerModelName", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "InstitutionName", "PatientName", "PatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "MagneticFieldStrength", "SliceThickness", "SpacingBetweenSlices",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SliceLocation",
    "EchoTime",
    "TemporalPositionIdentifier", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "PixelData", "FloatPixelData", "DoubleFloatPixelData",
)  # fmt: skip
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_HEAD_BYTES = 1 << 16
"""Read at first; headers of single slices take 5 to 60 KB."""
_UNDEFINED = 0xFFFFFFFF
_PIXELS = 0x7FE00010
_FLOATS = (0x7FE00008, 0x7FE00009)
_LAST = (*_FLOATS, _PIXELS)
_MOST_INFLATED = 1 << 28
"""A deflated file that grows beyond this is not unpacked (bytes)."""


@dataclass(frozen=True, slots=True)
class Header:
    """Elements of a file before its pixels, and where those are.

    Parameters
    ----------
    dataset : Dataset
        What an image needs, pixels left out.
    pixels_at, pixels_length : int
        First byte and number of bytes of the pixels in the file; -1 where they must be read
        with the whole file.
    pixels_vr : str
        How they are represented, ``OW`` or ``OB``.
    is_floating : bool
        Whether the pixels are floats (PS3.3, C.7.6.24).
    """

    dataset: Dataset
    pixels_at: int = -1
    pixels_length: int = -1
    pixels_vr: str = "OW"
    is_floating: bool = False


def read_before_pixels(path: Path) -> Header:
    """Read the elements of a file that an image needs, without its pixels.

    Parameters
    ----------
    path : Path
        A DICOM file, with or without the prefix of PS3.10, section 7.1.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    with _said_in_our_words(path), path.open("rb", buffering=0) as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, 2)
        if _is_deflated(head):
            dataset, ended = _inflated(path, pixels=False)
            return Header(dataset, is_floating=ended in _FLOATS)
        while True:
            watch = _Watch()
            watch.file = BytesIO(head)
            try:
                dataset = _parse(watch.file, watch)
                if watch.ended or len(head) >= size:
                    break
            except Exception:  # cut off here, or broken: all of the file tells
                if len(head) >= size:
                    raise
            file.seek(len(head))
            head += file.read(15 * len(head))
    if watch.ended != _PIXELS:
        return Header(dataset, is_floating=watch.ended in _FLOATS)
    left = size - watch.at
    length = left if watch.length == _UNDEFINED else min(left, watch.length)
    return Header(dataset, watch.at, length, watch.vr)


def read_whole(path: Path) -> Dataset:
    """Read the elements of a file that an image needs, pixels too.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    with _said_in_our_words(path):
        if _is_deflated(_first_bytes(path)):
            return _inflated(path, pixels=True)[0]
        # A header may claim any length: what reads from memory makes no more room than there is.
        return _parse(BytesIO(path.read_bytes()), None)


def number(dataset: Any, keyword: str) -> float | None:
    """Give the finite number of an element; ``None`` where there is none."""
    found = numbers(dataset, keyword, 1)
    return found[0] if found else None


def numbers(dataset: Any, keyword: str, count: int) -> tuple[float, ...] | None:
    """Give the finite numbers of an element; ``None`` unless there are that many."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return None
        values = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
        found = tuple(_float(one) for one in values)
    except Exception:  # noqa: BLE001  # conversion of a broken value raises anything
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _float(value: Any) -> float:
    # What breaks the rules stays text in pydicom; a decimal comma is the commonest.
    return float(value.replace(",", ".") if isinstance(value, str) else value)


def text(dataset: Any, keyword: str) -> str:
    """Give the text of an element; empty where there is none."""
    try:
        value = dataset.get(keyword)
        return "" if value is None else str(value).replace("\0", "").strip()
    except Exception:  # noqa: BLE001  # conversion of a broken value raises anything
        return ""


class _Watch:
    """Stops before the pixels, and notes where they are."""

    def __init__(self) -> None:
        self.file = BytesIO()
        self.ended = self.at = self.length = 0
        self.vr = "OW"

    def __call__(self, tag: int, vr: str | None, length: int) -> bool:
        """Whether to stop before this element."""
        if int(tag) not in _LAST:
            return False
        self.ended, self.at, self.length = int(tag), self.file.tell(), length
        self.vr = vr or "OW"
        return True


@contextmanager
def _said_in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the permissions, and that the disk or network drive is connected.",
        ) from error
    except Exception as error:  # pydicom raises anything for a broken file
        raise DataError(
            f"{path} is a broken DICOM file: {error or type(error).__name__}.",
            "Export it again from the archive (PACS), or move it away.",
        ) from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(_HEAD_BYTES)


def _is_deflated(head: bytes) -> bool:
    return _DEFLATED in head[:1024]


@cache
def _tags() -> tuple[BaseTag, ...]:
    from pydicom.tag import Tag

    return tuple(Tag(word) for word in _WORDS)


def _parse(file: BytesIO, watch: _Watch | None) -> Dataset:
    from pydicom.filereader import read_partial

    tags: Any = list(_tags())
    found: Dataset = read_partial(file, stop_when=watch, force=True, specific_tags=tags)
    return found


def _inflated(path: Path, *, pixels: bool) -> tuple[Dataset, int]:
    """Read a deflated file (PS3.5, A.5), unless it grows out of all measure."""
    import zlib

    from pydicom.filereader import read_dataset, read_file_meta_info

    meta = read_file_meta_info(path)
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    worker = zlib.decompressobj(-zlib.MAX_WBITS)
    body = worker.decompress(path.read_bytes()[start:], _MOST_INFLATED)
    if worker.unconsumed_tail:
        raise DataError(
            f"{path} is deflated and grows beyond {_MOST_INFLATED >> 20} MB.",
            "Export it again, uncompressed.",
        )
    watch = _Watch()
    watch.file = BytesIO(body)
    found: Any = read_dataset(watch.file, False, True, stop_when=None if pixels else watch)
    found.file_meta = meta
    found.set_original_encoding(False, True, found.get("SpecificCharacterSet", "ISO_IR 6"))
    return found, watch.ended
