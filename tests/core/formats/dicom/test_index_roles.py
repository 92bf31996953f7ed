"""Of several series that would do, the one that a radiologist would take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_brainseg.core.formats import discover
from napari_brainseg.core.formats.dicom.series_options import roles_from_options
from napari_brainseg.core.imaging import DataError, Modality, StudyFormat

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST
AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]


@pytest.fixture
def chosen(tmp_path, write_series):
    """Write series (dicts of elements) and give the descriptions that were chosen."""

    def choose(*series):
        for number, elements in enumerate(series, 1):
            said = {"SeriesNumber": number, "slices": 20, "series": f"1.9.{number}", **elements}
            write_series(tmp_path / f"S{number}", **said)
        (study,) = discover(tmp_path).folders
        return {modality: study.find(key).description for modality, key in study.roles}

    return choose


def named(text, **elements):
    return {"SeriesDescription": text, **elements}


def test_axial_before_other_planes(chosen):
    assert chosen(
        named("SAG FLAIR", slices=40, ImageOrientationPatient=SAGITTAL), named("AX FLAIR")
    ) == {FLAIR: "AX FLAIR"}


def test_a_whole_stack_before_a_few_axial_slices(chosen):
    assert chosen(
        named("SAG FLAIR", slices=40, ImageOrientationPatient=SAGITTAL),
        named("AX FLAIR test", slices=3),
    ) == {FLAIR: "SAG FLAIR"}


def test_original_before_reformat(chosen):
    assert chosen(
        named("AX FLAIR rfmt", slices=60, ImageType=["DERIVED", "SECONDARY", "REFORMATTED"]),
        named("AX FLAIR"),
    ) == {FLAIR: "AX FLAIR"}


def test_flair_before_contrast_before_flair_after(chosen):
    assert chosen(named("AX FLAIR POST", slices=30), named("AX FLAIR")) == {FLAIR: "AX FLAIR"}


def test_more_slices_before_fewer(chosen):
    assert chosen(named("AX T1 short"), named("AX T1 long", slices=30)) == {PRE: "AX T1 long"}


def test_later_after_contrast(chosen):
    assert chosen(
        named("AX T1 POST b", AcquisitionTime="111500"),
        named("AX T1 POST a", AcquisitionTime="110500"),
    ) == {POST: "AX T1 POST b"}


def test_the_head_before_a_part_of_it(chosen):
    assert chosen(named("AX T1 ORBITS", slices=40), named("AX T1")) == {PRE: "AX T1"}


def test_subtraction_and_projection_are_never_taken(chosen):
    assert chosen(
        named("AX T1 POST"),
        named("AX T1 POST SUB", slices=50),
        named("MIP T1 POST", slices=50),
    ) == {POST: "AX T1 POST"}


def test_an_agent_in_every_series(chosen):
    """Scanners that carry the agent over to what was taken before."""
    assert chosen(
        named("t1 tra a", ContrastBolusAgent="Gadovist", AcquisitionTime="100000"),
        named("t1 tra b", ContrastBolusAgent="Gadovist", AcquisitionTime="101500"),
    ) == {PRE: "t1 tra a", POST: "t1 tra b"}


def test_the_reason_of_the_choice_is_told(chosen, tmp_path):
    chosen(
        named("AX T1 POST", AcquisitionTime="1100"),
        named("SAG MPRAGE POST", slices=60, ImageOrientationPatient=SAGITTAL),
    )
    (study,) = discover(tmp_path).folders
    assert [series.why.partition("; ")[2] for series in study.series] == [
        "taken of 2 that fit: it is axial",
        "another post-contrast series is taken: it is axial",
    ]


def test_planes_without_words_are_a_localiser(chosen):
    timing = {"EchoTime": 4, "RepetitionTime": 10, "ScanningSequence": "GR", "series": "1.9.9"}
    planes = [AXIAL, SAGITTAL]
    written = [dict(timing, slices=9, ImageOrientationPatient=plane) for plane in planes]
    assert chosen(*written, named("T1")) == {PRE: "T1"}


def test_a_mosaic_is_never_shown(chosen):
    mosaic = named("ep2d_bold", slices=50, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert chosen(mosaic, named("T2 tra")) == {PRE: "T2 tra"}


def test_a_t2_is_no_flair(chosen):
    (role,) = chosen(named("AX T2"), named("AX DWI B1000"))
    assert role is PRE


@pytest.fixture
def study(tmp_path, write_series):
    for number, text in enumerate(["AX T2 FLAIR", "COR FLAIR", "AX T1", "AX T1 +C"], 1):
        write_series(
            tmp_path / f"S{number}",
            10 + (number == 1),
            series=f"1.9.{number}",
            SeriesNumber=number,
            SeriesDescription=text,
        )
    return discover(tmp_path).folders[0]


def test_options_name_series_by_number_key_or_words(study):
    assert dict(roles_from_options(study).roles) == dict(study.roles)
    by_number = roles_from_options(study, flair="2")
    by_words = roles_from_options(study, flair="cor")
    by_key = roles_from_options(study, flair="1.9.2")
    assert by_number == by_words == by_key
    assert dict(by_key.roles) == {FLAIR: "1.9.2", PRE: "1.9.3", POST: "1.9.4"}


def test_options_take_a_series_from_another_role(study):
    moved = roles_from_options(study, post="AX T1")
    assert dict(moved.roles) == {FLAIR: "1.9.1", POST: "1.9.3"}
    without = roles_from_options(study, pre="none")
    assert PRE not in dict(without.roles)


@pytest.mark.parametrize("text", ["T3", "99", "AX"])
def test_options_that_fit_nothing_or_too_much_list_what_there_is(study, text):
    with pytest.raises(DataError, match="1 AX T2 FLAIR; 2 COR FLAIR"):
        roles_from_options(study, flair=text)


def test_options_find_no_series_in_slices(study):
    slices = replace(study, series=(), roles=(), format=StudyFormat.KAGGLE_3M)
    with pytest.raises(DataError, match="kaggle_3m, without series"):
        roles_from_options(slices, flair="2")


def test_options_may_not_name_one_series_twice(study):
    with pytest.raises(DataError, match="two modalities"):
        roles_from_options(study, flair="1", pre="1")
