"""The strip under the picture: figures of every slice, jumps, slices seen."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolTip

from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.viewer.case_view import CaseView
from napari_brainseg.widgets import seen_watch
from napari_brainseg.widgets.slice_strip import SliceStrip
from napari_brainseg.widgets.strip_drawing import StripLayout, number_place

SHAPE = (20, 32, 32)


def _prediction(mask, uncertainty=None):
    if uncertainty is None:
        uncertainty = np.zeros(SHAPE, np.float32)
    probability = mask.astype(np.float32)
    return Prediction("P_1", probability, mask, uncertainty, "v1", "a test", "a test")


@pytest.fixture
def study():
    truth = np.zeros(SHAPE, np.uint8)
    truth[8:12, 8:16, 8:16] = 1
    image = np.random.default_rng(0).integers(1, 255, (3, *SHAPE), dtype=np.uint8)
    return Study("P_1", ScalarVolume(image), LabelVolume(truth))


@pytest.fixture
def room(qtbot, tmp_path, monkeypatch, study):
    """A viewer without a window, its case view, and the strip."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    start_emitting_from_queue(msec=10)
    desk = Desk(Workspace(tmp_path / "workspace").create(), bundled=tuple)
    viewer = ViewerModel()
    view = CaseView(viewer, desk)
    strip = SliceStrip(viewer, view, view.display, desk)
    qtbot.addWidget(strip)
    strip.resize(800, strip.sizeHint().height())
    strip.show()

    def open_case(study=study):
        case = desk.open_study(study)
        view._show(case)
        return case

    yield SimpleNamespace(
        desk=desk, viewer=viewer, view=view, strip=strip, open=open_case, qtbot=qtbot
    )
    desk.close()
    view.close()


def _at(strip, index):
    layout = strip.picture.layout_now()
    return QPoint(round(layout.x(index) + layout.column / 2), strip.picture.height() // 2)


def test_before_a_case_is_open_it_says_what_will_be_here(room):
    assert "slices" in room.strip.notice
    assert not room.strip.buttons["next_lesion"].isEnabled()
    room.open()
    assert room.strip.notice == "Not predicted yet"
    assert room.strip.buttons["next_lesion"].isEnabled()


def test_the_figures_follow_prediction_threshold_and_strokes(room):
    case = room.open()
    strip = room.strip
    predicted = np.roll(case.truth, 2, axis=2)
    case.set_prediction(_prediction(predicted, predicted.astype(np.float32)))
    room.view.display.take_prediction()
    assert strip.notice == ""
    assert strip.describe(9) == (
        "slice 10: prediction 64 voxels, truth 64 voxels, disagreement 32 voxels, "
        "doubtful 64 voxels, not seen yet"
    )
    correction = case.start_correction("prediction", "A. Tester")
    room.view.display.take_correction()
    correction.data[9] = case.truth[9]
    correction.commit()
    assert strip.facts.disagreement[9] == 0
    assert strip.describe(9).endswith("not seen yet, edited")
    correction.undo()
    assert strip.facts.disagreement[9] == 32
    assert not strip.facts.edited[9]


def test_hiding_the_masks_counts_nothing_again(room):
    case = room.open()
    case.set_prediction(_prediction(case.truth.copy()))
    room.view.display.take_prediction()
    heard = []
    room.strip.facts.changed.connect(heard.append)
    room.view.display.hide_masks()
    room.view.display.reveal_masks()
    assert heard == []


def test_buttons_jump(room):
    room.open()
    strip = room.strip
    room.view.go_to(0)
    strip.buttons["next_lesion"].click()
    assert room.view.slice_index == 8
    room.view.go_to(19)
    strip.buttons["previous_lesion"].click()
    assert room.view.slice_index == 11
    strip.buttons["next_lesion"].click()
    assert room.view.slice_index == 11  # there is none behind
    assert strip.picture.said == "No lesion in the slices that follow."
    strip.buttons["next_worst"].click()
    assert "before there is a prediction" in strip.picture.said


def test_click_drag_wheel_and_keys_jump(room):
    room.open()
    picture, view = room.strip.picture, room.view
    QTest.mouseClick(picture, Qt.MouseButton.LeftButton, pos=_at(room.strip, 3))
    assert view.slice_index == 3
    QTest.mousePress(picture, Qt.MouseButton.LeftButton, pos=_at(room.strip, 3))
    QTest.mouseMove(picture, _at(room.strip, 7))
    QTest.mouseRelease(picture, Qt.MouseButton.LeftButton, pos=_at(room.strip, 7))
    QTest.mouseClick(picture, Qt.MouseButton.LeftButton, pos=_at(room.strip, 7))
    assert view.slice_index == 7
    down = QWheelEvent(
        QPointF(9, 9), QPointF(9, 9), QPoint(0, 0), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(picture, down)
    assert view.slice_index == 8
    QTest.keyClick(picture, Qt.Key.Key_Left)
    assert view.slice_index == 7
    QTest.keyClick(picture, Qt.Key.Key_End)
    assert view.slice_index == 19


def test_a_tooltip_tells_the_figures_of_the_slice_below_the_mouse(room):
    room.open()
    at = _at(room.strip, 9)
    QApplication.sendEvent(
        room.strip.picture,
        QHelpEvent(QEvent.Type.ToolTip, at, room.strip.picture.mapToGlobal(at)),
    )
    assert QToolTip.text().startswith("slice 10: truth 64 voxels")
    assert "(J)" in room.strip.buttons["next_worst"].toolTip()
    QToolTip.hideText()


def test_a_slice_that_is_looked_at_is_seen_and_stays_so(room, study, monkeypatch):
    monkeypatch.setattr(room.strip.watch, "_is_looking", lambda: True)
    room.strip.watch._dwell.setInterval(10)
    case = room.open()
    room.view.go_to(5)
    room.qtbot.waitUntil(lambda: bool(room.strip.facts.seen[5]))
    assert not room.strip.facts.seen[6]
    room.desk.close_case()  # written at once
    assert room.strip.facts is None
    again = room.open(study)
    assert again.id == case.id
    room.qtbot.waitUntil(lambda: bool(room.strip.facts.seen[5]))


def test_a_slice_in_a_window_behind_others_is_not_seen(room, monkeypatch):
    monkeypatch.setattr(room.strip.watch, "_is_looking", lambda: False)
    room.strip.watch._dwell.setInterval(1)
    room.open()
    QTest.qWait(30)
    assert not room.strip.facts.seen.any()


def test_slices_seen_are_written_now_and_then(room, monkeypatch):
    from napari_brainseg.session.seen import SeenSlices

    monkeypatch.setattr(room.strip.watch, "_is_looking", lambda: True)
    room.strip.watch._dwell.setInterval(1)
    room.strip.watch._save_timer.setInterval(1)
    case = room.open()
    room.qtbot.waitUntil(
        lambda: bool(SeenSlices(room.desk.catalogue, case.id, SHAPE[0]).load().any())
    )
    assert seen_watch.DWELL_MS == 300


def test_a_blind_case_shows_no_prediction(room, study, monkeypatch):
    from napari_brainseg.session.case import Case

    case = Case(study, room.desk.catalogue, blind=True)
    case.set_prediction(_prediction(study.truth.data.copy()))
    monkeypatch.setattr(Desk, "case", property(lambda _desk: case))
    room.view._show(case)
    assert room.strip.facts.prediction is None
    assert room.strip.facts.uncertainty is None
    assert room.strip.notice == ""


@pytest.mark.parametrize("slices", [20, 120])
def test_a_repaint_is_cheap_and_columns_fill_the_strip(room, slices):
    truth = np.zeros((slices, 32, 32), np.uint8)
    truth[5:15, 4:9] = 1
    image = np.ones((3, slices, 32, 32), np.uint8)
    room.open(Study("P_2", ScalarVolume(image), LabelVolume(truth)))
    layout = room.strip.picture.layout_now()
    assert layout.x(slices) <= room.strip.picture.width()
    assert layout.x(slices) > room.strip.picture.width() - 8
    assert layout.column >= 3
    room.strip.picture.repaint()
    took = []
    for index in range(8):
        room.view.go_to(index)
        begun = time.perf_counter()
        room.strip.picture.repaint()
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.006  # 3 ms are asked for; a loaded machine gets twice that


def test_a_window_that_went_behind_another_shows_nothing_to_anybody(room):
    room.open()
    strip = room.strip
    assert strip._is_looking()
    QApplication.sendEvent(strip, QEvent(QEvent.Type.WindowDeactivate))
    assert not strip._is_looking()
    QApplication.sendEvent(strip, QEvent(QEvent.Type.WindowActivate))
    assert strip._is_looking()
    strip._viewer = SimpleNamespace(dims=SimpleNamespace(ndisplay=3))
    assert not strip._is_looking()


def test_numbers_at_the_end_of_the_strip_are_not_cut_off():
    layout = StripLayout(600, 80, 40, 12, 240)
    for index in (0, 119, 239):
        place = number_place(layout, index, 30)
        assert place.left() >= 0
        assert place.right() - 4 <= layout.width
        assert place.left() <= layout.x(index) <= place.right()
