"""Figures of merit against golden values, MONAI and hand-made masks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.metrics import (
    bootstrap_interval,
    dsc,
    hd95_mm,
    hd95_vox,
    largest_component,
    lesion_free_slices,
    precision,
    relative_volume_error,
    sensitivity,
    volume,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "dsc_cases.npz"


def _mask(*boxes):
    mask = np.zeros((8, 20, 20), np.uint8)
    for z, y, x in boxes:
        mask[z, y, x] = 1
    return mask


def test_dsc_matches_the_published_program_with_and_without_largest_component():
    with np.load(GOLDEN) as golden:
        for i, (prediction, truth) in enumerate(
            zip(golden["prediction"], golden["truth"], strict=True)
        ):
            assert dsc(prediction, truth) == pytest.approx(golden["dsc_plain"][i], abs=1e-12)
            kept = largest_component(prediction)
            assert dsc(kept, truth) == pytest.approx(golden["dsc_lcc"][i], abs=1e-12)


def test_dsc_of_two_empty_masks_is_one_and_of_one_empty_mask_zero():
    empty, full = np.zeros((2, 3, 3)), np.ones((2, 3, 3))
    assert dsc(empty, empty) == 1.0
    assert dsc(full, empty) == dsc(empty, full) == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_dsc_is_symmetric_bounded_and_one_only_for_equal_masks(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 3, 6, 6)) > rng.uniform(0.2, 0.95)
    assert dsc(a, b) == dsc(b, a)
    assert 0 <= dsc(a, b) <= 1
    assert (dsc(a, b) == 1) == np.array_equal(a, b)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_hd95_agrees_with_monai():
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(4)
    pairs = []
    for _ in range(6):
        seeds = rng.random((2, 10, 24, 24))
        pairs.append([seeds[0] > 0.9, seeds[1] > 0.93])
    pairs.append([_mask(np.s_[0:5, 3:9, 3:9]), _mask(np.s_[2:8, 5:14, 6:20])])
    pairs.append([_mask(np.s_[3, 4, 5]), _mask(np.s_[7, 19, 0])])
    for a, b in pairs:
        one, other = (torch.as_tensor(np.asarray(m, np.float32))[None, None] for m in (a, b))
        expected = monai.compute_hausdorff_distance(
            one, other, include_background=True, percentile=95
        ).item()
        assert hd95_vox(a, b) == pytest.approx(expected, abs=1e-5)


def test_hd95_of_shifted_mask_is_the_shift_and_of_equal_masks_zero():
    mask = _mask(np.s_[2:5, 4:12, 4:12])
    assert hd95_vox(mask, mask) == 0
    assert hd95_vox(mask, np.roll(mask, 3, axis=2)) == 3


def test_hd95_of_nothing():
    empty, mask = _mask(), _mask(np.s_[2, 3, 4])
    assert hd95_vox(empty, empty) == 0
    assert math.isnan(hd95_vox(empty, mask))
    assert math.isnan(hd95_vox(mask, empty))


def test_hd95_in_mm_counts_each_axis_by_its_spacing():
    mask = _mask(np.s_[2:5, 4:12, 4:12])
    spacing = (5.0, 0.5, 1.0)
    assert hd95_mm(mask, np.roll(mask, 1, axis=0), spacing) == 5
    assert hd95_mm(mask, np.roll(mask, 3, axis=1), spacing) == 1.5
    assert hd95_mm(mask, np.roll(mask, 3, axis=2), spacing) == 3


def test_sensitivity_precision_and_volume_error_by_hand():
    truth, found = _mask(np.s_[2, 4:8, 4:8]), _mask(np.s_[2, 4:6, 4:6], np.s_[5, 0, 0:8])
    assert sensitivity(found, truth) == 4 / 16
    assert precision(found, truth) == 4 / 12
    assert relative_volume_error(found, truth) == (12 - 16) / 16


def test_shares_of_nothing_are_undefined_not_perfect():
    empty, mask = _mask(), _mask(np.s_[2, 3:5, 4])
    assert (sensitivity(mask, empty), precision(empty, mask)) == (None, None)
    assert (sensitivity(empty, mask), precision(mask, empty)) == (0, 0)
    assert relative_volume_error(mask, empty) is None
    assert relative_volume_error(empty, mask) == -1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_dsc_is_the_harmonic_mean_of_sensitivity_and_precision(seed):
    a, b = np.random.default_rng(seed).random((2, 3, 6, 6)) > 0.5
    found, right = sensitivity(a, b), precision(a, b)
    assert dsc(a, b) == pytest.approx(2 * found * right / max(found + right, 1e-9))
    assert precision(b, a) == found


def test_slices_without_lesion_are_counted_whatever_the_values_of_the_masks():
    truth, mask = np.zeros((2, 5, 4, 4), np.uint8)
    truth[1:3, 1, 1] = 255
    mask[2:4, 3, 3] = 7
    assert lesion_free_slices(mask, truth) == (3, 1)
    assert lesion_free_slices(mask, np.ones_like(truth)) == (0, 0)
    assert lesion_free_slices(np.zeros_like(mask), np.zeros_like(truth)) == (5, 0)


def test_largest_component_connects_faces_not_edges():
    mask = _mask(np.s_[1:3, 2:5, 2:5], np.s_[3, 5:7, 5:7])
    kept = largest_component(mask)
    assert volume(kept) == 18
    assert kept.dtype == np.uint8
    assert not kept[3].any()


def test_largest_component_of_an_empty_mask_is_empty():
    assert volume(largest_component(_mask())) == 0


def test_bootstrap_interval_holds_the_mean_repeats_itself_and_narrows_with_patients():
    values = np.random.default_rng(0).normal(0.9, 0.04, 100)
    few, many = bootstrap_interval(values[:10], 1), bootstrap_interval(values, 1)
    assert few == bootstrap_interval(values[:10], 1)
    assert many[0] < values.mean() < many[1]
    assert many[1] - many[0] < few[1] - few[0]


def test_bootstrap_interval_leaves_out_what_is_undefined():
    assert bootstrap_interval([0.5, float("nan"), 0.5]) == (0.5, 0.5)
    assert all(math.isnan(limit) for limit in bootstrap_interval([float("nan")]))
    assert bootstrap_interval([0.0, 0.0, 0.0, 9.0], statistic="median")[0] == 0


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_bootstrap_refuses_an_impossible_level(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_interval([0.5], level=level)
