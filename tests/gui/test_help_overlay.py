"""The sheet with all keys: as they are now, over the window, gone at one key."""

from __future__ import annotations

from itertools import pairwise

import pytest
from napari.components import ViewerModel
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit, QMainWindow

from napari_brainseg.viewer.shortcuts import SHORTCUTS, install, uninstall
from napari_brainseg.widgets.help_overlay import HelpOverlay


@pytest.fixture
def overlay(qtbot):
    viewer = ViewerModel()
    install(viewer, {s.id: (lambda: None) for s in SHORTCUTS})
    window = QMainWindow()
    window.field = QLineEdit()
    window.setCentralWidget(window.field)
    qtbot.addWidget(window)
    window.resize(1366, 768)
    overlay = HelpOverlay(window)
    window.show()
    window.activateWindow()
    # Keys of a window act in the active one only, which it becomes in the X server's own time.
    qtbot.waitUntil(window.isActiveWindow, timeout=20_000)
    yield overlay
    get_settings().shortcuts.shortcuts = {}
    uninstall(viewer)


def test_it_lists_all_our_keys_and_the_tools_of_napari(overlay):
    text = overlay.text
    for shortcut in SHORTCUTS:
        assert shortcut.title in text
    assert "J\tNext worst slice" in text
    assert "[\tSmaller brush" in text
    assert "2, P\tBrush" in text
    assert "Ctrl+Z\t" in text


def test_a_changed_key_is_shown(overlay):
    get_settings().shortcuts.shortcuts = {"napari-brainseg:next_worst": ["Alt-Q"]}
    assert "Alt+Q\tNext worst slice" in overlay.text


@pytest.mark.parametrize("size", [(1366, 768), (1600, 1000), (1000, 640)])
def test_it_fits_the_window(overlay, size):
    overlay.window().resize(*size)
    overlay.open()
    columns = sorted(overlay._columns, key=lambda label: label.x())
    assert len(columns) >= 2
    for before, after in pairwise(columns):
        assert before.geometry().right() < after.x()
    for label in columns:
        assert overlay.rect().contains(label.geometry())
    overlay.window().resize(1200, 700)
    assert overlay.size() == overlay.window().size()


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_Question, Qt.Key.Key_F1])
def test_it_closes_at_a_key_or_a_click(overlay, key):
    overlay.open()
    assert overlay.isVisible()
    QTest.keyClick(overlay, key)
    assert not overlay.isVisible()
    overlay.open()
    QTest.mouseClick(overlay, Qt.MouseButton.LeftButton)
    assert not overlay.isVisible()


def test_other_keys_do_nothing_below_it(overlay):
    overlay.open()
    QTest.keyClicks(overlay, "nj")
    assert overlay.isVisible()
    assert overlay.window().field.text() == ""


@pytest.mark.parametrize(
    "modifier", [Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier]
)
def test_a_question_mark_opens_and_closes_it_but_can_be_typed(overlay, modifier, qtbot):
    window = overlay.window()
    window.field.clearFocus()
    QTest.keyClick(window, Qt.Key.Key_Question, modifier)
    assert overlay.isVisible()
    QTest.keyClick(overlay, Qt.Key.Key_Question, modifier)
    assert not overlay.isVisible()
    window.field.setFocus()
    QTest.keyClick(window.field, Qt.Key.Key_Question, modifier)
    assert not overlay.isVisible()
