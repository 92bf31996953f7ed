from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from napari_brainseg.core.editing.brush import Footprint, adaptive, capsule, within
from napari_brainseg.core.editing.regions import polygon

SHAPE = (40, 50)


def plane_of(footprint: Footprint | None) -> np.ndarray:
    plane = np.zeros(SHAPE, bool)
    if footprint is not None:
        plane[footprint.box] = footprint.inside
    return plane


@pytest.mark.parametrize("diameter", [1, 2, 3, 4, 7, 10, 15])
def test_a_disc_is_as_wide_as_it_says(diameter: int) -> None:
    plane = plane_of(capsule(SHAPE, (20.2, 25.3), (20.2, 25.3), diameter))

    assert plane.any(axis=1).sum() == diameter
    assert plane.any(axis=0).sum() == diameter
    assert np.array_equal(plane[plane.any(axis=1)][::-1], plane[plane.any(axis=1)])
    assert abs(plane.sum() - np.pi * diameter**2 / 4) <= 2 + diameter


def test_a_fine_brush_leaves_no_gap_on_its_way() -> None:
    plane = plane_of(capsule(SHAPE, (3, 4), (30, 41), 1))

    assert plane[3, 4]
    assert plane[30, 41]
    assert plane.any(axis=0)[4:42].all()


@given(
    start=st.tuples(st.floats(-60, 100), st.floats(-60, 100)),
    stop=st.tuples(st.floats(-60, 100), st.floats(-60, 100)),
    diameter=st.floats(0.2, 30),
)
def test_a_brush_never_leaves_the_plane(
    start: tuple[float, float], stop: tuple[float, float], diameter: float
) -> None:
    footprint = capsule(SHAPE, start, stop, diameter)

    if footprint is not None:
        assert 0 <= footprint.rows.start < footprint.rows.stop <= SHAPE[0]
        assert 0 <= footprint.columns.start < footprint.columns.stop <= SHAPE[1]
        assert footprint.inside.any()
        back = capsule(SHAPE, stop, start, diameter)
        assert np.array_equal(plane_of(footprint), plane_of(back))


def test_beyond_the_plane_there_is_nothing() -> None:
    assert capsule(SHAPE, (-20, -20), (-30, 10), 5) is None


def test_the_threshold_brush_paints_in_its_window_only() -> None:
    image = np.arange(2000).reshape(SHAPE)
    disc = capsule(SHAPE, (20, 25), (20, 25), 9)
    assert disc is not None

    plane = plane_of(within(image, disc, 1000, 1030))

    assert np.array_equal(plane, plane_of(disc) & (image >= 1000) & (image <= 1030))
    assert plane.any()


@pytest.fixture
def lesion() -> tuple[np.ndarray, np.ndarray]:
    """A bright, grainy ellipse on grey, and which pixels it has."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = ((y - 20) / 9) ** 2 + ((x - 24) / 13) ** 2 <= 1
    grain = np.random.default_rng(0).normal(0, 6, SHAPE)
    return (np.where(inside, 180, 90) + grain).clip(0, 255).astype(np.uint8), inside


def test_the_adaptive_brush_finds_the_edge(lesion: tuple[np.ndarray, np.ndarray]) -> None:
    image, inside = lesion
    click = capsule(SHAPE, (20, 24), (20, 24), 9)
    assert click is not None

    plane = plane_of(adaptive(image, click))

    assert 2 * (plane & inside).sum() / (plane.sum() + inside.sum()) > 0.95


def test_the_adaptive_brush_holds_what_it_covered_and_its_reach(
    lesion: tuple[np.ndarray, np.ndarray],
) -> None:
    image, _ = lesion
    stroke = capsule(SHAPE, (20, 24), (20, 40), 5)
    assert stroke is not None

    plane = plane_of(adaptive(image, stroke, tolerance=1.0))
    far = plane_of(capsule(SHAPE, (20, 24), (20, 40), 5 + 4 * 5 + 1))

    assert (plane >= plane_of(stroke)).all()
    assert (plane <= far).all()


@settings(max_examples=15)
@given(
    at=st.tuples(st.integers(0, 39), st.integers(0, 49)),
    diameter=st.integers(1, 12),
    level=st.integers(0, 255),
)
def test_the_adaptive_brush_copes_with_borders_and_flat_images(
    at: tuple[int, int], diameter: int, level: int
) -> None:
    click = capsule(SHAPE, at, at, diameter)
    assert click is not None

    grown = adaptive(np.full(SHAPE, level, np.uint8), click)

    assert (plane_of(grown) >= plane_of(click)).all()


def test_a_square_by_its_corners() -> None:
    plane = polygon(SHAPE, [(5, 6), (5, 10), (9, 10), (9, 6)])

    assert np.argwhere(plane).min(axis=0).tolist() == [5, 6]
    assert np.argwhere(plane).max(axis=0).tolist() == [9, 10]
    assert plane.sum() == 25


def test_outlines_that_are_none_or_outside() -> None:
    assert polygon(SHAPE, np.zeros((0, 2))).sum() == 0
    assert polygon(SHAPE, [(3, 3)]).sum() == 1
    assert polygon(SHAPE, [(-9, -9), (-9, 90), (90, 90), (90, -9)]).all()
    assert not polygon(SHAPE, [(-9, -9), (-9, -5), (-5, -5)]).any()
