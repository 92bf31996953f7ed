"""Lengths and areas are those of rulers and known shapes, whatever the pixels are like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.imaging import DataError, Geometry
from napari_brainseg.core.imaging.measuring import (
    Quantity,
    Unit,
    area,
    intensities,
    length,
    within_plane,
)
from napari_brainseg.core.imaging.outlines import crosses_itself, trim_ends

FLAT = Geometry((5.0, 0.5, 0.8))
BOW_TIE = [(0, 0), (4, 4), (4, 0), (0, 4)]


def in_slice(outline, z=3):
    return [(z, y, x) for y, x in outline]


def circle(radius, *, turns=1.0, count=400):
    angles = np.linspace(0, 2 * np.pi * turns, count, endpoint=turns != 1.0)
    return np.stack([np.sin(angles), np.cos(angles)], axis=1) * radius + 50.0


def test_a_ruler_counts_pixels_that_are_not_square():
    assert length([(3, 0, 0), (3, 30, 40)], FLAT).value == pytest.approx(np.hypot(15, 32))
    assert length([(3, 0, 0), (3, 30, 40)], None) == Quantity(50.0, Unit.PX)
    assert length([(3, 0, 0), (3, 30, 40)], Geometry()).text == "50.0 px"


def test_a_ruler_across_slices_needs_to_know_how_far_they_lie_apart():
    assert length([(0, 0, 0), (2, 0, 0)], FLAT).value == pytest.approx(10)
    with pytest.raises(DataError, match="distance between slices is unknown"):
        length([(0, 0, 0), (2, 0, 0)], None)
    with pytest.raises(DataError, match="distance between slices is unknown"):
        area([(0, 5, 0), (2, 5, 0), (2, 5, 9)], 1, None)


def test_a_tilted_gantry_makes_what_is_askew_in_voxels_as_long_as_it_is():
    tilt = np.deg2rad(20)
    affine = (
        (0.0, 0.0, 0.5, 0.0),
        (5 * float(np.sin(tilt)), 0.5, 0.0, 0.0),
        (5 * float(np.cos(tilt)), 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0),
    )
    sheared = Geometry.from_affine(affine)
    expected = np.linalg.norm([5 * np.sin(tilt) + 5, 5 * np.cos(tilt)])
    assert length([(0, 0, 0), (1, 10, 0)], sheared).value == pytest.approx(expected)
    plane = [(0, 0, 7), (1, 0, 7), (1, 10, 7), (0, 10, 7)]
    assert area(plane, 2, sheared).value == pytest.approx(5 * 5 * np.cos(tilt))


def test_areas_of_known_shapes():
    square = in_slice([(0, 0), (10, 0), (10, 20), (0, 20)])
    assert area(square, 0, FLAT).value == pytest.approx(200 * 0.4)
    assert area(square, 0, None) == Quantity(200.0, Unit.PX2)
    assert area(square[::-1], 0, None).value == 200
    round_one = area(in_slice(circle(20)), 0, Geometry((4.0, 1.0, 1.0)))
    assert round_one.value == pytest.approx(np.pi * 400, rel=2e-3)
    coronal = [(0, 8, 0), (4, 8, 0), (4, 8, 10), (0, 8, 10)]
    assert area(coronal, 1, FLAT).value == pytest.approx(20 * 8)


@given(st.floats(0.2, 3), st.floats(0.2, 3), st.floats(-400, 400), st.floats(-400, 400))
def test_where_an_area_lies_does_not_matter(along_y, along_x, y, x):
    outline = np.array([(0, 0), (7, 1), (9, 8), (2, 6)])
    geometry = Geometry((3.0, along_y, along_x))
    here = area(in_slice(outline), 0, geometry).value
    there = area(in_slice(np.add(outline, (y, x)), z=0), 0, geometry).value
    assert there == pytest.approx(here, rel=1e-9)
    assert here == pytest.approx(area(in_slice(outline), 0, None).value * along_y * along_x)


@pytest.mark.parametrize(
    "outline",
    [
        BOW_TIE,
        [(0, 0), (0, 8), (8, 8), (0, 4)],  # touches its own side
        [(0, 0), (8, 0), (4, 4), (8, 8), (0, 8), (4, 4)],  # passes one corner twice
    ],
)
def test_an_outline_that_crosses_itself_is_refused(outline):
    assert crosses_itself(outline)
    with pytest.raises(DataError, match="crosses itself"):
        area(in_slice(outline), 0, FLAT)


def test_simple_outlines_are_not_refused():
    assert not crosses_itself(circle(20))
    assert not crosses_itself([(0, 0), (8, 0), (2, 2), (0, 8)])  # concave
    assert not crosses_itself([(0, 0), (0, 0), (8, 0), (8, 8), (0, 8), (0, 0)])  # corners twice


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ([(3, 0, 0)], "two points"),
        ([(3, 0, 0), (3, np.nan, 0)], "in voxels"),
        ([(0, 0), (1, 1)], "in voxels"),
    ],
)
def test_what_is_no_ruler_is_refused(points, what):
    with pytest.raises(DataError, match=what):
        length(points, FLAT)


def test_what_is_no_area_is_refused():
    with pytest.raises(DataError, match="three corners"):
        area([(3, 0, 0), (3, 5, 5)], 0, FLAT)
    with pytest.raises(DataError, match="on one slice"):
        area([(3, 0, 0), (3, 5, 5), (4, 0, 5)], 0, FLAT)


def test_ends_that_cross_each_other_are_cut_off():
    drawn = circle(20, turns=1.03)
    drawn[:12] += np.linspace(2, -2, 12)[:, None] * (0, 1)  # its end crosses its beginning
    assert crosses_itself(drawn)
    closed = trim_ends(drawn)
    assert not crosses_itself(closed)
    assert area(in_slice(closed), 0, None).value == pytest.approx(np.pi * 400, rel=0.02)


def test_a_loop_in_the_middle_is_not_cut_off():
    angles = np.linspace(0.2, 6.0, 60)
    eight = np.stack([np.sin(2 * angles), np.cos(angles)], axis=1)
    assert crosses_itself(trim_ends(eight))
    assert len(trim_ends([(0, 0), (1, 1)])) == 2


def test_intensities_are_those_of_the_pixels_inside():
    plane = np.arange(100, dtype=np.int16).reshape(10, 10) - 50
    found = intensities(plane, [(1.5, 1.5), (1.5, 4.5), (4.5, 4.5), (4.5, 1.5)])
    part = plane[2:5, 2:5]
    assert found is not None
    assert (found.low, found.high, found.pixels) == (part.min(), part.max(), 9)
    assert found.mean == pytest.approx(part.mean())
    assert found.sd == pytest.approx(part.std())


def test_intensities_outside_the_picture_are_none():
    plane = np.ones((10, 10), np.uint8)
    assert intensities(plane, [(-9, -9), (-9, -2), (-2, -2)]) is None
    assert intensities(plane, [(2.1, 2.1), (2.1, 2.9), (2.9, 2.9)]) is None
    half = intensities(plane, [(-9, -9), (-9, 4.5), (4.5, 4.5), (4.5, -9)])
    assert half is not None
    assert half.pixels == 25


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (32.44, Unit.MM, "32.4 mm"),
        (132.4, Unit.MM, "132 mm"),
        (8.04, Unit.MM, "8.0 mm"),
        (120.2, Unit.PX, "120 px"),
        (84.2, Unit.MM2, "84 mm²"),
        (8.42, Unit.MM2, "8.4 mm²"),
        (99.7, Unit.MM2, "1.0 cm²"),
        (512.0, Unit.MM2, "5.1 cm²"),
        (2345.6, Unit.PX2, "2\u2009346 px²"),
    ],
)
def test_values_are_written_with_sensible_digits(value, unit, text):
    assert Quantity(value, unit).text == text


def test_points_within_their_plane():
    assert within_plane([(1, 2, 3)], 0).tolist() == [[2, 3]]
    assert within_plane([(1, 2, 3)], 1).tolist() == [[1, 3]]
    assert within_plane([(1, 2, 3)], 2).tolist() == [[1, 2]]
