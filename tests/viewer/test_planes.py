"""Planes through a volume: which voxels, which grey levels, which outlines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_brainseg.core.imaging import Geometry
from napari_brainseg.viewer.planes import Plane, as_rgb, composite, cut, grey, outline, tint
from napari_brainseg.viewer.spacing import NOMINAL_PIXEL_MM, display_spacing


def test_planes_cut_the_volume_where_they_say():
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert np.array_equal(cut(volume, Plane.AXIAL, 1), volume[1])
    assert np.array_equal(cut(volume, Plane.CORONAL, 2), volume[:, 2])
    assert np.array_equal(cut(volume, Plane.SAGITTAL, 3), volume[:, :, 3])
    assert np.shares_memory(cut(volume, Plane.SAGITTAL, 0), volume)
    assert np.array_equal(cut(volume, Plane.CORONAL, 99), volume[:, 2])
    assert (Plane.SAGITTAL.rows, Plane.SAGITTAL.columns) == (0, 1)
    assert (Plane.CORONAL.rows, Plane.CORONAL.columns) == (0, 2)
    assert (Plane.AXIAL.rows, Plane.AXIAL.columns) == (1, 2)


def test_the_window_sets_black_and_white():
    plane = np.array([[0, 50, 100, 150, 200]], np.uint8)
    assert grey(plane, (50, 150)).tolist() == [[0, 0, 127, 255, 255]]
    assert grey(plane, (50, 150), inverted=True).tolist() == [[255, 255, 128, 0, 0]]
    assert grey(plane, (100, 100)).dtype == np.uint8


def test_the_composite_adds_each_modality_in_its_colour():
    low, high = np.zeros((1, 2), np.uint8), np.full((1, 2), 100, np.uint8)
    colours = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    picture = composite([high, low, high], [(0, 100)] * 3, colours)
    assert picture[0, 0].tolist() == [255, 0, 255]


def test_a_tint_covers_as_much_as_it_says_and_leaves_the_rest_alone():
    picture = as_rgb(np.full((2, 2), 100, np.uint8))
    tint(picture, np.array([[0.5, 0.0], [0.0, 1.0]]), "#ff0000")
    assert picture[0, 0].tolist() == [177, 50, 50]
    assert picture[0, 1].tolist() == [100, 100, 100]
    assert picture[1, 1].tolist() == [255, 0, 0]


def test_an_outline_follows_the_edge_of_the_voxels():
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:6] = 1
    (path,) = outline(mask)
    assert np.array_equal(path[0], path[-1])
    assert path.min(axis=0).tolist() == [1.5, 2.5]
    assert path.max(axis=0).tolist() == [3.5, 5.5]
    assert outline(np.zeros((4, 4))) == ()


def test_an_outline_closes_at_the_edge_of_the_picture_and_goes_around_holes():
    mask = np.ones((5, 5), np.uint8)
    mask[2, 2] = 0
    around, hole = sorted(outline(mask), key=len, reverse=True)
    assert around.min() == -0.5
    assert around.max() == 4.5
    assert np.abs(hole - 2).max() == 0.5


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))
)
def test_outlines_enclose_the_lesion_but_for_its_corners(mask):
    area = 0.0
    for path in outline(mask):
        rows, columns = path[:, 0], path[:, 1]
        area += float(np.sum(columns[:-1] * rows[1:] - columns[1:] * rows[:-1])) / 2
    # A single voxel keeps half of its square, a block nearly all.
    assert mask.sum() / 2 <= abs(area) <= mask.sum() + (mask.size - mask.sum()) / 2


def test_spacing_of_the_files_holds():
    spacing = display_spacing(Geometry((3.0, 0.5, 0.5)), 30, 7.0)
    assert spacing.mm == (3.0, 0.5, 0.5)
    assert spacing.is_known


@pytest.mark.parametrize(("slices", "thickness"), [(20, 8.0), (64, 2.5), (500, 1.0), (1, 8.0)])
def test_without_spacing_the_thickness_is_assumed_from_the_number_of_slices(slices, thickness):
    spacing = display_spacing(Geometry(), slices)
    assert spacing.mm == (thickness, NOMINAL_PIXEL_MM, NOMINAL_PIXEL_MM)
    assert spacing.origin == "assumed"
    assert not spacing.is_known


def test_a_thickness_that_was_set_wins_over_the_assumed_one():
    spacing = display_spacing(Geometry(), 64, 4.0)
    assert spacing.thickness_mm == 4.0
    assert spacing.origin == "set"
    assert not spacing.is_known
