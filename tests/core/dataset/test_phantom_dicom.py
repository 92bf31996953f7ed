"""Phantoms as DICOM: what scanners write, the same every time, and valid."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import (
    PhantomPatient,
    PhantomSeries,
    default_series,
    sample,
    write_dicom_phantom,
)
from napari_brainseg.core.imaging import ConfigError, Modality

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

FLAIR = Modality.FLAIR


@pytest.fixture(scope="module")
def phantom() -> Study:
    return phantom_study(4, slices=6, size=32, missing=())


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))


def test_follows_from_the_seed(tmp_path: Path, phantom: Study) -> None:
    a = write_dicom_phantom(tmp_path / "a", phantom)
    b = write_dicom_phantom(tmp_path / "b", phantom)
    c = write_dicom_phantom(tmp_path / "c", phantom, seed=1)
    assert len(_files(a)) > 20
    assert [f.read_bytes() for f in _files(a)] == [f.read_bytes() for f in _files(b)]
    uids = [{pydicom.dcmread(f).SOPInstanceUID for f in _files(d)} for d in (a, c)]
    assert len(uids[0]) == len(_files(a))
    assert not uids[0] & uids[1]


def test_three_series_each_its_own(tmp_path: Path, phantom: Study) -> None:
    folder = write_dicom_phantom(tmp_path, phantom, patient=PhantomPatient(name="Müller^Örn"))
    headers = [pydicom.dcmread(f, stop_before_pixels=True) for f in _files(folder)]
    assert {str(h.PatientName) for h in headers} == {"Müller^Örn"}
    assert len({h.StudyInstanceUID for h in headers}) == 1
    assert len({h.SeriesInstanceUID for h in headers}) == 3
    assert len({tuple(h.PixelSpacing) for h in headers}) == 3
    for number in (1, 2, 3):
        series = [h for h in headers if h.SeriesNumber == number]
        heights = [
            h.ImagePositionPatient[2] for h in sorted(series, key=lambda h: h.InstanceNumber)
        ]
        assert heights != sorted(heights)


def test_missing_and_duplicated_slices(tmp_path: Path, phantom: Study) -> None:
    series = PhantomSeries(FLAIR, shape=(8, 16, 16), missing=(2, 3), duplicated=(5,))
    assert len(_files(write_dicom_phantom(tmp_path, phantom, series=[series]))) == 7


def test_stored_values_are_the_sampled_ones(tmp_path: Path, phantom: Study) -> None:
    series = PhantomSeries(
        FLAIR, shape=(5, 16, 20), slope=0.5, intercept=-100, signed=False, bits_stored=12
    )
    folder = write_dicom_phantom(tmp_path, phantom, series=[series])
    sampled = sample(phantom, series)
    for path in _files(folder):
        dataset = pydicom.dcmread(path)
        z = np.argmin(np.abs(_heights(sampled) - float(dataset.ImagePositionPatient[2])))
        real = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(real, sampled.values[z])


def _heights(sampled) -> np.ndarray:
    matrix = np.array(sampled.affine_lps)
    return matrix[2, 3] + np.arange(len(sampled.values)) * matrix[2, 0]


@pytest.mark.parametrize("enhanced", [False, True])
def test_dciodvfy_finds_no_error(tmp_path: Path, phantom: Study, enhanced: bool) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    folder = write_dicom_phantom(tmp_path, phantom, enhanced=enhanced)
    for number in (1, 2, 3):
        path = folder / f"S{number:04d}" / "IM0001.dcm"
        said = subprocess.run([tool, path], capture_output=True, text=True, check=False).stderr
        assert "Error" not in said, said


def test_enhanced_is_one_file_a_series(tmp_path: Path, phantom: Study) -> None:
    folder = write_dicom_phantom(tmp_path, phantom, enhanced=True)
    assert len(_files(folder)) == 3
    first = pydicom.dcmread(_files(folder)[0])
    assert first.pixel_array.shape == (first.NumberOfFrames, first.Rows, first.Columns)


def test_what_cannot_be_written_is_refused(tmp_path: Path, phantom: Study) -> None:
    with pytest.raises(ConfigError, match="list of series"):
        write_dicom_phantom(tmp_path, phantom, series=default_series(phantom), enhanced=True)
    with pytest.raises(ConfigError, match="Baseline"):
        write_dicom_phantom(tmp_path, phantom, transfer_syntax="1.2.840.10008.1.2.4.50")
