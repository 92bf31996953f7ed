"""The window as it opens: layers, room for the picture, no notices, reading mode."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_brainseg.viewer.launch import show_dock
from napari_brainseg.widgets.corners import BOTTOM_LEFT, TOP_LEFT


def test_a_study_opens_as_three_modalities_and_outlines(window):
    window.open()
    images = [layer for layer in window.viewer.layers if isinstance(layer, Image)][:3]
    assert [layer.name for layer in images] == ["pre-contrast", "FLAIR", "post-contrast"]
    assert [layer.visible for layer in images] == [False, True, False]
    low, high = images[1].contrast_limits
    assert low == 0
    assert 200 < high <= images[1].data.max()
    truth = window.view.layers.truth
    assert truth.contour > 0
    assert not truth.editable
    assert np.array_equal(truth.data, window.desk.case.truth)
    assert [layer.name for layer in window.viewer.layers if isinstance(layer, Labels)] == [
        "Ground truth",
        "Prediction",
        "Correction",
    ]
    assert window.view.slice_index in (2, 3)  # where the lesion is


def test_masks_have_the_colours_of_the_contract(window):
    window.open()
    window.correct()
    colours = {
        "Ground truth": (0x00, 0x9E, 0x73),
        "Prediction": (0xD5, 0x5E, 0x00),
        "Correction": (0x56, 0xB4, 0xE9),
    }
    for name, colour in colours.items():
        shown = window.viewer.layers[name].get_color(1)
        assert tuple(round(float(v) * 255) for v in shown[:3]) == colour


@pytest.mark.parametrize("size", [(1366, 768), (1600, 1000)])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_picture_keeps_its_room_and_nothing_is_cut_off(window, size, theme):
    window.viewer.theme = theme
    window.viewer.window.resize(*size)
    window.open()
    window.correct()

    def is_whole(panel):
        needed = panel.layout().minimumHeightForWidth(panel.width())
        return panel.minimumSizeHint().width() <= panel.width() and needed <= panel.height()

    window.wait(lambda: all(map(is_whole, window.dock.panels[:4])))
    seen = window.dock.tabs.widget(0)
    assert seen.widget().width() <= seen.viewport().width()
    assert window.canvas.width() >= 0.6 * window.viewer.window._qt_window.width()
    case_tab = window.dock.tabs.widget(0)
    assert case_tab.verticalScrollBar().maximum() == 0


def test_napari_pops_up_no_notice_about_its_qt_binding(window):
    QTest.qWait(50)
    assert window.viewer.window._qt_window.findChildren(NapariQtNotification) == []


def test_one_key_brings_the_layer_list_back(window):
    layer_list = window.viewer.window._qt_viewer.dockLayerList
    assert not layer_list.isVisible()
    window.key(Qt.Key.Key_F9)
    assert layer_list.isVisible()
    window.dock.layers_button.click()
    assert not layer_list.isVisible()


def test_a_held_key_hides_all_masks_and_losing_the_window_brings_them_back(window):
    window.open()
    window.predict()
    window.view.layers.prediction.visible = False
    truth = window.view.layers.truth

    QTest.keyPress(window.canvas, Qt.Key.Key_H)
    assert not truth.visible
    QTest.keyRelease(window.canvas, Qt.Key.Key_H)
    assert truth.visible
    assert not window.view.layers.prediction.visible  # the user had hidden it

    QTest.keyPress(window.canvas, Qt.Key.Key_H)
    window.dock.window_left()
    assert truth.visible
    QTest.keyRelease(window.canvas, Qt.Key.Key_H)


def test_the_corners_follow_the_slice(window):
    window.open()
    window.view.go_to(4)
    corners = window.dock.room.corners
    window.wait(lambda: "slice 5 of 6" in corners.text(TOP_LEFT))
    assert "TEST_AB_0001_20200101" in corners.text(TOP_LEFT)
    assert "not for diagnosis" in corners.text(BOTTOM_LEFT)


def test_the_dock_is_there_once_however_it_is_opened(window):
    from napari._app_model import get_app_model

    assert show_dock(window.viewer) is window.dock
    names = [n for n in window.viewer.window.dock_widgets if "BrainSeg" in n]
    assert len(names) == 1
    get_app_model().commands.execute_command("napari-brainseg.workbench")  # as the menu does
    assert not window.dock.isVisible()
    assert show_dock(window.viewer) is window.dock
    assert window.dock.isVisible()


def test_the_plugins_menu_makes_the_dock_in_a_plain_napari(qtbot, tmp_path):
    import napari
    from napari._app_model import get_app_model

    viewer = napari.Viewer()
    get_app_model().commands.execute_command("napari-brainseg.workbench")
    (name,) = (n for n in viewer.window.dock_widgets if "BrainSeg" in n)
    dock = viewer.window.dock_widgets[name]
    assert show_dock(viewer) is dock
    assert dock.study.open_button.isVisible()
    dock.workbench.close()
    viewer.close()


def test_opening_the_dock_imports_nothing_heavy():
    script = (
        "import sys, napari\n"
        "from napari_brainseg.viewer.launch import open_window\n"
        "viewer = open_window(show=False)\n"
        "heavy = ('torch', 'monai', 'lightning', 'openvino', 'sqlalchemy', 'pyqtgraph')\n"
        "sys.stdout.write(' '.join(m for m in heavy if m in sys.modules))\n"
        "viewer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == ""


def test_the_worklist_gives_its_room_back_to_the_picture(window):
    window.viewer.window.resize(1366, 768)
    window.open()
    width = window.viewer.window._qt_window.width()
    for wide in (True, False):
        window.dock.room.worklist.toggle_wide()
        window.wait(lambda w=wide: (window.canvas.width() < 0.5 * width) == w)
    window.wait(lambda: window.canvas.width() >= 0.6 * width)
