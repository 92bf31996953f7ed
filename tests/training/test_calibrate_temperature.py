"""Temperatures on logits whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging import DataError
from training.calibrate.temperature import (
    GREATEST,
    NearOutlines,
    Temperatures,
    counts_at,
    fit_temperature,
    nll,
    temperatures,
)


def patient(seed: int, temperature: float, voxels: int = 20_000) -> NearOutlines:
    """Logits that are `temperature` times too sure."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, voxels)
    lesion = rng.random(voxels) < 1 / (1 + np.exp(-honest))
    return NearOutlines((honest * temperature).astype(np.float16), lesion)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_logits_wrong_is_found(temperature: float) -> None:
    many = [patient(seed, temperature) for seed in range(3)]

    assert fit_temperature(many) == pytest.approx(temperature, rel=0.03)


def test_each_group_is_left_out_of_its_own_temperature() -> None:
    many = [patient(0, 1.0), patient(1, 1.0), patient(2, 3.0)]

    fitted = temperatures(many, (0, 0, 1))

    assert fitted.without[1] == pytest.approx(1.0, rel=0.03)
    assert fitted.without[0] == pytest.approx(3.0, rel=0.03)
    assert 1.0 < fitted.overall < 3.0


def test_the_right_temperature_lowers_error_and_likelihood_and_ranks_no_voxel_anew() -> None:
    many = [patient(seed, 2.0) for seed in range(2)]

    before, nll_before = counts_at(many, [1.0, 1.0])
    after, nll_after = counts_at(many, [2.0, 2.0])

    assert after.expected_error < 0.02 < before.expected_error
    assert nll_after < nll_before
    assert after.voxels == before.voxels == 40_000
    assert after.uncertainty_auroc == pytest.approx(before.uncertainty_auroc, abs=0.01)
    assert nll_after == pytest.approx(
        np.mean([nll(p.logits, p.lesion, 2.0) for p in many]), rel=1e-6
    )


def test_the_likelihood_is_that_of_its_definition_and_stays_finite() -> None:
    logits, lesion = np.array([-1.0, 0.5, 3.0]), np.array([False, True, False])
    probability = 1 / (1 + np.exp(-logits / 2))

    expected = -np.log(np.where(lesion, probability, 1 - probability)).mean()
    assert nll(logits, lesion, 2.0) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(nll(np.array([-16.0]), np.array([True]), 0.2))


def test_voxels_are_those_near_outlines_of_truth_and_of_the_mask() -> None:
    logits = np.full((3, 64, 64), -7.0, dtype=np.float32)
    truth = np.zeros(logits.shape, dtype=bool)
    truth[0, 30, 30] = True
    logits[1, 5, 5] = 2

    near = NearOutlines.of(logits, truth)

    disk = sum(y * y + x * x <= 100 for y in range(-10, 11) for x in range(-10, 11))
    corner = sum(y * y + x * x <= 100 for y in range(-5, 11) for x in range(-5, 11))
    assert near.logits.size == near.lesion.size == disk + corner
    assert near.lesion.sum() == 1
    assert (near.logits >= 0).sum() == 1


def test_without_any_outline_there_is_nothing_to_fit_to() -> None:
    empty = NearOutlines.of(np.full((1, 8, 8), -7, np.float32), np.zeros((1, 8, 8), bool))

    with pytest.raises(DataError, match="outline"):
        fit_temperature([empty])


def test_a_model_that_knows_nothing_drives_the_search_to_its_end() -> None:
    rng = np.random.default_rng(0)
    noise = NearOutlines(rng.normal(0, 8, 5000).astype(np.float16), rng.random(5000) < 0.5)

    assert Temperatures(fit_temperature([noise]), ()).at_limit
    assert not Temperatures(1.3, (1.2, 1.4)).at_limit
    assert Temperatures(1.3, (GREATEST,)).at_limit
