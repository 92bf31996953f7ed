"""Values of measurements stand where they can be read."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QFont

from napari_brainseg.session.measurements import Kind
from napari_brainseg.widgets.measure_figures import Figure
from napari_brainseg.widgets.measure_layout import lay_out, text_font

ROOM = QRectF(0, 0, 400, 300)


def ruler(*points, text="32.4 mm"):
    return Figure(Kind.RULER, tuple(QPointF(x, y) for x, y in points), text)


def area(left, top, width, height, text="5.1 cm²\nmean 55.0 ± 5.8, 31 to 83"):
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    return Figure(Kind.AREA, tuple(QPointF(left + x, top + y) for x, y in corners), text)


@pytest.fixture
def placed(qtbot):
    def place(*figures, taken=()):
        return lay_out(figures, text_font(QFont()), ROOM, taken)

    return place


def test_a_value_stands_beyond_the_right_end(placed):
    (one,) = placed(ruler((50, 100), (150, 100)))
    assert one.plate.left() > 150
    assert one.plate.top() < 100 < one.plate.bottom()


def test_texts_are_in_sight_and_not_over_each_other(placed):
    found = placed(
        area(200, 80, 150, 100), ruler((100, 100), (390, 100)), ruler((100, 104), (390, 104)),
        ruler((10, 290), (380, 290)),
    )  # fmt: skip
    for number, figure in enumerate(found):
        assert ROOM.contains(figure.plate)
        for other in found[:number]:
            assert not figure.plate.intersects(other.plate)


def test_other_annotations_stay_legible(placed):
    corner = QRectF(155, 80, 245, 40)
    (one,) = placed(ruler((50, 100), (150, 100)), taken=[corner])
    assert not one.plate.intersects(corner)


def test_a_ruler_longer_than_the_picture_has_its_value_in_sight(placed):
    for far in (1, 100):
        start, end = (200 - 700 * far, 150 - 500 * far), (200 + 700 * far, 150 + 500 * far)
        (one,) = placed(ruler(start, end))
        assert ROOM.contains(one.plate)


def test_what_is_out_of_sight_is_not_written(placed):
    assert placed(ruler((-500, -300), (-100, -20)), area(500, 500, 20, 20)) == []
