"""Rulers and areas drawn with the mouse on a real window; painting is never disturbed by them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QGuiApplication, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import Geometry, LabelVolume, ScalarVolume
from napari_brainseg.session.measurements import Kind, measurements_of
from napari_brainseg.widgets.measure_set import MeasureSet

SHAPE = (6, 64, 64)
PATIENT = "TEST_MM_0001_20200101"
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SQUARE = [(20, 20), (40, 20), (40, 40), (20, 40)]


@pytest.fixture
def measured(window):
    """A window with the measuring tools; a case with spacing is open."""
    rng = np.random.default_rng(3)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 24:40, 24:40] = 1
    geometry = Geometry((5.0, 1.0, 1.0))
    data = rng.integers(1, 120, (3, *SHAPE), np.uint8)
    data[:, :, 12:52, 12:52] |= 128  # 40 mm across
    image = ScalarVolume(data, geometry=geometry)
    root = window.root.with_name("with spacing")
    write_patient(
        root, PATIENT, image, LabelVolume(mask), tuple(range(1, 7)), durable=False,
        geometry=geometry,
    )  # fmt: skip
    window.mm_root = root
    dock = window.dock
    made = getattr(dock, "measure", None)
    if made is None:
        made = MeasureSet(window.viewer, dock.workbench, window.canvas, dock.room.planes, dock)
    made.panel.resize(300, 300)
    dock.workbench.open(root)
    window.wait(lambda: window.view.case is not None)
    window.wait(lambda: made.measurements.case is window.desk.case)
    window.measure = made
    return window


def click(window, y, x):
    at = window.point(y, x)
    QTest.mouseMove(window.canvas, at)
    QTest.qWait(15)
    QTest.mouseClick(window.canvas, LEFT, NONE, at)
    QTest.qWait(15)


def drag_on(widget, *points):
    """Drag over points of a widget; QTest's own moves tell of no button."""
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(points) - 1)]
    for kind, at in zip(kinds, points, strict=True):
        button = LEFT if kind == QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
        send(widget, kind, at, button, LEFT)
    send(widget, QEvent.Type.MouseButtonRelease, points[-1], LEFT, Qt.MouseButton.NoButton)


def send(widget, kind, at, button, buttons):
    everywhere = QPointF(widget.mapToGlobal(at))
    QApplication.sendEvent(
        widget, QMouseEvent(kind, QPointF(at), everywhere, button, buttons, NONE)
    )
    QTest.qWait(15)


def longest(flags):
    """Length of the longest run."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, int), [0]])))
    return int(np.diff(ends)[::2].max())


def drag(window, *places):
    drag_on(window.canvas, *(window.point(*place) for place in places))


def items(window):
    return window.measure.measurements.items


def kept(window):
    return measurements_of(window.desk.catalogue, window.desk.case.id)


def test_a_ruler_is_dragged_and_found_again_when_the_case_is_opened_again(measured):
    window, measure = measured, measured.measure
    measuring, overlay = measure.measuring, measure.overlay
    measure.panel.buttons[Kind.RULER].click()
    window.view.go_to(3)
    drag(window, (10, 10), (10, 25), (10, 42))
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(32, abs=0.2)
    assert (ruler.axis, ruler.plane, ruler.unit) == (0, 3, "mm")
    assert ruler.text in [f.text for f in overlay.figures]
    window.wait(lambda: kept(window))

    measuring.put_away()
    window.desk.close_case()
    window.wait(lambda: window.view.case is None)
    assert not overlay.isVisible()
    window.dock.workbench.open(window.mm_root)
    window.wait(lambda: window.view.case is not None and items(window))
    assert items(window)[0].value == ruler.value
    window.view.go_to(2)
    assert not overlay.isVisible()  # it belongs to another slice
    window.view.go_to(3)
    assert [f.text for f in overlay.figures] == [ruler.text]
    assert overlay.isVisible()

    window.view.layers.hide_masks()
    assert not overlay.isVisible()
    window.view.layers.reveal_masks()
    assert overlay.isVisible()
    measuring.take(Kind.AREA)
    window.dock.workbench.views.set_mode("3d")
    assert not overlay.isVisible()
    assert measuring.tool is None
    assert not measure.panel.buttons[Kind.RULER].isEnabled()


def test_clicks_draw_too_ends_move_and_keys_take_back(measured):
    window, measuring = measured, measured.measure.measuring
    actions = measured.measure.actions()
    actions["measure_ruler"]()
    click(window, 10, 10)
    assert measuring.is_drawing
    window.key(Qt.Key.Key_Escape)
    assert (measuring.is_drawing, measuring.tool) == (False, Kind.RULER)
    click(window, 10, 10)
    click(window, 10, 30)
    assert items(window)[0].value == pytest.approx(20, abs=0.4)
    window.key(Qt.Key.Key_Escape)
    assert measuring.tool is None

    drag(window, (10, 30), (10, 40), (10, 50))
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(40, abs=0.4)
    window.wait(lambda: [m.value for m in kept(window)] == [ruler.value])
    window.key(Qt.Key.Key_Delete)
    assert items(window) == ()
    window.wait(lambda: kept(window) == ())
    measured.measure.panel.undo.click()
    window.wait(lambda: items(window))


def test_areas_by_clicks_and_by_hand(measured):
    window, measure = measured, measured.measure
    measuring = measure.measuring
    measure.actions()["measure_area"]()
    for place in SQUARE:
        click(window, *place)
    window.key(Qt.Key.Key_Return)
    angles = np.linspace(0, 2 * np.pi, 30)
    drag(window, *((30 + 10 * np.sin(a), 30 + 10 * np.cos(a)) for a in angles))
    by_clicks, by_hand = items(window)
    assert by_clicks.value == pytest.approx(400, rel=0.02)
    assert by_hand.value == pytest.approx(np.pi * 100, rel=0.05)
    under = measuring.intensities_of(by_clicks)
    plane = window.desk.case.study.shown(window.view.display.modality)[by_clicks.plane]
    assert under.mean == pytest.approx(plane[20:41, 20:41].mean(), rel=0.05)

    for index in (0, 2, 1, 3):
        click(window, *SQUARE[index])
    window.key(Qt.Key.Key_Return)
    assert len(items(window)) == 2
    assert "crosses itself" in measure.badge.text()
    click(window, *SQUARE[0])
    assert "crosses itself" not in measure.badge.text()
    measure.actions()["measure_area"]()
    assert (measuring.tool, measuring.is_drawing) == (None, False)


def test_painting_goes_on_as_before(measured):
    window, measuring = measured, measured.measure.measuring
    window.correct()
    layer, correction = window.view.layers.correction, window.desk.case.correction
    measuring.take(Kind.RULER)
    assert window.dock.workbench.brushes.tool == "move"
    before, strokes = layer.data.copy(), correction.meter.strokes
    drag(window, (10, 10), (10, 25), (10, 42))
    assert np.array_equal(layer.data, before)
    assert correction.meter.strokes == strokes
    measuring.put_away()
    assert layer.mode == "paint"
    # With a brush in hand a measurement is no obstacle.
    drag(window, (10, 10), (10, 25), (10, 42))
    window.wait(lambda: correction.meter.strokes == strokes + 1)
    assert items(window)[0].value == pytest.approx(32, abs=0.4)
    measuring.take(Kind.AREA)
    window.dock.workbench.brushes.take("eraser")
    assert measuring.tool is None
    assert layer.mode == "erase"


def test_planes_list_and_pixels(measured):
    window, measure = measured, measured.measure
    views, panel, measuring = window.dock.workbench.views, measure.panel, measure.measuring
    views.set_mode("linked")
    plane = window.dock.room.planes.linked.coronal
    window.wait(lambda: plane.picture is not None and plane.isVisible())
    measuring.take(Kind.RULER)
    start, end = (plane.to_widget(r, 10).toPoint() for r in (1, 4))
    drag_on(plane, start, QPoint(start.x(), (start.y() + end.y()) // 2), end)
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(15, abs=0.5)
    assert (ruler.plane_name, ruler.plane) == ("coronal", views.crosshair[1])

    window.view.go_to(3)
    drag(window, (10, 10), (10, 25), (10, 42))
    window.view.go_to(1)
    model = panel.model
    assert model.rowCount() == 2
    assert model.setData(model.index(1, 0), "longest", Qt.ItemDataRole.EditRole)
    window.wait(lambda: [m.label for m in kept(window)] == ["", "longest"])
    panel.table.clicked.emit(model.index(1, 1))
    assert window.view.slice_index == 3
    text = items(window)[1].text
    forms = {a.text(): a for a in panel.copy.menu().actions()}
    forms["As text"].trigger()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert copied[1] == f"longest: {text} (slice 4)"
    forms["As table (CSV)"].trigger()
    assert QGuiApplication.clipboard().text().splitlines()[2].startswith("longest,ruler,3")
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert model.rowCount() == 1

    # A case whose files carry no spacing.
    window.open()
    window.wait(lambda: measure.measurements.case is window.desk.case)
    assert "in pixels" in panel.note.text()
    measuring.take(Kind.RULER)
    drag(window, (10, 10), (10, 25), (10, 42))
    assert items(window)[0].text.endswith(" px")
    assert not measuring.can_measure_on(1)


def test_modalities_side_by_side_show_measurements_with_their_own_intensities(measured):
    window, measure = measured, measured.measure
    views, measuring = window.dock.workbench.views, measure.measuring
    views.set_mode("side by side")
    beside = window.dock.room.planes.side_by_side
    window.wait(lambda: beside.planes[1].picture is not None and beside.planes[1].isVisible())
    window.wait(lambda: window.canvas.width() > 1.2 * beside.width())
    window.view.go_to(3)
    measuring.take(Kind.AREA)
    plane = beside.planes[1]
    window.wait(lambda: plane.to_widget(32, 32).x() > 0)
    for place in SQUARE:
        at = plane.to_widget(*place).toPoint()
        QTest.mouseMove(plane, at)
        QTest.mouseClick(plane, LEFT, NONE, at)
    measuring.close()
    (area,) = items(window)
    assert area.value == pytest.approx(400, rel=0.05)
    assert (area.axis, area.plane) == (0, 3)
    means = set()
    for number, overlay in enumerate((measure.overlay, *measure.on_modalities)):
        assert overlay.isVisible()
        modality = beside.modality_of(number - 1) if number else window.view.display.modality
        mean = measuring.intensities_of(area, modality).mean
        means.add(round(mean, 3))
        assert f"mean {mean:.1f}" in overlay.figures[0].text
    assert len(means) == 3
    window.view.go_to(2)
    window.wait(lambda: not any(overlay.isVisible() for overlay in measure.on_modalities))


def test_the_scale_bar_is_as_long_as_it_says(measured):
    window, marks = measured, measured.dock.room.corners.marks
    window.wait(lambda: marks.bar.isVisible())
    window.view.go_to(0)  # no outline of a mask there
    drawn = window.viewer.screenshot(canvas_only=True, flash=False)[..., :3].mean(axis=2)
    assert drawn.shape == (window.canvas.height(), window.canvas.width())
    row = window.point(32, 32).y()
    # The square is bright in its noise, what lies around is not.
    across = drawn[row - 60 : row + 60].mean(axis=0)
    square = longest(across > (across.min() + across.max()) / 2)
    bar = marks.bar.grab().toImage()
    line = [bar.pixelColor(6, y).lightness() > 127 for y in range(bar.height())]
    assert longest(line) / marks.bar.mm == pytest.approx(square / 40, rel=0.02)
    zoom = window.viewer.scene.camera.zoom
    window.viewer.scene.camera.zoom = 3 * zoom
    assert marks.bar.pixels / marks.bar.mm == pytest.approx(3 * zoom)
    # Spacing alone tells nothing of the orientation.
    assert marks.note.isVisible()
    assert marks.texts == {}
