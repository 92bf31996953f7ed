"""Overlays and the panel that shows them, in a real window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.difference import FALSE_POSITIVE
from napari_brainseg.viewer.display import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    PREDICTION_NAME,
    TRUTH_NAME,
)
from napari_brainseg.viewer.overlay_layers import STACK
from napari_brainseg.widgets.look import stylesheet
from napari_brainseg.widgets.show_panel import ShowPanel

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(window, qtbot):
    made = ShowPanel(window.view.display)
    made.setStyleSheet(stylesheet("dark"))
    made.setFixedWidth(300)
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_held_key_hides_difference_and_doubt_too(window):
    window.open()
    window.predict()
    display = window.view.display
    for name in (DIFFERENCE_NAME, DOUBT_NAME):
        display.show(name, True)
    layers = [window.viewer.layers[name] for name in (TRUTH_NAME, DIFFERENCE_NAME, DOUBT_NAME)]
    QTest.keyPress(window.canvas, Qt.Key.Key_H)
    assert not any(layer.visible for layer in layers)
    window.dock.window_left()  # the release goes to another window
    assert all(layer.visible for layer in layers)
    QTest.keyRelease(window.canvas, Qt.Key.Key_H)


def test_the_difference_follows_strokes_and_undo(window):
    window.open()
    window.correct()
    window.view.display.show(DIFFERENCE_NAME, True)
    labels = window.viewer.layers[DIFFERENCE_NAME].data
    z = window.view.slice_index
    before = labels.copy()
    window.drag((8, 8), (8, 14))
    assert (labels[z, 8, 8:15] == FALSE_POSITIVE).all()
    window.view.editor.undo()
    assert np.array_equal(labels, before)


def test_a_case_opens_at_the_largest_lesion_of_its_prediction(window):
    window.open()
    window.view.go_to(0)
    window.predict()
    assert window.view.slice_index == 0  # she is looking at something
    case = window.desk.case
    mask = np.zeros(case.shape, np.uint8)
    mask[5, 3:9, 3:9] = 1
    window.open("TEST_AB_0002_20200101")
    assert window.view.slice_index in (2, 3)  # where the truth is

    from napari_brainseg.core.segmentation.inference import Prediction

    window.desk.case.set_prediction(
        Prediction(
            window.desk.case.patient, mask.astype(np.float32), mask,
            mask.astype(np.float32), "v", "", "",
        )
    )  # fmt: skip
    window.wait(lambda: window.view.slice_index == 5)


def test_the_panel_fits_and_its_switches_work(window, panel, qtbot):
    window.open()
    assert panel.minimumSizeHint().width() <= 300
    assert panel.height() <= 170
    display = window.view.display
    assert not panel.overlays[PREDICTION_NAME].isEnabled()
    assert not panel.overlays[DIFFERENCE_NAME].isEnabled()
    assert "nothing to compare" in panel.overlays[DIFFERENCE_NAME].toolTip()
    assert panel.overlays[TRUTH_NAME].toolTip().endswith("(T)")
    assert "FLAIR" in panel.modalities[Modality.FLAIR].toolTip()
    window.predict()
    assert panel.overlays[PREDICTION_NAME].isChecked()
    assert not panel.overlays[CORRECTION_NAME].isEnabled()
    for name in (DIFFERENCE_NAME, DOUBT_NAME):
        QTest.mouseClick(panel.overlays[name], LEFT)
        assert window.viewer.layers[name].visible
    QTest.mouseClick(panel.overlays[TRUTH_NAME], LEFT)
    assert not window.viewer.layers[TRUTH_NAME].visible
    QTest.mouseClick(panel.modalities[Modality.POST], LEFT)
    assert display.modality is Modality.POST
    QTest.mouseClick(panel.modalities[Modality.POST], LEFT)  # stays: one is always on show
    assert panel.modalities[Modality.POST].isChecked()
    QTest.mouseClick(panel.composite, LEFT)
    assert display.composite
    assert not panel.modalities[Modality.POST].isChecked()
    QTest.mouseClick(panel.modalities[Modality.FLAIR], LEFT)
    assert not display.composite
    QTest.mouseClick(panel.fill, LEFT)
    assert window.viewer.layers[PREDICTION_NAME].contour == 0
    panel.opacity.setValue(50)
    assert display.opacity == 0.5


def test_the_panel_follows_what_others_change_and_its_menu_offers_windows(window, panel):
    window.open()
    window.predict()
    display = window.view.display
    display.set_threshold(0.3)
    assert panel.threshold.value() == 30
    assert panel.reset_threshold.isEnabled()
    QTest.mouseClick(panel.reset_threshold, LEFT)
    assert display.threshold == 0.5
    assert panel.threshold.value() == 50
    assert not panel.reset_threshold.isEnabled()
    window.viewer.layers[PREDICTION_NAME].visible = False
    assert not panel.overlays[PREDICTION_NAME].isChecked()
    display.modality = Modality.PRE
    assert panel.modalities[Modality.PRE].isChecked()

    display.modality = Modality.FLAIR
    menu = panel.window_button.menu()
    menu.fill()
    acts = {action.text().split("\t")[0]: action for action in menu.actions()}
    assert acts["Brain"].isChecked()
    acts["Whole range"].trigger()
    low, high = window.view.display.window()
    assert low == 0
    assert high == window.viewer.layers["FLAIR"].data.max()
    acts["Inverted grey"].trigger()
    assert window.viewer.layers["FLAIR"].colormap.name == "gray_r"
    acts["Reset"].trigger()
    menu.fill()
    assert next(a for a in menu.actions() if a.text() == "Brain").isChecked()


def test_overlays_are_made_once_and_gone_with_the_case(window):
    window.open()
    window.wait(lambda: all(name in window.viewer.layers for name in STACK))
    assert not window.viewer.layers[DOUBT_NAME].visible
    known = list(window.viewer.layers)
    window.open("TEST_AB_0002_20200101")
    assert list(window.viewer.layers) == known
    window.desk.close_case()
    window.wait(lambda: not any(name in window.viewer.layers for name in STACK))
