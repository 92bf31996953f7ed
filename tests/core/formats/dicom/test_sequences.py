"""Descriptions as scanners and hospitals write them, with what a radiologist takes them for."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brainseg.core.formats.dicom.headers import HeaderRecord
from napari_brainseg.core.formats.dicom.sequences import recognise, recognise_words, says_contrast
from napari_brainseg.core.imaging import Modality

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST

DESCRIPTIONS = {
    # FLAIR
    "AX T2 FLAIR": FLAIR,
    "Ax FLAIR": FLAIR,
    "AX T2 FLAIR FS": FLAIR,
    "AXIAL FLAIR RF2_150": FLAIR,
    "t2_tirm_tra_dark-fluid": FLAIR,
    "t2_tirm_tra_dark-fluid_320_p2": FLAIR,
    "t2_spc_da-fl_sag_p2_iso": FLAIR,
    "t2_space_dark-fluid_sag_p2_iso": FLAIR,
    "T2W_FLAIR": FLAIR,
    "sT2W_FLAIR SENSE": FLAIR,
    "3D FLAIR": FLAIR,
    "VISTA FLAIR 3D": FLAIR,
    "sag CUBE FLAIR": FLAIR,
    "Sag T2 FLAIR Cube": FLAIR,
    "3D_Brain_VIEW_FLAIR_SHC": FLAIR,
    "PROPELLER T2 FLAIR TRA": FLAIR,
    "AX FLAIR BLADE": FLAIR,
    "TRA FLAIR": FLAIR,
    "FLAIR transversal": FLAIR,
    "Flair axial coupe 5mm": FLAIR,
    "FLAIR POST": FLAIR,
    "AX FLAIR +C": FLAIR,
    "Ax T2 FLAIR post Gd": FLAIR,
    "t2_flair_tra_fs_nach KM": FLAIR,
    "FLAIR AXIAL POST CONTRAST T2": FLAIR,
    "FLR AX": FLAIR,
    "Fluid attenuated IR": FLAIR,
    "MPR tra FLAIR 3D": FLAIR,
    "AX FLAIR ASSET": FLAIR,
    "flair_longtr": FLAIR,
    "Флаир": FLAIR,
    "T2 压水": FLAIR,
    # T1 before contrast
    "AX T1": PRE,
    "Т1 без КУ": PRE,
    "Т1 без контраста": PRE,
    "T1 平扫": PRE,
    "T1 조영전": PRE,
    "T1 kontrastsız": PRE,
    "T1 sem contraste": PRE,
    "T1 bez kontrastu": PRE,
    "T1 zonder contrast": PRE,
    "Ax T1 FLAIR": PRE,
    "T1 FLAIR AXIAL": PRE,
    "SAG T1 FLAIR": PRE,
    "FLAIR T1": PRE,
    "t1_tirm_tra": PRE,
    "T1 Dark Fluid": PRE,
    "t1_mprage_sag_p2_iso": PRE,
    "MPRAGE": PRE,
    "t1_se_tra": PRE,
    "t1_tse_tra_512": PRE,
    "t1_fl2d_tra": PRE,
    "T1W_SE": PRE,
    "T1W/SE": PRE,
    "sT1W_3D_TFE": PRE,
    "3D T1 TFE": PRE,
    "AX 3D BRAVO": PRE,
    "Ax FSPGR 3D": PRE,
    "SPGR AX": PRE,
    "3D SPGR T1": PRE,
    "T1 PRE": PRE,
    "AX T1 PRE GD": PRE,
    "T1 AXIAL PRE-CONTRAST": PRE,
    "T1 without contrast": PRE,
    "AX T1 W/O": PRE,
    "AX T1 WO CONTRAST": PRE,
    "T1 non contrast": PRE,
    "T1 NON-CONTRAST BRAIN": PRE,
    "T1 unenhanced": PRE,
    "T1 SE ax nativ": PRE,
    "t1_tse_tra_ohne KM": PRE,
    "T1 vor KM": PRE,
    "T1 SE axiale sans injection": PRE,
    "T1 AX SANS GADO": PRE,
    "T1 avant injection": PRE,
    "T1 sin contraste": PRE,
    "T1 SIN CIV": PRE,
    "T1 senza mdc": PRE,
    "T1 basale": PRE,
    "T1 C-": PRE,
    "T1WI 単純": PRE,
    "T1 post op": PRE,
    "POST-OP T1 AXIAL": PRE,
    "T1 AX PREOP": PRE,
    "T1 post surgery": PRE,
    "T1-Se Tra": PRE,
    "COR T1": PRE,
    "T1WI": PRE,
    "T1 nach OP": PRE,
    "T1W_TSE_DRIVE": PRE,
    "T1 BRAIN W WO": PRE,
    # T1 after contrast
    "AX T1 POST": POST,
    "T1 IV+": POST,
    "(+) T1 ax": POST,
    "AX T1 POSTCON": POST,
    "T1 tra i.v.": POST,
    "Т1 после КУ": POST,
    "Т1 с контрастом": POST,
    "T1 增强": POST,
    "T1 조영": POST,
    "T1 po kontraście": POST,
    # none of the three
    "fmap_acq-3mm": None,
    "CV_map_neuro_qT1_FA12nTI128": None,
    "T1_Images": None,
    "t1_vibe_dixon_F": None,
    "AX T1 POST GD": POST,
    "Ax T1 +C": POST,
    "T1 AX C+": POST,
    "T1C": POST,
    "T1c": POST,
    "T1CE": POST,
    "T1Gd": POST,
    "t1ce": POST,
    "AX T1 GD FS": POST,
    "T1 AXIAL WITH CONTRAST": POST,
    "AX T1 W CONTRAST": POST,
    "AX T1 FLAIR POST": POST,
    "AX T1 FLAIR +C": POST,
    "3D BRAVO POST": POST,
    "AX SPGR POST GAD": POST,
    "t1_mprage_tra_p2_iso nach KM": POST,
    "t1_se_tra KM": POST,
    "t1_se_cor+KM": POST,
    "T1 SE tra + KM fs": POST,
    "MPRAGE post contrast": POST,
    "T1 MPRAGE GADOLINIUM": POST,
    "T1 3D GADO": POST,
    "T1 SE AX après injection": POST,
    "T1 FS GADO AX": POST,
    "T1 apres inj": POST,
    "T1 con contraste": POST,
    "T1 CON CIV AX": POST,
    "T1 dopo mdc": POST,
    "T1 con mdc": POST,
    "SE T1 AX MDC": POST,
    "CE-T1WI": POST,
    "CE T1 SPGR AX": POST,
    "造影 T1WI AX": POST,
    "T1 造影後": POST,
    "Gd T1": POST,
    "AX T1 Post-Contrast": POST,
    "T1 postcontrast axial": POST,
    "T1 Dotarem": POST,
    "VIBE FS POST": POST,
    "THRIVE +C": POST,
    "AX T1 POST GD after T2": POST,
    "T1W_3D_TFE_GD": POST,
    "T1 enhanced": POST,
    # None of the three
    "AX T2": None,
    "t2_tse_tra_512": None,
    "AX T2 FSE": None,
    "T2W_TSE": None,
    "T2 PROPELLER": None,
    "AX T2 POST": None,
    "AX PD": None,
    "T2* GRE": None,
    "AX T2 STAR": None,
    "T2_FFE": None,
    "t2_fl2d_tra_hemo": None,
    "AX GRE T2*": None,
    "SWI_Images": None,
    "Mag_Images": None,
    "mIP_Images(SW)": None,
    "SWAN": None,
    "AX DWI B1000": None,
    "ep2d_diff_3scan_trace_p2_ADC": None,
    "ep2d_diff_mddw_20_p2_FA": None,
    "ADC (10^-6 mm²/s)": None,
    "Apparent Diffusion Coefficient (mm2/s)": None,
    "dReg - DWI": None,
    "eADC": None,
    "DTI 32 dir": None,
    "ep2d_perf_p2": None,
    "PERFUSION DSC": None,
    "rCBV": None,
    "3D ASL": None,
    "T1 DCE dynamic": None,
    "TOF 3D": None,
    "fl_tof": None,
    "MRA COW": None,
    "T1 SUB": None,
    "SUBTRACTION T1 POST": None,
    "T1 post - pre subtraktion": None,
    "MIP T1 POST": None,
    "localizer": None,
    "3-PLANE LOC": None,
    "3 Plane Localizer": None,
    "Scout": None,
    "SURVEY": None,
    "Localisateur": None,
    "AAHead_Scout_64ch-head-coil_MPR_sag": None,
    "FIELD MAP": None,
    "ASSET calibration": None,
    "PosDisp: [2] t1_mprage": None,
    "T1 MAP": None,
    "MRS PRESS TE 144": None,
    "fMRI finger tapping": None,
    "STIR COR": None,
    "T2 CISS": None,
    "FIESTA": None,
    "DIR sag": None,
    "Screen Save": None,
    "SAG T1 C-SPINE": None,
    "T1 LWS sag": None,
    "SAG T1 CERVICAL": None,
    "": None,
    "Series 5": None,
}


def header(description: str = "", **facts: object) -> HeaderRecord:
    return HeaderRecord(
        Path("a.dcm"), modality="MR", rows=256, columns=256, series_description=description, **facts
    )


@pytest.mark.parametrize(("description", "modality"), DESCRIPTIONS.items())
def test_descriptions_of_the_field(description, modality):
    found = recognise(header(description))
    assert found.modality is modality, found.why
    assert found.why


def test_every_description_is_understood_as_a_name_too():
    wrong = [text for text, m in DESCRIPTIONS.items() if recognise_words(text).modality is not m]
    assert wrong == []


TIMINGS = {
    "FLAIR 1.5 T": ({"echo_time_ms": 120, "inversion_time_ms": 2200}, FLAIR),
    "FLAIR SPACE": ({"echo_time_ms": 388, "inversion_time_ms": 1800}, FLAIR),
    "T1 spin echo": (
        {"echo_time_ms": 12, "repetition_time_ms": 550, "scanning_sequence": ("SE",)}, PRE,
    ),
    "MPRAGE": (
        {"echo_time_ms": 3, "repetition_time_ms": 1900, "inversion_time_ms": 900,
         "scanning_sequence": ("GR", "IR")}, PRE,
    ),
    "T1 FLAIR": (
        {"echo_time_ms": 20, "repetition_time_ms": 2500, "inversion_time_ms": 860}, PRE,
    ),
    "T1 gradient echo": (
        {"echo_time_ms": 4.6, "repetition_time_ms": 250, "scanning_sequence": ("GR",)}, PRE,
    ),
    "T2": ({"echo_time_ms": 100, "repetition_time_ms": 4000, "inversion_time_ms": 0}, None),
    "proton density": ({"echo_time_ms": 15, "repetition_time_ms": 3000}, None),
    "T2*": (
        {"echo_time_ms": 20, "repetition_time_ms": 700, "scanning_sequence": ("GR",)}, None,
    ),
    "STIR": ({"echo_time_ms": 60, "repetition_time_ms": 4000, "inversion_time_ms": 150}, None),
    "diffusion": (
        {"echo_time_ms": 90, "repetition_time_ms": 5000, "scanning_sequence": ("EP",)}, None,
    ),
    "nothing said": ({}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMINGS)
def test_timing_decides_where_words_say_nothing(name):
    facts, modality = TIMINGS[name]
    found = recognise(header("series 4", **facts))
    assert found.modality is modality, found.why


def test_a_flair_by_its_timing_whatever_it_mentions():
    found = recognise(header("FLAIR (T1 table)", echo_time_ms=125, inversion_time_ms=2500))
    assert found.modality is FLAIR


@pytest.mark.parametrize(
    ("agent", "modality"),
    [
        ("Gadovist", POST),
        ("8 ML DOTAREM", POST),
        ("", PRE),
        ("NONE", PRE),
        ("none", PRE),
        ("No contrast", PRE),
        ("ohne KM", PRE),
        ("-", PRE),
        ("NO CONTRAST AGENT", PRE),
        ("Unenhanced", PRE),
        ("KEIN KM", PRE),
    ],
)
def test_contrast_agent_of_the_header(agent, modality):
    found = recognise(header("AX T1", contrast_agent=agent))
    assert found.modality is modality
    assert found.by_agent_alone == (modality is POST)


def test_words_count_more_than_the_agent_of_the_header():
    assert recognise(header("AX T1 PRE", contrast_agent="Gadovist")).modality is PRE
    assert recognise(header("AX T1 POST", contrast_agent="")).modality is POST


def test_time_of_injection():
    facts = {"contrast_agent": "Gadovist", "contrast_start_time": "101500"}
    assert recognise(header("AX T1", acquisition_time="100300.5", **facts)).modality is PRE
    assert recognise(header("AX T1", acquisition_time="102000", **facts)).modality is POST


@pytest.mark.parametrize(
    "facts",
    [
        {"image_type": ("DERIVED", "PRIMARY", "MPR", "MIP")},
        {"image_type": ("DERIVED", "SECONDARY", "SUBTRACTION")},
        {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")},
        {"image_type": ("ORIGINAL", "PRIMARY", "P", "ND")},
        {"image_type": ("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC")},
        {"complex_component": "PHASE"},
        {"ge_component": 1},
        {"b_value": 1000.0},
        {"samples_per_pixel": 3},
    ],
)
def test_what_is_no_plain_image_is_none_of_the_three(facts):
    assert recognise(header("AX T1 POST", **facts)).modality is None


def test_protocol_and_sequence_name_help_out():
    assert recognise(header("axial", protocol_name="t2_tirm_tra_dark-fluid")).modality is FLAIR
    assert recognise(header("", sequence_name="*tir2d1_21")).modality is FLAIR
    assert recognise(header("", sequence_name="*se2d1")).modality is PRE
    assert recognise(header("tra", protocol_name="t1_se nach KM")).modality is POST
    assert recognise(header("ADC", protocol_name="t1_se_tra")).modality is None


def test_acquisition_contrast_of_multi_frame_files_counts_before_timing():
    facts = {"echo_time_ms": 4.6, "repetition_time_ms": 250}
    assert recognise(header("", acquisition_contrast="FLUID_ATTENUATED")).modality is FLAIR
    assert recognise(header("", acquisition_contrast="PERFUSION", **facts)).modality is None
    assert recognise(header("", acquisition_contrast="UNKNOWN", **facts)).modality is PRE


def test_other_modalities_say_what_they_are():
    ct = HeaderRecord(Path("a"), modality="CT", series_description="FLAIR T1 post")
    assert recognise(ct)[:2] == (None, "CT, not MR")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("with contrast", True),
        ("without contrast", False),
        ("pre", False),
        ("preop", None),
        ("postop", None),
        ("axial", None),
        ("w/o contrast", False),
        ("non-contrast", False),
        ("injection", True),
        ("BRAIN W/WO CONTRAST", None),
        ("MR Schädel mit und ohne KM", None),
        ("with and without contrast", None),
        ("cerveau avec et sans injection", None),
        ("pre/post", None),
    ],
)
def test_words_of_contrast(text, after):
    said = says_contrast(text)
    assert (None if said is None else said[0]) is after
