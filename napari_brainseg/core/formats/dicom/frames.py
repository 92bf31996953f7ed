"""What the files of a series say of each of their pictures: place, size, and how values count."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from pydicom import Dataset

__all__ = ["Frame", "PixelFacts", "number", "numbers", "open_dataset", "quiet", "text"]

_TAGS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "Modality",
    "Manufacturer", "ManufacturerModelName", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "InstitutionName", "PatientName", "PatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "MagneticFieldStrength", "SliceThickness", "SpacingBetweenSlices",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "EchoTime",
    "TemporalPositionIdentifier", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "PixelData", "FloatPixelData", "DoubleFloatPixelData",
)  # fmt: skip
_DEFLATED = "1.2.840.10008.1.2.1.99"
_META_BYTES = 1024
_MOST_INFLATED = 1 << 28
"""A deflated file that grows beyond this is not unpacked (bytes)."""


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """How the pixels of one file are stored.

    Parameters
    ----------
    rows, columns, frames, samples : int
        Size that the header claims.
    bits_allocated, bits_stored : int
        Of each value; 32 and 64 for floats too.
    signed, floating, inverted : bool
        Whether values are signed, are floats, and count from white (MONOCHROME1).
    photometric : str
        PhotometricInterpretation.
    transfer_syntax : str
        UID.
    padding : tuple of int, length 2, or None
        Lowest and highest stored value that stands for no measurement.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    floating: bool
    inverted: bool
    photometric: str
    transfer_syntax: str
    padding: tuple[int, int] | None = None

    @property
    def claimed_bytes(self) -> int:
        """Bytes that the pixels take once decompressed."""
        values = self.rows * self.columns * self.frames * self.samples
        return math.ceil(values * self.bits_allocated / 8)

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest stored value."""
        least = -(1 << (self.bits_stored - 1)) if self.signed else 0
        return least, least + (1 << self.bits_stored) - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a series.

    Parameters
    ----------
    path : Path
        File that holds it.
    index : int
        Which of its frames, from 0.
    sop_instance_uid : str
        Of the file.
    number : int
        InstanceNumber, or order within the file.
    position : tuple of float, length 3, or None
        ImagePositionPatient: centre of the first pixel, LPS, mm.
    orientation : tuple of float, length 6, or None
        ImageOrientationPatient: direction of a row, then of a column.
    pixel_spacing_mm : tuple of float, length 2, or None
        Between rows, between columns.
    thickness_mm, between_mm : float or None
        SliceThickness and SpacingBetweenSlices.
    slope, intercept : float
        From stored to real values.
    stack : str
        StackID; frames of another stack belong to another volume.
    moment : tuple
        Echo, b-value and point in time: they tell frames at one place apart.
    pixels : PixelFacts
        Of the file.
    doubts : tuple of str
        What is unusual about it.
    """

    path: Path
    index: int
    sop_instance_uid: str
    number: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    between_mm: float | None
    slope: float
    intercept: float
    stack: str
    moment: tuple[Any, ...]
    pixels: PixelFacts
    doubts: tuple[str, ...] = ()


def quiet() -> AbstractContextManager[Any]:
    """Silence pydicom's warnings: what breaks a rule is said in our own words, or harmless."""
    from contextlib import contextmanager

    @contextmanager
    def silenced() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pydicom")
            warnings.filterwarnings("ignore", module="pylibjpeg|openjpeg|libjpeg|rle")
            yield

    return silenced()


def open_dataset(path: Path, *, pixels: bool) -> Dataset:
    """Read the elements of a file that an image needs.

    Parameters
    ----------
    path : Path
        A DICOM file, with or without the prefix of PS3.10, section 7.1.
    pixels : bool
        Whether to read the pixels too.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with path.open("rb") as file:
            head = file.read(_META_BYTES)
            if _DEFLATED.encode() in head:
                return _inflated(path, file, pixels)
            size = file.seek(0, 2)
            file.seek(0)
            bounded: Any = _Bounded(file, size)
            return dcmread(
                bounded, stop_before_pixels=not pixels, force=True, specific_tags=list(_TAGS)
            )
    except DataError:
        raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the permissions, and that the disk or network drive is connected.",
        ) from error
    except InvalidDicomError as error:
        raise DataError(f"{path} is no DICOM file.", "Move it away.") from error
    except Exception as error:  # pydicom raises anything for a broken file
        raise DataError(
            f"{path} is a broken DICOM file: {error or type(error).__name__}.",
            "Export it again from the archive (PACS), or move it away.",
        ) from error


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
        found = tuple(float(one) for one in values)
    except Exception:  # noqa: BLE001  # conversion of a broken value raises anything
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def text(dataset: Any, keyword: str) -> str:
    """Give the text of an element; empty where there is none."""
    try:
        value = dataset.get(keyword)
        return "" if value is None else str(value).replace("\0", "").strip()
    except Exception:  # noqa: BLE001  # conversion of a broken value raises anything
        return ""


class _Bounded:
    """A file that never makes room for more bytes than it has, whatever a header claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.name = file.name
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, count: int = -1) -> bytes:
        """Read `count` bytes, or as many as are left."""
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if count < 0 else min(count, left))


def _inflated(path: Path, file: BinaryIO, pixels: bool) -> Dataset:
    """Read a deflated file (PS3.5, A.5), unless it grows out of all measure."""
    import zlib
    from io import BytesIO

    from pydicom.filereader import read_dataset, read_file_meta_info

    meta = read_file_meta_info(path)
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    file.seek(start)
    worker = zlib.decompressobj(-zlib.MAX_WBITS)
    body = worker.decompress(file.read(), _MOST_INFLATED)
    if worker.unconsumed_tail:
        raise DataError(
            f"{path} is deflated and grows beyond {_MOST_INFLATED >> 20} MB.",
            "Export it again, uncompressed.",
        )
    stop = None if pixels else (lambda tag, vr, length: tag >= 0x7FE00000)
    dataset = read_dataset(BytesIO(body), False, True, stop_when=stop)
    result: Dataset = dataset
    result.file_meta = meta
    result.set_original_encoding(False, True, dataset.get("SpecificCharacterSet", "ISO_IR 6"))
    return result
