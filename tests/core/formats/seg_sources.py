"""Small DICOM series on disk, and the study that they make, for the tests of segmentations.

Headers only, no pixels: what is written refers to them and never looks at their intensities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from napari_brainseg.core.imaging import (
    FrameRef,
    Geometry,
    ScalarVolume,
    SourceGrid,
    Study,
    StudyFormat,
    upright,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "upside down": ((-1, 0, 0), (0, -1, 0)),
}


def affine_of(
    plane: str = "axial",
    *,
    tilt_deg: float = 0.0,
    spacing: tuple[float, float, float] = (4.0, 0.9, 0.8),
    downwards: bool = False,
) -> np.ndarray:
    """From (slice, row, column, 1) to LPS."""
    rows, columns = (np.array(v, float) for v in PLANES[plane])
    c, s = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    rows, columns = turn @ rows, turn @ columns
    normal = np.cross(rows, columns) * (-1 if downwards else 1)
    matrix = np.eye(4)
    for axis, (direction, step) in enumerate(zip((normal, columns, rows), spacing, strict=True)):
        matrix[:3, axis] = direction * step
    matrix[:3, 3] = (-12.5, 30.25, -7.125)
    return matrix


def dicom_study(
    folder: Path,
    shape: tuple[int, int, int] = (5, 7, 6),
    affine: np.ndarray | None = None,
    *,
    missing: Sequence[int] = (),
    enhanced: bool = False,
    **patient: Any,
) -> Study:
    """Write the headers of a series with stored `shape` (slices, rows, columns)."""
    matrix = affine_of() if affine is None else affine
    uids = {name: generate_uid() for name in ("study", "series", "frame")}
    base = _base(uids, patient)
    base.Rows, base.Columns = shape[1:]
    there = [k for k in range(shape[0]) if k not in missing]
    if enhanced:
        frames = _write_enhanced(folder, base, matrix, there)
    else:
        frames = {k: _write_single(folder, base, matrix, k) for k in there}
    rows = tuple(tuple(float(v) for v in row) for row in matrix)
    reorientation, turned = upright(rows, shape)
    grid = SourceGrid(
        shape,
        rows,
        reorientation,
        folder,
        tuple(frames.get(k) for k in range(shape[0])),
        uids["series"],
    )
    image = np.zeros((3, *reorientation.apply(np.zeros(shape)).shape), np.uint8)
    return Study(
        "PT-0123456789_20200131",
        ScalarVolume(image, geometry=Geometry.from_affine(turned)),
        path=folder,
        format=StudyFormat.DICOM,
        grid=grid,
    )


def _base(uids: dict[str, str], patient: dict[str, Any]) -> Dataset:
    base = Dataset()
    base.PatientName, base.PatientID = "Doe^Jane", "4711"
    base.PatientBirthDate, base.PatientSex = "19600101", "F"
    base.AccessionNumber, base.StudyID = "A1", "S1"
    base.StudyDate, base.StudyTime = "20200131", "101010"
    base.ReferringPhysicianName = ""
    base.StudyInstanceUID, base.SeriesInstanceUID = uids["study"], uids["series"]
    base.FrameOfReferenceUID, base.PositionReferenceIndicator = uids["frame"], ""
    base.Modality, base.SeriesNumber, base.Manufacturer = "MR", 4, "Scanner"
    for keyword, value in patient.items():
        if value is None:
            delattr(base, keyword)
        else:
            setattr(base, keyword, value)
    return base


def _geometry(matrix: np.ndarray, k: int) -> tuple[list[str], list[str], list[str]]:
    def text(values: np.ndarray) -> list[str]:
        return [f"{v:.8g}"[:16] for v in values]

    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    position = matrix[:3, 3] + matrix[:3, 0] * k
    cosines = np.concatenate([matrix[:3, 2] / steps[2], matrix[:3, 1] / steps[1]])
    return text(position), text(cosines), text(steps[1:])


def _save(dataset: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _write_single(folder: Path, base: Dataset, matrix: np.ndarray, k: int) -> FrameRef:
    plane = Dataset()
    plane.update(base)
    plane.SOPClassUID, plane.SOPInstanceUID = MR, generate_uid()
    position, cosines, spacing = _geometry(matrix, k)
    plane.ImagePositionPatient, plane.ImageOrientationPatient = position, cosines
    plane.PixelSpacing, plane.SliceThickness = spacing, "3.5"
    plane.InstanceNumber = k + 1
    path = folder / f"IM{k:03d}"
    _save(plane, path)
    return FrameRef(path, plane.SOPInstanceUID)


def _write_enhanced(
    folder: Path, base: Dataset, matrix: np.ndarray, there: Sequence[int]
) -> dict[int, FrameRef]:
    """One file, its frames from the last slice to the first, orientation with each frame."""
    image = Dataset()
    image.update(base)
    image.SOPClassUID, image.SOPInstanceUID = ENHANCED_MR, generate_uid()
    image.NumberOfFrames = len(there)
    groups, frames = [], {}
    path = folder / "enhanced"
    for number, k in enumerate(reversed(there)):
        position, cosines, spacing = _geometry(matrix, k)
        group = Dataset()
        group.PlanePositionSequence = [_item(ImagePositionPatient=position)]
        group.PlaneOrientationSequence = [_item(ImageOrientationPatient=cosines)]
        group.PixelMeasuresSequence = [_item(PixelSpacing=spacing, SliceThickness="3.5")]
        groups.append(group)
        frames[k] = FrameRef(path, image.SOPInstanceUID, number)
    image.PerFrameFunctionalGroupsSequence = groups
    image.SharedFunctionalGroupsSequence = [Dataset()]
    _save(image, path)
    return frames


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
