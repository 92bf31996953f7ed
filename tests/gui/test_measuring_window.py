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
    image = ScalarVolume(rng.integers(1, 255, (3, *SHAPE), np.uint8), geometry=geometry)
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


def drag(window, *places):
    drag_on(window.canvas, *(window.point(*place) for place in places))


def items(window):
    return window.measure.measurements.items


def kept(window):
    return measurements_of(window.desk.catalogue, window.desk.case.id)


def test_a_ruler_is_dragged_and_found_again_when_the_case_is_opened_again(measured):
    window, measure = measured, measured.measure
    measure.panel.buttons[Kind.RULER].click()
    window.view.go_to(3)
    drag(window, (10, 10), (10, 25), (10, 42))
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(32, abs=0.2)
    assert (ruler.axis, ruler.plane, ruler.unit) == (0, 3, "mm")
    assert ruler.text in [f.text for f in measure.overlay.figures]
    window.wait(lambda: kept(window))
    measure.measuring.put_away()
    window.desk.close_case()
    window.wait(lambda: window.view.case is None)
    assert not measure.overlay.isVisible()
    window.dock.workbench.open(window.mm_root)
    window.wait(lambda: window.view.case is not None and items(window))
    assert items(window)[0].value == ruler.value
    window.view.go_to(2)
    assert not measure.overlay.isVisible()  # it belongs to another slice
    window.view.go_to(3)
    assert measure.overlay.isVisible()
    assert [f.text for f in measure.overlay.figures] == [ruler.text]


def test_two_clicks_make_a_ruler_too_and_esc_gives_up(measured):
    window, measuring = measured, measured.measure.measuring
    measuring.take(Kind.RULER)
    click(window, 10, 10)
    assert measuring.is_drawing
    window.key(Qt.Key.Key_Escape)
    assert (measuring.is_drawing, measuring.tool) == (False, Kind.RULER)
    click(window, 10, 10)
    click(window, 30, 10)
    assert [m.text for m in items(window)] == ["20.0 mm"]
    window.key(Qt.Key.Key_Escape)
    assert measuring.tool is None


def test_an_area_by_clicks_and_by_hand(measured):
    window, measuring = measured, measured.measure.measuring
    measuring.take(Kind.AREA)
    for place in SQUARE:
        click(window, *place)
    window.key(Qt.Key.Key_Return)
    angles = np.linspace(0, 2 * np.pi, 50)
    circle = [(30 + 10 * np.sin(a), 30 + 10 * np.cos(a)) for a in angles]
    drag(window, *circle)
    by_clicks, by_hand = items(window)
    assert by_clicks.value == pytest.approx(400, rel=0.02)
    assert by_hand.value == pytest.approx(np.pi * 100, rel=0.05)
    under = measuring.intensities_of(by_clicks)
    plane = window.desk.case.study.shown(window.view.display.modality)[by_clicks.plane]
    assert under.mean == pytest.approx(plane[20:41, 20:41].mean(), rel=0.05)


def test_an_outline_that_crosses_itself_is_refused_in_words(measured):
    window, measure = measured, measured.measure
    measure.measuring.take(Kind.AREA)
    for index in (0, 2, 1, 3):
        click(window, *SQUARE[index])
    window.key(Qt.Key.Key_Return)
    assert items(window) == ()
    assert "crosses itself" in measure.badge.text()
    click(window, *SQUARE[0])
    assert "crosses itself" not in measure.badge.text()


def test_ends_can_be_dragged_and_delete_takes_it_away(measured):
    window, measuring = measured, measured.measure.measuring
    measuring.take(Kind.RULER)
    drag(window, (10, 10), (10, 20), (10, 30))
    measuring.put_away()
    drag(window, (10, 30), (10, 40), (10, 50))
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(40, abs=0.4)
    window.wait(lambda: [m.value for m in kept(window)] == [ruler.value])
    window.key(Qt.Key.Key_Delete)
    assert items(window) == ()
    window.wait(lambda: kept(window) == ())
    measured.measure.panel.undo.click()
    window.wait(lambda: items(window))


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


def test_it_is_hidden_with_the_masks_and_in_3d(measured):
    window, measure = measured, measured.measure
    measure.measuring.take(Kind.RULER)
    drag(window, (10, 10), (10, 25), (10, 42))
    assert measure.overlay.isVisible()
    window.view.layers.hide_masks()
    assert not measure.overlay.isVisible()
    window.view.layers.reveal_masks()
    assert measure.overlay.isVisible()
    window.dock.workbench.views.set_mode("3d")
    assert not measure.overlay.isVisible()
    assert measure.measuring.tool is None
    assert not measure.panel.buttons[Kind.RULER].isEnabled()


def test_the_coronal_plane_can_be_measured_where_the_slices_are_known_to_lie(measured):
    window, measure = measured, measured.measure
    views = window.dock.workbench.views
    views.set_mode("linked")
    plane = window.dock.room.planes.linked.coronal
    window.wait(lambda: plane.picture is not None and plane.isVisible())
    measure.measuring.take(Kind.RULER)
    start, end = (plane.to_widget(r, 10).toPoint() for r in (1, 4))
    drag_on(plane, start, QPoint(start.x(), (start.y() + end.y()) // 2), end)
    (ruler,) = items(window)
    assert ruler.value == pytest.approx(15, abs=0.5)
    assert (ruler.plane_name, ruler.plane) == ("coronal", views.crosshair[1])
    window.view.go_to(0)
    measure.panel.go_to(ruler)
    assert views.crosshair[1] == ruler.plane


def test_without_spacing_it_is_pixels_and_only_within_slices(measured):
    window, measure = measured, measured.measure
    window.open()
    window.wait(lambda: measure.measurements.case is window.desk.case)
    measure.measuring.take(Kind.RULER)
    drag(window, (10, 10), (10, 25), (10, 42))
    assert items(window)[0].text.endswith(" px")
    assert not measure.measuring.can_measure_on(1)
    assert "pixels" in measure.panel.note.text() or items(window)


def test_the_panel_lists_names_and_copies(measured):
    window, panel = measured, measured.measure.panel
    measuring = measured.measure.measuring
    measuring.take(Kind.RULER)
    window.view.go_to(3)
    drag(window, (10, 10), (10, 25), (10, 42))
    window.view.go_to(1)
    model = panel.model
    assert model.rowCount() == 1
    assert model.setData(model.index(0, 0), "longest", Qt.ItemDataRole.EditRole)
    window.wait(lambda: kept(window) and kept(window)[0].label == "longest")
    panel.table.clicked.emit(model.index(0, 1))
    assert window.view.slice_index == 3
    assert measuring.chosen is not None
    text = items(window)[0].text
    actions = {a.text(): a for a in panel.copy.menu().actions()}
    actions["As text"].trigger()
    assert QGuiApplication.clipboard().text() == f"longest: {text} (slice 4)"
    actions["As table (CSV)"].trigger()
    assert QGuiApplication.clipboard().text().splitlines()[1].startswith("longest,ruler,3")
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert panel.model.rowCount() == 0


def test_the_actions_toggle_the_tools(measured):
    measure = measured.measure
    actions = measure.actions()
    assert set(actions) == {"measure_ruler", "measure_area"}
    actions["measure_ruler"]()
    assert measure.measuring.tool is Kind.RULER
    actions["measure_area"]()
    assert measure.measuring.tool is Kind.AREA
    actions["measure_area"]()
    assert measure.measuring.tool is None
