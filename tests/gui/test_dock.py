"""Opening through menus, drops and samples; faults of opening; the end of a dock."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_brainseg.viewer.launch import show_dock
from napari_brainseg.widgets.corners import TOP_LEFT


def drop(widget, path):
    """Drop a file or folder on a widget; whether it was taken."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    buttons, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), copy, mime, buttons, none)
    enter.ignore()
    QApplication.sendEvent(widget, enter)
    if enter.isAccepted():
        QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), copy, mime, buttons, none))
    return enter.isAccepted()


def test_a_folder_dropped_on_the_dock_or_the_window_opens_without_a_question(window):
    for number, target in enumerate((window.dock, window.viewer.window._qt_viewer)):
        patient = f"TEST_AB_000{number + 1}_20200101"
        assert drop(target, window.root / patient)
        window.wait(lambda p=patient: window.view.case and window.view.case.patient == p)


def test_other_things_dropped_on_the_dock_are_not_taken(window, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("no image")
    assert not drop(window.dock, other)
    folder = tmp_path / "empty"
    folder.mkdir()
    assert not drop(window.dock, folder)


def test_the_command_asks_for_a_folder(window, monkeypatch):
    from napari._app_model import get_app_model

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(window.root))
    get_app_model().commands.execute_command("napari-brainseg.open_study")
    window.wait(lambda: window.view.case is not None)
    assert window.dock.room.worklist.model.rowCount() == 3
    assert "6 slices of 64 × 64" in window.dock.study.facts.text()


def test_the_reader_shows_the_case_in_the_dock(window):
    assert window.viewer.open(str(window.root), plugin="napari-brainseg") == []
    window.wait(lambda: window.view.case is not None)
    assert window.view.layers.truth is not None


def test_sample_data_opens_phantoms_and_leaves_no_placeholder(window, monkeypatch):
    monkeypatch.setattr("napari_brainseg.viewer.workbench.PHANTOM_PATIENTS", 1)
    window.viewer.open_sample("napari-brainseg", "phantoms")
    window.wait(lambda: window.view.case is not None, timeout=60_000)
    assert window.view.case.patient.startswith("PHANTOM_")
    assert not [layer for layer in window.viewer.layers if "phantom studies" in layer.name]


def test_a_folder_that_cannot_be_read_is_told_in_the_study_panel(window, tmp_path):
    empty = tmp_path / "nothing"
    empty.mkdir()
    window.dock.workbench.open(empty)
    window.wait(lambda: window.dock.study.fault.text)
    assert str(empty) in window.dock.study.fault.text
    assert not window.dock.study.is_loading
    assert window.dock.study.open_button.isVisible()
    window.open()
    assert window.dock.study.fault.text == ""


def test_a_faulty_patient_does_not_hide_the_others(window):
    broken = next((window.root / "TEST_AB_0002_20200101").glob("*_1.tif"))
    broken.write_bytes(b"no TIFF")
    window.open()
    window.dock.workbench.select("TEST_AB_0002_20200101")
    window.wait(lambda: window.dock.study.fault.text)
    assert broken.name in window.dock.study.fault.text
    assert window.view.case.patient == "TEST_AB_0001_20200101"
    window.open("TEST_AB_0003_20200101")


def test_missing_modalities_and_gaps_are_told(window):
    from napari_brainseg.core.dataset.layout import write_patient
    from napari_brainseg.core.imaging import KAGGLE_ORDER, ScalarVolume

    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (3, 6, 64, 64), dtype=np.uint8)
    image[2] = image[1]
    write_patient(
        window.root, "TEST_AB_0000_20200101", ScalarVolume(image, KAGGLE_ORDER),
        np.zeros((6, 64, 64), np.uint8), (1, 2, 3, 5, 6, 7), durable=False,
    )  # fmt: skip
    window.dock.workbench.open(window.root)
    window.wait(lambda: window.view.case is not None)
    notices = window.dock.study.notices.text()
    assert "No post-contrast: FLAIR stands in for it." in notices
    assert "Slice 4 is missing" in notices
    assert "post-contrast (missing)" in window.viewer.layers
    window.view.go_to(3)
    corners = window.dock.room.corners
    window.wait(lambda: "slice 4 of 6 (number 5)" in corners.text(TOP_LEFT))


def test_a_closed_dock_leaves_nothing_connected_and_can_be_opened_again(window, qtbot):
    window.open()
    desk = window.desk
    view = window.view
    before = len(desk.opened)
    name = next(n for n in window.viewer.window.dock_widgets if "BrainSeg" in n)
    window.viewer.window._wrapped_dock_widgets[name].destroyOnClose()
    for _what_goes_with_it in range(2):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qtbot.waitUntil(lambda: len(desk.opened) == 1)  # the view of the case stays
    assert before > 1
    desk.select("TEST_AB_0002_20200101")
    qtbot.waitUntil(lambda: view.case.patient == "TEST_AB_0002_20200101")

    again = show_dock(window.viewer)
    assert again.workbench.desk is desk
    assert again.room.worklist.model.open_patient == "TEST_AB_0002_20200101"


def test_a_window_with_strokes_only_in_memory_asks_before_it_closes(window, monkeypatch):
    window.open()
    window.correct()
    window.drag((8, 8), (8, 14))
    asked, qt_window = [], window.viewer.window._qt_window
    buttons = QMessageBox.StandardButton
    correction = window.desk.case.correction

    def answer(*arguments):
        asked.append(arguments[2])
        return buttons.Cancel

    with monkeypatch.context() as patch:
        patch.setattr(QMessageBox, "warning", answer)
        patch.setattr(type(correction), "unsaved", property(lambda _self: 2))
        QApplication.sendEvent(qt_window, QCloseEvent())
        assert "2 strokes" in asked[0]
        assert window.desk.case is not None  # it stayed open
        window.drag((12, 8), (12, 14))
        assert correction.meter.strokes == 2
