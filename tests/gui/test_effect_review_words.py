"""What an effect review says of a case, without a window."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_brainseg.session.effect_cases import EffectCase, EffectTally, Figures
from napari_brainseg.session.effect_log import Look, Reviewed
from napari_brainseg.session.effect_picture import Activity, Work
from napari_brainseg.widgets.effect_words import (
    activity_text,
    change_text,
    figures_text,
    kind_text,
    names_of,
    progress_text,
    tally_text,
)


def figures(old, new, *, lesion=True, vox=(90, 70)):
    return Figures(old, new, *vox, has_lesion=lesion)


def case(kind="corrected", *, learnt=(True, False), found=None, against="current"):
    return EffectCase("A_1_20200101", kind, Path("/p"), True, *learnt, found, against)


def said(one, shown=None):
    review = SimpleNamespace(cases=(one,), measured=lambda _index: shown)
    return figures_text(review, 0)


def test_a_figure_that_training_flatters_stands_beside_a_fair_one():
    fair = figures(0.81, 0.897)
    text = said(case(found=fair), figures(0.861, 0.912))
    assert text == "DSC 0.861 → 0.912 · without training on it: DSC 0.810 → 0.897"
    based = said(case(learnt=(True, True), found=fair, against="base"), figures(0.9, 0.95))
    assert "from the start of the run: DSC 0.810 → 0.897" in based
    assert "flattered" in said(case(), figures(0.861, 0.912))
    # Before the masks are made the fair figure is known already; nothing else is made up.
    assert said(case(found=fair)) == "without training on it: DSC 0.810 → 0.897"
    assert said(case()) == ""
    # The figures of a locked case are fair themselves.
    assert said(case("locked", learnt=(False, False), found=fair)) == "DSC 0.810 → 0.897"


def test_a_patient_without_a_lesion_is_told_in_voxels():
    free = figures(1.0, 0.0, lesion=False, vox=(0, 1200))
    assert said(case("locked", learnt=(False, False)), free).startswith("no lesion; voxels marked")
    assert change_text(free) == "+1200 vox ▼"
    assert change_text(figures(0.80, 0.86)) == "+0.060 ▲"
    assert change_text(figures(0.80, 0.797)) == "−0.003 ="
    assert change_text(None) == ""


@pytest.mark.parametrize(
    ("kind", "learnt", "words"),
    [
        ("corrected", (True, False), "the new version trained on it"),
        ("corrected", (True, True), "both versions trained on it"),
        ("corrected", (False, False), "not trained on"),
        ("locked", (False, False), "never trained on"),
        ("locked", (True, False), "counts for nothing"),
    ],
)
def test_it_is_said_who_learnt_from_a_case(kind, learnt, words):
    assert words in kind_text(case(kind, learnt=learnt))


def test_progress_and_counts():
    looks = (Look("A", "Ada", 1.0), Look("B", "Bo", 2.0))
    assert progress_text(Reviewed("new", "old", ("A", "B", "C"), looks)) == (
        "2 of 3 cases looked at (Ada, Bo)."
    )
    assert "Nobody" in progress_text(Reviewed("new", "old", ("A",)))
    assert tally_text(EffectTally(9, 1, 1)) == "9 better, 1 equal, 1 worse"
    assert tally_text(EffectTally(9, 1, 1, 2)).endswith("2 without a fair figure")
    assert activity_text(Activity(0, Work.CANDIDATE, 12, 60), "A_1").endswith("predicts… 12/60")


def test_hidden_names_are_the_numbers_of_the_worklist():
    review = SimpleNamespace(cases=(case(), EffectCase("C", "locked", Path("/"), *[False] * 3)))
    rows = [SimpleNamespace(patient=name) for name in ("B_1_20200101", "A_1_20200101")]
    desk = SimpleNamespace(
        worklist=SimpleNamespace(rows=rows), preferences={"hide_identifiers": True}
    )
    names = names_of(review, desk)
    assert names.short("A_1_20200101") == "Patient 2"
    assert names.short("C") == "Patient 3"  # a locked patient of another folder
