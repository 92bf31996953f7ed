"""DICOM segmentations as their files hold them, ours and those of other programs."""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.dicom.quiet import quiet
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from napari_brainseg.core.imaging import Affine

__all__ = ["Segment", "Segmentation", "is_segmentation", "read_segmentation"]

_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and label map segmentation storage (PS3.4, B.5)."""
_MOST_VOXELS = 2**29
_MOST_BYTES = 2**29
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_HEAD_BYTES = 2048
"""The file meta information lies within."""
_HALF = 0.5
"""Least probability, or share of a voxel, that counts as lesion."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment, as its file describes it.

    Parameters
    ----------
    number : int
        Segment number, from 1.
    label : str
        Name for users.
    category, type : str
        Meaning of the codes.
    how : str
        ``MANUAL``, ``SEMIAUTOMATIC`` or ``AUTOMATIC``; empty where it is not said.
    algorithm : str
        Name and version of the algorithm.
    """

    number: int
    label: str
    category: str = ""
    type: str = ""
    how: str = ""
    algorithm: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A DICOM segmentation.

    Parameters
    ----------
    path : Path
        Its file.
    segments : tuple of Segment
        Ascending by number.
    kind : str
        ``BINARY``, ``FRACTIONAL`` or ``LABELMAP``.
    frames : ndarray of bool, shape (N, rows, columns)
        Lesion in each frame; fractional ones from half up.
    numbers : tuple of int, length N
        Segment of each frame.
    affines : tuple of Affine or None, length N
        From (1, row, column, 1) of a frame, in which the first index is 0, to LPS in millimetres;
        the first column is the distance to the next slice as the file says it, or 1 mm.
    sources : tuple of (str, int) or None, length N
        SOP instance and frame (from 0) of the image that a frame refers to, where it is one alone.
    frame_of_reference : str
        UID.
    creator : str
        Content creator's name.
        between_mm, thickness_mm : float or None
        Distance and thickness of slices, as the first frame tells. Frames may be left out, so that
        their own distances are whole multiples.
    """

    path: Path
    segments: tuple[Segment, ...]
    kind: str
    frames: NDArray[np.bool_]
    numbers: tuple[int, ...]
    affines: tuple[Affine | None, ...]
    sources: tuple[tuple[str, int] | None, ...]
    frame_of_reference: str = ""
    creator: str = ""
    between_mm: float | None = None
    thickness_mm: float | None = None

    def of(self, segment: int | str | None) -> Segmentation:
        """Keep one segment, by number or label; all of them for ``None``.

        Raises
        ------
        DataError
            If there is no such segment.
        """
        if segment is None:
            return self
        wanted = {s.number for s in self.segments if segment in (s.number, s.label, str(s.number))}
        if not wanted:
            known = ", ".join(f"{s.number} ({s.label})" for s in self.segments)
            raise DataError(
                f"{self.path} has no segment {segment!r}, only: {known}.", "Choose one of them."
            )
        keep = [index for index, number in enumerate(self.numbers) if number in wanted]
        return Segmentation(
            self.path,
            tuple(s for s in self.segments if s.number in wanted),
            self.kind,
            self.frames[keep],
            tuple(self.numbers[index] for index in keep),
            tuple(self.affines[index] for index in keep),
            tuple(self.sources[index] for index in keep),
            self.frame_of_reference,
            self.creator,
            self.between_mm,
            self.thickness_mm,
        )


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM segmentation; never raises."""
    import pydicom

    try:
        with quiet():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return str(header.get("SOPClassUID", "")) in _STORAGE
    except Exception:  # noqa: BLE001 -- whatever is wrong with it, it is no segmentation
        return False


def read_segmentation(path: Path) -> Segmentation:
    """Read a DICOM segmentation (PS3.3, A.51).

    Parameters
    ----------
    path : Path
        A binary, fractional or label map segmentation.

    Raises
    ------
    DataError
        If it is none, damaged, or its pixels cannot be decoded.
    """
    import pydicom

    try:
        with quiet():
            # From memory: a length that a header claims makes no more room than there is.
            dataset = pydicom.dcmread(io.BytesIO(_content(path)))
            if str(dataset.get("SOPClassUID", "")) not in _STORAGE:
                raise DataError(
                    f"{path} is DICOM, but no segmentation.",
                    "Choose a DICOM segmentation (modality SEG), a NIfTI file or a folder of "
                    "masks.",
                )
            return _parsed(path, dataset)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"The file {path} does not exist.", "Check the path.") from error
    except Exception as error:
        # pydicom and its decoders raise whatever a damaged file leads them to.
        raise DataError(
            f"The DICOM segmentation {path} cannot be read: {type(error).__name__}: {error}.",
            "Export it again.",
        ) from error


def _content(path: Path) -> bytes:
    """Read a file; one that inflates beyond all measure is refused."""
    content = path.read_bytes()
    if _DEFLATED not in content[:_HEAD_BYTES]:
        return content
    from pydicom.filereader import read_file_meta_info

    # Prefix, and the element that tells how long the meta information is (PS3.10, section 7.1).
    start = 128 + 4 + 12 + int(read_file_meta_info(path).FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(content[start:], _MOST_BYTES)
    if inflater.unconsumed_tail:
        raise DataError(
            f"{path} is deflated and grows beyond {_MOST_BYTES >> 20} MB.",
            "Export it again, uncompressed.",
        )
    return content


def _parsed(path: Path, dataset: Dataset) -> Segmentation:
    from pydicom.pixels.utils import pixel_array

    kind = str(dataset.get("SegmentationType", "BINARY"))
    count = int(dataset.get("NumberOfFrames") or 1)
    if count * int(dataset.Rows) * int(dataset.Columns) > _MOST_VOXELS:
        raise DataError(
            f"{path} says that it has {count} frames of {dataset.Rows} x {dataset.Columns}, which "
            "is too many.",
            "Export it again.",
        )
    segments = tuple(
        sorted(
            # Label maps may describe what is not segmented as number 0.
            (_segment(item) for item in dataset.SegmentSequence if int(item.SegmentNumber)),
            key=lambda s: s.number,
        )
    )
    # Bits that fill the last byte are no further frames.
    pixels = pixel_array(dataset, allow_excess_frames=False)
    pixels = pixels.reshape(count, int(dataset.Rows), int(dataset.Columns))
    shared = _item(dataset, "SharedFunctionalGroupsSequence")
    per_frame: Sequence[Any] = dataset.get("PerFrameFunctionalGroupsSequence") or [None] * count
    if len(per_frame) != count:
        raise DataError(
            f"{path} has {count} frames but describes {len(per_frame)}.", "Export it again."
        )
    groups = [(group, shared) for group in per_frame]
    affines = [_affine(group) for group in groups]
    sources = [_source(group) for group in groups]
    if kind == "LABELMAP":
        frames, numbers, owners = _labels(pixels, segments)
        affines, sources = [affines[i] for i in owners], [sources[i] for i in owners]
    else:
        most = float(dataset.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 1.0
        frames = pixels >= _HALF * most
        numbers = [_number(group, segments) for group in groups]
    return Segmentation(
        path,
        segments,
        kind,
        frames,
        tuple(numbers),
        tuple(affines),
        tuple(sources),
        str(dataset.get("FrameOfReferenceUID") or ""),
        str(dataset.get("ContentCreatorName") or ""),
        _measure(groups[0], "SpacingBetweenSlices"),
        _measure(groups[0], "SliceThickness"),
    )


def _labels(
    pixels: NDArray[Any], segments: Sequence[Segment]
) -> tuple[NDArray[np.bool_], list[int], list[int]]:
    """Split frames of segment numbers into frames of one segment each; 0 is background."""
    frames: list[NDArray[np.bool_]] = []
    numbers: list[int] = []
    owners: list[int] = []
    for index, plane in enumerate(pixels):
        for segment in segments:
            if (plane == segment.number).any():
                frames.append(plane == segment.number)
                numbers.append(segment.number)
                owners.append(index)
    if not frames:
        return np.zeros((0, *pixels.shape[1:]), bool), [], []
    return np.stack(frames), numbers, owners


def _segment(item: Dataset) -> Segment:
    algorithm = str(item.get("SegmentAlgorithmName") or "")
    for identification in item.get("SegmentationAlgorithmIdentificationSequence") or ():
        version = str(identification.get("AlgorithmVersion") or "")
        algorithm = " ".join(filter(None, (algorithm, version)))
    return Segment(
        int(item.SegmentNumber),
        str(item.get("SegmentLabel") or ""),
        _meaning(item, "SegmentedPropertyCategoryCodeSequence"),
        _meaning(item, "SegmentedPropertyTypeCodeSequence"),
        str(item.get("SegmentAlgorithmType") or ""),
        algorithm,
    )


def _meaning(item: Dataset, keyword: str) -> str:
    code = _item(item, keyword)
    return "" if code is None else str(code.get("CodeMeaning") or "")


def _item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, where there is one."""
    sequence: Any = None if dataset is None else dataset.get(keyword)
    return sequence[0] if sequence else None


def _macro(groups: Sequence[Dataset | None], keyword: str) -> Dataset | None:
    """Item of a functional group, of the frame or else of all."""
    for group in groups:
        found = _item(group, keyword)
        if found is not None:
            return found
    return None


def _number(groups: Sequence[Dataset | None], segments: Sequence[Segment]) -> int:
    found = _macro(groups, "SegmentIdentificationSequence")
    if found is None:
        return segments[0].number
    return int(found.ReferencedSegmentNumber)


def _affine(groups: Sequence[Dataset | None]) -> Affine | None:
    """Matrix of a frame (PS3.3, C.7.6.2.1.1); ``None`` where it does not say where it lies."""
    position = _macro(groups, "PlanePositionSequence")
    orientation = _macro(groups, "PlaneOrientationSequence")
    measures = _macro(groups, "PixelMeasuresSequence")
    if position is None or orientation is None or measures is None:
        return None
    try:
        at = np.array(position.ImagePositionPatient, float)
        cosines = np.array(orientation.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = (float(v) for v in measures.PixelSpacing)
    except (AttributeError, TypeError, ValueError):
        return None
    step = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0
    matrix = np.eye(4)
    # A row runs to the right: the next row lies along the direction of the columns.
    matrix[:3, 1] = cosines[1] * between_rows
    matrix[:3, 2] = cosines[0] * between_columns
    matrix[:3, 0] = np.cross(cosines[0], cosines[1]) * abs(float(step))
    matrix[:3, 3] = at
    if at.shape != (3,) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        return None
    return tuple(tuple(float(v) for v in row) for row in matrix)


def _measure(groups: Sequence[Dataset | None], keyword: str) -> float | None:
    """Length in mm that a frame tells; ``None`` where it tells none."""
    measures = _macro(groups, "PixelMeasuresSequence")
    try:
        length = 0.0 if measures is None else abs(float(measures.get(keyword) or 0))
    except (TypeError, ValueError):
        return None
    return length if 0 < length < math.inf else None


def _source(groups: Sequence[Dataset | None]) -> tuple[str, int] | None:
    """Return the one image that a frame refers to."""
    derivation = _macro(groups, "DerivationImageSequence")
    images: Any = () if derivation is None else derivation.get("SourceImageSequence") or ()
    if len(images) != 1 or str(images[0].get("SpatialLocationsPreserved") or "YES") == "NO":
        return None
    frame = images[0].get("ReferencedFrameNumber") or 1
    if not isinstance(frame, int):
        # Several frames of one file.
        try:
            frame = int(frame)
        except (TypeError, ValueError):
            return None
    return str(images[0].get("ReferencedSOPInstanceUID") or ""), int(frame) - 1
