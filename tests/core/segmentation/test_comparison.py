"""Paired comparison: against scipy and known values, and that noise is not crowned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.comparison import Verdict, compare, compare_many, holm


def _figures(values):
    return {f"P{n:03d}": float(v) for n, v in enumerate(values)}


BASE = np.random.default_rng(0).normal(0.88, 0.05, 20)


def test_a_small_steady_gain_shows_although_patients_differ_much_more():
    gain = np.random.default_rng(1).normal(0.01, 0.004, 20)
    found = compare(_figures(BASE + gain), _figures(BASE))
    assert found.verdict is Verdict.BETTER
    assert found.mean_difference == pytest.approx(gain.mean())
    assert found.interval[0] < gain.mean() < found.interval[1]
    assert found.p == pytest.approx(stats.wilcoxon(gain).pvalue)
    assert str(found).startswith("Better: mean difference +0.01")
    assert "20 patients are few" in str(found)
    assert compare(_figures(BASE), _figures(BASE + gain)).verdict is Verdict.WORSE


def test_noise_is_not_crowned():
    wrong = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 0.02, 10)
        wrong += compare(_figures(BASE[:10] + noise), _figures(BASE[:10])).verdict is not (
            Verdict.NO_DIFFERENCE
        )
    assert wrong <= 0.07 * 200


def test_no_difference_says_what_could_not_have_been_seen():
    noise = np.random.default_rng(3).normal(0, 0.03, 10)
    found = compare(_figures(BASE[:10] + noise), _figures(BASE[:10]))
    low, high = found.interval
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert f"under about {(high - low) / 2:.3f} would not show" in str(found)


def test_a_distance_is_better_when_it_is_smaller():
    worse = compare(_figures(BASE + 1), _figures(BASE), higher_is_better=False)
    assert worse.verdict is Verdict.WORSE


def test_equal_models_and_models_that_differ_on_one_patient():
    same = compare(_figures(BASE), _figures(BASE))
    assert (same.p, same.mean_difference, same.verdict) == (1, 0, Verdict.NO_DIFFERENCE)
    one = compare(_figures([*BASE[:9], 0.1]), _figures([*BASE[:9], 0.9]))
    assert one.verdict is Verdict.NO_DIFFERENCE
    assert one.p == 1


@pytest.mark.parametrize("n", [1, 5])
def test_five_patients_cannot_show_anything(n):
    found = compare(_figures(BASE[:n] + 0.1), _figures(BASE[:n]))
    assert found.p is None
    assert found.verdict is Verdict.TOO_FEW
    assert f"Too few patients ({n})" in str(found)


def test_only_patients_that_both_have_count():
    first, second = _figures(BASE[:10]), _figures(BASE[:12] - 0.01)
    first["P003"] = None
    second["P005"] = None
    assert compare(first, second).patients == 8
    with pytest.raises(DataError, match="no measured patient in common"):
        compare({"A": 1.0}, {"B": 1.0, "A": None})


def test_many_comparisons_are_corrected():
    rng = np.random.default_rng(4)
    models = {f"m{k}": _figures(BASE + rng.normal(0.004, 0.01, 20)) for k in range(5)}
    alone = {name: compare(figures, _figures(BASE)) for name, figures in models.items()}
    together = compare_many(models, _figures(BASE))
    assert list(together) == list(models)
    expected = holm([c.p for c in alone.values()])
    assert [c.p for c in together.values()] == list(expected)
    assert all(together[name].p >= alone[name].p for name in models)
    assert "corrected for 5 comparisons" in str(together["m0"])
    assert compare_many({}, _figures(BASE)) == {}


def test_holm_by_hand():
    assert holm([0.04, 0.01, None, 0.03]) == pytest.approx((0.06, 0.03, None, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_p_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    ranked = [corrected[i] for i in np.argsort(p_values, kind="stable")]
    assert ranked == sorted(ranked)
