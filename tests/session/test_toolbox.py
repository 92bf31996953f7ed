"""Tools on a real correction: what they record, what they lack, and when they refuse."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_brainseg.core.editing import Edit, Tool
from napari_brainseg.core.imaging import BrainSegError, CancelledError, Geometry, Modality
from napari_brainseg.session import tool_acts
from napari_brainseg.session.case import Case
from napari_brainseg.session.tool_place import DrawnRegion, Place, Seeds
from napari_brainseg.session.tool_runs import ToolRuns
from napari_brainseg.session.tool_specs import TOOLS, Kind, spec_of
from napari_brainseg.session.toolbox import StaleEditError, Toolbox, ToolUnavailableError

SHAPE = (8, 40, 40)


def block(*parts):
    """A mask of boxes (z, y, x), each a pair of ends."""
    mask = np.zeros(SHAPE, np.uint8)
    for part in parts:
        mask[tuple(slice(*ends) for ends in part)] = 1
    return mask


# Two islands, a gap in z, a hole.
START = block(((2, 3), (8, 18), (8, 18)), ((5, 6), (8, 20), (8, 20)), ((5, 6), (30, 32), (30, 32)))
START[5, 12:14, 12:14] = 0


@pytest.fixture
def case(catalogue, make_study, predict_mask) -> Case:
    """A correction of `START`; the image shows it bright."""
    study = make_study(shape=SHAPE)
    image = np.where(START, 200, 50).astype(np.uint8)[None].repeat(3, axis=0)
    study = replace(study, image=replace(study.image, data=image))
    found = Case(study, catalogue)
    probability = np.where(START, 0.9, 0.1).astype(np.float32)
    probability[5, 20:22, 8:20] = 0.4
    prediction = predict_mask(study, np.roll(START, 2, axis=1))
    found.set_prediction(replace(prediction, probability=probability))
    correction = found.start_correction("empty", "A. Tester")
    correction.data[...] = START
    correction.commit("brush")
    return found


def place(**changes):
    return replace(Place(slice_index=5, point=(5, 30, 30)), **changes)


def seeds():
    return Seeds(block(((5, 6), (10, 11), (9, 19))), block(((5, 6), (25, 26), (2, 38))))


DOES_SOMETHING = {
    "fill holes": {},
    "flood fill": {},
    "grow from seeds": {},
    "interpolate": {},
    "copy slice": {"to": "next"},
    "keep largest": {},
    "remove small": {"voxels": 10},
    "remove island": {},
    "smooth": {"radius": 3.0},
    "dilate": {"radius": 2.0, "scope": "volume"},
    "erode": {},
    "snap to probability": {"threshold": 0.3},
    "take prediction": {"scope": "volume"},
    "take truth": {"scope": "volume"},
    "clear slice": {},
}


def test_every_tool_is_one_that_the_history_knows():
    assert {spec.id for spec in TOOLS} == set(DOES_SOMETHING) == set(tool_acts.ACTS)
    assert {spec.id for spec in TOOLS} < {tool.value for tool in Tool}


@pytest.mark.parametrize("tool", DOES_SOMETHING)
def test_a_tool_is_one_action_with_its_parameters_and_undo_takes_it_back(case, tool, workspace):
    box, parameters = Toolbox(case), DOES_SOMETHING[tool]
    where = place(seeds=Seeds(seeds().foreground > 0, seeds().background > 0))
    if tool == "flood fill":
        where = place(point=(5, 12, 12))  # the hole
    before = case.correction.data.copy()

    job = box.prepare(tool, where, **parameters)
    edit = job.run()
    assert np.array_equal(case.correction.data, before), "computing must not touch the mask"
    stroke = box.apply(job, edit)

    actions = case.correction.actions()
    assert [action.tool for action in actions] == ["brush", tool]
    assert (stroke.added, stroke.removed) == job.changes(edit)[:2] != (0, 0)
    after = before.copy()
    edit.write(after)
    assert np.array_equal(case.correction.data, after)
    kept = dict(actions[-1].parameters)
    assert kept["slice"] == 5
    for parameter in spec_of(tool).parameters:
        assert kept[parameter.name] == parameters.get(parameter.name, kept[parameter.name])
    with sqlite3.connect(workspace.catalogue) as database:
        rows = database.execute("SELECT tool FROM strokes ORDER BY number").fetchall()
    assert [row[0] for row in rows] == ["brush", tool]

    case.correction.undo()
    assert np.array_equal(case.correction.data, before)


def test_the_action_says_which_model_point_and_modality(case):
    box = Toolbox(case)
    recorded = box.prepare("take prediction", place(), scope="island").recorded
    assert recorded["model_version"] == "v1"
    assert recorded["point"] == [5, 30, 30]
    flood = box.prepare("flood fill", place(modality=Modality.PRE)).recorded
    assert flood["modality"] == Modality.PRE.value
    region = DrawnRegion(3, np.ones(SHAPE[1:], bool))
    snap = box.prepare("snap to probability", place(region=region)).recorded
    assert (snap["scope"], snap["slice"], snap["region_voxels"]) == ("region", 3, 1600)


def test_a_region_bounds_what_snaps_to_the_probability(case):
    inside = np.zeros(SHAPE[1:], bool)
    inside[20:22, 8:12] = True
    edit = Toolbox(case).run(
        "snap to probability", place(region=DrawnRegion(5, inside)), threshold=0.3
    )
    after = case.correction.data.copy()
    edit.write(after)
    assert np.array_equal(
        after != case.correction.data, (np.arange(8) == 5)[:, None, None] & inside
    )


def test_the_prediction_is_taken_as_it_is_shown(case):
    shown = block(((5, 6), (0, 4), (0, 4)))
    job = Toolbox(case).prepare("take prediction", place(prediction=shown, threshold=0.7))
    after = case.correction.data.copy()
    job.run().write(after)
    assert np.array_equal(after[5], shown[5])
    assert job.recorded["threshold"] == 0.7


def test_interpolation_takes_the_gap_nearest_to_the_slice_on_show(case):
    box = Toolbox(case)
    for slice_index in (0, 3, 5, 7):
        first, last = box.parameters("interpolate", Place(slice_index))
        assert (first.default, last.default) == (2, 5)
        assert (first.low, last.high) == (0, 7)
    edit = box.run("interpolate", Place(4))
    assert list(edit.slices) == [3, 4]
    assert box.run("interpolate", Place(4), first=6, last=6) is None


def test_millimetres_are_offered_only_where_the_spacing_is_known(case):
    def units(box):
        return [
            value for p in box.parameters("dilate") if p.name == "unit" for value, _ in p.choices
        ]

    box = Toolbox(case)
    assert units(box) == ["voxels"]
    with pytest.raises(ValueError, match="mm"):
        box.prepare("dilate", place(), unit="mm")
    image = replace(case.study.image, geometry=Geometry(spacing_mm=(2.0, 0.5, 0.5)))
    case.study = replace(case.study, image=image)
    assert units(box) == ["voxels", "mm"]
    assert box.prepare("dilate", place(), unit="mm", radius=1.0).run() is not None


def test_numbers_out_of_range_are_brought_into_it_and_words_are_known(case):
    box = Toolbox(case)
    assert box.prepare("dilate", place(), radius=1000).recorded["radius"] == 10.0
    with pytest.raises(ValueError, match="everywhere"):
        box.prepare("dilate", place(), scope="everywhere")
    with pytest.raises(ValueError, match="no parameter width"):
        box.prepare("dilate", place(), width=3)
    with pytest.raises(ValueError, match="not a number"):
        spec_of("dilate").parameter("radius").valid("wide")
    assert all(p.valid(p.default) == p.default for s in TOOLS for p in s.parameters
               if p.kind is not Kind.SLICE)  # fmt: skip


def test_what_is_missing_is_said_in_the_readers_words(case, catalogue, make_study):
    box = Toolbox(case)
    assert all(box.why_not(spec.id) is None for spec in TOOLS)
    assert box.why_not("copy slice", Place(7), to="next") == "This is the last slice."
    assert box.why_not("copy slice", Place(0), to="previous") == "This is the first slice."
    assert "Point at a voxel" in box.why_not("flood fill", Place(5))
    assert "Point at a voxel" in box.why_not("take truth", Place(5), scope="island")
    assert "Scribble" in box.why_not("grow from seeds", Place(5))
    assert "region" in box.why_not("snap to probability", Place(5), scope="region")
    with pytest.raises(ToolUnavailableError, match="Point at a voxel"):
        box.prepare("remove island", Place(5))

    bare = Case(make_study("TEST_AB_0002_20200101", truth=False), catalogue)
    assert Toolbox(bare).why_not("smooth") == "Start a correction first."
    bare.start_correction("empty", "A. Tester")
    assert "Predict first" in Toolbox(bare).why_not("take prediction")
    assert "no ground truth" in Toolbox(bare).why_not("take truth")


def test_a_blind_case_does_not_give_the_prediction_away(catalogue, make_study, predict_mask):
    study = make_study("TEST_AB_0003_20200101")
    case = Case(study, catalogue, blind=True)
    case.set_prediction(predict_mask(study))
    case.start_correction("empty", "A. Tester")
    box = Toolbox(case)
    for tool in ("take prediction", "snap to probability"):
        assert "without the prediction" in box.why_not(tool)
        with pytest.raises(ToolUnavailableError):
            box.prepare(tool, Place(2))
    assert box.why_not("take truth") is None


def test_a_case_that_another_window_paints_on_offers_nothing(case, monkeypatch):
    box = Toolbox(case)
    job = box.prepare("keep largest", place())
    edit = job.run()
    monkeypatch.setattr(Case, "read_only", "Another window paints here.", raising=False)
    assert {box.why_not(spec.id) for spec in TOOLS} == {"Another window paints here."}
    with pytest.raises(ToolUnavailableError, match="Another window"):
        box.apply(job, edit)
    assert np.array_equal(case.correction.data, START)


@pytest.mark.parametrize("change", ["paint", "commit", "undo"])
def test_a_result_for_a_mask_that_changed_is_refused(case, change):
    box, correction = Toolbox(case), case.correction
    job = box.prepare("keep largest", place())
    edit = job.run()
    if change == "undo":
        correction.undo()
    else:
        correction.data[0, 0, 0] = 1
    if change == "commit":
        correction.commit("brush")
    now = correction.data.copy()
    with pytest.raises(StaleEditError, match="changed meanwhile"):
        box.apply(job, edit)
    assert np.array_equal(correction.data, now)
    assert "keep largest" not in [action.tool for action in correction.actions()]


def test_a_result_for_a_correction_that_was_set_aside_is_refused(case):
    box = Toolbox(case)
    job = box.prepare("keep largest", place())
    edit = job.run()
    case.discard_correction()
    with pytest.raises(ToolUnavailableError, match="no longer open"):
        box.apply(job, edit)


# runs -----------------------------------------------------------------------------------------


class Gate:
    """A tool that waits until it is let go or stopped, and tells how far it is."""

    def __init__(self, monkeypatch):
        self.entered, self.go_on, self.stopped = (threading.Event() for _ in range(3))
        self.error: Exception | None = None
        monkeypatch.setattr(tool_acts, "ACTS", {**tool_acts.ACTS, "smooth": self})
        monkeypatch.setattr("napari_brainseg.session.toolbox.ACTS", tool_acts.ACTS)

    def __call__(self, inputs):
        inputs.progress(0.5)
        self.entered.set()
        while not self.go_on.wait(0.005):
            if inputs.cancelled():
                self.stopped.set()
                raise CancelledError("stopped")
        if self.error is not None:
            raise self.error
        return Edit.between(inputs.mask, np.zeros_like(inputs.mask))


@pytest.fixture
def gate(monkeypatch):
    return Gate(monkeypatch)


@pytest.fixture
def runs():
    made = ToolRuns(lambda _job, edit: edit.slices)
    made.outcomes, made.told = [], []
    made.ended.connect(made.outcomes.append)
    made.progressed.connect(made.told.append)
    yield made
    made.close()


def test_a_run_ends_with_its_edit_what_it_counts_and_what_was_made_of_it(case, gate, runs, until):
    job = Toolbox(case).prepare("smooth", place())
    number = runs.submit(job)
    assert gate.entered.wait(20)
    assert runs.is_busy
    gate.go_on.set()
    until(lambda: runs.outcomes)
    (outcome,) = runs.outcomes
    assert (outcome.number, outcome.reason, outcome.job) == (number, "completed", job)
    assert outcome.changes == (0, int(START.sum()), 2)
    assert outcome.shown == range(2, 6)
    assert [(p.number, p.share) for p in runs.told] == [(number, 0.5)]
    assert not runs.is_busy


def test_cancel_ends_a_run_at_once_even_before_it_looks(case, gate, runs, until):
    runs.submit(Toolbox(case).prepare("smooth", place()))
    assert gate.entered.wait(20)
    runs.cancel()
    assert [outcome.reason for outcome in runs.outcomes] == ["cancelled"]
    assert not runs.is_busy
    assert gate.stopped.wait(20)
    runs.cancel()
    assert len(runs.outcomes) == 1, "a run ends once"


def test_the_latest_run_takes_the_place_of_those_before(case, gate, runs, until):
    box = Toolbox(case)
    first = runs.submit(box.prepare("smooth", place()))
    assert gate.entered.wait(20)
    second = runs.submit(box.prepare("keep largest", place()))
    third = runs.submit(box.prepare("clear slice", place()))
    until(lambda: len(runs.outcomes) == 3)
    assert {(o.number, o.reason) for o in runs.outcomes} == {
        (first, "cancelled"), (second, "cancelled"), (third, "completed")
    }  # fmt: skip


def test_what_goes_wrong_ends_the_run_not_the_thread(case, gate, runs, until, caplog):
    box = Toolbox(case)
    gate.go_on.set()
    for error in (BrainSegError("No such island."), RuntimeError("a bug")):
        gate.error = error
        runs.submit(box.prepare("smooth", place()))
        until(lambda: not runs.is_busy)
    assert [outcome.reason for outcome in runs.outcomes] == ["failed", "failed"]
    known, bug = (outcome.error for outcome in runs.outcomes)
    assert str(known) == "No such island."
    assert "a bug" in str(bug)
    assert "mask is as it was" in bug.hint
    gate.error = None
    runs.submit(box.prepare("smooth", place()))
    until(lambda: len(runs.outcomes) == 3)
    assert runs.outcomes[-1].reason == "completed"


def test_growing_from_seeds_can_be_stopped(case):
    where = place(seeds=Seeds(seeds().foreground > 0, seeds().background > 0))
    job = Toolbox(case).prepare("grow from seeds", where)
    with pytest.raises(CancelledError):
        job.run(cancelled=lambda: True)


def test_the_thread_ends_with_the_runs(case):
    runs = ToolRuns()
    done = threading.Event()
    runs.ended.connect(lambda _outcome: done.set())
    runs.submit(Toolbox(case).prepare("clear slice", place()))
    assert done.wait(20)
    runs.close()
    assert "brainseg-tools" not in {thread.name for thread in threading.enumerate()}
