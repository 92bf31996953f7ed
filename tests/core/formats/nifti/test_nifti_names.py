from __future__ import annotations

import pytest

from napari_brainseg.core.formats.nifti.names import name_facts, plain, session_name
from napari_brainseg.core.formats.nifti.words import Kind
from napari_brainseg.core.imaging import Modality

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST


@pytest.mark.parametrize(
    ("name", "owner", "role"),
    [
        ("BraTS20_Training_001_t1.nii.gz", "BraTS20_Training_001", PRE),
        ("BraTS20_Training_001_t1ce.nii", "BraTS20_Training_001", POST),
        ("BraTS20_Training_001_t2.nii.gz", "BraTS20_Training_001", None),
        ("Brats18_CBICA_AAB_1_flair.nii.gz", "Brats18_CBICA_AAB_1", FLAIR),
        ("BraTS-GLI-00000-000-t1c.nii.gz", "BraTS-GLI-00000-000", POST),
        ("BraTS-GLI-00000-000-t1n.nii.gz", "BraTS-GLI-00000-000", PRE),
        ("BraTS-MET-00002-000-t2f.nii.gz", "BraTS-MET-00002-000", FLAIR),
        ("BraTS-GLI-00000-000-t2w.nii.gz", "BraTS-GLI-00000-000", None),
        ("sub-01_ses-02_FLAIR.nii.gz", "sub-01_ses-02", FLAIR),
        ("sub-01_ses-02_acq-highres_run-1_T1w.nii.gz", "sub-01_ses-02", PRE),
        ("sub-01_ce-gadolinium_T1w.nii.gz", "sub-01", POST),
        ("sub-01_space-T1w_FLAIR.nii.gz", "sub-01", FLAIR),
        ("UPENN-GBM-00001_11_T1GD.nii.gz", "UPENN-GBM-00001_11", POST),
        ("UCSF-PDGM-0004_T1c_bias.nii.gz", "UCSF-PDGM-0004", POST),
        ("CT1.nii.gz", "", POST),
        ("AX T1 post contrast.nii.gz", "", POST),
        ("T1 MPRAGE +C.nii.gz", "", POST),
        ("t1_km_P7.nii.gz", "P7", POST),
        ("ce.nii.gz", "", POST),
        ("post.nii.gz", "", POST),
        ("pre.nii.gz", "", PRE),
        ("T1_pre_contrast.nii.gz", "", PRE),
        ("T1 without contrast.nii.gz", "", PRE),
        ("ax_t2_flair.nii.gz", "", FLAIR),
        ("AxT2FLAIR.nii", "", FLAIR),
        ("t2_tirm_tra_dark-fluid.nii.gz", "", FLAIR),
        ("Ax T1 FLAIR.nii.gz", "", PRE),
        ("T1_to_FLAIR.nii.gz", "", PRE),
        ("FLAIR_in_T1_space.nii.gz", "", FLAIR),
        ("P01_post_op_FLAIR.nii.gz", "P01_post_op", FLAIR),
        ("P01_preop_T1.nii.gz", "P01_preop", PRE),
        ("Tumor_001_flair.nii.gz", "Tumor_001", FLAIR),
        ("Clinic_T2_FLAIR_20200101120000_5.nii.gz", "Clinic_20200101", FLAIR),
        ("P01_T1_visit2.nii.gz", "P01_visit2", PRE),
        ("t2_post.nii.gz", "", None),
        ("BRATS_001.nii.gz", "BRATS_001", None),
    ],
)
def test_names_tell_patient_and_sequence(name, owner, role):
    facts = name_facts(name)
    assert (facts.owner, facts.role, facts.kind) == (owner, role, Kind.IMAGE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BraTS20_Training_001_seg.nii.gz", Kind.LESION),
        ("flair_mask.nii.gz", Kind.LESION),
        ("sub-01_space-T1w_label-lesion_mask.nii.gz", Kind.LESION),
        ("UCSF-PDGM-0004_tumor_segmentation.nii.gz", Kind.LESION),
        ("UCSF-PDGM-0004_brain_segmentation.nii.gz", Kind.OTHER_MASK),
        ("P01_brain_mask.nii.gz", Kind.OTHER_MASK),
        ("P01_prediction.nii.gz", Kind.OTHER_MASK),
        ("sub-01_label-GM_probseg.nii.gz", Kind.OTHER_MASK),
        ("sub-01_task-rest_bold.nii.gz", Kind.FUNCTION),
    ],
)
def test_masks_and_functional_images_are_told_from_images(name, kind):
    assert name_facts(name).kind is kind


def test_names_of_patients_are_safe_and_stay_apart():
    assert plain("Müller, Ángel") == "Muller_Angel"
    assert plain("../../etc/passwd") == "etc_passwd"
    assert plain("張偉") != plain("李娜")
    assert all(
        plain(text).isascii() and plain(text) for text in ("張偉", "  ", "a" * 500, "\udcff")
    )
    assert len(plain("a" * 500)) < 100


def test_folders_name_a_patient_whose_files_do_not():
    assert session_name(("root", "Patient1")) == "Patient1"
    assert session_name(("root", "Patient1", "2020-01-02")) == "Patient1_20200102"
    assert session_name(("root", "Patient1", "visit 2")) == "Patient1_visit_2"
    assert session_name(("Patient1", "ses-02", "anat")) == "Patient1_ses-02"
    assert session_name(("root", "Patient1", "nifti")) == "Patient1"
    assert session_name(("root", "Patient1", "week-000-1")) == "Patient1_week-000-1"
    assert session_name(("root", "Patient1", "m 6")) == "Patient1_ses-m6"
