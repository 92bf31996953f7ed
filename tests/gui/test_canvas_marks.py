"""Letters and scale bar over the axial picture: where they are known, and never made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QLabel, QWidget

from napari_brainseg.core.imaging import Geometry, ScalarVolume, Study
from napari_brainseg.viewer.orientation import edge_letters
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.canvas_marks import CanvasMarks

UPRIGHT = np.array([[0, 0, 1.0], [0, 1, 0], [5, 0, 0]])


def geometry(matrix):
    whole = np.eye(4)
    whole[:3, :3] = matrix
    return Geometry.from_affine(tuple(tuple(map(float, row)) for row in whole))


def turned(degrees):
    """Rows and columns turned about the head's long axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return geometry(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ UPRIGHT)


class FakeView:
    case = None


class FakeCase:
    def __init__(self, where):
        image = ScalarVolume(np.zeros((3, 4, 32, 32), np.uint8), geometry=where)
        self.study = replace(Study("P_1", image))


@pytest.fixture
def room(qtbot):
    canvas, view, viewer = QWidget(), FakeView(), ViewerModel()
    qtbot.addWidget(canvas)
    canvas.resize(800, 600)
    canvas.show()
    viewer.scene.camera.zoom = 2.0
    marks = CanvasMarks(canvas, viewer, view, canvas)

    def show(where, *, wanted=True, others=()):
        view.case = None if where is None else FakeCase(where)
        marks.show_for(wanted=wanted, others=others)
        return marks

    show.canvas, show.viewer, show.marks = canvas, viewer, marks
    return show


def test_the_letters_stand_at_their_edges(room):
    marks = room(geometry(UPRIGHT))
    assert marks.texts == {"top": "A", "bottom": "P", "left": "R", "right": "L"}
    assert marks.note.isHidden()
    centre = room.canvas.rect().center()
    for label in marks.letters.values():
        assert not label.geometry().adjusted(-100, -100, 100, 100).contains(centre)


def test_oblique_planes_have_two_letters_the_nearest_first():
    assert edge_letters(turned(15), Plane.AXIAL) == ("A", "P", "R", "L")
    assert edge_letters(turned(30), Plane.AXIAL) == ("AL", "PR", "RA", "LP")
    assert edge_letters(turned(60), Plane.AXIAL) == ("LA", "RP", "AR", "PL")


def test_what_is_not_known_is_said(room):
    marks = room(Geometry())
    assert marks.texts == {}
    assert (marks.note.text(), marks.note.isHidden()) == ("orientation unknown", False)
    assert marks.bar.isHidden()
    only_spacing = room(Geometry((5.0, 1.0, 1.0)))
    assert not only_spacing.note.isHidden()
    assert not only_spacing.bar.isHidden()


def test_letters_turn_with_the_picture_in_3d(room):
    from napari_brainseg.viewer.orientation import scene_letters
    from napari_brainseg.viewer.surface_scene import _LOOK, _UP

    room.viewer.dims.ndisplay = 3
    marks, camera = room(geometry(UPRIGHT)), room.viewer.scene.camera
    assert marks.bar.isHidden()
    for view, up, letters in (
        ((0, 1, 0), (-1, 0, 0), "SIRL"),  # from the front: the patient's left is at our right
        ((0, -1, 0), (-1, 0, 0), "SILR"),  # from behind
        ((0, 0, -1), (-1, 0, 0), "SIAP"),  # from the left
        ((-1, 0, 0), (0, -1, 0), "APRL"),  # from below, as slices are seen
        ((1, 0, 0), (0, -1, 0), "APLR"),  # from above: as a surgeon sees it
    ):
        camera.set_view_direction(view, up)
        assert "".join(marks.texts[edge] for edge in ("top", "bottom", "left", "right")) == letters
    top, bottom, left, right = scene_letters(geometry(UPRIGHT), _LOOK, _UP)
    assert (top[0], bottom[0], left[0], right[0]) == ("S", "I", "R", "L")
    assert not room(Geometry()).note.isHidden(), "nothing is made up in 3D either"


def test_nothing_without_a_case_nor_unwanted(room):
    for where, wanted, dimensions in (
        (geometry(UPRIGHT), False, 3), (geometry(UPRIGHT), False, 2), (None, True, 2),
        (Geometry(), False, 2),
    ):  # fmt: skip
        room.viewer.dims.ndisplay = dimensions
        marks = room(where, wanted=wanted)
        assert marks.texts == {}
        assert marks.note.isHidden()
        assert marks.bar.isHidden()


def test_the_bar_follows_the_zoom(room):
    marks = room(geometry(UPRIGHT))
    assert (marks.bar.mm, marks.bar.pixels) == (50.0, 100.0)
    room.viewer.scene.camera.zoom = 5.0
    assert (marks.bar.mm, marks.bar.pixels) == (20.0, 100.0)
    room.viewer.scene.camera.zoom = 0.05
    assert marks.bar.isHidden()


def test_letters_give_way_to_annotations(room):
    wide = QLabel("A long name of a patient", room.canvas)
    wide.setGeometry(8, 8, 500, 40)
    wide.show()
    marks = room(geometry(UPRIGHT), others=[wide])
    assert not marks.letters["top"].geometry().intersects(wide.geometry())
