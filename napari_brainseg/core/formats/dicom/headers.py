"""What one DICOM file says of itself: the few elements that sort files into series and studies.

Elements are taken as raw bytes and turned into numbers and text here: faster than pydicom's own
conversion, and a value that breaks its rules is left out instead of warned about.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats.dicom.elements import Elements
from napari_brainseg.core.formats.dicom.frame_volumes import FrameVolume, volumes_in
from napari_brainseg.core.formats.dicom.quiet import quiet
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HeaderRecord", "read_header"]

_HEAD_BYTES = 1 << 16
"""Read at first; headers of scanners take 5 to 60 KB."""
_MOST_BYTES = 1 << 26
"""A header longer than this is none."""
_MAGIC_AT = 128
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_DIRECTORY = "1.2.840.10008.1.3.10"
"""Media storage directory: a DICOMDIR (PS3.10, section 8)."""
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and plain pixel data (PS3.3, C.7.6.3 and C.7.6.24)."""
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and label map segmentation storage (PS3.4, B.5)."""
_NO_IMAGES = {"RTDOSE", "RTPLAN", "RTSTRUCT", "REG", "SR", "KO", "PR", "DOC", "RWV", "FID", "ECG"}
_ALWAYS_PICTURES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("2", "2.1", "4", "4.1", "4.3", "128", "130")
)
"""CT, MR and PET storage (PS3.4, B.5): without pixels such a file was cut off."""
_FIRST_GROUPS = (0x0002, 0x0008)
"""How a file without the prefix starts, in both byte orders."""
_FIRST_ELEMENTS = 0x0100
_FIRST_LENGTH = 1024
"""Bytes of its first value at most, where the file tells no value representation."""


@dataclass(frozen=True, slots=True)
class HeaderRecord:
    """The header of one DICOM file, as far as it is needed to sort and to recognise.

    Numbers that are missing or broken are ``None``, texts empty, counts 0. Names and IDs of the
    patient are kept out of the ``repr``, so that they get into no log.

    Parameters
    ----------
    path : Path
        The file.
    orientation : tuple of float, length 6, or None
        ImageOrientationPatient: direction of a row (to the right in the picture), then of a
        column, LPS.
    position : tuple of float, length 3, or None
        ImagePositionPatient: centre of the first pixel, LPS, millimetres.
    pixel_spacing_mm : tuple of float, length 2, or None
        PixelSpacing: between rows, between columns.
    frames : int
        NumberOfFrames; 1 where it is not said.
    has_pixels : bool
        Whether the file goes on with pixel data.
    segment_algorithms : tuple of str
        Segmentations only: SegmentAlgorithmType of each segment.
    places : int
        Positions of the frames of a multi-frame file, each counted once.
    volumes : tuple of FrameVolume
        Multi-frame files that hold several volumes.
    part : int or None
        Which of them this record stands for; ``None`` for the file.
    """

    path: Path
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    patient_id: str = field(default="", repr=False)
    patient_issuer: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    modality: str = ""
    image_type: tuple[str, ...] = ()
    complex_component: str = ""
    ge_component: int | None = None
    acquisition_contrast: str = ""
    study_date: str = ""
    study_time: str = ""
    series_date: str = ""
    acquisition_date: str = ""
    acquisition_time: str = ""
    content_time: str = ""
    study_description: str = ""
    series_description: str = ""
    protocol_name: str = ""
    sequence_name: str = ""
    body_part: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    acquisition_number: int | None = None
    temporal_position: int | None = None
    concatenation_uid: str = ""
    trigger_time_ms: float | None = None
    echo_number: int | None = None
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    echo_train_length: int | None = None
    b_value: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    acquisition_type: str = ""
    contrast_agent: str = ""
    contrast_start_time: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 1
    position: tuple[float, ...] | None = None
    location_mm: float | None = None
    orientation: tuple[float, ...] | None = None
    pixel_spacing_mm: tuple[float, ...] | None = None
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    bits_allocated: int = 0
    samples_per_pixel: int = 1
    photometric: str = ""
    has_pixels: bool = False
    segment_algorithms: tuple[str, ...] = ()
    places: int = 0
    volumes: tuple[FrameVolume, ...] = ()
    part: int | None = None

    @property
    def is_mask(self) -> bool:
        """Whether it is a segmentation."""
        return self.sop_class_uid in _SEGMENTATIONS

    @property
    def is_image(self) -> bool:
        """Whether it holds pictures: no report, plan, dose, presentation state or raw data."""
        return self.rows > 0 and self.columns > 0 and self.modality not in _NO_IMAGES


_NAMES = frozenset(entry.name for entry in fields(HeaderRecord))


def read_header(path: Path) -> HeaderRecord | None:
    """Read the header of a file.

    Parameters
    ----------
    path : Path
        Any file; with or without the prefix of PS3.10, section 7.1.

    Returns
    -------
    HeaderRecord or None
        `None` where the file is no DICOM.

    Raises
    ------
    DataError
        If the file cannot be read, or is DICOM and broken.
    """
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(_HEAD_BYTES)
            prefixed = head[_MAGIC_AT : _MAGIC_AT + 4] == b"DICM"
            if not prefixed and not _begins_like_dicom(head):
                return None
            elements = _parse(path, head, last=len(head) < _HEAD_BYTES)
            while elements is None:
                more = file.read(15 * len(head))
                head += more
                elements = _parse(path, head, last=not more or len(head) >= _MOST_BYTES)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the permissions, and that the disk or network drive is connected.",
        ) from error
    try:
        if elements.media_class == _DIRECTORY:
            return None
        record = HeaderRecord(path=path, **_values(elements))
    # Elements of a damaged file hold anything: numbers for sequences, nothing for numbers.
    except Exception as error:
        raise _broken(path, f"its header makes no sense ({type(error).__name__})") from error
    if not (record.sop_class_uid or record.series_uid or record.is_image):
        if not prefixed:
            return None
        raise _broken(path, "it says nothing of what it holds")
    pictures = record.is_image or record.sop_class_uid in _ALWAYS_PICTURES
    if pictures and not record.has_pixels:
        raise _broken(path, "it ends before its pixels")
    if 0 < record.places < record.frames and record.is_image and not record.is_mask:
        with quiet():
            return replace(record, volumes=volumes_in(path))
    return record


def _begins_like_dicom(head: bytes) -> bool:
    """Whether a file without the prefix begins with an element (PS3.5, 7.1.2 and 7.1.3)."""
    if len(head) < _MAGIC_AT:
        return False
    for order in "<>":
        group, element, length = struct.unpack_from(f"{order}HHI", head)
        if group in _FIRST_GROUPS and element < _FIRST_ELEMENTS:
            return length <= _FIRST_LENGTH or (head[4:6].isalpha() and head[4:6].isupper())
    return False


def _parse(path: Path, head: bytes, *, last: bool) -> Elements | None:
    """Read the elements in the first bytes of a file; `None` where that takes more of it."""
    try:
        with quiet():
            # What breaks a rule is left out, or is said in our own words.
            elements = (
                Elements.inflated(_inflate(head))
                if _DEFLATED in head[:1024]
                else Elements.read(io.BytesIO(head))
            )
            return elements if elements.ended or last else None
    except Exception as error:  # pydicom raises anything for a broken file
        if not last:
            return None
        raise _broken(path, str(error) or type(error).__name__) from error


def _inflate(head: bytes) -> bytes:
    """Inflate what follows the meta information, as far as a header goes (PS3.5, A.5)."""
    start = _MAGIC_AT + 16 + int.from_bytes(head[_MAGIC_AT + 12 : _MAGIC_AT + 16], "little")
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(head[start:], _MOST_BYTES)


def _broken(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is a broken DICOM file: {why}.",
        "Export it again from the archive (PACS), or move it away.",
    )


def _values(elements: Elements) -> dict[str, Any]:
    with quiet():
        values = elements.values(_NAMES)
    if "modality" in values:
        values["modality"] = values["modality"].upper()
    values["has_pixels"] = elements.ended in _PIXELS
    values["frames"] = max(1, values.get("frames") or 1)
    return values
