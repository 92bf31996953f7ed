"""How long it takes to know what a folder of 5,000 DICOM files holds.

    python -m pytest tests/benchmarks/test_dicom_index.py -s

40 studies of 3 series of 42 slices (128 x 128, headers with 40 KB of private elements, as Siemens
scanners write them), copied from one small phantom file with changed UIDs, positions and names. The
first search reads all headers; the second, of the same folder, looks at the files' times only; as
the session does whenever a patient is opened. The disk cache is warm.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.formats import discover
from napari_brainseg.core.formats.dicom.index import forget_headers

if TYPE_CHECKING:
    from pathlib import Path

STUDIES = 40
SLICES = 42
SERIES = ("t1_se_tra", "t2_tirm_tra_dark-fluid", "t1_se_tra KM")
FILES = STUDIES * SLICES * len(SERIES)
PRIVATE = 40_000
LIMIT_S = 10.0


def template() -> bytes:
    from io import BytesIO

    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.11111111"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID = "1.2.3.11111111"
    dataset.StudyInstanceUID = "1.2.3.4.22222222"
    dataset.SeriesInstanceUID = "1.2.3.4.5.33333333"
    dataset.PatientName = "Bench^Mark"
    dataset.PatientID = "PPPPPPPP"
    dataset.StudyDate = "20200131"
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.SeriesDescription = "D" * 32
    dataset.InstanceNumber = 1
    dataset.ImagePositionPatient = ["-120.000", "-120.000", "00000.00"]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.Rows = dataset.Columns = 128
    dataset.PixelSpacing = [1.875, 1.875]
    dataset.SliceThickness = 5
    dataset.EchoTime = 12
    dataset.RepetitionTime = 550
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    for number in range(40):
        block.add_new(number, "OB", bytes(PRIVATE // 40))
    dataset.PixelData = np.zeros((128, 128), np.uint16).tobytes()
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write_export(root: Path) -> None:
    """Write 5,040 files by replacing words of one."""
    raw = template()
    place = raw.index(b"00000.00")
    count = 0
    for study in range(STUDIES):
        for series, description in enumerate(SERIES):
            folder = root / f"PA{study:06d}" / "ST000000" / f"SE{series:06d}"
            folder.mkdir(parents=True)
            fixed = (
                raw.replace(b"PPPPPPPP", b"%08d" % study)
                .replace(b"22222222", b"%08d" % (study + 1))
                .replace(b"33333333", b"%08d" % (study * 10 + series + 1))
                .replace(b"D" * 32, description.ljust(32).encode())
            )
            for z in range(SLICES):
                count += 1
                said = bytearray(fixed.replace(b"11111111", b"%08d" % count))
                said[place : place + 8] = b"%08.2f" % (5 * z)
                (folder / f"IM{z:06d}").write_bytes(said)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    write_export(root)
    return root


def test_five_thousand_files(export: Path) -> None:
    forget_headers()
    told: list[int] = []
    begun = time.perf_counter()
    cpu = time.process_time()
    found = discover(export, progress=told.append)
    first = time.perf_counter() - begun
    first_cpu = time.process_time() - cpu
    begun = time.perf_counter()
    assert discover(export).folders == found.folders
    again = time.perf_counter() - begun
    begun = time.perf_counter()
    assert discover(found.folders[0].path).folders == found.folders[:1]
    one = time.perf_counter() - begun
    assert len(found.folders) == STUDIES
    assert all(len(folder.roles) == 3 and not folder.warnings for folder in found.folders)
    print(f"{FILES} files: {first:.2f} s ({first_cpu:.2f} s of CPU), again {again:.2f} s, "
          f"one patient {one * 1e3:.0f} ms, {len(told)} words of progress")  # fmt: skip
    assert first < LIMIT_S
