"""Two perpendicular diameters: known shapes, sub-pixel definition, spacing, and where they lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.measure import find_contours

from napari_brainseg.core.segmentation.diameters import bidimensional


def empty(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.uint8)


def ellipse(angle: float, long: float, across: float, size: int = 128) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    inside: np.ndarray = (u / long) ** 2 + (v / across) ** 2 <= 1
    return inside


def test_a_row_of_ten_pixels_is_ten_pixels_long_and_one_wide() -> None:
    mask = empty(3, 20, 20)
    mask[1, 7, 4:14] = 1
    found = bidimensional(mask, None)
    assert found is not None
    assert (found.slice_index, found.unit) == (1, "px")
    assert found.longest == pytest.approx(10)
    assert found.perpendicular == pytest.approx(1)
    assert found.longest_ends == ((7.0, 3.5), (7.0, 13.5))
    assert found.longest_mm is None
    assert found.perpendicular_mm is None


def test_one_voxel_is_one_pixel_long() -> None:
    mask = empty(1, 3, 3)
    mask[0, 1, 1] = 1
    found = bidimensional(mask, (5.0, 0.5, 0.5))
    assert found is not None
    assert found.longest_mm == pytest.approx(0.5)
    assert found.perpendicular_mm == pytest.approx(0.5)


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.8, 1.2, 2.5])
def test_an_ellipse_has_its_axes_whichever_way_it_lies(angle: float) -> None:
    found = bidimensional(ellipse(angle, 45, 20)[np.newaxis], (1.0, 1.0, 1.0))
    assert found is not None
    assert found.longest == pytest.approx(90, abs=1.5)
    assert found.perpendicular == pytest.approx(40, abs=1.5)
    assert found.product == pytest.approx(found.longest * found.perpendicular)


def test_rows_and_columns_of_different_size_are_told_apart() -> None:
    mask = empty(2, 40, 40)
    mask[0, 10:30, 15:25] = 1
    upright = bidimensional(mask, (6.0, 1.0, 0.5))
    lying = bidimensional(mask, (6.0, 0.25, 2.0))
    assert upright is not None
    assert lying is not None
    # 20 rows of 1 mm by 10 columns of half a millimetre, and 5 mm by 20 mm.
    assert upright.longest == pytest.approx(math.hypot(20, 4.5))
    assert lying.longest == pytest.approx(math.hypot(4.75, 20))


def test_islands_are_not_bridged_and_the_longest_one_counts() -> None:
    mask = empty(4, 32, 32)
    mask[1, 2:4, 2:8] = 1
    mask[1, 28:30, 20:30] = 1
    mask[3, 5, 5:17] = 1
    found = bidimensional(mask, (1.0, 1.0, 1.0))
    assert found is not None
    assert found.slice_index == 3
    assert found.longest == pytest.approx(12)


def test_slices_are_not_added_up() -> None:
    mask = empty(30, 8, 8)
    mask[:, 4, 4] = 1
    found = bidimensional(mask, (10.0, 1.0, 1.0))
    assert found is not None
    assert found.longest == pytest.approx(1)


def test_the_perpendicular_goes_where_the_lesion_is_widest() -> None:
    mask = empty(1, 40, 60)
    mask[0, 20, 5:55] = 1
    mask[0, 15:31, 45:50] = 1
    found = bidimensional(mask, (1.0, 1.0, 1.0))
    assert found is not None
    assert found.longest == pytest.approx(50, abs=0.2)
    assert found.perpendicular == pytest.approx(16, abs=0.5)
    (_, x0), (_, x1) = found.perpendicular_ends
    assert 44 < min(x0, x1) <= max(x0, x1) < 50


def test_no_lesion_has_no_diameter() -> None:
    assert bidimensional(empty(3, 8, 8), (1.0, 1.0, 1.0)) is None


@settings(max_examples=40)
@given(
    arrays(np.bool_, (2, 9, 11)),
    st.tuples(st.floats(0.2, 3.0), st.floats(0.2, 3.0)),
)
def test_both_lines_lie_on_the_outline_and_none_is_longer(
    mask: np.ndarray, in_plane: tuple[float, float]
) -> None:
    found = bidimensional(mask, (5.0, *in_plane))
    if not mask.any():
        assert found is None
        return
    assert found is not None
    step = np.array(in_plane)
    plane = mask[found.slice_index]
    ends = np.array([found.longest_ends, found.perpendicular_ends])
    lines = (ends[:, 1] - ends[:, 0]) * step
    assert np.hypot(*lines[0]) == pytest.approx(found.longest)
    assert np.hypot(*lines[1]) == pytest.approx(found.perpendicular)
    assert abs(lines[0] @ lines[1]) <= 1e-6 * found.longest * max(found.perpendicular, 1.0)
    assert found.perpendicular <= found.longest + 1e-6
    # On the outline: half a pixel from the lesion, three quarters where it cuts an inner corner.
    centres = np.argwhere(plane)
    for end in ends.reshape(-1, 2):
        assert np.abs(centres - end).max(axis=1).min() <= 0.75 + 1e-6
    # Against all pairs of points half way between lesion and background.
    longest = 0.0
    for z in range(mask.shape[0]):
        parts, count = ndimage.label(mask[z])
        for part in range(1, count + 1):
            longest = max(longest, _brute(parts == part, step))
    assert found.longest == pytest.approx(longest)


def test_no_line_across_is_longer_than_the_perpendicular() -> None:
    rng = np.random.default_rng(5)
    for _ in range(12):
        blobs = ndimage.gaussian_filter(rng.random((1, 60, 70)), (0, 3, 3))
        mask = blobs > np.quantile(blobs, 0.75)
        found = bidimensional(mask, (5.0, 0.8, 1.1))
        assert found is not None
        step = np.array([0.8, 1.1])
        labels, _ = ndimage.label(mask[0])
        ends = np.array(found.longest_ends)
        number = labels[tuple(_nearest(mask[0], ends[0]))]
        outline = max(find_contours(np.pad(labels == number, 1).astype(float), 0.5), key=len)
        points = (outline - 1) * step
        along = (ends[1] - ends[0]) * step / found.longest
        across = np.array([-along[1], along[0]])
        t, s = (points - ends[0] * step) @ along, (points - ends[0] * step) @ across
        for place in np.linspace(t.min(), t.max(), 37):
            crossed = [
                s[i] + (place - t[i]) / (t[i + 1] - t[i]) * (s[i + 1] - s[i])
                for i in range(len(t) - 1)
                if min(t[i], t[i + 1]) <= place <= max(t[i], t[i + 1]) and t[i] != t[i + 1]
            ]
            if crossed:
                assert max(crossed) - min(crossed) <= found.perpendicular + 1e-6


def _nearest(plane: np.ndarray, point: np.ndarray) -> np.ndarray:
    centres = np.argwhere(plane)
    nearest: np.ndarray = centres[np.abs(centres - point).max(axis=1).argmin()]
    return nearest


def _brute(island: np.ndarray, step: np.ndarray) -> float:
    padded = np.pad(island, 1)
    points = []
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        is_edge = padded & ~np.roll(padded, -sign, axis=axis)
        shift = np.zeros(2)
        shift[axis] = sign / 2
        points.append((np.argwhere(is_edge) + shift) * step)
    everything = np.concatenate(points)
    return float(cdist(everything, everything).max())


@pytest.mark.parametrize("seed", range(12))
def test_figures_do_not_depend_on_how_the_slices_lie(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = ndimage.gaussian_filter(rng.normal(size=(24, 12)), 1.5)
    # Its own mirror image: the longest line has a twin.
    mask = (np.concatenate([half, half[:, ::-1]], axis=1) > 0.05)[None].astype(np.uint8)
    found = bidimensional(mask, (5.0, 0.8, 1.3))
    assert found is not None
    for turned, spacing in (
        (mask[:, ::-1], (5.0, 0.8, 1.3)),
        (mask[:, ::-1, ::-1], (5.0, 0.8, 1.3)),
        (mask.transpose(0, 2, 1), (5.0, 1.3, 0.8)),
    ):
        other = bidimensional(turned, spacing)
        assert other is not None
        assert other.longest == pytest.approx(found.longest)
        assert other.perpendicular == pytest.approx(found.perpendicular)
