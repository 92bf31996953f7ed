from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.dataset.label_drift import label_drift, signed_rank_p


def test_larger_corrections_are_found_with_their_figures() -> None:
    drift = label_drift([(1000, 1150 + 10 * n) for n in range(8)])
    assert drift is not None
    assert drift.is_systematic
    assert (drift.cases, drift.larger, drift.smaller) == (8, 8, 0)
    assert drift.median_change == pytest.approx(0.185)
    assert str(drift).startswith("Corrections are 18% larger than the model's masks")
    assert "8 of 8 cases; p = 0.0078" in str(drift)


def test_smaller_corrections_are_found_too() -> None:
    drift = label_drift([(1000, 700 + n) for n in range(6)])
    assert drift is not None
    assert drift.is_systematic
    assert "30% smaller" in str(drift)


def test_changes_in_both_directions_are_no_drift() -> None:
    drift = label_drift([(1000, 1000 + (-1) ** n * (50 + n)) for n in range(10)])
    assert drift is not None
    assert not drift.is_systematic


def test_a_tiny_change_is_no_drift_however_regular() -> None:
    drift = label_drift([(1000, 1010 + n) for n in range(12)])
    assert drift is not None
    assert drift.p < 0.001
    assert not drift.is_systematic


def test_few_cases_tell_nothing_and_two_empty_masks_are_no_case() -> None:
    assert label_drift([(1000, 2000)] * 4) is None
    assert label_drift([(1000, 2000)] * 4 + [(0, 0)] * 4) is None
    found = label_drift([(0, 500), (500, 0), (100, 200), (100, 210), (100, 220)])
    assert found is not None
    assert found.cases == 5


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=12))
def test_the_p_value_is_that_of_all_signs(differences: list[int]) -> None:
    from itertools import product

    values = [d for d in differences if d]
    p = signed_rank_p(differences)
    if not values:
        assert p == 1
        return
    if len(values) > 8:
        assert 0 < p <= 1
        return
    sizes = sorted(abs(v) for v in values)
    ranks = {s: (2 * sizes.index(s) + sizes.count(s) + 1) / 2 for s in sizes}
    found = sum(ranks[abs(v)] for v in values if v > 0)
    sums = [
        sum(ranks[abs(v)] for v, sign in zip(values, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(values))
    ]
    below = sum(s <= found for s in sums) / len(sums)
    above = sum(s >= found for s in sums) / len(sums)
    assert p == pytest.approx(min(1, 2 * min(below, above)))


def test_scipy_agrees() -> None:
    from scipy.stats import wilcoxon

    values = [1.5, -0.3, 2.2, 0.9, -1.1, 3.0, 0.4]
    assert signed_rank_p(values) == pytest.approx(wilcoxon(values).pvalue)
