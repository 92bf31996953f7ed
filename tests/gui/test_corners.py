"""Annotations in the picture's corners."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget

from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.ordering import Suggestion
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.viewer.case_view import CaseView
from napari_brainseg.viewer.display import DIFFERENCE_NAME
from napari_brainseg.widgets.corners import (
    BOTTOM_LEFT,
    BOTTOM_RIGHT,
    CORNERS,
    TOP_LEFT,
    TOP_RIGHT,
    Corners,
)
from napari_brainseg.widgets.slice_strip import SliceStrip

SHAPE = (6, 32, 32)


@pytest.fixture
def study():
    truth = np.zeros(SHAPE, np.uint8)
    truth[2:4, 8:16, 8:16] = 1
    image = np.random.default_rng(0).integers(1, 255, (3, *SHAPE), dtype=np.uint8)
    return Study("P_1", ScalarVolume(image), LabelVolume(truth))


@pytest.fixture
def room(qtbot, tmp_path, monkeypatch, study):
    """A viewer without a window, and the corners over an empty canvas."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    start_emitting_from_queue(msec=10)
    preferences = Preferences(tmp_path / "preferences.json")
    desk = Desk(Workspace(tmp_path / "workspace").create(), bundled=tuple, preferences=preferences)
    viewer = ViewerModel()
    view = CaseView(viewer, desk)
    strip = SliceStrip(viewer, view, view.display, desk)
    canvas = QWidget()
    qtbot.addWidget(strip)
    qtbot.addWidget(canvas)
    canvas.resize(900, 700)
    canvas.show()
    corners = Corners(canvas, viewer, view, view.display, desk, lambda: strip.facts)

    def open_case(prediction=True):
        case = desk.open_study(study)
        if prediction:
            mask = np.roll(study.truth.data, 2, axis=2)
            case.set_prediction(
                Prediction(
                    "P_1", mask.astype(np.float32), mask, np.zeros(SHAPE, np.float32),
                    "default-20260101-a1b2c3d4", "OpenVINO on CPU", "a test", {"total": 0.94},
                )
            )  # fmt: skip
        view._show(case)
        corners.refresh()
        return case

    yield SimpleNamespace(
        desk=desk, viewer=viewer, view=view, canvas=canvas, corners=corners, open=open_case,
        text=corners.text, display=view.display, preferences=preferences,
        wait=qtbot.waitUntil,
    )  # fmt: skip
    desk.close()
    view.close()


def test_nothing_is_written_before_a_case_is_open(room):
    assert [room.text(corner) for corner in CORNERS] == [""] * 4


def test_the_four_corners_of_a_predicted_case(room):
    room.open()
    room.view.go_to(4)
    assert room.text(TOP_LEFT) == "P_1\nslice 5 of 6\nnew"
    name, window = room.text(TOP_RIGHT).split("\n")
    assert name == "FLAIR"
    low, high = room.display.window()
    assert window == f"W {high - low:.0f}  L {(low + high) / 2:.0f}"
    assert room.text(BOTTOM_LEFT) == (
        "model default (a1b2c3)\nOpenVINO on CPU, 0.9 s\nnot for diagnosis"
    )
    assert room.text(BOTTOM_RIGHT) == "prediction  DSC 0.750, 128 vox"


def test_the_file_numbers_of_slices_are_told_where_they_differ(room, study, monkeypatch):
    case = room.open()
    monkeypatch.setattr(
        type(case.study), "slice_numbers", property(lambda _s: (3, 4, 5, 6, 7, 8)), raising=False
    )
    room.view.go_to(1)
    assert "slice 2 of 6 (number 4)" in room.text(TOP_LEFT)


def test_a_slice_without_an_image_says_so(room, study, monkeypatch):
    blank = study.image.data[1].copy()
    blank[4] = 7  # as where a file of the stack is missing
    monkeypatch.setattr(type(study), "shown", lambda _study, _modality: blank)
    room.open()
    room.view.go_to(4)
    assert "blank: no image in this slice" in room.text(TOP_LEFT)
    room.view.go_to(3)
    assert "blank" not in room.text(TOP_LEFT)


def test_they_follow_window_modality_threshold_and_strokes(room):
    case = room.open()
    room.display.set_window(room.display.modality, 50, 150)
    room.display.inverted = True
    room.wait(lambda: "W 100  L 100\ninverted" in room.text(TOP_RIGHT))
    room.display.next_modality()
    room.wait(lambda: room.text(TOP_RIGHT).startswith("post-contrast"))
    room.display.composite = True
    room.wait(lambda: room.text(TOP_RIGHT).startswith("colour composite"))
    room.display.set_threshold(0.3)
    room.wait(lambda: "threshold 0.30, the model's is 0.50" in room.text(BOTTOM_RIGHT))
    correction = case.start_correction("truth", "A. Tester")
    room.view.display.take_correction()
    room.wait(lambda: "mine  DSC 1.000, 128 vox" in room.text(BOTTOM_RIGHT))
    correction.data[2] = 0
    correction.commit()
    room.wait(lambda: "mine  DSC 0.667, 64 vox" in room.text(BOTTOM_RIGHT))
    assert "in progress" in room.text(TOP_LEFT) or "corrected" in room.text(TOP_LEFT)


def test_the_difference_brings_its_legend_in_words_and_signs(room):
    room.open()
    room.view.go_to(2)
    assert "false" not in room.text(BOTTOM_RIGHT)
    room.display.show(DIFFERENCE_NAME, True)
    room.wait(lambda: "+ false positive  16" in room.text(BOTTOM_RIGHT))
    assert "= agreement  48" in room.text(BOTTOM_RIGHT)
    assert "− false negative  16" in room.text(BOTTOM_RIGHT)
    room.display.hide_masks()
    room.wait(lambda: "false" not in room.text(BOTTOM_RIGHT))


def test_names_can_be_hidden_and_annotations_switched_off(room):
    room.open()
    room.preferences.set(hide_identifiers=True)
    room.wait(lambda: "P_1" not in room.text(TOP_LEFT))
    assert room.text(TOP_LEFT).startswith("Patient")
    room.preferences.set(annotations=False)
    room.wait(lambda: room.text(TOP_LEFT) == "")
    assert room.text(BOTTOM_LEFT) == "not for diagnosis"  # whatever is preferred
    assert room.text(BOTTOM_RIGHT) == ""


def test_the_reason_why_the_case_came_up_is_told(room, monkeypatch):
    room.open()
    suggestion = Suggestion("P_1", "highest uncertainty of those to do: 0.31 bits")
    monkeypatch.setattr(Desk, "suggestion", property(lambda _desk: suggestion))
    room.corners.refresh()
    assert room.text(BOTTOM_RIGHT).startswith("highest uncertainty of those to do:")


@pytest.mark.parametrize("size", [(1200, 900), (480, 420), (300, 300)])
def test_they_stay_in_their_corners_and_apart(room, size):
    room.open()
    room.display.show(DIFFERENCE_NAME, True)
    room.display.set_threshold(0.3)
    room.corners.refresh()
    room.canvas.resize(*size)
    labels = room.corners.labels
    shown = [labels[c] for c in CORNERS if not labels[c].isHidden()]
    assert len(shown) == (4 if size[0] >= 480 else 3)
    for label in shown:
        assert room.canvas.rect().contains(label.geometry())
        for other in shown:
            assert label is other or not label.geometry().intersects(other.geometry())
    # At the smallest size the figures give way to "not for diagnosis".
    assert labels[TOP_RIGHT].geometry().right() > room.canvas.width() - 20
    assert "P_1" in room.text(TOP_LEFT)
    assert "not for diagnosis" in room.text(BOTTOM_LEFT)
    if size[0] < 400:
        assert "model" not in room.text(BOTTOM_LEFT)


def test_they_never_catch_the_mouse(room):
    room.open()
    for label in room.corners.labels.values():
        assert label.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    assert room.canvas.childAt(QPoint(12, 12)) is None
