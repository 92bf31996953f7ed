"""What a user chose among the series of a patient, found again the next time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from napari_brainseg.core.formats import StudyFolder
from napari_brainseg.core.formats.series_choices import chosen_words, with_choices
from napari_brainseg.core.imaging import DataError, Modality, SeriesInfo, StudyFormat
from napari_brainseg.session.series_choices import SeriesChoices

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST
_NONSENSE = '{"x": {"content": 3, "pre": [1], "flair": "a", "truth": {}, "sizes": null}}'


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
def file(tmp_path):
    return tmp_path / "data" / "choices.json"


@pytest.fixture
def choices(file):
    return SeriesChoices(file)


@pytest.fixture
def applied(file):
    return lambda folder: with_choices([folder], file)[0]


def test_without_a_choice_all_is_as_it_was_recognised(choices, applied):
    assert applied(patient()) == patient()
    assert not choices.has(patient())


def test_a_choice_is_found_again(choices, applied, file):
    choices.choose(patient(), {FLAIR: "1.2.1", POST: "1.2.0"}, "1.2.3")
    later = SeriesChoices(file)
    changed = applied(patient())
    assert dict(changed.roles) == {FLAIR: "1.2.1", POST: "1.2.0"}
    assert changed.truth == "1.2.3"
    assert changed.masks == (Path("/a/SEG"),)
    assert later.has(patient())


def test_a_choice_follows_a_dicom_study_that_was_moved(choices, applied):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    assert dict(applied(patient(path="/b")).roles) == {FLAIR: "1.2.1"}


def nifti(folder, content=b"x"):
    folder.mkdir(parents=True)
    for name in ["T1", "T2", "FLAIR", "SEG"]:
        (folder / name).write_bytes(content + name.encode())
    return patient("sub-01", folder, StudyFormat.NIFTI)


def test_a_nifti_patient_is_known_where_it_was_moved_and_from_others_of_its_name(
    choices, applied, tmp_path
):
    here = nifti(tmp_path / "a")
    choices.choose(here, {FLAIR: "1.2.1"}, "1.2.3")
    other = nifti(tmp_path / "b", b"y")
    assert applied(other) == other
    moved = nifti(tmp_path / "moved" / "deeper")
    assert dict(applied(moved).roles) == {FLAIR: "1.2.1"}
    assert choices.has(moved)
    choices.forget(moved)
    assert applied(moved) == moved


def test_the_newest_choice_counts_and_is_forgotten(choices, applied):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    choices.choose(patient(), {FLAIR: "1.2.0"})
    assert dict(applied(patient()).roles) == {FLAIR: "1.2.0"}
    choices.forget(patient())
    assert applied(patient()) == patient()
    choices.forget(patient())


def test_a_choice_of_a_series_that_is_gone_does_not_count_and_is_told(choices, applied):
    choices.choose(patient(), {FLAIR: "1.2.1"})
    less = replace(patient(), series=(patient().series[0], *patient().series[2:]))
    found = applied(less)
    assert (found.roles, found.masks) == (less.roles, less.masks)
    assert "not there any more" in found.warnings[0]


def test_a_correction_holds_its_series_but_no_choice_and_no_truth(choices, applied):
    choices.hold(patient(), dict(patient().roles))
    later = replace(patient(), roles=((FLAIR, "1.2.1"), (PRE, "1.2.0")), truth="1.2.3")
    held = applied(later)
    assert held.roles == patient().roles
    assert held.truth == "1.2.3"
    choices.choose(later, {FLAIR: "1.2.0"})
    choices.hold(later, dict(later.roles))
    assert dict(applied(later).roles) == {FLAIR: "1.2.0"}


def test_words_say_what_is_not_as_recognised_without_naming_it(choices, applied):
    assert chosen_words(patient()) == ""
    choices.choose(patient(), {FLAIR: "1.2.1", POST: "1.2.2"}, "1.2.3")
    words = chosen_words(applied(patient()))
    assert f"{PRE} left out; {FLAIR} from series 2 of 3 (not recognised)" in words
    assert "ground truth from another mask" in words
    assert "T2" not in words
    # What was recognised is known also after a second choice, and back.
    back = applied(patient()).with_roles({FLAIR: "1.2.2", PRE: "1.2.0"}, "")
    assert back == patient()


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


def test_names_and_uids_stay_out_of_the_file(choices, file):
    choices.choose(patient("Meyer_Hans"), {FLAIR: "1.2.1"}, "1.2.3")
    text = file.read_text()
    assert "Meyer" not in text
    assert "1.2." not in text


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": 1}', "\x00", _NONSENSE])
def test_a_broken_file_counts_as_empty_and_is_told_once(choices, applied, file, text, caplog):
    file.parent.mkdir()
    file.write_text(text)
    assert applied(patient()) == applied(patient()) == patient()
    assert len(caplog.records) == (not text.startswith('{"'))
    choices.choose(patient(), {FLAIR: "1.2.1"})
    assert choices.has(patient())


def test_choices_of_two_programs_at_once_are_both_kept(file):
    names = [f"PT-{n}_20200131" for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: SeriesChoices(file).choose(patient(n), {FLAIR: "1.2.1"}), names))
    assert all(SeriesChoices(file).has(patient(name)) for name in names)
