from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.viewer.contrast import contrast_limits


def test_background_does_not_count():
    volume = np.zeros((12, 60, 60), np.uint8)
    volume[:, 20:40, 20:40] = np.random.default_rng(0).normal(150, 10, (12, 20, 20))
    low, high = contrast_limits(volume)
    assert 110 < low < 140
    assert 165 < high < 190


def test_a_few_bright_voxels_do_not_darken_the_rest():
    volume = np.random.default_rng(0).integers(1, 100, (12, 60, 60)).astype(np.uint8)
    volume[5, 30, 30] = 255
    assert contrast_limits(volume)[1] <= 100


@pytest.mark.parametrize("value", [0, 7])
def test_even_a_flat_volume_has_a_window(value):
    low, high = contrast_limits(np.full((3, 9, 9), value, np.uint8))
    assert low < high


def test_other_dtypes():
    volume = np.random.default_rng(0).integers(0, 4000, (30, 60, 60), dtype=np.int16)
    low, high = contrast_limits(volume)
    assert low == 0
    assert 3900 < high <= 4000
