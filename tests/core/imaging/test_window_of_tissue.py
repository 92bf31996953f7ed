"""Windows of signed, fractional and broken intensities; those of unsigned ones: `viewer`."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging.edge_letters import axis_letters
from napari_brainseg.core.imaging.window import CT_PRESETS, contrast_limits, tissue_of


def volume() -> np.ndarray:
    rng = np.random.default_rng(0)
    data = np.zeros((9, 30, 30), np.float32)
    data[:, 5:25, 5:25] = rng.uniform(100, 200, (9, 20, 20))
    return data


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (13, -1000), (0.01, -0.8), (-0.0, -5.0)])
def test_a_window_follows_gain_and_offset(gain: float, offset: float) -> None:
    data = volume()
    low, high = contrast_limits(data * gain + offset)

    assert low < high
    if gain:
        plain = tissue_of(data)
        tissue = tissue_of(data * gain + offset)
        assert tissue.median == pytest.approx(plain.median * gain + offset, rel=0.02, abs=0.02)
        assert tissue.high == pytest.approx(plain.high * gain + offset, rel=0.02, abs=0.02)


def test_values_that_are_not_finite_do_not_count() -> None:
    data = volume()
    expected = contrast_limits(data)
    data[0, 0, :5] = (np.nan, np.inf, -np.inf, np.nan, np.nan)

    assert contrast_limits(data) == pytest.approx(expected)
    assert contrast_limits(np.full((2, 2, 2), np.nan)) == (0.0, 1.0)


def test_a_few_negative_voxels_are_noise_of_air() -> None:
    data = volume()
    data[0, 0] = -3

    low, high = contrast_limits(data)
    assert (low, round(high)) == (pytest.approx(contrast_limits(volume())[0]), 200)


def test_letters_of_an_axis() -> None:
    affine = (
        (0.0, 0.0, -1.0, 0.0), (0.0, 2.0, 0.0, 0.0), (5.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
    )  # fmt: skip
    oblique = ((0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.0), (0, 0, 0, 1.0))

    assert [axis_letters(affine, axis) for axis in range(3)] == [("I", "S"), ("A", "P"), ("L", "R")]
    assert axis_letters(None, 0) is None
    assert axis_letters(oblique, 2) == ("RA", "LP")
    for degrees, letters in (
        (22, ("R", "L")), (23, ("RA", "LP")), (67, ("AR", "PL")), (68, ("A", "P")),
    ):  # fmt: skip
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turned = ((0.0, -s, c, 0.0), (0.0, c, s, 0.0), (5.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        assert axis_letters(turned, 2) == letters
    broken = ((0.0, 0.0, np.nan, 0.0), *affine[1:])
    assert axis_letters(broken, 1) is None


def test_ct_is_shown_under_the_window_of_the_brain() -> None:
    head = np.full((6, 60, 60), -1000, np.int16)
    head[:, 10:50, 10:50] = 900  # skull
    head[:, 14:46, 14:46] = 35

    tissue = tissue_of(head)

    assert tissue.hounsfield
    assert tissue.auto == (0.0, 80.0)
    presets = tissue.presets()
    assert set(CT_PRESETS) < set(presets)
    low, high = tissue.room
    assert all(low <= window[0] < window[1] <= high for window in presets.values())
    assert tissue_of(head[2]).auto == tissue.auto


def test_standardised_mr_is_no_ct() -> None:
    data = volume() - 150

    assert not tissue_of(data).hounsfield
