"""What a user chose among the series of a patient, found again the next time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_brainseg.core.formats import Discovery, StudyFolder
from napari_brainseg.core.imaging import DataError, Modality, SeriesInfo, StudyFormat
from napari_brainseg.session.series_choices import SeriesChoices

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST


def patient(name="PT-0123456789_20200131", path="/a", format=StudyFormat.DICOM):
    series = tuple(
        SeriesInfo(f"1.2.{n}", text, (Path(path, text),), is_mask=text.startswith("SEG"))
        for n, text in enumerate(["T1", "T2", "FLAIR", "SEG"])
    )
    files = tuple(s.files[0] for s in series[:3])
    return StudyFolder(
        Path(path), name, files, (), (), (), format, series, ((FLAIR, "1.2.2"), (PRE, "1.2.0"))
    )


@pytest.fixture
def choices(tmp_path):
    return SeriesChoices(tmp_path / "data" / "choices.json")


def test_without_a_choice_all_is_as_it_was_recognised(choices):
    assert choices.apply_to(patient()) == patient()
    assert not choices.has(patient())


def test_a_choice_is_found_again(choices, tmp_path):
    choices.choose(patient(), {FLAIR: "1.2.1", POST: "1.2.0"}, "1.2.3")
    later = SeriesChoices(tmp_path / "data" / "choices.json")
    changed = later.apply_to(patient())
    assert dict(changed.roles) == {FLAIR: "1.2.1", POST: "1.2.0"}
    assert changed.truth == "1.2.3"
    assert changed.masks == (Path("/a/SEG"),)
    assert later.has(patient())


def test_a_choice_follows_a_dicom_study_that_was_moved(choices):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    assert dict(choices.apply_to(patient(path="/b")).roles) == {FLAIR: "1.2.1"}


def test_nifti_patients_of_one_name_in_two_places_are_two(choices):
    here = patient("sub-01", "/a", StudyFormat.NIFTI)
    choices.choose(here, {FLAIR: "1.2.1"})
    there = patient("sub-01", "/b", StudyFormat.NIFTI)
    assert choices.apply_to(there) == there


def test_the_newest_choice_counts_and_is_forgotten(choices):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    choices.choose(patient(), {FLAIR: "1.2.0"})
    assert dict(choices.apply_to(patient()).roles) == {FLAIR: "1.2.0"}
    choices.forget(patient())
    assert choices.apply_to(patient()) == patient()
    choices.forget(patient())


def test_a_choice_of_a_series_that_is_gone_does_not_count(choices):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    less = replace(patient(), series=(patient().series[0], *patient().series[2:]))
    assert choices.apply_to(less) == less


def test_all_patients_of_a_discovery(choices):
    other = patient("PT-9_20200101", "/b")
    choices.choose(other, {POST: "1.2.2"})
    found = choices.apply(Discovery(Path("/"), (patient(), other)))
    assert found.folders[0] == patient()
    assert dict(found.folders[1].roles) == {POST: "1.2.2"}


@pytest.mark.parametrize(
    ("roles", "truth"),
    [
        ({}, ""),
        ({FLAIR: "9"}, ""),
        ({FLAIR: "1.2.1", PRE: "1.2.1"}, ""),
        ({FLAIR: "1.2.3"}, ""),
        ({FLAIR: "1.2.1"}, "1.2.0"),
    ],
)
def test_what_makes_no_sense_is_refused(choices, roles, truth):
    with pytest.raises(DataError):
        choices.choose(patient(), roles, truth)
    assert not choices.has(patient())


def test_names_and_uids_stay_out_of_the_file(choices, tmp_path):
    choices.choose(patient("Meyer_Hans"), {FLAIR: "1.2.1"}, "1.2.3")
    text = (tmp_path / "data" / "choices.json").read_text()
    assert "Meyer" not in text
    assert "1.2." not in text


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": 1}', "\x00"])
def test_a_broken_file_counts_as_empty(choices, tmp_path, text):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "choices.json").write_text(text)
    assert choices.apply_to(patient()) == patient()
    choices.choose(patient(), {FLAIR: "1.2.1"})
    assert choices.has(patient())
