"""The panel of tools in a real window: by clicks, by keys, and what it says."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox, QLabel

from napari_brainseg.session.tool_specs import Kind, Parameter, spec_of
from napari_brainseg.viewer import shortcuts
from napari_brainseg.widgets.tool_entries import ENTRIES, GROUPS
from napari_brainseg.widgets.tool_values import ValueRow

LEAST_WIDTH = 260
"""Of the panel: the dock's 300, less its margins and a scroll bar."""


@pytest.fixture
def corrected(window):
    """A window with a correction; returns it, its tools and its bench."""
    window.open()
    window.correct()
    window.dock.tabs.setCurrentIndex(1)
    tools = window.dock.correct.tools
    bench = window.dock.workbench.bench
    window.wait(tools.isVisible)
    return window, tools, bench


def actions(window):
    return [action.tool for action in window.desk.case.correction.actions()]


def settle(window, bench):
    window.wait(lambda: not bench.is_busy)


def test_a_share_is_in_per_cent_and_a_slice_counts_from_one(qtbot):
    share = ValueRow(spec_of("flood fill").parameter("tolerance"))
    qtbot.addWidget(share)
    told = []
    share.changed.connect(told.append)
    share.show_value(0.12)
    assert share.field.text() == "12 %"
    assert told == []
    share.slider.setValue(share.slider.maximum())
    assert share.field.text() == "50 %"
    share.field.setValue(7)
    assert told == pytest.approx([0.5, 0.07])

    first = ValueRow(Parameter("first", "From slice", Kind.SLICE, 2, 0, 9))
    qtbot.addWidget(first)
    first.show_value(2)
    assert first.field.text() == "3"
    assert first.field.maximum() == 10
    assert first.value == 2


def test_every_operation_stands_in_a_menu_with_its_key():
    assert {entry.group for entry in ENTRIES} == set(GROUPS)
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        known = {parameter.name for parameter in spec_of(entry.tool).parameters}
        assert set(entry.parameters) <= known


def test_a_tool_from_the_menu_is_set_by_its_slider_and_applied(corrected):
    window, tools, bench = corrected
    data = window.desk.case.correction.data
    before = data.copy()
    assert not tools.strip.isVisible()
    folded = tools.sizeHint().height()
    assert folded <= 170

    tools.menus.lines["dilate"].trigger()
    settle(window, bench)
    assert tools.strip.title.text() == "Dilate"
    one = bench.changes
    assert tools.strip.counts.text() == f"+{one.added}  −0 vox, 1 slice"
    radius = tools.strip.rows["radius"]
    assert radius.field.text() == "1.0 vox"
    radius.slider.setValue(radius.slider.value() + 4)
    settle(window, bench)
    assert bench.changes.added > one.added
    where = tools.strip.rows["scope"]
    assert isinstance(where, QComboBox)
    where.setCurrentIndex(where.findData("volume"))
    where.activated.emit(where.currentIndex())
    settle(window, bench)
    assert "slices" in tools.strip.counts.text()
    assert "unit" not in tools.strip.rows, "this study does not say how large a voxel is"
    assert np.array_equal(data, before)
    assert tools.strip.apply.property("next") is True

    tools.strip.apply.click()
    assert data.sum() > before.sum()
    assert actions(window) == ["dilate"]
    assert not tools.strip.isVisible()
    tools.undo.click()
    assert np.array_equal(data, before)
    assert tools.redo.isEnabled()
    assert tools.sizeHint().height() == folded

    # Enter and Esc on the canvas take and drop.
    tools.menus.lines["erode"].trigger()
    settle(window, bench)
    window.key(Qt.Key.Key_Escape)
    assert bench.tool is None
    assert np.array_equal(data, before)
    tools.menus.lines["erode"].trigger()
    settle(window, bench)
    window.key(Qt.Key.Key_Return)
    assert data.sum() < before.sum()
    # ... and in the strip.
    tools.undo.click()
    tools.menus.lines["erode"].trigger()
    settle(window, bench)
    field = tools.strip.rows["radius"].field
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert data.sum() < before.sum()
    # With no tool in hand the keys are napari's.
    window.key(Qt.Key.Key_Return)
    assert actions(window)[-1] == "erode"


def test_a_long_run_shows_how_far_it_is_and_stops_at_once(corrected, monkeypatch):
    from napari_brainseg.session import toolbox

    window, tools, bench = corrected
    entered, stopped = threading.Event(), threading.Event()

    def slow(inputs):
        inputs.progress(0.4)
        entered.set()
        while not inputs.cancelled():
            stopped.wait(0.005)
        stopped.set()

    monkeypatch.setattr(toolbox, "ACTS", {**toolbox.ACTS, "keep largest": slow})
    tools.menus.lines["keep_largest"].trigger()
    assert not tools.strip.isVisible(), "most are over before the eye could tell"
    window.wait(lambda: tools.strip.progress.isVisible() and tools.strip.progress.value() == 400)
    tools.strip.cancel.click()
    assert not bench.is_busy
    assert not tools.strip.isVisible()
    window.wait(stopped.is_set)
    assert actions(window) == []


def test_tools_act_at_the_slice_on_show_under_the_mouse_and_where_one_clicks(corrected):
    window, tools, _bench = corrected
    data = window.desk.case.correction.data
    assert set(tools.actions()) <= {shortcut.id for shortcut in shortcuts.SHORTCUTS}
    z = window.view.slice_index
    tools.actions()["clear_slice"]()
    window.wait(lambda: actions(window) == ["clear slice"])
    assert not data[z].any()
    assert data.any()
    tools.undo.click()

    window.drag((10, 10), (10, 11))
    assert data[z, 10, 10]
    window.viewer.cursor.position = (z, 10, 10)
    window.viewer.mouse_over_canvas = True
    tools.actions()["remove_island"]()
    window.wait(lambda: actions(window)[-1] == "remove island")
    assert not data[z, 10, 10]
    assert data[z].any()

    window.viewer.mouse_over_canvas = False
    tools.menus.lines["remove_island"].trigger()
    assert tools.strip.message.text() == "Click on the picture."
    assert not tools.strip.apply.isVisible()
    y, x = np.argwhere(data[z])[0]
    before = len(actions(window))
    window.drag((y, x))
    window.wait(lambda: len(actions(window)) == before + 1)
    assert not data[z].any()
    assert tools.mode_button("paint").isChecked(), "the brush is in hand again"


def test_the_panel_says_why_not_follows_the_brushes_and_fits_the_dock(corrected, monkeypatch):
    window, tools, bench = corrected
    case = window.desk.case
    lines = tools.menus.lines
    assert lines["take_truth"].isEnabled()
    with monkeypatch.context() as patch:
        patch.setattr(type(case), "truth", None)
        tools.menus.refresh()
        patch.setattr(type(case), "read_only", "Another window paints here.", raising=False)
        tools.refresh()
        assert not tools.mode_button("brush").isEnabled()
        assert tools.mode_button("brush").toolTip() == "Another window paints here."
    tools.refresh()
    assert tools.mode_button("brush").toolTip().startswith("Add to the mask (")
    assert not lines["take_truth"].isEnabled()
    assert lines["take_truth"].toolTip() == "This patient has no ground truth."
    assert lines["take_prediction"].isEnabled()
    assert tools.undo.toolTip() == "Nothing was done yet"

    brushes = window.dock.workbench.brushes
    tools.mode_button("adaptive brush").click()
    assert brushes.tool == "adaptive brush"
    window.wait(tools.settings.tolerance.isVisible)
    tools.settings.tolerance.setValue(40)
    assert brushes.tolerance == pytest.approx(0.4)
    brushes.take("threshold brush")
    assert tools.mode_button("threshold brush").isChecked()
    window.wait(tools.settings.window.isVisible)
    assert tools.settings.auto.isChecked()
    tools.settings.auto.click()
    low, high = brushes.window
    assert low < high
    tools.settings.range.setValue((20, 90))
    assert brushes.window == (20, 90)
    tools.mode_button("lasso").click()
    window.wait(tools.settings.cut.isVisible)
    tools.settings.cut.click()
    assert brushes.cutting
    tools.settings.depth.setCurrentIndex(3)
    tools.settings.depth.activated.emit(3)
    assert brushes.depth == 3
    brushes.depth = 0
    window.wait(lambda: tools.settings.depth.currentText() == "2D")

    # Nothing is cut off at the least width of the dock.
    for tool in ("brush", "threshold brush", "adaptive brush", "lasso"):
        brushes.take(tool)
        assert tools.minimumSizeHint().width() <= LEAST_WIDTH, tool
    for entry in ENTRIES:
        tools.menus.lines[entry.id].trigger()
        settle(window, bench)
        assert tools.minimumSizeHint().width() <= LEAST_WIDTH, entry.id
        bench.drop()
    # Titles of parameters are written out.
    tools.menus.lines["snap_to_probability"].trigger()
    settle(window, bench)
    for label in tools.strip.findChildren(QLabel):
        if label.isVisible() and not label.wordWrap():
            assert label.width() >= label.sizeHint().width(), label.text()
