"""The effect review in a real window: what it draws, its keys; nothing of the open case moves."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
from napari_brainseg.core.dataset.locked_set import LockedPatient, LockedSet, freeze_locked
from napari_brainseg.core.dataset.manifest import read_manifest
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import Modality
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.case import Case
from napari_brainseg.session.training_set import export_case
from napari_brainseg.viewer.effect_scene import Overlay
from napari_brainseg.widgets import effect_view
from napari_brainseg.widgets.effect_legend import EffectLegend

FIRST, SECOND, THIRD = (f"TEST_AB_000{n}_20200101" for n in range(1, 4))
BLUE, VERMILION = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
GREY = 12  # a screen of 16 bits has no exact greys
MOVE_MS = 15  # vispy drops moves that come within 10 ms
CONTROL = Qt.KeyboardModifier.ControlModifier


class TwoVersions:
    """The new version moves the mask of the old one by four columns in two of the slices."""

    def __init__(self, first):
        self.first = first
        self.calls = []

    def __call__(self, study, bundle, **options):
        self.calls.append((study.patient, bundle.version))
        old = np.zeros_like(study.truth.data)
        old[1:5, 20:36, 20:36] = 1
        mask = old
        if bundle.version != self.first:
            mask = old.copy()
            mask[2], mask[4] = np.roll(old[2], 4, axis=1), np.roll(old[4], 8, axis=1)
        return Prediction(
            study.patient, mask.astype(np.float32), mask, np.zeros(mask.shape, np.float32),
            bundle.version, "a test", "", {"total": 0.1},
        )  # fmt: skip


def locked_set(*folders):
    found = []
    for folder in folders:
        study = load_study(folder)
        found.append(
            LockedPatient(
                patient=study.patient,
                image_sha256=image_sha256(study),
                mask_sha256=mask_sha256(study.truth),
                mask_source="ground truth",
                path=str(folder),
                lesion_vox=study.truth.voxels,
            )
        )
    return LockedSet(patients=tuple(found))


@pytest.fixture
def reviewing(window):
    """A window with a correction in progress, one approved patient and one locked one."""
    window.open()
    window.correct()
    window.drag((50, 50), (54, 54))
    window.wait(lambda: window.desk.case.correction.meter.strokes == 1)
    desk = window.desk
    approved = Case(load_study(window.root / SECOND), desk.catalogue)
    approved.start_correction("truth", "A. Tester")
    export_case(approved, desk.workspace.training_set, editor="A. Tester")
    approved.close()
    version = desk.registry.adopt(window.candidate.path).version
    window.versions = TwoVersions(desk.registry.current_version)
    desk.predictions._predictor = window.versions
    freeze_locked(desk.workspace.locked, locked_set(window.root / THIRD))
    window.effects, window.cover, window.panel = desk.effects, window.dock.cover, window.dock.effect
    window.dock.tabs.setCurrentIndex(2)

    def begin():
        window.panel.start(version)
        window.wait(lambda: window.cover.is_on)
        view = window.cover.view
        window.wait(lambda: view.scene.picture is not None)
        view.draw_now()
        return view

    window.begin = begin
    yield window
    window.cover.end()


def state_of(window):
    """Everything of the open case that a review might disturb."""
    viewer, case = window.viewer, window.desk.case
    camera = viewer.scene.camera
    layers = [
        (layer.name, layer.visible, layer.opacity, id(layer), layer.data.shape, layer.data.sum())
        for layer in viewer.layers
    ]
    return {
        "layers": layers,
        "active": viewer.layers.selection.active.name,
        "mode": window.view.layers.correction.mode,
        "camera": (camera.zoom, tuple(camera.center)),
        "step": tuple(viewer.dims.current_step),
        "range": tuple(viewer.dims.range),
        "case": id(case),
        "correction": (id(case.correction), case.correction.data.tobytes()),
        "strokes": case.correction.meter.strokes,
        "size": (window.canvas.width(), window.canvas.height()),
        "entries": len(read_manifest(window.desk.workspace.training_set)),
    }


def settled_picture(window):
    """What the canvas shows once nothing changes any more, (rows, columns, 3), without its top."""
    # The brush may show where the mouse is: it is put into the part that is left out.
    QTest.mouseMove(window.canvas, window.point(5, 5))
    QTest.qWait(MOVE_MS)
    found = [None, window.canvas.grab().toImage()]

    def rests():
        found[:] = found[1], window.canvas.grab().toImage()
        return found[0] == found[1]

    window.wait(rests)
    image = found[1].convertToFormat(QImage.Format.Format_RGB888)
    bits = np.frombuffer(image.constBits().asstring(image.byteCount()), np.uint8)
    rows = bits.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
    return rows.reshape(image.height(), image.width(), 3)[image.height() // 4 :].astype(int)


def pixel(plane, row, column):
    at = plane.to_widget(row, column).toPoint()
    colour = plane.grab().toImage().pixelColor(at)
    return np.array(colour.getRgb()[:3], float)


def nearness(found, colour):
    """How much closer a pixel is to a colour than grey of its own lightness is."""
    return np.abs(found - found.mean()).sum() and float(
        np.corrcoef(found - found.mean(), np.array(colour) - np.mean(colour))[0, 1]
    )


def turn_wheel(widget, notches):
    at = QPointF(widget.rect().center())
    event = QWheelEvent(
        at, QPointF(widget.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, int(120 * notches)),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def test_a_review_shows_both_versions_and_leaves_the_case_as_it_was(reviewing):
    before = state_of(reviewing)
    picture = settled_picture(reviewing)
    view = reviewing.begin()
    review = view.review
    assert [case.patient for case in review.cases] == [SECOND, THIRD]
    assert view.bar.heading.text().startswith("Case 1 of 2")
    assert view.isVisible()
    assert view.window().focusWidget() is view

    # It opens where most differs; gained is blue, lost vermilion, the rest grey.
    assert view.scene.slice_index == 4
    gained, lost = pixel(view.difference, 28, 41), pixel(view.difference, 28, 23)
    assert nearness(gained, BLUE) > 0.9
    assert nearness(lost, VERMILION) > 0.9
    away = pixel(view.difference, 55, 55)
    assert np.ptp(away) <= GREY
    # Beside it each version's own mask, outlined like any prediction, on the same slice.
    outlines = {o.name for o in view.current.picture.outlines}
    assert outlines == {"Correction"} | {"Prediction"} or outlines == {"Prediction"}
    for plane, columns in ((view.current, (20, 35)), (view.candidate, (28, 43))):
        path = next(o for o in plane.picture.outlines if o.name == "Prediction").paths[0]
        assert (path[:, 1].min(), path[:, 1].max()) == (columns[0] - 0.5, columns[1] + 0.5)
    image = review.picture.study.image.channel(Modality.FLAIR)[4]
    assert view.current.picture.image.shape == image.shape

    # Keys step through slices that differ, slices, and cases.
    QTest.keyClick(view, Qt.Key.Key_PageUp)
    assert view.scene.slice_index == 2
    QTest.keyClick(view, Qt.Key.Key_PageUp)
    assert view.scene.slice_index == 2
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.scene.slice_index == 3
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    assert view.scene.slice_index == 4
    view.draw_now()
    QTest.keyPress(view, Qt.Key.Key_Space)
    assert view.scene.overlay is Overlay.CURRENT
    view.draw_now()
    assert {o.name for o in view.difference.picture.outlines} >= {"Prediction"}
    QTest.keyRelease(view, Qt.Key.Key_Space)
    assert view.scene.overlay is Overlay.DIFFERENCE
    QTest.keyPress(view, Qt.Key.Key_H)
    view.draw_now()
    assert np.ptp(pixel(view.difference, 28, 41)) <= GREY
    QTest.keyRelease(view, Qt.Key.Key_H)
    QTest.keyClick(view, Qt.Key.Key_N)
    assert review.index == 1
    reviewing.wait(lambda: review.is_seen(1))
    assert view.scene.picture is review.picture

    # Keys that nobody takes do not reach the case below.
    main = reviewing.viewer.window._qt_window
    QTest.keyClick(main, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert review.index == 0
    for target in (main, view):
        QTest.keyClick(target, Qt.Key.Key_Return, CONTROL)
        QTest.keyClick(target, Qt.Key.Key_E, Qt.KeyboardModifier.NoModifier)
        QTest.keyClick(target, Qt.Key.Key_Z, CONTROL)
    assert not reviewing.dock.tabs.widget(0).isEnabled()
    assert reviewing.desk.case.patient == FIRST

    reviewing.wait(lambda: review.reviewed.is_complete)
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert not reviewing.cover.is_on
    assert reviewing.dock.tabs.widget(0).isEnabled()
    assert state_of(reviewing) == before
    differ = np.abs(settled_picture(reviewing) - picture).max(axis=2) > GREY
    assert not differ.any()
    # The correction goes on where it was.
    QTest.keyClick(reviewing.canvas, Qt.Key.Key_Z, CONTROL)
    reviewing.wait(lambda: reviewing.desk.case.correction.meter.strokes == 0)

    found = reviewing.effects.reviewed(review.candidate.version)
    assert [(look.patient, look.editor) for look in found.looks] == [
        (SECOND, "A. Tester"), (THIRD, "A. Tester"),
    ]  # fmt: skip
    assert "2 of 2" in reviewing.panel.progress.text()


def test_the_mouse_moves_all_planes_and_the_list_steps(reviewing, tmp_path, monkeypatch):
    # The version in use is no candidate; that is said where it was asked.
    panel, model = reviewing.panel, reviewing.panel.model
    panel.start(reviewing.desk.registry.current_version)
    reviewing.wait(lambda: panel.fault.text)
    assert "in use already" in panel.fault.text
    assert not reviewing.cover.is_on

    view = reviewing.begin()
    whole = view.difference.to_widget(0, 0)
    turn_wheel(view.difference, 4)
    assert view.scene.look is not None
    assert view.difference.to_widget(0, 0) != whole
    assert view.current.look == view.difference.look == view.candidate.look
    QTest.mouseMove(view.difference, view.difference.to_widget(30, 30).toPoint())
    reviewing.wait(lambda: view.current.crosshair is not None)
    assert view.current.crosshair == pytest.approx((30, 30), abs=0.5)
    assert view.difference.crosshair is None

    at = view.difference.rect().center()
    middle = view.scene.look[0]
    QTest.mousePress(view.difference, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(view.difference, at + QPoint(40, 20))
    reviewing.wait(lambda: view.scene.look[0] != middle)
    QTest.mouseRelease(view.difference, Qt.MouseButton.LeftButton, pos=at + QPoint(40, 20))
    assert view.scene.look[0][0] < middle[0]
    assert view.scene.look[0][1] < middle[1]
    turn_wheel(view.difference, -30)
    assert view.scene.look is None

    # In the planes beside it the wheel goes through the slices, as it does beside the canvas.
    turn_wheel(view.current, -2)
    assert view.scene.slice_index == 2
    window = view.scene.window()
    QTest.mousePress(view.difference, Qt.MouseButton.RightButton, pos=at)
    QTest.mouseMove(view.difference, at + QPoint(60, 0))
    reviewing.wait(lambda: view.scene.window() != window)
    QTest.mouseRelease(view.difference, Qt.MouseButton.RightButton, pos=at)
    low, high = view.scene.window()
    assert high - low > window[1] - window[0]

    # The strip knows the slices by their voxels, and a click goes there.
    wide = view.strip.width() / view.scene.count
    QTest.mouseClick(view.strip, Qt.MouseButton.LeftButton, pos=QPoint(round(4.5 * wide), 20))
    assert view.scene.slice_index == 4

    # The list in the dock shows signs and steps.
    text = [[model.data(model.index(row, c)) for c in range(4)] for row in range(2)]
    assert [row[2] for row in text] == ["corrected", "locked"]
    reviewing.wait(lambda: model.data(model.index(0, 0)) == "✓")
    panel.table.clicked.emit(model.index(1, 1))
    assert view.review.index == 1
    reviewing.wait(lambda: view.review.measured(1) is not None)
    reviewing.wait(lambda: "Worst locked: 1 better, 0 equal, 0 worse" in panel.summary.text())
    ends = []
    panel.ended.connect(ends.append)
    QTest.mouseClick(panel.done_button, Qt.MouseButton.LeftButton)
    assert not reviewing.cover.is_on
    assert ends[0].total == 2
    assert panel.table.isHidden()
    assert not panel.again_button.isHidden()

    # What is ready before the view follows the review is shown all the same.
    def late_legend():
        review = reviewing.effects.review
        while review.picture_of(1) is None:
            time.sleep(0.01)
        return EffectLegend()

    with monkeypatch.context() as late:
        late.setattr(effect_view, "EffectLegend", late_legend)
        view = reviewing.begin()

    # Keys that are held are let go with the window: no release would come.
    QTest.keyPress(view, Qt.Key.Key_Space)
    assert view.scene.overlay is not Overlay.DIFFERENCE
    view.isActiveWindow = lambda: False
    QApplication.sendEvent(view, QEvent(QEvent.Type.ActivationChange))
    assert view.scene.overlay is Overlay.DIFFERENCE

    # Another case that is opened ends the review; the correction comes back with its case.
    reviewing.open(SECOND)
    reviewing.wait(lambda: not reviewing.cover.is_on)
    assert reviewing.effects.review is None
    reviewing.open(FIRST)
    reviewing.wait(lambda: reviewing.desk.case.correction is not None)
    assert reviewing.desk.case.correction.meter.strokes == 1

    # A case that cannot be read says so in its place, and can be tried again.
    folder = reviewing.desk.workspace.training_set / SECOND
    hidden = folder.rename(tmp_path / "hidden")
    folder.mkdir()
    panel.start(reviewing.candidate.version)
    reviewing.wait(lambda: reviewing.cover.is_on)
    view = reviewing.cover.view
    reviewing.wait(lambda: view.wait.retry_button.isVisible())
    assert view.wait.words.text()
    folder.rmdir()
    hidden.rename(folder)
    QTest.mouseClick(view.wait.retry_button, Qt.MouseButton.LeftButton)
    reviewing.wait(lambda: view.scene.picture is not None)
    assert not view.wait.retry_button.isVisible()
