"""The slices that a DICOM segmentation refers to, each as a plane of its own.

highdicom takes single-frame images, or one multi-frame file with a shared orientation. Series come
in more ways: several multi-frame files, orientation a frame, frames of several echoes in one file.
So every slice is told to it as a single-frame image; what it really is, is put in afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.imaging.orientation import spacing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydicom import Dataset

    from napari_brainseg.core.imaging import FrameRef, SourceGrid

__all__ = ["SourcePlane", "refer_to", "source_planes"]

_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_TYPE_2 = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
           "StudyID", "StudyDate", "StudyTime")  # fmt: skip
"""May be empty, must be there (PS3.3, C.7.1.1 and C.7.2.1); anonymisers remove them."""
_SEXES = ("M", "F", "O", "")


class SourcePlane(NamedTuple):
    """One slice of the source."""

    header: Dataset
    """As a single-frame image."""
    sop_class_uid: str
    frame: FrameRef
    is_multiframe: bool


def source_planes(grid: SourceGrid, indices: Sequence[int]) -> list[SourcePlane]:
    """Read where slices lie and what they are called; no pixels.

    Parameters
    ----------
    grid : SourceGrid
        Of a DICOM study.
    indices : sequence of int
        Along the first stored axis; there is a frame for each.

    Raises
    ------
    DataError
        If a file cannot be read, is not the one that was opened, or says nothing of its place.
    """
    headers: dict[Path, Dataset] = {}
    planes: list[SourcePlane] = []
    _require_own_uids(grid)
    assert grid.affine_lps is not None
    _, row_mm, column_mm = spacing_of(grid.affine_lps)
    matrix = np.array(grid.affine_lps, float)
    # Along the normal: slices of a tilted gantry lie closer than their corners.
    thickness = abs(float(np.linalg.det(matrix[:3, :3]))) / (row_mm * column_mm)
    first: Dataset | None = None
    for index in indices:
        frame = grid.frames[index]
        assert frame is not None
        header = headers.get(frame.path)
        if header is None:
            header = headers[frame.path] = _read(frame)
        if first is None:
            first = _completed(header)
            plane = first
        else:
            plane = _like(first)
        position, orientation = _place(header, frame)
        plane.SOPClassUID = _MR_IMAGE
        plane.SOPInstanceUID = f"2.25.{index + 1}"
        plane.ImagePositionPatient = position
        # Exports round cosines differently from slice to slice; they are one stack all the same.
        plane.ImageOrientationPatient = (
            orientation if first is plane else first.ImageOrientationPatient
        )
        if first is plane:
            plane.PixelSpacing = [_decimal(row_mm), _decimal(column_mm)]
            plane.SliceThickness = header.get("SliceThickness") or _decimal(thickness)
            plane.SpacingBetweenSlices = _decimal(thickness)
            _, plane.Rows, plane.Columns = grid.shape
        multi = (
            "PerFrameFunctionalGroupsSequence" in header
            or int(header.get("NumberOfFrames") or 1) > 1
        )
        planes.append(SourcePlane(plane, str(header.SOPClassUID), frame, multi))
    return planes


def _require_own_uids(grid: SourceGrid) -> None:
    frames = [frame for frame in grid.frames if frame is not None]
    if len({(frame.sop_instance_uid, frame.frame) for frame in frames}) < len(frames):
        raise DataError(
            f"Several slices in {grid.path} have one SOP Instance UID, so a DICOM segmentation "
            "cannot refer to them.",
            "Export the mask as NIfTI, or the images from the archive (PACS) again.",
        )


def refer_to(dataset: Dataset, planes: Sequence[SourcePlane]) -> None:
    """Put the real instances and frame numbers in place of those that highdicom was told."""
    by_uid = {str(plane.header.SOPInstanceUID): plane for plane in planes}
    changed: set[int] = set()
    for item in _references(dataset):
        # highdicom puts one item in two places.
        if id(item) in changed:
            continue
        changed.add(id(item))
        plane = by_uid[str(item.ReferencedSOPInstanceUID)]
        item.ReferencedSOPClassUID = plane.sop_class_uid
        item.ReferencedSOPInstanceUID = plane.frame.sop_instance_uid
        if plane.is_multiframe and "PurposeOfReferenceCodeSequence" in item:
            item.ReferencedFrameNumber = plane.frame.frame + 1
    dataset.SourceImageSequence = _once(dataset.SourceImageSequence)
    for series in dataset.ReferencedSeriesSequence:
        series.ReferencedInstanceSequence = _once(series.ReferencedInstanceSequence)


def _references(dataset: Dataset) -> Iterator[Dataset]:
    yield from dataset.SourceImageSequence
    for series in dataset.ReferencedSeriesSequence:
        yield from series.ReferencedInstanceSequence
    for group in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", ()):
            yield from derivation.SourceImageSequence


def _once(items: Sequence[Dataset]) -> list[Dataset]:
    """Keep one reference to an instance that holds several frames."""
    return list({str(item.ReferencedSOPInstanceUID): item for item in items}.values())


def _read(frame: FrameRef) -> Dataset:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(frame.path, stop_before_pixels=True, force=True)
        found = str(header.get("SOPInstanceUID", ""))
    except FileNotFoundError as error:
        raise DataError(
            f"The source slice {frame.path} is gone; the mask cannot refer to it.",
            "Put the study back where it was opened, or open it again.",
        ) from error
    except (OSError, InvalidDicomError, ValueError, TypeError, KeyError, EOFError) as error:
        raise DataError(
            f"The source slice {frame.path} cannot be read: {error}.",
            "Check the disk, and open the study again.",
        ) from error
    if found != frame.sop_instance_uid:
        raise DataError(
            f"The source slice {frame.path} holds another image than when it was opened.",
            "Open the study again.",
        )
    return header


def _completed(header: Dataset) -> Dataset:
    """Copy a header with what every image must have, and nothing that is of one slice."""
    from copy import deepcopy

    if not header.get("FrameOfReferenceUID"):
        raise DataError(
            f"The series of {header.filename} names no frame of reference, so a DICOM "
            "segmentation cannot say where it lies.",
            "Export the mask as NIfTI.",
        )
    plane = deepcopy(header)
    plane.decode()
    for keyword in _TYPE_2:
        if keyword not in plane:
            setattr(plane, keyword, "")
    if plane.PatientSex not in _SEXES:
        plane.PatientSex = "O"
    for keyword in ("StudyDate", "StudyTime", "PatientBirthDate"):
        # Empty is allowed, a value that is none is not.
        if not _is_valid(plane, keyword):
            setattr(plane, keyword, "")
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
                    "NumberOfFrames", "DimensionIndexSequence"):  # fmt: skip
        if keyword in plane:
            delattr(plane, keyword)
    return plane


def _is_valid(plane: Dataset, keyword: str) -> bool:
    from pydicom.valuerep import DA, TM

    try:
        (TM if keyword == "StudyTime" else DA)(str(getattr(plane, keyword) or ""))
    except (ValueError, OverflowError):
        return False
    return True


def _like(first: Dataset) -> Dataset:
    """Make a plane of the same series."""
    from pydicom import Dataset

    plane = Dataset()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Rows",
                    "Columns", "PixelSpacing", "SliceThickness", "Modality"):  # fmt: skip
        setattr(plane, keyword, first.get(keyword))
    return plane


def _place(header: Dataset, frame: FrameRef) -> tuple[list[Any], list[Any]]:
    """Position and orientation of a frame, as its file says."""
    groups: list[Dataset] = [header]
    if "PerFrameFunctionalGroupsSequence" in header:
        per_frame = header.PerFrameFunctionalGroupsSequence
        if frame.frame < len(per_frame):
            groups.append(per_frame[frame.frame])
        groups.extend(header.get("SharedFunctionalGroupsSequence", ()))
    position = _first(groups, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = _first(groups, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        raise DataError(
            f"The source slice {frame.path} does not say where it lies.",
            "Export the mask as NIfTI, or export the series again with its geometry.",
        )
    return position, orientation


def _first(groups: Sequence[Dataset], macro: str, keyword: str, count: int) -> list[Any] | None:
    for group in groups:
        for item in (group, *group.get(macro, ())):
            value = item.get(keyword)
            if value is not None and len(value) == count:
                return list(value)
    return None


def _decimal(value: float) -> str:
    """Write a number as a decimal string: 16 characters at most (PS3.5, 6.2)."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(value)))
