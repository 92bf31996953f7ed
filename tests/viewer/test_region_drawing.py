"""Lasso and polygon as a state of their own, without a window."""

from __future__ import annotations

import pytest

from napari_brainseg.viewer.region_drawing import LASSO, POLYGON, RegionDrawing

SHAPE = (4, 40, 50)
SQUARE = ((5.0, 10.0), (5.0, 20.0), (15.0, 20.0), (15.0, 10.0))


@pytest.fixture
def drawing():
    drawing = RegionDrawing()
    drawing.enter(SHAPE)
    drawing.found = []
    drawing.drawn.connect(drawing.found.append)
    return drawing


def lasso(drawing, points=SQUARE, z=1, **options):
    drawing.press(z, points[0], **options)
    for point in points[1:]:
        drawing.move(point)
    drawing.release(points[-1])


def click(drawing, *points, z=1):
    for point in points:
        drawing.press(z, point)
        drawing.release(point)


def test_a_lasso_is_closed_by_the_release(drawing):
    drawing.begin(LASSO)
    lasso(drawing)
    (region,) = drawing.found
    assert (region.slice_index, region.kind, region.cut, region.purpose) == (
        1,
        "lasso",
        False,
        "mask",
    )
    assert region.inside.shape == SHAPE[1:]
    assert region.inside[6:15, 11:20].all()
    assert not region.inside[:5].any()
    assert not region.inside[:, 22:].any()
    assert not drawing.is_drawing
    assert drawing.kind == LASSO  # the next one can be drawn at once


def test_a_polygon_is_closed_when_asked_and_loses_its_last_corner(drawing):
    drawing.begin(POLYGON)
    click(drawing, *SQUARE, (30.0, 40.0))
    drawing.move((1.0, 1.0))
    assert drawing.path[-1] == (1.0, 1.0)
    assert drawing.found == []
    drawing.back()
    assert drawing.points == SQUARE
    drawing.close()
    assert drawing.found[0].inside[10, 15]
    assert not drawing.found[0].inside[25, 35]


def test_cutting_is_a_switch_that_a_key_turns_round_for_one_region(drawing):
    drawing.begin(LASSO)
    lasso(drawing, turned=True)
    drawing.cutting = True
    lasso(drawing)
    lasso(drawing, turned=True)
    assert [region.cut for region in drawing.found] == [True, True, False]


def test_what_has_no_area_on_the_image_is_no_region(drawing):
    drawing.begin(LASSO)
    lasso(drawing, ((5.0, 5.0), (5.0, 5.0)))
    lasso(drawing, tuple((y - 500, x) for y, x in SQUARE))
    drawing.begin(POLYGON)
    click(drawing, *SQUARE[:2])
    drawing.close()
    assert drawing.found == []
    assert not drawing.is_drawing


def test_escape_keeps_the_pencil_and_another_slice_begins_anew(drawing):
    drawing.begin(POLYGON)
    click(drawing, *SQUARE[:3])
    assert drawing.cancel()
    assert not drawing.cancel()
    assert drawing.kind == POLYGON
    click(drawing, *SQUARE[:3], z=1)
    click(drawing, SQUARE[0], z=2)
    assert drawing.points == SQUARE[:1]
    assert drawing.slice_index == 2


def test_a_region_for_another_tool_is_drawn_once(drawing):
    drawing.begin(LASSO, "snap")
    lasso(drawing)
    assert drawing.found[0].purpose == "snap"
    assert drawing.kind is None
    lasso(drawing)
    assert len(drawing.found) == 1


def test_another_case_drops_what_was_begun(drawing):
    drawing.begin(POLYGON)
    click(drawing, *SQUARE)
    drawing.enter((9, 20, 20))
    assert not drawing.is_drawing
    drawing.enter(None)
    assert drawing.kind is None
    with pytest.raises(ValueError, match="spline"):
        drawing.begin("spline")
