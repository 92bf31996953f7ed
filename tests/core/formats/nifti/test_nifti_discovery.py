from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import DataError, Modality, StudyFormat

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST


@pytest.fixture
def put(write_nii, volume):
    """Write files of one small volume under names."""

    def put(folder, *names, data=volume):
        for name in names:
            write_nii(folder / name, data, np.diag([1.0, 1, 5, 1]))
        return folder

    return put


def test_a_patient_of_brats(tmp_path, put):
    folder = put(
        tmp_path / "BraTS20_Training_001",
        *(f"BraTS20_Training_001_{n}.nii.gz" for n in ("flair", "t1", "t1ce", "t2", "seg")),
    )
    (study,) = discover(tmp_path).folders
    assert (study.path, study.patient) == (folder, "BraTS20_Training_001")
    assert study.format is StudyFormat.NIFTI
    assert dict(study.roles) == {
        m: f"BraTS20_Training_001_{n}.nii.gz"
        for m, n in ((PRE, "t1"), (FLAIR, "flair"), (POST, "t1ce"))
    }
    assert study.truth == "BraTS20_Training_001_seg.nii.gz"
    assert (len(study.images), len(study.masks), study.slices) == (4, 1, 7)
    assert study.find("BraTS20_Training_001_t2.nii.gz").role is None
    assert study.warnings == ()


def test_patients_flat_in_one_folder_open_one_by_one(tmp_path, put):
    put(tmp_path, *(f"P0{n}_{s}.nii" for n in (1, 2) for s in ("flair", "t1", "t1c", "seg")))
    found = discover(tmp_path)
    assert found.patients == ("P01", "P02")
    for study in found.folders:
        assert discover(study.path).folders == (study,)
    (again,) = discover(tmp_path / "P02_seg.nii").folders
    assert again.patient == "P02"


def test_bids_with_anatomy_and_function(tmp_path, put):
    for sub in ("sub-01", "sub-02"):
        put(tmp_path / sub / "anat", f"{sub}_T1w.nii.gz", f"{sub}_FLAIR.nii.gz")
        put(tmp_path / sub / "func", f"{sub}_task-rest_bold.nii.gz")
    found = discover(tmp_path)
    assert (found.patients, found.faults) == (("sub-01", "sub-02"), ())


def test_sessions_of_a_patient_are_studies_of_their_own(tmp_path, put):
    for session in ("ses-01", "ses-02"):
        stem = f"sub-01_{session}"
        put(tmp_path / "sub-01" / session / "anat", f"{stem}_FLAIR.nii.gz", f"{stem}_T1w.nii.gz")
    assert discover(tmp_path / "sub-01").patients == ("sub-01_ses-01", "sub-01_ses-02")
    for date in ("2020-01-02", "2021-03-04"):
        put(tmp_path / "clinic" / "P9" / date, "FLAIR.nii.gz", "T1.nii.gz", "T1 KM.nii.gz")
    found = discover(tmp_path / "clinic")
    assert found.patients == ("P9_20200102", "P9_20210304")
    assert all(len(study.roles) == 3 for study in found.folders)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path, put):
    for patient in ("Anna", "Berta"):
        put(tmp_path / patient, "head_flair.nii.gz", "head_t1.nii.gz")
    assert discover(tmp_path).patients == ("Anna", "Berta")
    put(tmp_path / "Downloads", "head_flair.nii.gz")
    assert discover(tmp_path / "Downloads").patients == ("head",)


def test_numbers_of_series_do_not_split_a_patient(tmp_path, put):
    put(tmp_path / "P5", "3_FLAIR.nii.gz", "4_T1.nii.gz", "12_T1_GD.nii.gz")
    (study,) = discover(tmp_path / "P5").folders
    assert (study.patient, len(study.roles)) == ("P5", 3)
    names = ("2_t1_se_tra", "3_t2_tirm_tra", "5_ep2d_diff_ADC", "7_t1_mprage_KM", "9_t1_se_KM")
    put(tmp_path / "P6", *(f"{name}.nii.gz" for name in (*names, "seg")))
    (study,) = discover(tmp_path / "P6").folders
    assert (len(study.series), len(study.roles), study.truth) == (5, 3, "seg.nii.gz")
    put(tmp_path / "flat", "001_flair.nii.gz", "002_flair.nii.gz", "003_flair.nii.gz")
    assert len(discover(tmp_path / "flat").folders) == 3


def test_maps_and_further_masks_belong_to_their_patient(tmp_path, put):
    names = ("T1", "T1c", "T1c_bias", "FLAIR", "DTI_eddy_FA", "brain_segmentation")
    put(tmp_path, *(f"UCSF-PDGM-0004_{n}.nii.gz" for n in (*names, "tumor_segmentation")))
    (study,) = discover(tmp_path).folders
    assert dict(study.roles)[POST] == "UCSF-PDGM-0004_T1c.nii.gz"
    assert study.truth == "UCSF-PDGM-0004_tumor_segmentation.nii.gz"
    assert any("T1c_bias" in text for text in study.warnings)


def test_of_several_equal_masks_none_is_the_truth(tmp_path, put):
    put(tmp_path / "P1", "FLAIR.nii.gz", "seg.nii.gz", "mask.nii.gz")
    (study,) = discover(tmp_path / "P1").folders
    assert (study.truth, study.masks) == ("", ())
    assert "Several masks" in study.warnings[0]
    chosen = study.with_roles(dict(study.roles), "mask.nii.gz")
    assert chosen.masks == (tmp_path / "P1" / "mask.nii.gz",)


def test_three_volumes_are_the_channels_of_kaggle_3m(tmp_path, put, volume):
    file = tmp_path / "P3.nii.gz"
    put(tmp_path, file.name, data=np.stack([volume, volume + 1000, volume + 2000], axis=3))
    (study,) = discover(file).folders
    assert [info.key for info in study.series] == [f"P3.nii.gz#{n}" for n in range(3)]
    assert dict(study.roles) == {PRE: "P3.nii.gz#0", FLAIR: "P3.nii.gz#1", POST: "P3.nii.gz#2"}
    assert "three volumes without names" in study.warnings[0]
    opened = load_study(study.with_roles({FLAIR: "P3.nii.gz#2", PRE: "P3.nii.gz#0"}))
    assert opened.native[FLAIR].min() == volume.min() + 2000
    assert opened.missing_modalities == (POST,)


def test_volumes_are_named_by_header_or_by_the_table_of_the_decathlon(
    tmp_path, write_nii, put, volume
):
    four = np.stack([volume + n for n in range(4)], axis=3)

    def describe(header):
        header["descrip"] = b"T2; T1c; T1; FLAIR"

    write_nii(tmp_path / "named" / "P4.nii.gz", four, np.eye(4), edit=describe)
    (study,) = discover(tmp_path / "named").folders
    assert dict(study.roles) == {POST: "P4.nii.gz#1", PRE: "P4.nii.gz#2", FLAIR: "P4.nii.gz#3"}

    root = tmp_path / "Task01"
    put(root / "imagesTr", "BRATS_001.nii.gz", "BRATS_002.nii.gz", data=four)
    put(root / "labelsTr", "BRATS_001.nii.gz", "BRATS_002.nii.gz")
    table = {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}}
    (root / "dataset.json").write_text(json.dumps(table))
    found = discover(root)
    assert (found.patients, found.faults) == (("BRATS_001", "BRATS_002"), ())
    first = found.folders[0]
    assert dict(first.roles) == {
        FLAIR: "BRATS_001.nii.gz#0",
        PRE: "BRATS_001.nii.gz#1",
        POST: "BRATS_001.nii.gz#2",
    }
    assert first.masks == (root / "labelsTr" / "BRATS_001.nii.gz",)


def test_channels_of_nnunet(tmp_path, put):
    root = tmp_path / "Dataset001"
    put(root / "imagesTr", *(f"BRATS_{n:03}_{c:04}.nii.gz" for n in (1, 2) for c in range(3)))
    put(root / "labelsTr", "BRATS_001.nii.gz", "BRATS_002.nii.gz")
    names = {"channel_names": {"0": "FLAIR", "1": "T1w", "2": "T1gd"}}
    (root / "dataset.json").write_text(json.dumps(names))
    found = discover(root)
    assert found.patients == ("BRATS_001", "BRATS_002")
    roles = {FLAIR: 0, PRE: 1, POST: 2}
    assert dict(found.folders[1].roles) == {
        role: f"BRATS_002_{channel:04}.nii.gz" for role, channel in roles.items()
    }
    assert found.folders[1].truth == "labelsTr/BRATS_002.nii.gz"
    assert load_study(found.folders[1]).truth is not None


def test_labels_in_a_folder_of_their_own_may_have_the_names_of_the_images(tmp_path, put, volume):
    put(tmp_path / "imagesTr", "case_7.nii.gz")
    put(tmp_path / "labelsTr", "case_7.nii.gz", data=(volume > 50).astype(np.uint8))
    (found,) = discover(tmp_path).folders
    assert load_study(found).truth.voxels == np.count_nonzero(volume > 50)


def test_volumes_of_other_numbers_wait_for_a_choice(tmp_path, put, volume):
    put(tmp_path, "P6.nii.gz", data=np.stack([volume] * 5, axis=3))
    (study,) = discover(tmp_path).folders
    assert len(study.series) == 5
    assert "Choose which series is which" in study.warnings[-1]
    opened = load_study(study)
    assert FLAIR in opened.missing_modalities


def test_the_file_that_was_asked_for_is_shown_where_no_name_tells(tmp_path, put, volume):
    put(tmp_path, "zstat1.nii.gz", "zstat2.nii.gz", "sample.nii.gz")
    study = discover(tmp_path / "zstat2.nii.gz").folders[0]
    assert dict(study.roles) == {PRE: "zstat2.nii.gz"}
    assert discover(study.path).folders == (study,)
    put(tmp_path, "dti_V1.nii.gz", data=np.stack([volume] * 3, axis=-1))
    put(tmp_path, "atlas_labels.nii.gz")
    vectors = discover(tmp_path / "dti_V1.nii.gz").folders[0]
    assert dict(vectors.roles) == {PRE: "dti_V1.nii.gz#0"}
    assert vectors.truth == ""


def test_pairs_of_analyze_are_told_of(tmp_path, put):
    for name in ("t1.hdr", "t1.img"):
        (tmp_path / name).write_bytes(bytes(348))
    with pytest.raises(DataError) as caught:
        discover(tmp_path)
    assert "nibabel" in caught.value.hint
    with pytest.raises(DataError, match="one half"):
        discover(tmp_path / "t1.hdr")
    put(tmp_path, "flair.nii.gz")
    assert "t1.hdr" in discover(tmp_path).folders[0].warnings[0]


def test_masks_alone_are_no_patient(tmp_path, put):
    put(tmp_path, "P1_seg.nii.gz", "P2_seg.nii.gz")
    with pytest.raises(DataError, match="masks but no images"):
        discover(tmp_path)
    with pytest.raises(DataError, match="is a mask"):
        discover(tmp_path / "P1_seg.nii.gz")


def test_a_damaged_header_does_not_hide_the_other_patients(tmp_path, put):
    put(tmp_path, "P01_flair.nii.gz", "P02_flair.nii.gz")
    (tmp_path / "P01_flair.nii.gz").write_bytes(b"\x1f\x8b damaged")
    found = discover(tmp_path)
    assert found.patients == ("P01", "P02")
    assert load_study(found.find("P02")).image.grid_shape == (7, 6, 5)
    with pytest.raises(DataError, match=r"P01_flair\.nii\.gz cannot be read"):
        load_study(found.find("P01"))


def test_free_text_of_headers_reaches_nothing(tmp_path, write_nii, volume):
    def sign(header):
        header["descrip"] = b"DOE^JANE 19700101"
        header["aux_file"] = b"DOE^JANE"
        header["db_name"] = b"DOE^JANE"
        header["intent_name"] = b"DOE^JANE"

    write_nii(tmp_path / "P1" / "FLAIR.nii.gz", volume, np.eye(4), edit=sign)
    study = load_study(tmp_path / "P1")
    assert "DOE" not in repr((discover(tmp_path), study.identity, study.attributes, study.series))
    assert (dict(study.identity), dict(study.attributes)) == ({}, {})
