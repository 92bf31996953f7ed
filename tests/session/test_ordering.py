from __future__ import annotations

from pathlib import Path

import pytest

from napari_brainseg.session.ordering import STRATEGIES, order
from napari_brainseg.session.worklist_row import WorklistRow


def row(patient: str, **fields: object) -> WorklistRow:
    return WorklistRow(patient, Path("/root") / patient, **fields)  # type: ignore[arg-type]


def predicted(patient: str, volume: int, **fields: object) -> WorklistRow:
    return row(patient, volume_vox=volume, **fields)


def names(rows: list[WorklistRow], strategy: str, **options: object) -> list[str]:
    return [s.patient for s in order(rows, strategy, **options)]  # type: ignore[arg-type]


def test_only_cases_still_to_do_are_suggested() -> None:
    rows = [
        row("a", status="approved"),
        row("b", fault="two patients in one folder"),
        row("c", vanished=True),
        row("d", open_elsewhere="open in another window"),
        row("e", status="corrected"),
        row("f"),
    ]
    for strategy in STRATEGIES:
        assert sorted(names(rows, strategy)) == ["e", "f"], strategy


def test_worklist_order_tells_the_place() -> None:
    rows = [row("a", status="approved"), row("b"), row("c")]
    assert [(s.patient, s.reason) for s in order(rows, "worklist")] == [
        ("b", "Number 2 of 3 in the worklist"),
        ("c", "Number 3 of 3 in the worklist"),
    ]


def test_figures_lead_and_cases_without_follow_with_the_reason() -> None:
    rows = [
        row("a"),
        predicted("b", 10, uncertainty=0.2),
        predicted("c", 10, uncertainty=0.4),
        predicted("d", 10, uncertainty=0.3, status="approved"),
        row("e"),
    ]
    assert [(s.patient, s.reason) for s in order(rows, "uncertainty")] == [
        ("c", "Uncertainty 0.40 bit, the highest of 3"),
        ("b", "Uncertainty 0.20 bit, the lowest of 3"),
        ("a", "Not predicted yet"),
        ("e", "Not predicted yet"),
    ]


def test_the_lowest_dsc_comes_first() -> None:
    rows = [
        predicted("a", 10, dsc=0.9, has_truth=True),
        predicted("b", 10, dsc=0.41, has_truth=True),
        predicted("c", 10),
        row("d", has_truth=True),
    ]
    assert [(s.patient, s.reason) for s in order(rows, "dsc")] == [
        ("b", "DSC 0.41, the lowest of 2"),
        ("a", "DSC 0.90, the highest of 2"),
        ("c", "No ground truth to compare with"),
        ("d", "Not predicted yet"),
    ]


def test_disagreement_needs_the_mirrored_view() -> None:
    rows = [predicted("a", 10), predicted("b", 10, disagreement=0.31)]
    assert [(s.patient, s.reason) for s in order(rows, "disagreement")] == [
        ("b", "Mirrored view disagrees by 0.31, the only one so far"),
        ("a", "Not predicted with the mirrored view yet"),
    ]


def test_volume_outliers_on_both_sides_come_first() -> None:
    rows = [predicted(f"p{i:02d}", 1000 + 10 * i) for i in range(30)]
    rows += [predicted("huge", 40_000), predicted("tiny", 3), row("unseen")]
    suggestions = order(rows, "volume")
    assert [s.patient for s in suggestions[:2]] == ["tiny", "huge"]
    assert suggestions[0].reason == "Volume 3 voxels, the smallest of 32"
    assert suggestions[1].reason == "Volume 40\u2009000 voxels, the largest of 32"
    assert suggestions[2].reason == "Volume 1\u2009000 voxels, smaller than 97 % of the worklist"
    assert (suggestions[-1].patient, suggestions[-1].reason) == ("unseen", "Not predicted yet")


def test_volumes_are_told_in_millilitres_where_all_have_spacing() -> None:
    rows = [predicted(f"p{i}", 1000, volume_ml=8.0 + i / 10) for i in range(5)]
    rows.append(predicted("huge", 9000, volume_ml=84.2))
    (first, *_) = order(rows, "volume")
    assert (first.patient, first.reason) == ("huge", "Volume 84 ml, the largest of 6")
    mixed = [*rows, predicted("plain", 500)]
    assert "voxels" in order(mixed, "volume")[0].reason


def test_an_empty_prediction_is_an_outlier() -> None:
    rows = [predicted(f"p{i}", 1000 + i) for i in range(8)] + [predicted("none", 0)]
    (first, *_) = order(rows, "volume")
    assert (first.patient, first.reason) == ("none", "No lesion predicted")


@pytest.mark.parametrize("volumes", [[5], [5, 5, 5], [0, 0]])
def test_volumes_without_spread_are_ordered_too(volumes: list[int]) -> None:
    rows = [predicted(f"p{i}", v) for i, v in enumerate(volumes)]
    assert names(rows, "volume") == [r.patient for r in rows]


def test_random_is_stable_for_the_day_and_differs_with_day_and_seed() -> None:
    rows = [row(f"p{i:03d}") for i in range(40)]
    today = names(rows, "random", day="2026-11-21")
    assert today == names(rows, "random", day="2026-11-21")
    assert sorted(today) == [r.patient for r in rows]
    assert today != [r.patient for r in rows]
    assert today != names(rows, "random", day="2026-11-22")
    assert today != names(rows, "random", day="2026-11-21", seed=1)
    # What is done leaves the order of the rest as it was.
    assert names(rows[1:], "random", day="2026-11-21") == [p for p in today if p != "p000"]


def test_the_blind_share_stays_with_the_patient() -> None:
    rows = [predicted(f"p{i:03d}", 10, uncertainty=i / 400) for i in range(400)]
    drawn = {s.patient for s in order(rows, "uncertainty", blind_share=0.25) if s.blind}
    assert 60 < len(drawn) < 140
    fewer = {s.patient for s in order(rows[:50], "random", blind_share=0.25) if s.blind}
    assert fewer == drawn & {r.patient for r in rows[:50]}
    other = {s.patient for s in order(rows, "random", blind_share=0.25, seed=7) if s.blind}
    assert other != drawn
    # A larger share adds patients and takes none away.
    assert drawn < {s.patient for s in order(rows, "random", blind_share=0.5) if s.blind}


def test_a_blind_reader_learns_nothing_of_the_prediction() -> None:
    rows = [predicted(f"p{i}", 10 * i + 1, dsc=i / 10, uncertainty=i / 10) for i in range(10)]
    for strategy in STRATEGIES:
        for suggestion in order(rows, strategy, blind_share=1.0):
            assert suggestion.blind
            assert suggestion.reason == "Read without the prediction"


def test_the_strategy_blind_brings_the_drawn_cases_first() -> None:
    rows = [row(f"p{i:03d}") for i in range(60)]
    suggestions = order(rows, "blind")
    blind = [s.blind for s in suggestions]
    assert any(blind)
    assert blind == sorted(blind, reverse=True)
    assert [s.patient for s in suggestions if not s.blind] == sorted(
        s.patient for s in suggestions if not s.blind
    )


def test_each_strategy_can_be_shown_in_a_list() -> None:
    assert set(STRATEGIES) == {
        "worklist",
        "uncertainty",
        "disagreement",
        "volume",
        "dsc",
        "random",
        "blind",
    }
    for key, strategy in STRATEGIES.items():
        assert strategy.key == key
        assert strategy.title
        assert strategy.description.endswith(".")


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(ValueError, match="oldest"):
        order([], "oldest")


def test_rejected_cases_are_done_like_approved_ones() -> None:
    rows = [row("a", status="rejected"), row("b"), row("c", status="approved")]
    for strategy in STRATEGIES:
        assert names(rows, strategy) == ["b"]


@pytest.mark.parametrize("editor", ["Ada", "ada", "  ADA "])
def test_who_asked_for_a_second_reader_is_not_sent_there(editor: str) -> None:
    rows = [row("a", status="second reader", asked_by="Ada"), row("b")]
    assert [s.patient for s in order(rows, "worklist", editor=editor)] == ["b"]


@pytest.mark.parametrize("editor", ["Grace", None])
def test_a_second_reader_is_told_who_asks(editor: str | None) -> None:
    rows = [row("a", status="second reader", asked_by="Ada"), row("b")]
    for strategy in ("worklist", "blind", "uncertainty"):
        found = {s.patient: s for s in order(rows, strategy, editor=editor, blind_share=1.0)}
        assert found["a"].reason == "Ada asks for a second reader"
        # There is a correction to look at already.
        assert not found["a"].blind
