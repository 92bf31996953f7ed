"""A head with known landmarks, sampled and written here alone: no code of the program helps."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.dicom.reading import load_series
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from pathlib import Path

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST
MARKS = np.array([[40, -30, 20], [-45, 10, 30], [10, 50, -20], [-20, -45, 0], [25, 30, 35]], float)
"""LPS, mm; none is the mirror image of another."""
TURN = Rotation.from_euler("xyz", [7, -5, 11], degrees=True).as_matrix()
PLANES = {"axial": ([1, 0, 0], [0, 1, 0]), "sagittal": ([0, 1, 0], [0, 0, -1]),
          "coronal": ([1, 0, 0], [0, 0, -1])}  # fmt: skip
MR = "1.2.840.10008.5.1.4.1.1.4"


def head(points: np.ndarray) -> np.ndarray:
    """Intensity at places, LPS."""
    value = np.where(((points / [75, 95, 70]) ** 2).sum(-1) < 1, 300.0, 20.0)
    for n, mark in enumerate(MARKS):
        value += (700 + 60 * n) * np.exp(-((points - mark) ** 2).sum(-1) / 50)
    return np.rint(value)


def write(folder: Path, plane: str, pixel: tuple[float, float], gap: float, **said) -> dict:
    """Write a series; gives real values by SOP instance, and how slices lie."""
    row, column = (TURN @ np.array(way, float) for way in PLANES[plane])
    normal = np.cross(row, column)
    rows, columns, slices = int(200 / pixel[0]), int(190 / pixel[1]), int(130 / gap)
    corner = -(row * pixel[1] * (columns - 1) + column * pixel[0] * (rows - 1)
               + normal * gap * (slices - 1)) / 2  # fmt: skip
    order = list(range(slices))
    random.Random(0).shuffle(order)
    uid, real = generate_uid(), {}
    folder.mkdir()
    for number, k in enumerate(order):
        i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        place = corner + normal * gap * k
        points = place + i[..., None] * column * pixel[0] + j[..., None] * row * pixel[1]
        slope = 0.5 + 0.03 * k if said.get("slopes") else 1.0
        stored = np.rint(head(points) / slope).astype(np.uint16)
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = MR, generate_uid(), uid
        data.StudyInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2.4"
        data.PatientID, data.StudyDate, data.Modality = "1", "20240131", "MR"
        data.SeriesDescription, data.InstanceNumber = said["text"], slices - number
        data.ImagePositionPatient = [f"{mm:.9g}" for mm in place]
        data.ImageOrientationPatient = [f"{c:.9g}" for c in (*row, *column)]
        data.PixelSpacing, data.SliceThickness = list(pixel), gap
        data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, 1
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.PhotometricInterpretation = "MONOCHROME1" if said.get("inverted") else "MONOCHROME2"
        if slope != 1:
            data.RescaleSlope, data.RescaleIntercept = f"{slope:.6g}", 0
        held = 4095 - stored if said.get("inverted") else stored
        data.PixelData = (held | np.uint16(0xA000)).astype(np.uint16).tobytes()
        data.save_as(folder / f"{number}", enforce_file_format=True)
        real[str(data.SOPInstanceUID)] = stored * float(f"{slope:.6g}")
    return real


def found(volume: np.ndarray, matrix: np.ndarray, mark: np.ndarray) -> np.ndarray:
    """Centre of what is bright around a place, as index."""
    middle = np.linalg.solve(matrix, [*mark, 1])[:3]
    reach = np.ceil(9 / np.linalg.norm(matrix[:3, :3], axis=0)).astype(int)
    low = np.maximum(np.rint(middle).astype(int) - reach, 0)
    block = volume[tuple(slice(a, b) for a, b in zip(low, low + 2 * reach + 1, strict=True))]
    index = np.stack(np.indices(block.shape), -1) + low
    near = (((index @ matrix[:3, :3].T + matrix[:3, 3]) - mark) ** 2).sum(-1) < 64
    weight = np.clip(block - np.median(block), 0, None) * near
    return (index * weight[..., None]).sum((0, 1, 2)) / weight.sum() - middle


def test_landmarks_lie_where_they_are_and_values_are_exact(tmp_path: Path) -> None:
    real = write(tmp_path / "2", "coronal", (2.2, 2.0), 5.0, text="FLAIR")
    real |= write(tmp_path / "1", "sagittal", (2.0, 2.5), 3.0, text="T1", inverted=True)
    real |= write(tmp_path / "3", "axial", (2.5, 2.5), 4.0, text="T1 POST", slopes=True)
    (folder,) = discover(tmp_path).folders
    for series in folder.series:
        loaded = load_series(series)
        stored = loaded.grid.reorientation.undo(loaded.data)
        for plane, frame in zip(stored, loaded.grid.frames, strict=True):
            np.testing.assert_allclose(plane, real[frame.sop_instance_uid], rtol=1e-6)
    study = load_study(folder)
    matrix = np.array(study.image.geometry.affine_lps)
    assert study.native.keys() == {PRE, FLAIR, POST}
    for volume in study.native.values():
        for mark in MARKS:
            assert np.abs(found(volume.astype(float), matrix, mark)).max() < 0.5
