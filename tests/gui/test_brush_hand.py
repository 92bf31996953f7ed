"""Tools of the hand, driven by real mouse and key events, and what the catalogue holds of them."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.viewer.seed_scribbles import BACKGROUND, FOREGROUND
from napari_brainseg.widgets.brush_badge import BrushBadge
from napari_brainseg.widgets.region_path import RegionPath

SHAPE = (6, 64, 64)
PATIENTS = ("TEST_AB_0001_20200101", "TEST_AB_0002_20200101")
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
LEFT, NO_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@pytest.fixture
def root(tmp_path):
    """Patients with grain on grey, and a square of another grey that the mask misses by half."""
    folder = tmp_path / "patients"
    for number, patient in enumerate(PATIENTS):
        rng = np.random.default_rng(number)
        image = (70 + rng.integers(-9, 10, (3, *SHAPE))).astype(np.uint8)
        image[:, :, 24:40, 24:40] += 110
        mask = np.zeros(SHAPE, np.uint8)
        mask[2:4, 24:40, 24:32] = 1
        study = Study(patient, ScalarVolume(image), LabelVolume(mask))
        write_patient(folder, patient, study.image, mask, study.slice_numbers, durable=False)
    return folder


class Hand:
    """The tools of a window, and what came of them."""

    def __init__(self, window):
        self.window = window
        window.open()
        window.correct()
        self.brushes = window.dock.workbench.brushes
        self.badge = window.canvas.findChild(BrushBadge)
        self.layer = window.view.layers.correction
        self.start = self.data.copy()
        window.view.go_to(2)

    @property
    def data(self):
        return self.window.desk.case.correction.data

    @property
    def actions(self):
        """(tool, first slice, last slice, parameters) of what is in force in the catalogue."""
        with sqlite3.connect(self.window.desk.workspace.catalogue) as database:
            rows = database.execute(
                "SELECT tool, first_slice, last_slice, parameters FROM strokes"
                " WHERE state = 'done' ORDER BY number"
            ).fetchall()
        return [(*row[:3], json.loads(row[3])) for row in rows]

    def saved(self):
        """The correction as another process would read it now."""
        catalogue = Catalogue(self.window.desk.workspace.catalogue)
        try:
            return Case(self.window.desk.case.study, catalogue).correction.data
        finally:
            catalogue.close()

    def idle(self):
        self.window.wait(lambda: not self.window.view.editor.is_painting)

    def changed(self):
        """Slices that differ from the start, and in memory, on the layer and on disk the same."""
        self.idle()
        assert np.array_equal(self.saved(), self.data)
        assert np.array_equal(self.layer.data, self.data)
        return np.flatnonzero((self.data != self.start).any(axis=(1, 2))).tolist()

    def reset(self):
        """Undo all, by the key."""
        while self.window.desk.case.correction.can_undo:
            self.window.key(Qt.Key.Key_Z, CTRL)
        assert np.array_equal(self.saved(), self.start)

    def mouse(self, kind, place, buttons=NO_BUTTON, keys=NONE, button=LEFT):
        at = QPointF(self.window.point(*place))
        everywhere = QPointF(self.window.canvas.mapToGlobal(at.toPoint()))
        if kind == QEvent.Type.MouseMove:
            button = NO_BUTTON
        event = QMouseEvent(kind, at, everywhere, button, buttons, keys)
        QApplication.sendEvent(self.window.canvas, event)
        QTest.qWait(15)

    def draw(self, places, keys=NONE):
        self.mouse(QEvent.Type.MouseMove, places[0])
        self.mouse(QEvent.Type.MouseButtonPress, places[0], LEFT, keys)
        for place in places[1:]:
            self.mouse(QEvent.Type.MouseMove, place, LEFT, keys)
        self.mouse(QEvent.Type.MouseButtonRelease, places[-1], NO_BUTTON, keys)

    def click(self, *places):
        for place in places:
            self.draw([place])

    def wheel(self, notches, keys=NONE):
        at = QPointF(self.window.canvas.rect().center())
        everywhere = QPointF(self.window.canvas.mapToGlobal(at.toPoint()))
        event = QWheelEvent(
            at, everywhere, QPoint(), QPoint(0, 120 * notches), NO_BUTTON, keys,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(self.window.canvas, event)
        QTest.qWait(15)


@pytest.fixture
def hand(window):
    return Hand(window)


def test_each_brush_paints_what_it_says_and_enters_once(hand):
    brushes, data = hand.brushes, hand.data
    assert brushes.tool == "brush"
    brushes.size = 5

    hand.draw([(8, 8), (8, 20)])
    assert data[2, 8, 8:21].all()
    assert hand.changed() == [2]
    assert hand.actions == [("brush", 2, 2, {"size": 5, "depth": 0})]

    brushes.depth = 2
    hand.draw([(50, 8), (50, 20)])
    assert hand.changed() == [0, 1, 2, 3, 4]
    assert np.array_equal(data[0, 45:56], data[4, 45:56])
    assert hand.actions[1:] == [("brush", 0, 4, {"size": 5, "depth": 2})]

    brushes.take("eraser")
    brushes.depth = 1
    hand.draw([(50, 8), (50, 20)])
    assert not data[1:4, 50, 8:21].any()
    assert data[0, 50, 10] == data[4, 50, 10] == 1
    hand.changed()
    assert hand.actions[2:] == [("eraser", 1, 3, {"size": 5, "depth": 1})]
    hand.reset()

    brushes.depth = 0
    brushes.take("threshold brush")
    brushes.size = 8
    brushes.window = (160, 200)
    image = hand.window.desk.case.study.image.channel(hand.window.view.display.modality)
    hand.draw([(30, 36), (30, 46)])
    added = data != hand.start
    assert hand.changed() == [2]
    assert added.sum() > 15
    assert image[added].min() >= 160
    ((tool, *slices, parameters),) = hand.actions
    assert (tool, slices) == ("threshold brush", [2, 2])
    assert parameters == {"size": 8, "depth": 0, "window": [160.0, 200.0]}
    hand.reset()

    brushes.take("adaptive brush")
    brushes.depth = 1
    hand.draw([(31, 35), (32, 36)])
    assert hand.changed() == [1, 2, 3]
    for plane in data[1:4]:
        assert plane[24:40, 32:40].mean() > 0.9
        assert plane[:, 44:].sum() == plane[:20].sum() == 0
    assert [action[:3] for action in hand.actions] == [("adaptive brush", 1, 3)]
    hand.reset()

    # The eraser's key in the middle of a stroke cancels what grew, not what the brush covered.
    window = hand.window
    brushes.size, brushes.depth = 4, 0
    window.drag((32, 36), (32, 37), release=False)
    assert (data != hand.start).sum() > 60
    window.key(Qt.Key.Key_1)
    covered = (data != hand.start).sum()
    assert 0 < covered < 25
    window.release((32, 37))
    assert hand.changed() == [2]
    assert (data != hand.start).sum() == covered
    assert [(a[0], a[3]["grown"]) for a in hand.actions] == [("adaptive brush", False)]
    assert brushes.tool == "eraser"


def test_a_stroke_may_span_slices_and_nothing_is_swapped_under_it(hand):
    window = hand.window
    hand.brushes.size = 5
    window.drag((8, 8), (8, 12), release=False)
    window.view.go_to(4)
    for column in (50, 54):
        hand.mouse(QEvent.Type.MouseMove, (50, column), LEFT)
    window.release((50, 54))
    changed = hand.data != hand.start
    assert hand.changed() == [2, 4]
    assert changed[2, 8, 8:13].all()
    assert changed[4, 50, 50:55].all()
    assert not changed[:, 15:45].any()
    assert hand.actions == [("brush", 2, 4, {"size": 5, "depth": 0})]

    # Another patient is asked for in the middle of a stroke: it is shown after its end.
    shown, correction = window.view.case, window.desk.case.correction
    window.drag((20, 50), (20, 55), release=False)
    window.dock.workbench.select(PATIENTS[1])
    QTest.qWait(100)
    window.key(Qt.Key.Key_Z, CTRL)  # nor is anything undone under it
    hand.mouse(QEvent.Type.MouseMove, (20, 58), LEFT)
    assert window.view.editor.is_painting
    assert window.view.case is shown
    assert hand.layer.data is correction.data
    assert correction.data[4, 20, 50:59].all()
    window.release((20, 58))
    window.wait(lambda: window.view.case.patient == PATIENTS[1])
    assert not window.view.editor.is_painting
    catalogue = Catalogue(window.desk.workspace.catalogue)
    assert Case(shown.study, catalogue).correction.data[4, 20, 50:59].all()
    catalogue.close()


def test_other_ways_to_write_enter_once_with_their_name(hand):
    window, layer, data = hand.window, hand.layer, hand.data
    window.key(Qt.Key.Key_X)  # napari: paint with the background
    hand.draw([(30, 26), (30, 30)])
    window.key(Qt.Key.Key_X)
    window.key(Qt.Key.Key_4)
    hand.click((2, 2))
    hand.changed()
    assert [a[0] for a in hand.actions] == ["eraser", "fill"]
    hand.reset()

    window.key(Qt.Key.Key_3)
    hand.click((5, 5), (5, 15), (15, 15))
    QTest.mouseDClick(window.canvas, LEFT, pos=window.point(15, 15))
    QTest.qWait(15)
    assert hand.changed() == [2]
    assert [a[0] for a in hand.actions] == ["polygon"]

    window.key(Qt.Key.Key_2)
    layer.data_setitem((np.array([0, 0]), np.array([1, 1]), np.array([3, 4])), 1)
    layer.data[5, 50:53, 50] = 1
    hand.draw([(60, 60), (60, 61)])
    layer.data[5, 50:53, 52] = 1
    layer.events.paint(value=[])
    other = data.copy()
    other[1, :4, :4] = 1
    layer.data = other
    assert layer.data is data
    hand.changed()
    assert [a[:3] for a in hand.actions[1:]] == [
        ("other", 0, 0),
        ("other", 5, 5),
        ("brush", 2, 2),
        ("other", 5, 5),
        ("other", 1, 1),
    ]
    # Undo goes through all of them, from an image as well, and never napari's own.
    window.view.make_active(window.viewer.layers["FLAIR"])
    hand.reset()
    assert len(layer._undo_history) == 0


def test_lasso_and_polygon_add_and_cut_zoomed_with_depth(hand):
    window, brushes, data = hand.window, hand.brushes, hand.data
    window.viewer.scene.camera.zoom *= 1.4
    window.viewer.scene.camera.center = (30, 28)
    square = [(10, 10), (10, 20), (20, 20), (20, 10)]
    path = window.canvas.findChild(RegionPath)

    brushes.depth = 1
    brushes.take("lasso")
    assert brushes.tool == "lasso"
    hand.mouse(QEvent.Type.MouseMove, square[0])
    hand.mouse(QEvent.Type.MouseButtonPress, square[0], LEFT)
    for place in square[1:]:
        hand.mouse(QEvent.Type.MouseMove, place, LEFT)
    assert path.isVisible()
    assert path.geometry().contains(window.point(15, 15))
    assert np.array_equal(data, hand.start)
    hand.mouse(QEvent.Type.MouseButtonRelease, square[-1])
    assert not path.isVisible()
    assert hand.changed() == [1, 2, 3]
    assert data[1:4, 11:20, 11:20].all()
    assert not data[1:4, 23:24].any()
    hand.draw([(y + 4, x + 4) for y, x in square], SHIFT)
    hand.changed()
    assert not data[1:4, 15:24, 15:24].any()
    assert [(a[:3], a[3]) for a in hand.actions] == [
        (("lasso", 1, 3), {"mode": "add", "depth": 1}),
        (("lasso", 1, 3), {"mode": "cut", "depth": 1}),
    ]
    hand.reset()

    brushes.depth = 0
    brushes.take("polygon")
    hand.click(*square, (40, 40))
    window.key(Qt.Key.Key_Backspace)
    assert path.isVisible()
    window.key(Qt.Key.Key_Return)
    assert hand.changed() == [2]
    assert data[2, 11:20, 11:20].all()
    hand.click(*square[:2])
    window.key(Qt.Key.Key_Escape)
    assert not path.isVisible()
    brushes.cutting = True
    assert "cuts" in hand.badge.text()
    hand.click(*square[:3])
    QTest.mouseDClick(window.canvas, LEFT, pos=window.point(*square[2]))
    hand.changed()
    assert [(a[0], a[3]["mode"]) for a in hand.actions] == [("polygon", "add"), ("polygon", "cut")]

    window.key(Qt.Key.Key_2)  # napari's key: the pencil is put away
    assert (brushes.tool, brushes.regions.kind) == ("brush", None)

    # Drawn for another tool: it changes nothing, and the hand goes on with what it did.
    hand.reset()
    found = []
    brushes.take("eraser")
    brushes.regions.drawn.connect(found.append)
    brushes.regions.begin("lasso", "snap")
    hand.draw(square)
    assert (found[0].purpose, found[0].slice_index) == ("snap", 2)
    assert brushes.tool == "eraser"
    assert hand.actions == []


def test_wheel_and_badge(hand):
    brushes, window, camera = hand.brushes, hand.window, hand.window.viewer.scene.camera
    zoom = camera.zoom
    brushes.size = 8
    hand.wheel(1)
    assert brushes.size == hand.layer.brush_size == 9
    brushes.size = 60
    hand.wheel(-1)
    assert brushes.size == 50
    hand.wheel(2, SHIFT)
    assert brushes.depth == 2
    hand.wheel(-5, SHIFT)
    assert brushes.depth == 0
    assert hand.badge.text() == "Brush 50 · 2D"
    assert hand.badge.isVisible()
    hand.wheel(1, CTRL)
    assert window.view.slice_index != 2
    assert camera.zoom == zoom
    assert brushes.size == 50

    brushes.take("eraser")
    brushes.size = 3
    brushes.depth = 1
    assert hand.badge.text() == "Eraser 3 · ±1 slice"
    window.key(Qt.Key.Key_P)
    assert brushes.size == 50  # each tool keeps its own
    window.key(Qt.Key.Key_BracketLeft)
    assert hand.badge.text() == "Brush 49 · ±1 slice"
    brushes.take("threshold brush")
    brushes.window = (120, 200)
    assert hand.badge.text() == "Threshold brush 49 · ±1 slice · 120–200"

    QTest.keyPress(window.canvas, Qt.Key.Key_Space)
    hand.wheel(1)
    assert camera.zoom > zoom
    QTest.keyRelease(window.canvas, Qt.Key.Key_Space)
    assert brushes.tool == "threshold brush"
    brushes.take("move")
    zoom = camera.zoom
    hand.wheel(1)
    assert camera.zoom > zoom
    assert not hand.badge.isVisible()
    brushes.take("brush")
    window.view.make_active(window.viewer.layers["FLAIR"])
    assert brushes.tool == "move"
    assert not hand.badge.isVisible()


def test_seeds_are_painted_apart_from_the_correction(hand):
    window, seeds = hand.window, hand.brushes.seeds
    assert not seeds.is_shown
    hand.brushes.take("lasso")
    seeds.take(FOREGROUND)
    assert hand.brushes.regions.kind is None
    assert hand.badge.text() == "Seeds 4 · lesion"
    hand.wheel(2)
    hand.draw([(10, 10), (10, 15)])
    seeds.toggle()
    assert seeds.label == BACKGROUND
    hand.draw([(50, 10), (50, 15)])
    assert seeds.foreground[2, 10, 10:16].all()
    assert seeds.background[2, 50, 10:16].all()
    assert not (seeds.foreground & seeds.background).any()
    assert seeds.layer.brush_size == 6
    assert hand.layer.brush_size == 8
    assert hand.changed() == []
    assert hand.actions == []
    window.key(Qt.Key.Key_Z, CTRL)
    assert seeds.foreground.any()

    seeds.hide()
    assert window.viewer.layers.selection.active is hand.layer
    assert seeds.foreground.any()
    window.open(PATIENTS[1])
    assert not seeds.is_shown
    assert not seeds.foreground.any()
    assert seeds.foreground.shape == SHAPE
