"""Effort of one model version against another: ratio, interval, and when nothing is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.session.effort import EffortRow
from napari_brainseg.session.effort_comparison import LEAST_CASES, compare_versions


def row(version: str | None, strokes: int, **facts: object) -> EffortRow:
    given_facts = {
        "patient": "P", "model_version": version, "editor": "Ada", "seconds": 10.0 * strokes,
        "strokes": strokes, "voxels_added": 7, "voxels_removed": 1, "tools": {},
        "status": "approved", "created": 0.0, **facts,
    }  # fmt: skip
    return EffortRow(**given_facts)  # type: ignore[arg-type]


def rows(version: str, strokes: list[int]) -> list[EffortRow]:
    return [row(version, number) for number in strokes]


def test_less_work_with_the_later_version_is_a_ratio_below_one_with_its_interval() -> None:
    generator = np.random.default_rng(1)
    old = [int(n) for n in generator.integers(40, 61, 30)]
    new = [int(n) for n in generator.integers(20, 31, 30)]
    found = compare_versions([*rows("v1", old), *rows("v2", new)], "strokes")
    assert found is not None
    assert (found.earlier, found.later) == ("v1", "v2")
    assert (found.earlier_cases, found.later_cases) == (30, 30)
    assert found.ratio == pytest.approx(0.5, abs=0.06)
    assert found.interval is not None
    low, high = found.interval
    assert 0.4 < low < found.ratio < high < 0.62
    again = compare_versions([*rows("v1", old), *rows("v2", new)], "seconds")
    assert again is not None
    assert again.ratio == pytest.approx(found.ratio)
    assert again.interval == pytest.approx(found.interval)


def test_the_interval_of_alike_cases_holds_one() -> None:
    generator = np.random.default_rng(2)
    draws = [[int(n) for n in generator.integers(5, 60, 12)] for _ in range(20)]
    missed = 0
    for old, new in zip(draws[::2], draws[1::2], strict=True):
        found = compare_versions([*rows("v1", old), *rows("v2", new)], "strokes")
        assert found is not None
        assert found.interval is not None
        low, high = found.interval
        missed += not low <= 1 <= high
    assert missed <= 2


def test_few_cases_have_medians_but_no_interval() -> None:
    few = [*rows("v1", [4] * LEAST_CASES), *rows("v2", [2] * (LEAST_CASES - 1))]
    found = compare_versions(few, "strokes")
    assert found is not None
    assert not found.is_enough
    assert (found.earlier_median, found.later_median) == (4, 2)
    assert found.interval is None
    enough = compare_versions([*few, row("v2", 2)], "strokes")
    assert enough is not None
    assert enough.is_enough
    assert enough.interval == (0.5, 0.5)


def test_one_version_cannot_be_compared_and_other_starts_do_not_count() -> None:
    assert compare_versions(rows("v1", [3, 4]), "strokes") is None
    others = [
        row(None, 9, base="truth"),
        row("v2", 0, status="in progress"),
        row("v2", 5, base="empty"),
    ]
    assert compare_versions([*rows("v1", [3, 4]), *others], "strokes") is None


def test_the_latest_case_says_which_version_is_looked_at() -> None:
    """Rolled back: the cases since then belong to the old version."""
    found = compare_versions(
        [*rows("v1", [3]), *rows("v3", [9]), *rows("v2", [5]), *rows("v1", [4])], "strokes"
    )
    assert found is not None
    assert (found.earlier, found.later) == ("v2", "v1")
    assert found.later_median == 3.5


def test_no_work_before_has_no_ratio() -> None:
    found = compare_versions([*rows("v1", [0] * 6), *rows("v2", [3] * 6)], "strokes")
    assert found is not None
    assert found.ratio is None
    assert found.interval is None
    # Sometimes nothing to do before: the interval would reach to infinity.
    found = compare_versions([*rows("v1", [0, 0, 0, 9, 9, 9, 9]), *rows("v2", [3] * 6)], "strokes")
    assert found is not None
    assert found.ratio == pytest.approx(1 / 3)
    assert found.interval is None


@settings(max_examples=25, deadline=None)
@given(
    old=st.lists(st.integers(0, 500), min_size=1, max_size=12),
    new=st.lists(st.integers(0, 500), min_size=1, max_size=12),
)
def test_any_cases_are_told_without_a_fault(old: list[int], new: list[int]) -> None:
    found = compare_versions([*rows("v1", old), *rows("v2", new)], "strokes")
    assert found is not None
    if found.interval is not None:
        low, high = found.interval
        assert 0 <= low <= high < float("inf")
