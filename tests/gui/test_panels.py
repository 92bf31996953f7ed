"""The panels of the Case tab: progress, stop, faults in place, the next act."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import ModelError

PATIENT = "TEST_AB_0001_20200101"


def filled(window):
    """Texts of the filled buttons that are seen."""
    buttons = window.viewer.window._qt_window.findChildren(QPushButton)
    return [b.text() for b in buttons if b.isVisible() and b.property("next")]


def test_the_next_act_is_the_only_filled_button(window):
    assert filled(window) == ["Open study…"]
    window.open()
    assert filled(window) == ["Predict"]
    window.predict()
    window.wait(lambda: filled(window) == ["Correct"])
    window.correct()
    assert filled(window) == ["Approve"]
    window.approve()
    window.wait(lambda: filled(window) == ["Next"])
    window.open("TEST_AB_0003_20200101")
    window.correct()
    window.approve()
    window.dock.tabs.setCurrentIndex(2)
    tick = window.dock.training.idle.preflight.anyway
    window.wait(tick.isVisible)
    assert filled(window) == []
    tick.click()
    window.wait(lambda: filled(window) == ["Fine-tune"])


def test_a_prediction_shows_progress_result_and_engine(window):
    window.open()
    panel = window.dock.predict
    window.predictor.go_on.clear()
    panel.predict_button.click()
    window.wait(lambda: panel.progress.value() == 2)
    assert panel.progress.maximum() == 6
    assert panel.stop_button.isVisible()
    assert filled(window) == []
    window.predictor.go_on.set()
    window.wait(lambda: panel.result.isVisible())
    assert panel.result.text() == "512 vox, DSC 0.875"
    assert "OpenVINO on CPU" in panel.details.text()
    assert "no GPU was found" in panel.details.toolTip()
    assert not panel.progress.isVisible()


def test_a_prediction_can_be_stopped(window):
    window.open()
    window.predictor.go_on.clear()
    panel = window.dock.predict
    panel.predict_button.click()
    window.wait(lambda: panel.progress.maximum() == 6)
    panel.stop_button.click()
    window.wait(lambda: not panel.is_busy)
    assert panel.details.text() == "Prediction stopped."
    assert panel.fault.text == ""
    assert window.view.layers.prediction is None


def test_a_failed_prediction_is_told_in_its_panel_with_its_mend(window):
    window.open()
    window.predictor.error = ModelError("No GPU was found.", "Choose Automatic.")
    panel = window.dock.predict
    panel.predict_button.click()
    window.wait(lambda: panel.fault.text)
    assert panel.fault.text == "No GPU was found. Choose Automatic."
    assert window.dock.fault.text == ""
    assert panel.predict_button.isVisible()

    window.predictor.error = None
    window.predict()
    assert panel.fault.text == ""


def test_the_editor_is_asked_once_and_in_place(window):
    window.open()
    window.predict()
    panel = window.dock.start
    panel.start_button.click()
    window.wait(lambda: panel.editor_field.isVisible())
    assert not panel.editor_field.accept.isEnabled()
    assert filled(window) == ["Go on"]
    assert window.desk.case.correction is None

    panel.editor_field.name.setText("  A. Tester ")
    panel.editor_field.accept.click()
    window.wait(lambda: window.view.layers.correction is not None)
    assert window.desk.editor == "A. Tester"
    assert window.desk.case.correction.editor == "A. Tester"

    window.open("TEST_AB_0002_20200101")
    panel.start_button.click()
    window.wait(lambda: window.view.layers.correction is not None)
    assert not panel.editor_field.isVisible()


@pytest.mark.parametrize("base", ["truth", "empty"])
def test_a_correction_may_start_from_truth_or_from_nothing(window, base):
    window.open()
    window.desk.editor = "A. Tester"
    panel = window.dock.start
    assert panel.base.currentData() == "truth"  # no prediction yet
    panel.base.setCurrentIndex(panel.base.findData(base))
    panel.start_button.click()
    window.wait(lambda: window.view.layers.correction is not None)
    expected = window.desk.case.truth if base == "truth" else np.zeros((6, 64, 64))
    assert np.array_equal(window.view.layers.correction.data, expected)


def test_an_export_holds_what_was_painted(window):
    window.open()
    window.correct()
    window.drag((8, 8), (8, 14))
    mine = window.view.layers.correction.data.copy()
    window.approve()
    panel = window.dock.export
    assert "read back, equal" in panel.result.text()
    assert "A. Tester" in panel.result.text()
    worklist = window.dock.room.worklist.model
    window.wait(lambda: worklist.row(PATIENT).status == "approved")
    exported = load_study(window.desk.workspace.training_set / window.desk.case.patient)
    assert np.array_equal(exported.truth.data, mine)
    assert np.array_equal(exported.image.data, window.desk.case.study.image.data)

    window.drag((12, 8), (12, 14))
    window.wait(lambda: window.desk.case.status.value == "corrected")
    assert filled(window) == ["Approve anyway"]  # not all slices were seen


def test_a_failed_export_is_told_in_its_panel(window, monkeypatch):
    from napari_brainseg.core.imaging import DataError

    window.open()
    window.correct()

    def refuse(*_args):
        raise DataError("The disk is full.", "Make space.")

    monkeypatch.setattr(type(window.desk.review), "approve", refuse)
    window.wait(lambda: window.dock.export.is_checked)
    window.dock.export.export_button.click()
    window.wait(lambda: window.dock.export.fault.text)
    assert window.dock.export.fault.text == "The disk is full. Make space."
    assert window.dock.export.export_button.isEnabled()


def test_tools_follow_the_layer_and_set_it(window):
    window.open()
    window.correct()
    tools, layer = window.dock.correct.tools, window.view.layers.correction
    tools.mode_button("erase").click()
    assert layer.mode == "erase"
    layer.mode = "paint"
    assert tools.mode_button("paint").isChecked()
    tools.size.setValue(13)
    assert layer.brush_size == 13
    assert not tools.undo.isEnabled()
    window.drag((8, 8), (8, 14))
    assert tools.undo.isEnabled()
    tools.undo.click()
    assert tools.redo.isEnabled()
    assert not tools.undo.isEnabled()
