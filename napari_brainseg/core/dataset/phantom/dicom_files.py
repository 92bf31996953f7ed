"""DICOM files of a phantom: the modules of MR images (PS3.3, A.4), one file a slice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset
    from pydicom.uid import UID

    from napari_brainseg.core.dataset.phantom.dicom import PhantomPatient, PhantomSeries, Sampled

__all__ = ["PROTOCOL", "Writer", "decimal", "masked"]

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"

PROTOCOL: dict[Modality, dict[str, Any]] = {
    Modality.PRE: {
        "SeriesDescription": "AX T1 SE",
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "RepetitionTime": "550",
        "EchoTime": "14",
        "EchoTrainLength": 1,
        "FlipAngle": "90",
    },
    Modality.FLAIR: {
        "SeriesDescription": "AX T2 FLAIR",
        "ScanningSequence": ["SE", "IR"],
        "SequenceVariant": "SK",
        "RepetitionTime": "10000",
        "EchoTime": "125",
        "InversionTime": "2250",
        "EchoTrainLength": 16,
        "FlipAngle": "90",
    },
    Modality.POST: {
        "SeriesDescription": "AX T1 SE +C",
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "RepetitionTime": "550",
        "EchoTime": "14",
        "EchoTrainLength": 1,
        "FlipAngle": "90",
        "ContrastBolusAgent": "Gadovist",
    },
}


class Writer:
    """Writes the series of one study.

    Parameters
    ----------
    dest : Path
        Folder of the study.
    patient : PhantomPatient
        Who it is.
    seed : str
        UIDs and orders follow from it.
    """

    def __init__(self, dest: Path, patient: PhantomPatient, seed: str) -> None:
        self._dest, self._patient, self._seed = dest, patient, seed

    def uid(self, *parts: object) -> UID:
        """Make a UID that follows from the seed and what it is for."""
        from pydicom.uid import generate_uid

        return generate_uid(entropy_srcs=[self._seed, *map(str, parts)])

    def write(self, number: int, series: PhantomSeries, sampled: Sampled) -> None:
        """Write one series into a folder of its own."""
        folder = self._dest / f"S{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        common = self._common(number, series)
        if series.enhanced:
            from napari_brainseg.core.dataset.phantom.dicom_enhanced import enhanced_file

            dataset = enhanced_file(common, series, sampled)
            dataset.SOPInstanceUID = self.uid("instance", number)
            self._save(dataset, folder / "IM0001.dcm", series, sampled)
            return
        order = [k for k in range(len(sampled.stored)) if k not in series.missing]
        order += series.duplicated
        shuffled = random.Random(f"{self._seed} {number}")
        shuffled.shuffle(order)
        for instance, k in enumerate(order, start=1):
            dataset = self._slice(common, series, sampled, k)
            dataset.InstanceNumber = str(instance)
            dataset.SOPInstanceUID = self.uid("instance", number, instance)
            self._save(dataset, folder / f"IM{instance:04d}.dcm", series, sampled)

    def _common(self, number: int, series: PhantomSeries) -> Dataset:
        from pydicom import Dataset

        patient, date = self._patient, self._patient.study_date
        dataset = Dataset()
        dataset.SpecificCharacterSet = patient.character_set
        dataset.PatientName = patient.name
        dataset.PatientID = patient.patient_id
        dataset.PatientBirthDate = patient.birth_date
        dataset.PatientSex = patient.sex
        dataset.PatientAge = patient.age
        dataset.StudyInstanceUID = self.uid("study", patient.patient_id, date)
        dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = date
        dataset.AcquisitionDate = date
        dataset.StudyTime = "101500"
        dataset.SeriesTime = dataset.ContentTime = f"1015{number % 60:02d}"
        dataset.AcquisitionTime = dataset.SeriesTime
        dataset.StudyID = "1"
        dataset.AccessionNumber = patient.accession_number
        dataset.StudyDescription = patient.study_description
        dataset.ReferringPhysicianName = ""
        dataset.InstitutionName = patient.institution
        dataset.Manufacturer = "BrainSeg phantom"
        dataset.ManufacturerModelName = "Ellipsoid"
        dataset.DeviceSerialNumber = "1"
        dataset.SoftwareVersions = "1"
        dataset.MagneticFieldStrength = "1.5"
        dataset.Modality = "MR"
        dataset.BodyPartExamined = "BRAIN"
        dataset.PatientPosition = "HFS"
        dataset.SeriesInstanceUID = self.uid("series", number)
        dataset.SeriesNumber = str(number)
        dataset.AcquisitionNumber = "1"
        dataset.FrameOfReferenceUID = self.uid("frame", series.frame_of_reference)
        dataset.PositionReferenceIndicator = ""
        for keyword, value in PROTOCOL[series.modality].items():
            setattr(dataset, keyword, value)
        if series.description:
            dataset.SeriesDescription = series.description
        dataset.ProtocolName = "BRAIN TUMOUR"
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = 16
        dataset.BitsStored = series.bits_stored
        dataset.HighBit = series.bits_stored - 1
        dataset.PixelRepresentation = int(series.signed)
        return dataset

    def _slice(self, common: Dataset, series: PhantomSeries, sampled: Sampled, k: int) -> Dataset:
        from pydicom import Dataset

        dataset = Dataset(common)
        matrix = np.array(sampled.affine_lps)
        between, rows, columns = series.spacing_mm
        dataset.SOPClassUID = MR_IMAGE
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        dataset.ScanOptions = ""
        dataset.MRAcquisitionType = "2D"
        dataset.ImagePositionPatient = decimal(matrix[:3, 3] + k * matrix[:3, 0])
        dataset.ImageOrientationPatient = decimal(
            [*(matrix[:3, 2] / columns), *(matrix[:3, 1] / rows)]
        )
        dataset.PixelSpacing = decimal([rows, columns])
        dataset.SliceThickness = decimal([between])[0]
        dataset.SpacingBetweenSlices = decimal([between])[0]
        if series.slope is not None or series.intercept is not None:
            dataset.RescaleSlope = decimal([series.slope or 1.0])[0]
            dataset.RescaleIntercept = decimal([series.intercept or 0.0])[0]
            dataset.RescaleType = "US"
        plane = sampled.stored[k]
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SmallestImagePixelValue = int(plane.min())
        dataset.LargestImagePixelValue = int(plane.max())
        dataset.PixelData = masked(plane, series.bits_stored).tobytes()
        return dataset

    def _save(self, dataset: Dataset, path: Path, series: PhantomSeries, sampled: Sampled) -> None:
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian

        syntax = UID(series.transfer_syntax)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_compressed else syntax
        dataset.file_meta = meta
        if syntax.is_compressed:
            from napari_brainseg.core.dataset.phantom.dicom_compressed import compress

            compress(dataset, syntax, sampled.stored.dtype)
        dataset["PixelData"].VR = "OB" if syntax.is_compressed else "OW"
        dataset.save_as(path, enforce_file_format=True)


def decimal(values: Any) -> list[str]:
    """Numbers as decimal strings of 16 characters at most (PS3.5, 6.2, DS)."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value) + 0.0) for value in values]


def masked(plane: Any, bits_stored: int) -> Any:
    """Leave the bits above the stored ones empty."""
    if bits_stored == 16:
        return plane
    return plane.view(np.uint16) & np.uint16((1 << bits_stored) - 1)
