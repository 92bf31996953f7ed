"""Frames of a file: one of a classic file, many of a multi-frame one with functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats.dicom.files import (
    Header,
    number,
    numbers,
    read_before_pixels,
    text,
)
from napari_brainseg.core.formats.dicom.frames import Frame, PixelFacts
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

__all__ = ["frames_of"]

_GREY = ("", "MONOCHROME1", "MONOCHROME2")
_MOST_FRAMES = 100_000
_UNCOMPRESSED = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.98",
}
"""Implicit and explicit, little and big endian; encapsulated uncompressed."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_RATIO = 20_000
"""A blank slice compresses well, but hardly better than this."""
_MOST_FRAME_BYTES = 1 << 26
"""Of a compressed frame: more than any scanner makes (a mammogram takes 50 MB)."""


def frames_of(path: Path) -> tuple[list[Frame], Dataset]:
    """Read the header of a file.

    Returns
    -------
    frames : list of Frame
        In the order of the file.
    dataset : Dataset
        The header, without pixels.

    Raises
    ------
    DataError
        If the file cannot be read, is in colour, or claims a size that it cannot have.
    """
    header = read_before_pixels(path)
    dataset = header.dataset
    facts = _pixel_facts(path, header)
    groups = _groups(dataset)
    frames = [_frame(path, dataset, facts, index, groups) for index in range(facts.frames)]
    return frames, dataset


def _pixel_facts(path: Path, header: Header) -> PixelFacts:
    dataset = header.dataset
    rows, columns = (int(number(dataset, word) or 0) for word in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise DataError(
            f"{path} holds no image: {rows} rows and {columns} columns.",
            "Move it away, or choose another series.",
        )
    if "MOSAIC" in text(dataset, "ImageType").upper():
        raise DataError(
            f"{path} holds all slices of a volume side by side in one picture (mosaic of Siemens, "
            "for functional and diffusion imaging), which is not taken apart.",
            "Choose another series; dcm2niix makes a NIfTI file of a mosaic.",
        )
    frames = max(1, int(number(dataset, "NumberOfFrames") or 1))
    allocated = int(number(dataset, "BitsAllocated") or 16)
    stored = int(number(dataset, "BitsStored") or allocated)
    stored = stored if 0 < stored <= allocated else allocated
    high = int(number(dataset, "HighBit") or stored - 1)
    shift = high + 1 - stored if stored <= high < allocated else 0
    signed = number(dataset, "PixelRepresentation") == 1
    photometric = text(dataset, "PhotometricInterpretation").upper()
    meta: Any = getattr(dataset, "file_meta", {})
    facts = PixelFacts(
        rows=rows,
        columns=columns,
        frames=frames,
        samples=max(1, int(number(dataset, "SamplesPerPixel") or 1)),
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        floating=header.is_floating,
        inverted=photometric == "MONOCHROME1",
        photometric=photometric,
        transfer_syntax=text(meta, "TransferSyntaxUID"),
        padding=_padding(dataset, allocated, signed),
        at=header.pixels_at,
        length=header.pixels_length,
        vr=header.pixels_vr,
        extended_offsets="ExtendedOffsetTable" in dataset,
        shift=shift if text(meta, "TransferSyntaxUID") in _UNCOMPRESSED else 0,
    )
    if facts.samples != 1 or photometric not in _GREY:
        raise DataError(
            f"{path} is a colour picture ({photometric or f'{facts.samples} values a pixel'}), "
            "perhaps a screenshot or a map, not an image of a sequence.",
            "Choose the series that the scanner acquired.",
        )
    _check_claim(path, facts)
    return facts


def _padding(dataset: Dataset, bits: int, signed: bool) -> tuple[int, int] | None:
    """Give the range of stored values that stand for no measurement (PS3.3, C.7.5.1.1.2)."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    ends = [int(value), int(value if limit is None else limit)]
    # Some files write the value of signed pixels as if it had no sign, and the other way round.
    span = 1 << bits
    least = -(span >> 1) if signed else 0
    low, high = sorted((end - least) % span + least for end in ends)
    return low, high


def _check_claim(path: Path, facts: PixelFacts) -> None:
    """Refuse what cannot be true before any room is made for it."""
    size = path.stat().st_size
    said = (
        f"{path} claims {facts.frames} x {facts.rows} x {facts.columns} pixels of "
        f"{facts.bits_allocated} bits"
    )
    hint = "The file is cut off or broken: export it again from the archive (PACS)."
    if facts.frames > _MOST_FRAMES or facts.bits_allocated not in (1, 8, 16, 32, 64):
        raise DataError(f"{said}, which cannot be.", hint)
    syntax = facts.transfer_syntax
    if syntax in _UNCOMPRESSED or not syntax:
        if facts.claimed_bytes > size:
            raise DataError(f"{said}, {facts.claimed_bytes:,} bytes, but has {size:,}.", hint)
        return
    frame_bytes = facts.claimed_bytes // facts.frames
    if frame_bytes > _MOST_FRAME_BYTES or facts.claimed_bytes > _MOST_RATIO * size:
        raise DataError(f"{said}, {facts.claimed_bytes:,} bytes, from {size:,}.", hint)


class _Groups:
    """Functional groups of a file (PS3.3, C.7.6.16): of a frame, else shared by all."""

    def __init__(self, shared: Any, per_frame: Any) -> None:
        self._shared, self._per_frame = shared, per_frame

    def find(self, index: int, group: str) -> Any:
        """Give the item of a functional group, an empty mapping where there is none."""
        own = self._per_frame[index] if index < len(self._per_frame) else {}
        for item in (own, *self._shared[:1]):
            inner = item.get(group)
            if inner:
                return inner[0]
        return {}


def _groups(dataset: Dataset) -> _Groups | None:
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if not hasattr(shared, "__len__") or not hasattr(per_frame, "__len__"):
        return None
    return _Groups(list(shared), list(per_frame)) if len(shared) or len(per_frame) else None


def _kind(item: Any) -> tuple[str, ...]:
    """Give the complex component and the third and fourth value of the frame type."""
    values = item.get("FrameType") or ()
    said = [] if isinstance(values, str) else [str(value).upper() for value in values[2:]]
    return (text(item, "ComplexImageComponent").upper(), *said)


def _frame(
    path: Path, dataset: Dataset, facts: PixelFacts, index: int, groups: _Groups | None
) -> Frame:
    doubts: list[str] = []
    position: Any
    kind: tuple[str, ...]
    if groups is None:
        position = orientation = measures = values = dataset
        # Only its first frame lies where an old multi-frame file says.
        position = position if facts.frames == 1 else {}
        stack, kind = "", ()
        moment = tuple(number(dataset, word) for word in ("EchoTime", "TemporalPositionIdentifier"))
    else:
        position = groups.find(index, "PlanePositionSequence")
        orientation = groups.find(index, "PlaneOrientationSequence")
        measures = groups.find(index, "PixelMeasuresSequence")
        values = groups.find(index, "PixelValueTransformationSequence")
        content = groups.find(index, "FrameContentSequence")
        stack = text(content, "StackID")
        kind = _kind(groups.find(index, "MRImageFrameTypeSequence"))
        moment = (
            number(groups.find(index, "MREchoSequence"), "EffectiveEchoTime"),
            number(content, "TemporalPositionIndex"),
            number(groups.find(index, "MRDiffusionSequence"), "DiffusionBValue"),
        )
    spacing = numbers(measures, "PixelSpacing", 2)
    if spacing is None:
        for keyword in ("ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            spacing = numbers(dataset, keyword, 2)
            if spacing is not None:
                doubts.append(
                    "The files give the distance of pixels at the detector only; lengths may be "
                    "too long."
                )
                break
    slope, intercept = number(values, "RescaleSlope"), number(values, "RescaleIntercept")
    for keyword, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is None and (said := text(values, keyword)):
            doubts.append(f"{keyword} is {said!r}, no number, and is left out.")
    if slope == 0:
        doubts.append("The rescale slope is 0 and is left out.")
        slope = None
    if dataset.get("ModalityLUTSequence"):
        doubts.append("The files hold a table of values (modality LUT), which is not applied.")
    instance = number(dataset, "InstanceNumber")
    return Frame(
        path=path,
        index=index,
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        number=index if facts.frames > 1 else int(instance or 0),
        position=numbers(position, "ImagePositionPatient", 3),
        orientation=numbers(orientation, "ImageOrientationPatient", 6),
        pixel_spacing_mm=spacing,
        thickness_mm=number(measures, "SliceThickness"),
        between_mm=number(measures, "SpacingBetweenSlices"),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        stack=stack,
        moment=moment,
        pixels=facts,
        kind=kind,
        location_mm=number(dataset, "SliceLocation") if facts.frames == 1 else None,
        doubts=tuple(doubts),
    )
