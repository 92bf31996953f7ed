"""Window and level by the right mouse button, in whatever mode."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.imaging import Modality
from napari_brainseg.widgets.canvas_filter import RightDrag

RIGHT, LEFT, NONE = Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@pytest.fixture
def room(window):
    """The window with a patient, and the drag in force once."""
    window.open()
    if not window.canvas.findChildren(RightDrag):
        RightDrag(window.canvas, window.viewer, window.view.display)
    return window


def mouse(canvas, kind, at, button, buttons):
    place = QPointF(*at)
    everywhere = QPointF(canvas.mapToGlobal(place.toPoint()))
    event = QMouseEvent(kind, place, everywhere, button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)
    QTest.qWait(15)


def right_drag(window, *points, release=True):
    canvas = window.canvas
    mouse(canvas, QEvent.Type.MouseButtonPress, points[0], RIGHT, RIGHT)
    for point in points[1:]:
        mouse(canvas, QEvent.Type.MouseMove, point, NONE, RIGHT)
    if release:
        mouse(canvas, QEvent.Type.MouseButtonRelease, points[-1], RIGHT, NONE)


def test_the_right_button_sets_the_window_and_neither_zooms_nor_paints(room):
    display = room.view.display
    room.correct()
    layer, camera = room.view.layers.correction, room.viewer.scene.camera
    before = (camera.zoom, tuple(camera.center))
    painted = layer.data.copy()
    for mode in ("paint", "erase", "fill", "polygon", "pick", "pan_zoom"):
        layer.mode = mode
        low, high = display.window()
        right_drag(room, (300, 300), (330, 300), (360, 320))
        assert display.window() != (low, high)
        assert layer.mode == mode
    assert (camera.zoom, tuple(camera.center)) == before
    assert np.array_equal(layer.data, painted)
    assert room.desk.case.correction.meter.strokes == 0


def test_sideways_is_width_and_up_and_down_is_level_live(room):
    display = room.view.display
    layer = room.view.layers.image(Modality.FLAIR)
    low, high = layer.contrast_limits
    right_drag(room, (300, 300), (250, 300), release=False)
    narrow = layer.contrast_limits
    assert narrow[1] - narrow[0] < high - low
    assert sum(narrow) == pytest.approx(low + high)
    mouse(room.canvas, QEvent.Type.MouseMove, (300, 340), NONE, RIGHT)
    darker = layer.contrast_limits
    assert darker[1] - darker[0] == pytest.approx(high - low)
    assert sum(darker) > low + high
    mouse(room.canvas, QEvent.Type.MouseMove, (9000, -9000), NONE, RIGHT)
    assert layer.contrast_limits_range[0] <= layer.contrast_limits[0]
    mouse(room.canvas, QEvent.Type.MouseButtonRelease, (300, 300), RIGHT, NONE)
    kept = display.window()
    mouse(room.canvas, QEvent.Type.MouseMove, (100, 100), NONE, NONE)
    assert display.window() == kept


def test_a_right_click_in_the_middle_of_a_stroke_does_not_disturb_it(room):
    room.correct()
    window = room.view.display.window()
    room.drag((8, 8), (8, 12), release=False)
    where = room.point(8, 12)
    at = (where.x(), where.y())
    mouse(room.canvas, QEvent.Type.MouseButtonPress, at, RIGHT, LEFT | RIGHT)
    mouse(room.canvas, QEvent.Type.MouseButtonRelease, at, RIGHT, LEFT)
    QTest.mouseMove(room.canvas, room.point(8, 20))
    QTest.qWait(15)
    room.release((8, 20))
    assert room.view.layers.correction.data[room.view.slice_index, 8, 8:20].all()
    assert room.desk.case.correction.meter.strokes == 1
    assert room.view.display.window() == window


def test_windows_come_back_with_their_patient(room):
    display = room.view.display
    right_drag(room, (300, 300), (220, 330))
    mine = display.window(Modality.FLAIR)
    display.modality = Modality.POST
    assert display.window() != mine
    room.open("TEST_AB_0002_20200101")
    room.open("TEST_AB_0001_20200101")
    assert display.window(Modality.FLAIR) == mine
