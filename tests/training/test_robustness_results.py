"""Results of robustness: paired changes, patients that are lost, what a reader is told."""

from __future__ import annotations

import pytest

from training.robustness.results import LesionFree, PatientScores, Robustness, summarise

WHAT = {"noise": "some noise", "no-post": "FLAIR in place of post-contrast"}


def scores(patient: str, unchanged: float, **changed: float) -> PatientScores:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return PatientScores(
        patient=patient, model="m-1", engine="e", unchanged=unchanged, changed=named
    )


PATIENTS = [
    scores("A", 0.9, noise=0.05, no_post=0.9),
    scores("B", 0.6, noise=0.7),
    scores("C", 0.3, noise=0.0, no_post=0.2),
]


def test_changes_are_taken_patient_by_patient() -> None:
    found = summarise(
        PATIENTS, WHAT, lesion_free=LesionFree(phantoms=3, phantoms_marked=1, voxels=9)
    )
    noise, missing = found.conditions
    assert (noise.name, noise.what, noise.patients) == ("noise", "some noise", 3)
    assert (noise.dsc_mean, noise.dsc_median) == (pytest.approx(0.25), 0.05)
    assert noise.change_mean == pytest.approx((-0.85 + 0.1 - 0.3) / 3)
    low, high = noise.change_interval
    assert -0.85 - 1e-9 <= low < noise.change_mean < high <= 0.1 + 1e-9
    assert (noise.worst_patient, noise.worst_change) == ("A", pytest.approx(-0.85))
    # C was no mask to speak of before
    assert noise.patients_lost == ("A",)
    # B has no post-contrast already
    assert missing.patients == 2
    assert missing.change_mean == pytest.approx(-0.05)
    assert found.unchanged.mean == pytest.approx(0.6)
    assert Robustness.model_validate_json(found.to_json()) == found


def test_the_table_tells_each_condition_the_worst_and_the_lost() -> None:
    free = LesionFree(phantoms=3, phantoms_marked=1, voxels=9)
    lines = summarise(PATIENTS, WHAT, lesion_free=free, notes=["a note"]).text().splitlines()
    assert lines[0] == "m-1, e"
    assert "mean 0.6000" in lines[1]
    assert "median 0.6000" in lines[1]
    noise = next(line for line in lines if line.startswith("noise"))
    assert "-0.3500" in noise
    assert noise.endswith("-0.8500 A; lost: A")
    assert "phantoms without lesion: 1 of 3 marked, 9 voxels" in lines
    assert lines[-1] == "a note"


def test_a_condition_that_changes_nobody_is_told_not_averaged() -> None:
    found = summarise([scores("A", 0.9, noise=0.8)], WHAT)
    assert [c.name for c in found.conditions] == ["noise"]
    assert found.lesion_free is None
    assert found.notes == ("no-post changes nothing about any of these patients.",)
