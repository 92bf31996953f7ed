"""The views: linked planes with their crosshair, 3D and back, modalities side by side."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.imaging import Geometry, Modality
from napari_brainseg.viewer.orientation import edge_letters
from napari_brainseg.viewer.overlay_layers import CORRECTION_NAME, PREDICTION_NAME, TRUTH_NAME
from napari_brainseg.viewer.plane_pictures import Outline, PlanePicture
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.plane_texts import PlaneTexts
from napari_brainseg.widgets.plane_view import PlaneView

LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier


def turn_wheel(widget, notches):
    at = QPointF(widget.rect().center())
    event = QWheelEvent(
        at, QPointF(widget.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, int(120 * notches)),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def outlined(view):
    return {outline.name for outline in view.picture.outlines}


@pytest.fixture
def linked(window):
    """A case in the linked view."""
    window.open()
    window.views = window.dock.workbench.views
    window.planes = window.dock.room.planes
    window.views.set_mode("linked")
    window.wait(lambda: window.planes.linked.sagittal.picture is not None)
    return window


def test_planes_are_beside_the_canvas_and_tied_to_it_by_the_crosshair(linked):
    views, planes = linked.views, linked.planes.linked
    assert planes.sagittal.isVisible()
    assert planes.coronal.isVisible()
    assert linked.canvas.width() > 1.4 * planes.width()
    # It opens in the middle of the lesion.
    assert views.crosshair == (linked.view.slice_index, 32, 32)

    QTest.mouseMove(planes.sagittal, planes.sagittal.to_widget(1, 20).toPoint())
    value = linked.view.case.study.shown(Modality.FLAIR)[1, 20, 32]
    linked.wait(lambda: f"FLAIR {value}" in str(linked.viewer.status))

    # A click in a plane moves the slice and the position.
    at = planes.sagittal.to_widget(4, 20).toPoint()
    QTest.mouseClick(planes.sagittal, LEFT, pos=at)
    assert views.crosshair == (4, 20, 32)
    assert linked.view.slice_index == 4

    # The wheel moves a plane along its normal, scrolling slices moves its line.
    turn_wheel(planes.sagittal, 3)
    assert views.crosshair == (4, 20, 35)
    linked.view.go_to(1)
    assert views.crosshair == (1, 20, 35)
    planes.draw_now()
    assert planes.sagittal.crosshair == (1, 20)
    assert planes.coronal.crosshair == (1, 35)
    image = linked.desk.case.study.image.channel(Modality.FLAIR)
    low, high = linked.view.display.window(Modality.FLAIR)
    shown = np.clip((image[:, :, 35].astype(float) - low) / (high - low), 0, 1)
    assert np.abs(planes.sagittal.picture.image / 255 - shown).max() < 0.01
    assert planes.sagittal.title == "Sagittal  36/64"

    # On the canvas, Shift and a click move it, under any tool; the lines lie there.
    QTest.mouseClick(linked.canvas, LEFT, SHIFT, linked.point(50, 10))
    assert views.crosshair == (1, 50, 10)
    across, _, up, _ = linked.planes.crosshair.lines
    assert up.isVisible()
    assert abs(up.x() - linked.point(50, 10).x()) <= 1
    assert abs(across.y() - linked.point(50, 10).y()) <= 1
    QTest.mouseMove(linked.canvas, linked.point(20, 30))
    linked.planes.crosshair.come_to_mouse()
    assert views.crosshair == (1, 20, 30)

    # The slice thickness is assumed until it is set, and remembered then.
    row = planes.thickness
    assert row.origin.text() == "(assumed)"
    assert row.field.value() == 8.0
    reach = abs(planes.sagittal.to_widget(5, 0).y() - planes.sagittal.to_widget(0, 0).y())
    row.field.setValue(2.0)
    assert row.origin.text() == "(set)"
    assert views.spacing.thickness_mm == 2.0
    linked.wait(
        lambda: (
            abs(planes.sagittal.to_widget(5, 0).y() - planes.sagittal.to_widget(0, 0).y())
            < 0.5 * reach
        )
    )
    assert linked.desk.preferences.get("slice_thickness_mm") == 2.0
    # Figures in ml never use it.
    assert linked.desk.case.study.image.geometry.voxel_volume_ml is None
    row.back.click()
    assert row.origin.text() == "(assumed)"

    views.set_mode("axial")
    assert not up.isVisible()
    assert not planes.isVisible()


def test_outlines_in_the_planes_follow_display_and_brush(linked):
    planes, display = linked.planes.linked, linked.view.display
    linked.correct()
    planes.draw_now()
    assert outlined(planes.coronal) == {TRUTH_NAME, PREDICTION_NAME, CORRECTION_NAME}
    dashed = {o.name: o.dashed for o in planes.coronal.picture.outlines}
    assert dashed == {TRUTH_NAME: False, PREDICTION_NAME: True, CORRECTION_NAME: False}
    assert next(o for o in planes.coronal.picture.outlines if o.thick).name == CORRECTION_NAME

    display.show(TRUTH_NAME, False)
    linked.wait(lambda: outlined(planes.coronal) == {PREDICTION_NAME, CORRECTION_NAME})
    display.hide_masks()
    linked.wait(lambda: outlined(planes.coronal) == set())
    display.reveal_masks()
    display.composite = True
    linked.wait(lambda: planes.coronal.picture.image.ndim == 3)
    display.composite = False

    # A stroke is seen in a plane that it crosses, before the button is let go.
    linked.views.crosshair = (linked.view.slice_index, 10, 40)
    linked.wait(lambda: outlined(planes.coronal) == set())
    linked.drag((10, 36), (10, 40), (10, 44), release=False)
    linked.wait(lambda: CORRECTION_NAME in outlined(planes.coronal))
    linked.release((10, 44))
    # And so is its end.
    linked.view.editor.undo()
    linked.wait(lambda: outlined(planes.coronal) == set())


def test_3d_shows_surfaces_and_gives_everything_back(linked):
    viewer, views = linked.viewer, linked.views
    linked.correct()
    linked.view.display.show(TRUTH_NAME, False)
    linked.view.go_to(3)
    layers = [layer for layer in viewer.layers if layer.visible]
    camera = viewer.scene.camera
    before = (tuple(camera.center), camera.zoom, viewer.dims.current_step, tuple(viewer.dims.range))
    steps = []
    viewer.dims.events.current_step.connect(lambda _event: steps.append(viewer.dims.current_step))

    views.set_mode("3d")
    linked.wait(lambda: views.scene.state == "shown")
    assert viewer.dims.ndisplay == 3
    (surface,) = (layer for layer in viewer.layers if layer.visible)
    assert surface.name == "Surface"
    vertices = surface.vertices
    # The 16 by 16 by 2 voxels of the lesion, at 8 mm a slice and 0.94 mm a pixel.
    extent = np.ptp(vertices, axis=0)
    assert extent[0] == pytest.approx(2, abs=0.6)
    assert extent[1] * 8 / 0.94 == pytest.approx(16, abs=3)
    assert linked.view.layers.correction.mode == "pan_zoom"
    # A prediction that arrives does not bring its slow layer into 3D.
    linked.desk.case.set_prediction(linked.desk.case.prediction)
    linked.wait(lambda: views.scene.state == "shown")
    assert [layer for layer in viewer.layers if layer.visible] == [surface]

    views.set_mode("linked")
    assert viewer.dims.ndisplay == 2
    assert [layer for layer in viewer.layers if layer.visible] == layers
    after = (tuple(camera.center), camera.zoom, viewer.dims.current_step, tuple(viewer.dims.range))
    assert after == before
    assert steps == []
    assert linked.view.layers.correction.mode == "paint"
    assert linked.view.layers.correction.editable
    assert not linked.view.layers.truth.editable

    # Again with the head, and out of it by another patient: slices, with all layers as usual.
    views.set_mode("3d")
    views.show_volume = True
    linked.wait(lambda: views.scene.state == "shown" and viewer.layers["Head"].visible)
    count = len(viewer.layers)
    linked.open("TEST_AB_0002_20200101")
    assert views.mode == "linked"
    assert viewer.dims.ndisplay == 2
    assert viewer.layers["FLAIR"].visible
    assert not viewer.layers["Head"].visible
    assert not surface.visible
    assert len(viewer.layers) == count
    assert tuple(viewer.dims.range) == before[3]
    assert linked.desk.preferences.get("view") == "linked"


def test_the_large_picture_stays_axial_whatever_napari_does_to_it(linked):
    from napari.utils.notifications import notification_manager

    dims, view = linked.viewer.dims, linked.view
    view.go_to(2)
    for turn in (dims.roll, dims.transpose):
        turn()
        assert dims.order == (0, 1, 2)
        assert "stays axial; other planes: F3" in notification_manager.records[-1].message
    assert view.slice_index == 2
    linked.viewer.scene.camera.orientation2d = ("up", "left")
    assert linked.viewer.scene.camera.orientation2d == ("down", "right")
    linked.desk.close_case()
    linked.wait(lambda: view.case is None)
    linked.viewer.add_image(np.zeros((3, 8, 8)))
    dims.roll()
    assert dims.order == (2, 0, 1), "without a case it is napari's"
    linked.open()
    linked.wait(lambda: dims.order == (0, 1, 2))


def test_the_other_modalities_are_shown_side_by_side_and_3d_of_nothing_says_so(linked):
    views, beside, display = linked.views, linked.planes.side_by_side, linked.view.display
    views.set_mode("side by side")
    linked.wait(lambda: beside.planes[1].picture is not None)
    assert [p.title for p in beside.planes] == ["pre-contrast", "post-contrast"]
    turn_wheel(beside.planes[0], 1)
    z = linked.view.slice_index
    assert z == views.crosshair[0]
    beside.draw_now()
    image = linked.desk.case.study.image.channel(Modality.POST)[z].astype(float)
    low, high = display.window(Modality.POST)
    shown = np.clip((image - low) / (high - low), 0, 1)
    assert np.abs(beside.planes[1].picture.image / 255 - shown).max() < 0.01

    # They follow the zoom of the canvas.
    wide = beside.planes[0].to_widget(0, 63).x() - beside.planes[0].to_widget(0, 0).x()
    linked.viewer.scene.camera.zoom *= 2
    assert beside.planes[0].to_widget(0, 63).x() - beside.planes[0].to_widget(
        0, 0
    ).x() == pytest.approx(2 * wide)

    # A double click brings one to the canvas; tools work there.
    QTest.mouseDClick(beside.planes[1], LEFT)
    assert display.modality is Modality.POST
    linked.wait(lambda: [p.title for p in beside.planes] == ["pre-contrast", "FLAIR"])

    # 3D of masks without voxels says so.
    linked.desk.editor = "A. Tester"
    linked.desk.start_correction("empty")
    linked.wait(lambda: linked.view.layers.correction is not None)
    views.show_surface(TRUTH_NAME, False)
    views.set_mode("3d")
    linked.wait(lambda: views.scene.state == "empty")
    assert "no mask has voxels" in linked.planes.scene.text()
    assert linked.planes.scene.isVisible()
    views.next_mode()
    assert views.mode == "side by side"
    assert not linked.planes.scene.isVisible()


# one plane without a window -----------------------------------------------------------------------


@pytest.fixture
def plane(qtbot):
    view = PlaneView(rows_up=True)
    qtbot.addWidget(view)
    view.resize(200, 200)
    square = np.array([[1.5, 5.5], [1.5, 14.5], [4.5, 14.5], [4.5, 5.5], [1.5, 5.5]])
    outlines = (Outline(TRUTH_NAME, (square,), "#009E73", dashed=False, thick=False),)
    view.show_picture(PlanePicture(np.full((10, 20), 90, np.uint8), outlines), (4.0, 1.0))
    return view


def test_a_plane_honours_spacing_and_puts_the_first_slice_at_the_bottom(plane):
    # 10 rows of 4 mm by 20 columns of 1 mm: a portrait that fills the height.
    assert plane.to_widget(0, 0).y() == pytest.approx(190)
    assert plane.to_widget(9, 0).y() == pytest.approx(10)
    assert plane.to_widget(0, 19).x() - plane.to_widget(0, 0).x() == pytest.approx(95)
    assert plane.to_plane(plane.to_widget(7, 3)) == pytest.approx((7, 3))
    picture = plane.grab().toImage()
    assert picture.pixelColor(100, 20).red() == 90
    assert picture.pixelColor(10, 100).red() == 0
    green = picture.pixelColor(plane.to_widget(3, 5.5).toPoint())
    assert green.green() > green.red() + 40


def test_orientation_and_scale_are_written_where_they_are_known(plane):
    bare = plane.grab().toImage()
    plane.set_texts(PlaneTexts("Sagittal", letters=("I", "S", "A", "P"), bar=True))
    written = plane.grab().toImage()

    def changed(across, down):
        # The letters lie in the middle of the edges, the bar in the lower right corner.
        return any(
            written.pixelColor(x, y) != bare.pixelColor(x, y)
            for x in range(across - 6, across + 6)
            for y in range(down - 6, down + 6)
        )

    assert changed(100, 14)
    assert changed(100, 186)
    assert changed(14, 100)
    assert changed(186, 100)
    assert changed(180, 190)
    assert not changed(60, 60)


def test_parts_of_a_notch_add_up(plane, qtbot):
    steps = []
    plane.scrolled.connect(steps.append)
    turn_wheel(plane, 0.5)
    assert steps == []
    turn_wheel(plane, 0.5)
    turn_wheel(plane, -2)
    assert steps == [1, -2]


def test_orientation_is_never_made_up():
    assert edge_letters(Geometry(), Plane.SAGITTAL) is None
    affine = ((0, 0, 1, 0), (0, 1, 0, 0), (5, 0, 0, 0), (0, 0, 0, 1))
    known = Geometry((5.0, 1.0, 1.0), affine)
    assert edge_letters(known, Plane.SAGITTAL) == ("I", "S", "A", "P")
    assert edge_letters(known, Plane.AXIAL) == ("A", "P", "R", "L")
    oblique = ((0, 1, 1, 0), (0, 1, -1, 0), (5, 0, 0, 0), (0, 0, 0, 1))
    assert edge_letters(Geometry((5.0, 1.0, 1.0), oblique), Plane.AXIAL) == ("RA", "LP", "RP", "LA")


def test_the_picture_keeps_its_share_of_the_canvas_through_all_views(window):
    window.open()
    views, camera = window.dock.workbench.views, window.viewer.scene.camera
    QTest.qWait(200)
    before = camera.zoom
    for mode in ("linked", "3d", "side by side", "axial", "3d", "axial"):
        views.set_mode(mode)
        QTest.qWait(200)
    window.wait(lambda: camera.zoom == pytest.approx(before, rel=0.02))


def test_a_case_that_opens_while_the_canvas_changes_its_size_fits_in_the_end(window):
    window.open()
    planes, camera = window.dock.room.planes, window.viewer.scene.camera
    window.viewer.reset_view()
    fitting = camera.zoom / planes._fit()
    planes.keep_fit(200)
    window.canvas.setMaximumWidth(window.canvas.width() // 3)
    window.wait(lambda: window.canvas.width() <= window.canvas.maximumWidth())
    window.viewer.reset_view()  # as another case does
    window.wait(lambda: planes._fit_before is None)
    assert camera.zoom / planes._fit() == pytest.approx(fitting, rel=0.02)
