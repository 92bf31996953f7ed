"""Points of rulers and outlines as mouse and keys set them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging.outlines import crosses_itself
from napari_brainseg.session.measurements import Kind
from napari_brainseg.viewer.measure_drawing import MeasureDrawing, in_volume


def around(count=80, turns=1.0):
    angles = np.linspace(0, 2 * np.pi * turns, count)
    return [(50 + 20 * np.sin(a), 50 + 20 * np.cos(a)) for a in angles]


@pytest.fixture
def drawing():
    return MeasureDrawing()


def draw(drawing, path, kind=Kind.AREA):
    drawing.press(kind, 0, 3, path[0])
    for place in path[1:]:
        drawing.move(place, pressed=True)
    return drawing.release(path[-1], dragged=True)


def test_a_ruler_ends_with_the_drag_or_the_second_click(drawing):
    assert draw(drawing, [(1, 1), (1, 5), (1, 9)], Kind.RULER)
    assert drawing.take() == ((1, 1), (1, 9))
    assert not drawing.press(Kind.RULER, 0, 3, (1, 1))
    assert not drawing.release((1, 1), dragged=False)
    drawing.move((1, 6), pressed=False)
    assert drawing.path == ((1, 1), (1, 6))
    assert drawing.press(Kind.RULER, 0, 3, (1, 9))
    assert drawing.take() == ((1, 1), (1, 9))


def test_a_click_alone_is_no_ruler(drawing):
    drawing.press(Kind.RULER, 0, 3, (1, 1))
    drawing.press(Kind.RULER, 0, 3, (1, 1.1))
    assert drawing.take() == ()
    assert not drawing.is_begun


def test_an_outline_by_hand_is_smoothed_and_its_ends_are_cut(drawing):
    assert draw(drawing, around(200, 1.02))
    taken = np.array(drawing.take())
    assert 8 < len(taken) < 100
    assert not crosses_itself(taken)
    assert np.linalg.norm(taken - 50, axis=1) == pytest.approx(20, abs=0.3)


def test_a_hand_that_trembles_sets_a_corner(drawing):
    drawing.press(Kind.AREA, 0, 3, (1, 1))
    drawing.move((1, 1.2), pressed=True)
    assert not drawing.release((1, 1.2), dragged=False)
    drawing.press(Kind.AREA, 0, 3, (1, 9))
    drawing.press(Kind.AREA, 0, 3, (9, 9))
    drawing.press(Kind.AREA, 0, 3, (9, 1))
    drawing.back()
    assert drawing.take() == ((1, 1), (1, 9), (9, 9))


def test_another_slice_begins_anew(drawing):
    drawing.press(Kind.AREA, 0, 3, (1, 1))
    drawing.press(Kind.AREA, 0, 4, (5, 5))
    assert drawing.path[0] == (5, 5)
    assert drawing.plane == 4


@pytest.mark.parametrize(
    ("axis", "points"), [(0, (7, 1, 2)), (1, (1, 7, 2)), (2, (1, 2, 7))], ids="zyx"
)
def test_places_on_a_plane_have_a_place_in_the_volume(axis, points):
    assert in_volume([(1, 2)], axis, 7) == (points,)
