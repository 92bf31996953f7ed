"""Calibration near the outlines: by hand, against an exact AUROC, and over patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.calibration import Calibration, CalibrationCounts, band
from napari_brainseg.core.segmentation.inference import uncertainty_of


def _disc(shape=(3, 64, 64), radius=8, centre=(32, 32), z=1):
    y, x = np.ogrid[: shape[1], : shape[2]]
    mask = np.zeros(shape, np.uint8)
    mask[z] = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    return mask


def _counts(probability, truth, mask=None):
    probability = np.asarray(probability, np.float32)
    delivered = probability >= 0.5 if mask is None else mask
    return CalibrationCounts.of(probability, uncertainty_of(probability), delivered, truth)


def test_the_band_reaches_ten_pixels_in_plane_and_no_further():
    point = np.zeros((3, 41, 41), np.uint8)
    point[1, 20, 20] = 1
    near = band(point, np.zeros_like(point))
    y, x = np.ogrid[:41, :41]
    assert np.array_equal(near[1], (y - 20) ** 2 + (x - 20) ** 2 <= 100)
    assert not near[[0, 2]].any()
    assert np.array_equal(band(np.zeros_like(point), point), near)


def test_the_middle_of_a_large_lesion_is_far_from_its_outline():
    near = band(_disc(radius=25), _disc(radius=25))
    assert not near[1, 32, 32]
    assert near[1, 32, 32 + 25]
    assert near[1, 32, 32 - 16]


def test_a_lesion_at_the_border_of_the_slice():
    mask = np.zeros((1, 30, 30), np.uint8)
    mask[0, :, :5] = 1
    assert band(mask, mask)[0, :, :14].all()
    assert not band(mask, mask)[0, :, 16:].any()


def test_probabilities_that_mean_what_they_say_have_no_error():
    rng = np.random.default_rng(0)
    outline = _disc((20, 64, 64), z=slice(None))
    given_ = np.broadcast_to(rng.choice([0.15, 0.55, 0.85], (64, 64)), outline.shape)
    truth = (rng.random(outline.shape) < given_).astype(np.uint8)
    good = _counts(given_, truth, outline).summary()
    assert good.expected_error < 0.01
    for each in good.bins:
        if each.voxels:
            assert each.lesion_share == pytest.approx(each.probability, abs=0.02)
            assert each.low <= each.probability <= each.high


def test_a_boastful_network_by_hand():
    truth = _disc()
    probability = np.where(_disc(radius=9), 1.0, 0.0)
    found = _counts(probability, truth).summary()
    near = band(probability, truth)
    wrong = int((_disc(radius=9) != truth).sum())
    assert found.voxels == near.sum() == sum(b.voxels for b in found.bins)
    assert found.expected_error == pytest.approx(wrong / near.sum())
    assert [b.voxels > 0 for b in found.bins] == [True] + [False] * 8 + [True]
    assert found.bins[9].lesion_share == pytest.approx(truth.sum() / _disc(radius=9).sum())
    assert found.bins[4].probability is None
    assert found.uncertainty_auroc == 0.5  # equally sure everywhere


def test_uncertainty_that_points_at_errors():
    truth, guess = _disc(), _disc(radius=10)
    probability = np.where(guess != truth, 0.6, np.where(truth, 0.999, 0.001))
    assert _counts(probability, truth).summary().uncertainty_auroc == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_auroc_is_that_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    truth = _disc((1, 24, 24), 5, (12, 12), 0)
    probability = rng.random(truth.shape).astype(np.float32)
    mask = probability >= 0.5
    near = band(mask, truth)
    doubt = uncertainty_of(probability)[near]
    wrong = (mask != truth)[near]
    right, bad = doubt[~wrong], doubt[wrong]
    exact = ((bad[:, None] > right) + 0.5 * (bad[:, None] == right)).mean()
    found = _counts(probability, truth).summary()
    assert found.uncertainty_auroc == pytest.approx(exact, abs=2e-3)


def test_patients_add_up_and_those_without_a_lesion_do_not_count():
    rng = np.random.default_rng(1)
    shape = (2, 40, 40)
    one, two = (
        (rng.random(shape).astype(np.float32), _disc(shape, 6, (20, x)))
        for x in (12, 28)
    )  # fmt: skip
    empty = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    together = _counts(*one) + _counts(*two) + _counts(*empty)
    both = (np.concatenate([a, b]) for a, b in zip(one, two, strict=True))
    at_once = _counts(*both).summary()
    assert together.summary() == at_once.model_copy(update={"patients": 2})
    assert _counts(*empty).summary() is None
    assert CalibrationCounts().summary() is None


def test_it_comes_back_from_json():
    found = _counts(np.where(_disc(radius=9), 0.9, 0.1), _disc()).summary()
    assert Calibration.model_validate_json(found.model_dump_json()) == found
