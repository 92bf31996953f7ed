"""Small DICOM files, written with pydicom alone: headers are what counts here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SeriesWriter = Callable[..., list[Path]]

AXIAL = [1, 0, 0, 0, 1, 0]
MR = "1.2.840.10008.5.1.4.1.1.4"


def _dataset(uid: str, series: str, study: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MR
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SOPClassUID = MR
    dataset.SOPInstanceUID = uid
    dataset.SeriesInstanceUID = series
    dataset.StudyInstanceUID = study
    dataset.PatientName = "Test^Patient"
    dataset.PatientID = "0815"
    dataset.PatientBirthDate = "19700101"
    dataset.StudyDate = "20200131"
    dataset.StudyTime = "101500"
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelSpacing = [0.5, 0.5]
    dataset.SliceThickness = 5
    dataset.ImageOrientationPatient = AXIAL
    dataset.PixelData = np.zeros(64, np.uint16).tobytes()
    return dataset


@pytest.fixture
def write_series() -> SeriesWriter:
    """Write a series; later arguments are elements by keyword, or functions of the slice.

    Studies of one test are unlike those of all others, which may lie in the next folder.
    """
    own = generate_uid()[:40].rstrip(".")

    def write(
        folder: Path,
        slices: int = 10,
        *,
        study: str = "1",
        series: str | None = None,
        first: int = 1,
        gap_mm: float = 5.0,
        ending: str = ".dcm",
        **elements: Any,
    ) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        uid = generate_uid() if series is None else series
        paths = []
        for n in range(slices):
            dataset = _dataset(generate_uid(), uid, f"{own}.{study}")
            dataset.InstanceNumber = first + n
            said = elements.get("ImageOrientationPatient", AXIAL)
            row, column = np.reshape(AXIAL if callable(said) else said, (2, 3))
            place = np.cross(row, column) * gap_mm * n
            dataset.ImagePositionPatient = [float(mm) for mm in place]
            for keyword, value in elements.items():
                said = value(n) if callable(value) else value
                if said is None:
                    if keyword in dataset:
                        delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, said)
            path = folder / f"{dataset.Modality}{first + n:04d}_{uid[-6:]}{ending}"
            dataset.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    return write
