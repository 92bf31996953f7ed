"""Strokes made with real mouse events, and what the catalogue on disk holds of them."""

from __future__ import annotations

import sqlite3

import numpy as np
from qtpy.QtCore import Qt

from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def on_disk(window):
    """The correction as another process would read it now."""
    catalogue = Catalogue(window.desk.workspace.catalogue)
    try:
        return Case(window.desk.case.study, catalogue).correction.data
    finally:
        catalogue.close()


def strokes(window):
    with sqlite3.connect(window.desk.workspace.catalogue) as database:
        return [row[0] for row in database.execute("SELECT state FROM strokes ORDER BY number")]


def test_a_brush_stroke_is_on_disk_and_in_the_meter(window):
    window.open()
    window.correct()
    before = window.desk.case.correction.data.copy()

    window.drag((8, 8), (8, 12), (8, 16))

    after = on_disk(window)
    z = window.view.slice_index
    assert after[z, 8, 8:17].all()
    assert (after != before).sum() == (after[z] != before[z]).sum() > 40
    assert np.array_equal(after, window.view.layers.correction.data)
    assert strokes(window) == ["done"]
    meter = window.desk.case.correction.meter
    panel = window.dock.correct
    assert panel.meter.changed.text() == f"+{meter.added_vox}  −0"
    assert panel.meter.dsc_truth.text() == f"{meter.dsc_truth:.3f}"
    assert window.dock.start.state.text().startswith("1 stroke saved")


def test_the_eraser_removes_and_is_recorded(window):
    window.open()
    window.correct()
    window.dock.correct.tools.mode_button("erase").click()

    window.drag((30, 30), (30, 36))

    assert not on_disk(window)[window.view.slice_index, 30, 30:37].any()
    assert "−" in window.dock.correct.meter.changed.text()
    assert window.desk.case.correction.meter.removed_vox > 0


def test_undo_and_redo_keys_go_through_the_history_and_show_the_slice(window):
    window.open()
    window.correct()
    start = window.desk.case.correction.data.copy()
    painted_on = window.view.slice_index
    window.drag((8, 8), (8, 12))
    painted = window.desk.case.correction.data.copy()
    window.view.go_to(0)

    window.key(Qt.Key.Key_Z, CTRL)

    assert np.array_equal(on_disk(window), start)
    assert np.array_equal(window.view.layers.correction.data, start)
    assert window.view.slice_index == painted_on
    assert strokes(window) == ["undone"]

    window.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert np.array_equal(on_disk(window), painted)
    assert strokes(window) == ["done"]


def test_undo_works_whatever_layer_is_active(window):
    window.open()
    window.correct()
    start = window.desk.case.correction.data.copy()
    for layer in (window.view.layers.truth, window.viewer.layers["FLAIR"]):
        window.view.make_active(window.view.layers.correction)
        window.drag((8, 8), (8, 12))
        assert not np.array_equal(on_disk(window), start)
        window.view.make_active(layer)
        window.key(Qt.Key.Key_Z, CTRL)
        assert np.array_equal(on_disk(window), start)


def test_ground_truth_and_prediction_refuse_the_brush(window):
    window.open()
    window.predict()
    for layer in (window.view.layers.truth, window.view.layers.prediction):
        before = layer.data.copy()
        window.view.make_active(layer)
        window.key(Qt.Key.Key_2)
        layer.mode = "paint"
        window.drag((8, 8), (8, 16))
        assert layer.mode == "pan_zoom"
        assert not layer.data.flags.writeable
        assert np.array_equal(layer.data, before)
    assert strokes(window) == []


def test_before_it_is_started_the_correction_layer_refuses_the_brush(window):
    window.open()
    layer = window.viewer.layers["Correction"]
    layer.visible = True
    window.view.make_active(layer)
    window.key(Qt.Key.Key_2)
    window.drag((8, 8), (8, 16))
    assert layer.mode == "pan_zoom"
    assert not layer.data.any()


def test_another_label_number_still_paints_the_lesion(window):
    window.open()
    window.correct()
    window.key(Qt.Key.Key_M)  # napari: a new label
    window.drag((8, 8), (8, 12))
    assert set(np.unique(on_disk(window))) == {0, 1}
    assert on_disk(window)[window.view.slice_index, 8, 8] == 1


def test_a_stroke_that_cannot_be_saved_is_told_where_it_happened(window, monkeypatch):
    from napari_brainseg.core.imaging import DataError

    window.open()
    window.correct()
    history = window.desk.case.correction._history
    with monkeypatch.context() as patch:
        patch.setattr(
            history, "record", lambda *_: (_ for _ in ()).throw(DataError("The disk is full."))
        )
        window.drag((8, 8), (8, 12))
    assert window.dock.correct.fault.text == "The disk is full."
    assert strokes(window) == []

    window.drag((12, 8), (12, 12))  # space was made: both strokes are saved now
    assert window.dock.correct.fault.text == ""
    assert on_disk(window)[window.view.slice_index, [8, 12], 8].all()
