"""Tools in a viewer without a window: preview, taking, dropping, pointing, case switches."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import psygnal
import pytest
from napari.components import ViewerModel

from napari_brainseg.core.editing import Edit
from napari_brainseg.core.imaging import DataError, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.viewer.brushes import Brushes
from napari_brainseg.viewer.case_view import CaseView
from napari_brainseg.viewer.preview_picture import (
    ADDED,
    ADDED_EDGE,
    PREVIEW_NAME,
    REMOVED_GAP,
    REMOVED_STRIPE,
    picture_of,
)
from napari_brainseg.viewer.region_drawing import Region
from napari_brainseg.viewer.seed_scribbles import BACKGROUND, FOREGROUND, SeedScribbles
from napari_brainseg.viewer.tool_bench import ToolBench
from napari_brainseg.viewer.tool_pointing import FOR_TOOLS

SHAPE = (6, 40, 40)
NAMES = ("TEST_AB_0001_20200101", "TEST_AB_0002_20200101")


class Desk:
    """What a case view follows."""

    opened, closed = psygnal.Signal(object), psygnal.Signal()
    preferences = None

    class registry:
        @staticmethod
        def load(_version):
            raise DataError("There are no models here.")

    def __init__(self) -> None:
        self.case: Case | None = None

    def open(self, case: Case) -> None:
        self.case = case
        self.opened.emit(case)


def study(patient, shape=SHAPE):
    truth = np.zeros(shape, np.uint8)
    truth[2:4, 10:20, 10:20] = 1
    image = np.where(truth, 200, 50).astype(np.uint8)[None].repeat(3, axis=0)
    return Study(patient, ScalarVolume(image), LabelVolume(truth))


@pytest.fixture
def bench(tmp_path):
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    viewer, desk = ViewerModel(), Desk()
    view = CaseView(viewer, desk)
    brushes = Brushes(viewer, view)
    brushes.seeds = SeedScribbles(viewer, view)
    made = ToolBench(viewer, view, brushes)
    made.seen = SimpleNamespace(viewer=viewer, view=view, brushes=brushes, failed=[], applied=[])
    made.failed.connect(made.seen.failed.append)
    made.applied.connect(made.seen.applied.append)

    def open_case(patient=NAMES[0], shape=SHAPE):
        case = Case(study(patient, shape), catalogue)
        mask = np.zeros(shape, np.uint8)
        mask[2, 10:20, 12:22] = mask[-2, 12:18, 12:18] = mask[2, 30:32, 30:32] = 1
        case.set_prediction(
            Prediction(patient, mask.astype(np.float32), mask, mask * np.float32(0), "v1", "", "")
        )
        case.start_correction("prediction", "A. Tester")
        desk.open(case)
        viewer.mouse_over_canvas = False
        view.go_to(2)
        return case

    made.seen.open = open_case
    made.seen.case = open_case()
    brushes.take("brush")
    yield made
    made.close()
    brushes.close()
    view.close()
    catalogue.close()
    assert "brainseg-tools" not in {thread.name for thread in threading.enumerate()}


def settle(bench, condition=None):
    """Let news of the worker in until nothing runs."""
    end = time.monotonic() + 30
    while bench.is_busy or not (condition is None or condition()):
        assert time.monotonic() < end, "the tool did not come to its end"
        psygnal.emit_queued()
        time.sleep(0.002)
    psygnal.emit_queued()


def layer(bench):
    names = [layer.name for layer in bench.seen.viewer.layers]
    return bench.seen.viewer.layers[PREVIEW_NAME] if PREVIEW_NAME in names else None


def tools(bench):
    return [action.tool for action in bench.seen.case.correction.actions()]


def click(bench, y, x, *, dragged=False):
    """A click on the canvas, as napari tells of it."""
    event = SimpleNamespace(
        type="mouse_press", button=1, pos=np.array([5, 5]),
        position=(bench.seen.view.slice_index, y, x), modifiers=(),
    )  # fmt: skip
    for callback in bench.seen.viewer.mouse_drag_callbacks[1:]:  # the first is napari's own
        steps = callback(bench.seen.viewer, event)
        next(steps, None)
        if dragged:
            event.type, event.pos = "mouse_move", np.array([50, 5])
            next(steps, None)
        event.type = "mouse_release"
        next(steps, None)


def test_added_is_filled_and_outlined_removed_is_striped():
    before, after = np.zeros((1, 9, 9), np.uint8), np.zeros((1, 9, 9), np.uint8)
    before[0, 5:9, 0:8] = 1
    after[0, 0:4, 0:4] = 1
    picture = picture_of(before, Edit.between(before, after))
    plane = np.zeros((9, 9), np.uint8)
    plane[picture.box[1:]] = picture.labels[0]
    assert plane[1, 1] == plane[2, 2] == ADDED
    assert plane[0, 0] == plane[3, 3] == ADDED_EDGE
    assert set(plane[5:9, 0:8].ravel()) == {REMOVED_STRIPE, REMOVED_GAP}
    assert len(set(plane[5, 0:4])) == 2, "stripes run across"
    assert not plane[4].any()


def test_a_preview_shows_and_counts_and_leaves_the_mask_alone(bench):
    before = bench.seen.case.correction.data.copy()
    bench.use("dilate", radius=2.0, scope="volume")
    settle(bench)
    assert np.array_equal(bench.seen.case.correction.data, before)
    assert tools(bench) == []
    shown = layer(bench)
    assert shown.visible
    assert not shown.editable
    added = np.isin(shown.data, (ADDED, ADDED_EDGE))
    assert bench.changes == (int(added.sum()), 0, int(added.any(axis=(1, 2)).sum()))
    assert not (added & (before > 0)).any()
    names = [layer.name for layer in bench.seen.viewer.layers]
    assert names[-1] == "Correction", "the outline stays on top"


def test_taking_it_makes_exactly_what_was_shown_one_action(bench):
    bench.use("dilate", radius=2.0)
    settle(bench)
    data = bench.seen.case.correction.data
    expected = (data > 0) | (layer(bench).data > 0)
    assert bench.take()
    assert np.array_equal(data > 0, expected)
    assert tools(bench) == ["dilate"]
    assert len(bench.seen.applied) == 1
    assert bench.tool is None
    assert not layer(bench).visible
    assert not layer(bench).data.any()
    assert not bench.take(), "nothing is in hand any more"
    bench.seen.view.editor.undo()
    assert tools(bench) == ["dilate"]
    assert not np.array_equal(data > 0, expected)


def test_dropping_it_leaves_all_as_it_was(bench):
    before = bench.seen.case.correction.data.copy()
    bench.use("erode")
    settle(bench)
    assert bench.drop()
    assert bench.tool is None
    assert bench.changes is None
    assert not layer(bench).visible
    assert np.array_equal(bench.seen.case.correction.data, before)
    assert tools(bench) == []
    assert not bench.drop()


def test_a_parameter_changes_the_preview_and_enter_waits_for_it(bench):
    bench.use("dilate", radius=1.0)
    settle(bench)
    small = bench.changes.added
    for radius in (2.0, 3.0, 4.0):
        bench.set("radius", radius)
    assert bench.is_busy
    bench.take()
    settle(bench, lambda: bench.tool is None)
    (stroke,) = bench.seen.applied
    assert stroke.added > small
    assert stroke.parameters["radius"] == 4.0


def test_another_tool_takes_the_place_of_the_one_in_hand(bench):
    bench.use("dilate")
    settle(bench)
    bench.use("erode")
    settle(bench)
    assert bench.tool == "erode"
    assert bench.changes.added == 0 < bench.changes.removed
    bench.seen.brushes.take("eraser")
    assert bench.tool is None
    assert bench.seen.brushes.tool == "eraser"
    assert not layer(bench).visible


def test_painting_meanwhile_brings_the_preview_up_to_date(bench):
    bench.use("dilate")
    settle(bench)
    before = bench.changes.added
    layer_of_mask = bench.seen.view.layers.correction
    layer_of_mask.paint((2, 35, 5), 1)
    settle(bench, lambda: bench.changes is not None and bench.changes.added > before)
    assert tools(bench)[-1] != "dilate"
    bench.take()
    assert tools(bench)[-1] == "dilate"


def test_what_was_written_meanwhile_is_never_overwritten(bench):
    bench.use("take prediction", scope="volume")
    settle(bench)
    bench.drop()
    bench.use("take truth", scope="volume")
    settle(bench)
    data = bench.seen.case.correction.data
    data[0, 0, 0] = 1  # a script, which tells nobody
    assert bench.take()
    assert [type(error).__name__ for error in bench.seen.failed] == ["StaleEditError"]
    assert data[0, 0, 0] == 1
    assert "take truth" not in tools(bench)
    settle(bench)
    bench.take()
    assert tools(bench) == ["other", "take truth"]


def test_tools_without_parameters_act_at_once_and_two_presses_are_two_actions(bench):
    bench.use("copy slice", to="next")
    bench.use("copy slice", to="next")
    settle(bench, lambda: len(bench.seen.applied) == 2)
    data = bench.seen.case.correction.data
    assert np.array_equal(data[2], data[3])
    assert np.array_equal(data[2], data[4])
    assert bench.seen.view.slice_index == 4
    assert tools(bench) == ["copy slice", "copy slice"]
    assert not layer(bench).visible


def test_nothing_to_do_is_said_and_not_recorded(bench):
    bench.use("fill holes")
    settle(bench)
    assert bench.message == "Nothing would change."
    bench.use("keep largest")
    assert bench.message == ""
    settle(bench)
    assert tools(bench) == ["keep largest"]


def test_an_island_goes_with_a_click_or_from_under_the_mouse(bench):
    data = bench.seen.case.correction.data
    bench.use("remove island")
    assert bench.message == "Click on the picture."
    assert bench.seen.brushes.tool == "move", "the click must not paint"
    click(bench, 31, 31, dragged=True)
    assert not bench.is_busy, "a drag moves the picture"
    click(bench, 31, 31)
    settle(bench)
    assert not data[2, 30:32, 30:32].any()
    assert data[2, 12, 14]
    assert bench.tool is None
    assert bench.seen.brushes.tool == "brush", "the brush is back"
    assert len(bench.seen.viewer.mouse_drag_callbacks) == 1

    bench.seen.viewer.mouse_over_canvas = True
    bench.seen.viewer.cursor.position = (2.0, 12.0, 14.0)
    bench.use("remove island")
    settle(bench)
    assert not data[2].any()
    assert tools(bench) == ["remove island", "remove island"]


def test_a_flood_follows_the_click(bench):
    bench.use("flood fill", limit_voxels=100)
    click(bench, 11, 11)
    settle(bench)
    inside = bench.changes.added
    assert inside == 20, "the bright square that the mask does not cover"
    click(bench, 1, 1)
    settle(bench)
    assert bench.changes.added > 1000
    click(bench, -9, 500)
    assert not bench.is_busy, "beyond the picture"


def test_a_region_is_drawn_for_the_tool_and_not_for_the_mask(bench):
    bench.use("snap to probability", scope="region", threshold=0.5)
    regions = bench.seen.brushes.regions
    assert (regions.kind, regions.purpose) == ("lasso", FOR_TOOLS)
    assert bench.message == "Draw around a region on the slice."
    bench.seen.case.correction.data[2] = 0
    bench.seen.case.correction.commit("clear slice")
    for y, x in ((8, 8), (8, 25), (25, 25), (25, 8)):
        regions.press(2, (y, x)) if not regions.points else regions.move((y, x))
    regions.release((8, 8))
    settle(bench)
    assert bench.changes == (100, 0, 1)
    assert bench.seen.brushes.tool == "brush"
    bench.draw_region()
    assert regions.purpose == FOR_TOOLS
    assert bench.changes is None
    regions.drawn.emit(Region(2, np.ones(SHAPE[1:], bool), "lasso", purpose=FOR_TOOLS))
    settle(bench)
    assert bench.changes == (104, 0, 1)


def test_scribbles_grow_live_and_are_put_away(bench):
    bench.use("grow from seeds", margin=4)
    assert bench.message == "Scribble in the lesion and around it."
    seeds = bench.pointing.seeds
    seeds.layer.data[2, 15, 12:18] = FOREGROUND
    seeds.changed.emit()
    assert not bench.is_busy, "one kind of scribble says nothing yet"
    seeds.layer.data[2, 26, 5:35] = BACKGROUND
    seeds.changed.emit()
    assert bench.is_busy
    settle(bench)
    assert bench.seen.failed == []
    assert bench.message == ""
    assert bench.changes is not None
    assert bench.take()
    settle(bench)
    assert tools(bench) == ["grow from seeds"]
    assert bench.seen.brushes.tool == "brush"
    assert not seeds.is_shown


def test_escape_before_it_is_done_stops_the_run(bench, monkeypatch):
    from napari_brainseg.session import toolbox

    entered, stopped = threading.Event(), threading.Event()

    def slow(inputs):
        entered.set()
        while not inputs.cancelled():
            time.sleep(0.002)
        stopped.set()

    monkeypatch.setattr(toolbox, "ACTS", {**toolbox.ACTS, "smooth": slow})
    bench.use("smooth")
    assert entered.wait(20)
    bench.drop()
    assert not bench.is_busy
    assert stopped.wait(20)
    psygnal.emit_queued()
    assert tools(bench) == []
    assert bench.seen.failed == []


@pytest.mark.parametrize("shape", [SHAPE, (3, 24, 30)])
def test_another_case_drops_preview_region_and_point(bench, shape):
    bench.pointing.region = object()
    bench.use("dilate", scope="volume")
    settle(bench)
    assert layer(bench).visible
    other = bench.seen.open(NAMES[1], shape)
    psygnal.emit_queued()
    assert bench.tool is None
    assert bench.pointing.region is bench.pointing.point is None
    assert not layer(bench).visible
    assert layer(bench).data.shape == shape
    assert bench.seen.viewer.dims.range[0].stop == shape[0] - 1
    bench.use("clear slice")
    settle(bench)
    assert [action.tool for action in other.correction.actions()] == ["clear slice"]
    assert tools(bench) == []


def test_a_result_that_comes_after_the_case_is_dropped(bench):
    bench.use("clear slice")
    bench.seen.open(NAMES[1])
    settle(bench)
    time.sleep(0.05)
    psygnal.emit_queued()
    assert bench.seen.applied == []
    assert tools(bench) == []


def test_scrolling_previews_the_slice_on_show(bench):
    bench.use("take prediction")
    settle(bench)
    assert bench.message == "Nothing would change."
    bench.seen.case.correction.data[4] = 0
    bench.seen.case.correction.commit("clear slice")
    settle(bench)
    bench.seen.view.go_to(4)
    settle(bench)
    assert bench.changes == (36, 0, 1)


def test_surfaces_have_no_tools(bench):
    bench.use("dilate")
    settle(bench)
    bench.seen.view.layers.overlays.suspended = True
    bench.seen.viewer.dims.ndisplay = 3
    assert bench.tool is None
    bench.seen.viewer.dims.ndisplay = 2


def test_masks_hidden_for_a_moment_hide_the_preview_too(bench):
    bench.use("dilate")
    settle(bench)
    bench.seen.view.layers.hide_masks()
    assert not layer(bench).visible
    bench.seen.view.layers.reveal_masks()
    assert layer(bench).visible


def test_a_tool_that_fails_says_so_and_nothing_changes(bench, monkeypatch):
    from napari_brainseg.session import toolbox

    def broken(_inputs):
        raise DataError("The mask is odd.", "Try another.")

    monkeypatch.setattr(toolbox, "ACTS", {**toolbox.ACTS, "dilate": broken})
    bench.use("dilate")
    settle(bench)
    assert [error.message for error in bench.seen.failed] == ["The mask is odd."]
    assert bench.changes is None
    assert not bench.can_take


def test_what_cannot_be_used_says_why(bench):
    bench.seen.case.discard_correction()
    psygnal.emit_queued()
    bench.use("dilate")
    assert bench.message == "Start a correction first."
    assert bench.tool is None


def test_a_window_that_loses_its_layers_asks_for_nothing_more(bench):
    bench.use("dilate", scope="volume")
    bench.seen.viewer.layers.clear()
    settle(bench)
    assert bench.changes is None
    assert layer(bench) is None
    assert bench.seen.failed == []


def test_without_a_gap_there_is_nothing_to_interpolate(bench):
    bench.use("interpolate")
    settle(bench)
    assert bench.changes.slices == 1
    bench.set("last", 2)
    settle(bench)
    assert bench.message == "There is nothing to fill between these slices."
    assert not bench.can_take
