"""Folders of DICOM files as patients that open again, one by one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom.data
import pytest

from napari_brainseg.core.formats import discover, is_study_path
from napari_brainseg.core.formats.dicom import index
from napari_brainseg.core.formats.dicom.discovery import dicom_file, dicom_folders
from napari_brainseg.core.formats.dicom.index import forget_headers
from napari_brainseg.core.imaging import (
    BrainSegError,
    CancelledError,
    DataError,
    Modality,
    StudyFormat,
)

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST
SR = "1.2.840.10008.5.1.4.1.1.88.11"
PR = "1.2.840.10008.5.1.4.1.1.11.1"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture
def write_study(write_series):
    """Write the three sequences of a study, each into a folder of its own."""

    def write(folder: Path, *, slices: int = 9, **elements) -> Path:
        for number, (name, text) in enumerate(
            {"S1": "AX T1", "S2": "AX FLAIR", "S3": "AX T1 POST GD"}.items(), 1
        ):
            write_series(
                folder / name, slices, SeriesDescription=text, SeriesNumber=number, **elements
            )
        return folder

    return write


def opens_alone(found):
    """Each patient, opened by its own path, is the same patient again and no other."""
    return all(discover(folder.path).folders == (folder,) for folder in found.folders)


def test_a_study_of_three_series(tmp_path, write_study):
    root = write_study(tmp_path / "export")
    found = discover(root)
    (study,) = found.folders
    assert study.format is StudyFormat.DICOM
    assert study.path == root
    assert [series.description for series in study.series] == [
        "AX T1",
        "AX FLAIR",
        "AX T1 POST GD",
    ]
    assert {m: study.find(key).description for m, key in study.roles} == {
        PRE: "AX T1",
        FLAIR: "AX FLAIR",
        POST: "AX T1 POST GD",
    }
    assert study.slices == 9
    assert len(study.images) == 27
    assert study.masks == ()
    assert study.warnings == ()
    assert "axial" in study.series[0].details
    assert "0.5 x 0.5 x 5 mm" in study.series[0].details
    assert opens_alone(found)
    assert is_study_path(root)


def test_nobody_is_named(tmp_path, write_study):
    root = write_study(tmp_path, PatientName="Geheim^Gerda", PatientID="NUMBER-4711")
    (study,) = discover(root).folders
    assert study.patient.startswith("PT-")
    assert study.patient.endswith("_20200131")
    said = repr(index.index_folder(root).records)
    assert "Geheim" not in said
    assert "NUMBER-4711" not in said


def test_mixed_patients_and_studies_in_one_folder_stay_apart(tmp_path, write_series):
    for patient in ("1", "2"):
        for study in ("10", "20"):
            write_series(
                tmp_path,
                8,
                study=f"1.2.{patient}.{study}",
                PatientID=patient,
                StudyDate=f"202001{study}",
                SeriesDescription="AX FLAIR",
            )
    found = discover(tmp_path)
    assert len(found.folders) == 4
    assert len({folder.patient.rpartition("_")[0] for folder in found.folders}) == 2
    assert all(folder.path.is_file() for folder in found.folders)
    assert opens_alone(found)


def test_one_study_uid_of_two_patients_is_two_studies(tmp_path, write_series):
    write_series(tmp_path, 8, study="1.2.9", PatientID="1")
    write_series(tmp_path, 8, study="1.2.9", PatientID="2")
    assert len(discover(tmp_path).folders) == 2


def test_the_same_number_of_two_hospitals_is_two_patients(tmp_path, write_series):
    write_series(tmp_path / "a", 8, study="1.1", IssuerOfPatientID="A")
    write_series(tmp_path / "b", 8, study="1.2", IssuerOfPatientID="B")
    one, other = discover(tmp_path).patients
    assert one.rpartition("_")[0] != other.rpartition("_")[0]


def test_two_studies_of_a_day_keep_their_letters(tmp_path, write_study):
    late = write_study(tmp_path / "a_late", study="1.5", StudyTime="170000")
    early = write_study(tmp_path / "b_early", study="1.9", StudyTime="080000")
    found = discover(tmp_path)
    names = {folder.path: folder.patient for folder in found.folders}
    assert names[late] == f"{names[early]}b"
    assert opens_alone(found)
    shutil.rmtree(early)
    assert discover(tmp_path).patients == (names[late],)


def test_series_of_one_visit_in_studies_of_their_own_are_one(tmp_path, write_series):
    """Same patient, day and frame of reference; with two FLAIR they may be two examinations."""
    same = {"FrameOfReferenceUID": "1.7.7", "slices": 9}
    write_series(tmp_path / "a", study="1", SeriesDescription="AX T1", **same)
    write_series(tmp_path / "b", study="2", SeriesDescription="AX FLAIR", **same)
    (study,) = discover(tmp_path).folders
    assert dict(study.roles).keys() == {PRE, FLAIR}
    assert "2 studies of this day are opened as one" in study.warnings[0]
    write_series(tmp_path / "c", study="3", SeriesDescription="COR FLAIR", **same)
    assert len(discover(tmp_path).folders) == 3
    other = {**same, "FrameOfReferenceUID": "1.7.8"}
    write_series(tmp_path / "d" / "e", study="4", SeriesDescription="AX T1", **other)
    assert len(discover(tmp_path / "d").folders) == 1


def test_files_with_one_uid_at_other_places_are_no_copies(tmp_path, write_series):
    write_series(tmp_path, 9, SOPInstanceUID="1.5.5", SeriesDescription="AX FLAIR")
    (study,) = discover(tmp_path).folders
    assert study.slices == 9


def test_a_study_seen_alone_first_keeps_its_name(tmp_path, write_study):
    late = write_study(tmp_path / "late", study="1.5", StudyTime="170000")
    (alone,) = discover(late).patients
    write_study(tmp_path / "early", study="1.9", StudyTime="080000")
    found = {folder.path: folder.patient for folder in discover(tmp_path).folders}
    assert found[late] == alone
    assert len(set(found.values())) == 2


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "PatientID", "SeriesInstanceUID"])
def test_missing_identifiers(tmp_path, write_series, missing):
    write_series(tmp_path / "a", 8, SeriesDescription="AX FLAIR", **{missing: None})
    write_series(
        tmp_path / "b",
        8,
        PatientID="9",
        PatientName="Other",
        study="7.7",
        SeriesDescription="FLAIR",
    )
    found = discover(tmp_path)
    assert [dict(folder.roles).keys() for folder in found.folders] == [{FLAIR}, {FLAIR}]
    assert opens_alone(found)


def test_nobody_at_all(tmp_path, write_series):
    nothing = dict.fromkeys(("PatientID", "PatientName", "PatientBirthDate", "StudyDate"))
    write_series(tmp_path / "a", 8, study="1.1", **nothing)
    write_series(tmp_path / "b", 8, study="1.2", **nothing)
    found = discover(tmp_path)
    assert len(set(found.patients)) == 2
    assert "The files say no date of the study." in found.folders[0].warnings


def test_a_file_without_patient_belongs_to_the_patient_of_its_study(tmp_path, write_series):
    write_series(tmp_path, 8, study="1.1", SeriesDescription="AX FLAIR")
    write_series(tmp_path, 8, study="1.1", SeriesDescription="AX T1", PatientID="")
    (study,) = discover(tmp_path).folders
    assert dict(study.roles).keys() == {PRE, FLAIR}


def test_copies_count_once(tmp_path, write_series):
    write_series(tmp_path / "a", 9)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (study,) = discover(tmp_path).folders
    assert len(study.images) == 9
    assert any("9 files are left out: copies" in warning for warning in study.warnings)
    assert dicom_file(next((tmp_path / "b").iterdir())).patient == study.patient


def test_names_without_ending_and_a_dicomdir_in_a_deep_export(tmp_path, write_series):
    place = tmp_path / "DICOM" / "PA000001" / "ST000001" / "SE000001"
    write_series(place, 8, ending="", SeriesDescription="FLAIR")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(64))
    (tmp_path / "README.TXT").write_text("viewer")
    (tmp_path / "AUTORUN.INF").write_text("run")
    (study,) = discover(tmp_path).folders
    assert study.path == place
    assert study.slices == 8
    assert study.warnings == ()
    assert discover(tmp_path / "DICOMDIR").folders == (study,)


def test_kaggle_patients_beside_dicom_patients(tmp_path, write_slices, write_study):
    write_slices(tmp_path / "TCGA_CS_0001_20000101")
    write_study(tmp_path / "dicom")
    found = discover(tmp_path)
    assert [folder.format for folder in found.folders] == [
        StudyFormat.DICOM,
        StudyFormat.KAGGLE_3M,
    ]
    assert opens_alone(found)


def test_dicom_below_and_among_nifti_files_is_found(tmp_path, write_series, write_slices):
    volume = nibabel.Nifti1Image(np.zeros((8, 8, 4), np.int16), np.diag([-1, -1, 5, 1]))
    nibabel.save(volume, tmp_path / "FLAIR.nii.gz")
    write_series(tmp_path, 3, study="1", SeriesDescription="AX FLAIR")
    write_series(tmp_path / "dicom" / "a", 3, study="2", PatientID="2")
    write_slices(tmp_path / "slices")
    found = discover(tmp_path)
    assert [f.format for f in found.folders].count(StudyFormat.DICOM) == 2
    (nifti,) = (f for f in found.folders if f.format is StudyFormat.NIFTI)
    assert nifti.path == tmp_path
    assert "slices" in " ".join(nifti.warnings)
    again = [discover(f.path).find(f.patient) for f in found.folders]
    assert [f.series for f in again] == [f.series for f in found.folders]


def test_a_file_that_only_begins_like_dicom_is_none(tmp_path, write_study):
    root = write_study(tmp_path)
    (root / "voxels.img").write_bytes(b"\x08\x00" * 5000)
    (root / "other").write_bytes(b"\x02\x00\x0c\x00" * 500)
    found = discover(root)
    assert found.faults == ()
    assert found.folders[0].warnings == ()


def test_a_file_stands_for_its_whole_study(tmp_path, write_study, write_series):
    root = write_study(tmp_path / "P1" / "20200131")
    write_study(tmp_path / "P2", PatientID="2", study="2.2")
    file = next((root / "S2").iterdir())
    study = dicom_file(file)
    assert study.path == root
    assert len(study.images) == 27
    assert discover(file).folders == (study,)


def test_a_file_among_many_patients_finds_its_study_in_the_folders_around(tmp_path, write_series):
    for number in (1, 2):
        for patient in ("1", "2"):
            write_series(
                tmp_path / f"SE{number}",
                8,
                PatientID=patient,
                study=f"1.{patient}",
                SeriesDescription=("AX T1", "AX FLAIR")[number - 1],
            )
    found = discover(tmp_path)
    assert [len(folder.images) for folder in found.folders] == [16, 16]
    assert opens_alone(found)


def test_files_without_images_are_left_out_and_counted(tmp_path, write_study, write_series):
    root = write_study(tmp_path)
    no_picture = {"Rows": None, "Columns": None, "PixelData": None}
    write_series(root / "SR", 2, SOPClassUID=SR, Modality="SR", **no_picture)
    write_series(root / "PR", 1, SOPClassUID=PR, Modality="PR", **no_picture)
    (study,) = discover(root).folders
    assert len(study.images) == 27
    assert study.warnings == ("Files without images are left out: 1 PR, 2 SR.",)


def test_nothing_but_reports_says_so(tmp_path, write_series):
    paths = write_series(
        tmp_path, 2, SOPClassUID=SR, Modality="SR", Rows=None, Columns=None, PixelData=None
    )
    with pytest.raises(DataError, match="2 DICOM files, but no pictures: SR"):
        discover(tmp_path)
    with pytest.raises(DataError, match="holds no picture, but SR"):
        dicom_file(paths[0])


def test_broken_files_are_told_with_the_study_they_lie_with(tmp_path, write_study):
    root = write_study(tmp_path / "a")
    (root / "S2" / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 300)
    first = sorted((root / "S1").iterdir())[0]
    first.write_bytes(first.read_bytes()[:700])
    (study,) = discover(tmp_path).folders
    assert len(study.images) == 26
    assert any("2 files beside the others are left out" in text for text in study.warnings)


def test_only_broken_files_are_a_fault(tmp_path, write_series):
    (path,) = write_series(tmp_path / "broken", 1)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match="ends before its pixels") as caught:
        discover(tmp_path)
    assert str(path) in caught.value.message
    write_series(tmp_path / "good", 8, study="1.9")
    found = discover(tmp_path)
    assert len(found.folders) == 1
    assert [fault.path for fault in found.faults] == [tmp_path / "broken"]


def segmentation(how: str):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.SegmentNumber = 1
    item.SegmentAlgorithmType = how
    return {
        "SOPClassUID": SEG,
        "Modality": "SEG",
        "SegmentSequence": [item],
        "NumberOfFrames": 3,
        "PixelData": bytes(3 * 128),
        "SeriesDescription": "Tumour",
    }


@pytest.mark.parametrize(("how", "is_truth"), [("MANUAL", True), ("AUTOMATIC", False)])
def test_a_segmentation_by_hand_is_the_truth(tmp_path, write_study, write_series, how, is_truth):
    root = write_study(tmp_path)
    write_series(root / "SEG", 1, series="1.88", **segmentation(how))
    (study,) = discover(root).folders
    mask = study.find("1.88")
    assert mask.is_mask
    assert mask.slices == 3
    assert how.lower() in mask.why
    assert study.truth == ("1.88" if is_truth else "")
    assert study.has_masks == is_truth
    assert mask.files[0] not in study.images


def test_of_two_segmentations_none_is_the_truth(tmp_path, write_study, write_series):
    root = write_study(tmp_path)
    for uid in ("1.88", "1.89"):
        write_series(root / "SEG", 1, series=uid, **segmentation("MANUAL"))
    (study,) = discover(root).folders
    assert study.truth == ""
    assert sum(series.is_mask for series in study.series) == 2


def test_a_mask_that_a_model_made_takes_nothing_from_the_truth(tmp_path, write_study, write_series):
    root = write_study(tmp_path)
    write_series(root / "SEG", 1, series="1.88", **segmentation("MANUAL"))
    write_series(root / "LATER", 1, series="1.89", **segmentation("AUTOMATIC"))
    (study,) = discover(root).folders
    assert study.truth == "1.88"


def test_a_ct_opens_as_the_first_modality(tmp_path, write_series):
    write_series(tmp_path, 8, Modality="CT", SeriesDescription="Head 5.0")
    (study,) = discover(tmp_path).folders
    assert [modality for modality, _ in study.roles] == [PRE]
    assert "CT, not MR" in study.series[0].why
    assert any("No sequence was recognised" in warning for warning in study.warnings)


def test_headers_are_read_once(tmp_path, write_study, monkeypatch):
    root = write_study(tmp_path / "a")
    found = discover(tmp_path)
    read = []
    real = index.read_header
    monkeypatch.setattr(index, "read_header", lambda path: read.append(path) or real(path))
    assert discover(tmp_path).folders == found.folders
    assert discover(root).folders == found.folders
    assert read == []
    path = found.folders[0].images[0]
    os.utime(path, ns=(1, 1))
    discover(tmp_path)
    assert read == [path]


def test_progress_and_cancel(tmp_path, write_study):
    root = write_study(tmp_path, slices=30)
    told = []
    dicom_folders(root, progress=told.append)
    assert told[0] == 0
    assert told[-1] == 64
    forget_headers()
    with pytest.raises(CancelledError):
        dicom_folders(root, cancelled=lambda: True)


def test_a_search_of_folders_without_dicom_stops_too(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(CancelledError):
        dicom_folders(tmp_path, cancelled=lambda: True)


def test_links_in_a_circle_end(tmp_path, write_study):
    root = write_study(tmp_path / "a")
    (root / "again").symlink_to(tmp_path, target_is_directory=True)
    (study,) = discover(tmp_path).folders
    assert len(study.images) == 27
    assert study.path == root


@pytest.mark.filterwarnings("error")
def test_pydicoms_own_files_go_through():
    root = Path(pydicom.data.__file__).parent
    folders, _ = dicom_folders(root)
    assert len(folders) > 20
    for path in sorted(p for p in root.rglob("*") if p.is_file())[::4]:
        try:
            study = dicom_file(path)
        except BrainSegError:
            continue
        assert study.images
