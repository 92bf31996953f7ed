from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.imaging import DataError, Study
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.session import idle_clock
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.stroke import VoxelEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.session.correction import Correction


@pytest.fixture(autouse=True)
def _cases_live_as_long_as_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The thread that measures distances tells a case of them; it must not go meanwhile."""
    cases: list[Case] = []
    start = Case.__init__

    def note(case: Case, *args: object, **options: object) -> None:
        cases.append(case)
        start(case, *args, **options)

    monkeypatch.setattr(Case, "__init__", note)
    yield
    for case in cases:
        if case.correction is not None:
            case.correction.close(keep_unsaved=False)


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def correction(study: Study, catalogue: Catalogue) -> Correction:
    return Case(study, catalogue).start_correction("truth", "Ada")


@pytest.fixture
def reopened(study: Study, catalogue: Catalogue) -> Iterator[Callable[[], Correction]]:
    """What another start of the viewer finds."""
    opened = []

    def reopen() -> Correction:
        opened.append(Catalogue(catalogue.location))
        found = Case(study, opened[-1]).correction
        assert found is not None
        return found

    yield reopen
    for other in opened:
        other.close()


def test_a_stroke_is_on_disk_when_commit_returns(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    correction.data[1, 4:8, 4:8] = 1
    stroke = correction.commit()
    assert stroke is not None
    assert (stroke.slice_index, stroke.added, stroke.removed) == (1, 16, 0)
    np.testing.assert_array_equal(reopened().data, correction.data)


def test_nothing_painted_is_no_stroke(correction: Correction) -> None:
    assert correction.commit() is None
    correction.data[2, 8:16, 8:16] = 1  # lesion already
    assert correction.commit() is None
    assert correction.meter.strokes == 0


def test_undo_and_redo_write_in_place(correction: Correction) -> None:
    data, start = correction.data, correction.data.copy()
    data[0, :3, :3] = 1
    correction.commit()
    data[5, :2, :2] = 1
    data[2, 8, 8] = 0
    correction.commit()
    painted = data.copy()
    stroke = correction.undo()
    assert stroke is not None
    assert stroke.slice_index == 5
    correction.undo()
    assert correction.undo() is None
    assert correction.data is data
    np.testing.assert_array_equal(data, start)
    correction.redo()
    correction.redo()
    assert correction.redo() is None
    np.testing.assert_array_equal(data, painted)


def test_undo_takes_back_paint_that_was_not_committed(correction: Correction) -> None:
    start = correction.data.copy()
    correction.data[0, 0, 0] = 1
    stroke = correction.undo()
    assert stroke is not None
    assert stroke.added == 1
    np.testing.assert_array_equal(correction.data, start)
    assert correction.can_redo


def test_painting_after_undo_forgets_what_could_be_redone(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    correction.data[0, 0, 0] = 1
    correction.commit()
    correction.undo()
    correction.data[0, 0, 1] = 1
    correction.commit()
    assert not correction.can_redo
    again = reopened()
    assert not again.can_redo
    assert again.data[0, 0, :2].tolist() == [0, 1]


def test_undo_and_redo_reach_over_a_restart(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    start = correction.data.copy()
    for z in range(3):
        correction.data[z, 0, :3] = 1
        correction.commit()
    painted = correction.data.copy()
    correction.undo()
    again = reopened()
    assert again.can_redo
    again.redo()
    np.testing.assert_array_equal(again.data, painted)
    for _ in range(3):
        again.undo()
    np.testing.assert_array_equal(again.data, start)
    np.testing.assert_array_equal(reopened().data, start)


def test_other_label_values_mean_lesion(correction: Correction) -> None:
    correction.data[0, 0, :2] = (3, 255)
    stroke = correction.commit()
    assert stroke is not None
    assert stroke.added == 2
    assert correction.data.max() == 1


def test_the_meter_follows_every_stroke(
    study: Study, catalogue: Catalogue, predict_mask: Callable[..., object]
) -> None:
    case = Case(study, catalogue)
    case.set_prediction(predict_mask(study))
    correction = case.start_correction("prediction", "Ada")
    seen = []
    correction.meter_changed.connect(seen.append)
    correction.data[2:4, 8:16, 8:10] = 1
    correction.data[2:4, 8:16, 16:18] = 0
    correction.commit()
    meter = correction.meter
    assert seen[-1].strokes == 1
    assert meter.dsc_truth == 1.0
    assert case.prediction is not None
    assert meter.dsc_prediction == pytest.approx(dsc(correction.data, case.prediction.mask))
    assert (meter.added_vox, meter.removed_vox, meter.strokes) == (32, 32, 1)
    assert meter.volume_vox == study.truth.voxels
    assert meter.volume_ml is None  # kaggle_3m carries no spacing
    correction.undo()
    assert correction.meter.strokes == 0
    assert correction.meter.dsc_prediction == 1.0


def test_pauses_do_not_count_as_editing_time(
    study: Study,
    catalogue: Catalogue,
    reopened: Callable[[], Correction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(idle_clock.time, "monotonic", lambda: now[0])
    correction = Case(study, catalogue).start_correction("empty", "Ada")
    for wait in (5.0, 3600.0):
        now[0] += wait
        correction.data[0, 0, int(wait) % 32] = 1
        correction.commit()
    assert correction.meter.seconds == 5.0 + idle_clock.PAUSE_S
    assert reopened().meter.seconds == correction.meter.seconds


def test_paint_that_cannot_be_saved_stays_and_is_saved_later(
    correction: Correction,
    reopened: Callable[[], Correction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DataError("The disk is full.")

    correction.data[0, 0, 0] = 1
    with monkeypatch.context() as patched:
        patched.setattr(Catalogue, "write", full)
        with pytest.raises(DataError, match="full"):
            correction.commit()
    assert correction.data[0, 0, 0] == 1
    assert (correction.meter.strokes, correction.unsaved) == (1, 1)
    assert reopened().data[0, 0, 0] == 0
    assert correction.commit() is None
    assert correction.unsaved == 0
    assert reopened().data[0, 0, 0] == 1


def test_two_windows_on_one_correction_do_not_mix_strokes(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    other = reopened()
    correction.data[0, 0, 0] = 1
    correction.commit()
    other.data[0, 5, 5] = 1
    with pytest.raises(DataError, match="another window"):
        other.commit()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=st.lists(st.sampled_from("puuprro"), max_size=14), seed=st.integers(0, 999))
def test_history_agrees_with_a_plain_list_of_masks(
    acts: list[str], seed: int, make_study: Callable[..., Study], catalogue: Catalogue
) -> None:
    """p paints, u undoes, r redoes, o opens again; a list of whole masks is the judge."""
    study = make_study(f"TEST_{seed}_{time.perf_counter_ns()}", shape=(2, 4, 4))
    case = Case(study, catalogue)
    correction = case.start_correction("empty", "Ada")
    rng = np.random.default_rng(seed)
    masks, at = [correction.data.copy()], 0
    for act in acts:
        if act == "p":
            correction.data.flat[rng.integers(0, 32, 5)] ^= 1
            if correction.commit() is not None:
                masks, at = [*masks[: at + 1], correction.data.copy()], at + 1
        elif act == "u":
            assert (correction.undo() is None) == (at == 0)
            at = max(0, at - 1)
        elif act == "r":
            assert (correction.redo() is None) == (at == len(masks) - 1)
            at = min(at + 1, len(masks) - 1)
        else:
            found = Case(study, catalogue).correction
            assert found is not None
            correction = found
        np.testing.assert_array_equal(correction.data, masks[at])
        assert correction.meter.volume_vox == masks[at].sum()
        assert correction.meter.strokes == at


def test_a_stroke_on_a_whole_volume_is_quick(
    make_study: Callable[..., Study], catalogue: Catalogue
) -> None:
    study = make_study("TEST_BIG_0001", shape=(60, 256, 256))
    correction = Case(study, catalogue, image_sha256="0" * 64).start_correction("truth", "Ada")
    spent = []
    for step in range(12):
        correction.data[10 + step, 100:140, 100:140] ^= 1
        begin = time.perf_counter()
        correction.commit()
        spent.append(time.perf_counter() - begin)
    assert sorted(spent)[6] < 0.1, spent


def test_an_action_tells_what_made_it(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    correction.data[1, :2, :2] = 1
    correction.commit("brush", {"size": np.int32(9), "window": (np.float32(0.5), 2)})
    after = correction.data.copy()
    after[2:5, 20:22, 20] = 1
    edit = Edit.between(correction.data, after)
    assert edit is not None
    stroke = correction.apply(edit, "interpolate", {"first": 1, "last": 5})
    assert stroke is not None
    assert (stroke.first_slice, stroke.last_slice, stroke.added) == (2, 4, 6)
    correction.undo()
    for found in (correction, reopened()):
        first, second = found.actions()
        assert (first.number, first.tool, first.state) == (1, "brush", "done")
        assert first.parameters == {"size": 9, "window": [0.5, 2]}
        assert (first.first_slice, first.last_slice, first.added, first.removed) == (1, 1, 4, 0)
        assert first.editor == "Ada"
        assert (second.tool, second.state) == ("interpolate", "undone")
        assert (second.first_slice, second.last_slice) == (2, 4)


def test_paint_that_waits_is_an_action_before_the_tool_s(correction: Correction) -> None:
    correction.data[0, 0, 0] = 1
    edit = Edit((slice(1, 2), slice(0, 1), slice(0, 1)), np.ones((1, 1, 1), np.uint8))
    correction.apply(edit, "fill holes", {})
    assert [record.tool for record in correction.actions()] == ["other", "fill holes"]
    correction.undo()
    assert correction.data[:2, 0, 0].tolist() == [1, 0]


def test_an_edit_that_changes_nothing_is_no_action(correction: Correction) -> None:
    edit = Edit((slice(2, 3), slice(8, 9), slice(8, 9)), np.ones((1, 1, 1), np.uint8))
    assert correction.apply(edit, "fill holes", {}) is None
    assert correction.actions() == ()


def _box(*bounds: tuple[int, int], shape: tuple[int, ...] | None = None) -> Edit:
    shape = shape or tuple(stop - start for start, stop in bounds)
    z, y, x = (slice(*pair) for pair in bounds)
    return Edit((z, y, x), np.ones(tuple(max(n, 0) for n in shape), np.uint8))


@pytest.mark.parametrize(
    "edit",
    [
        _box((0, 7), (0, 1), (0, 1)),
        _box((-1, 1), (0, 1), (0, 1)),
        _box((0, 1), (31, 33), (0, 1)),
        _box((0, 1), (0, 1), (40, 41)),
        _box((0, 2), (0, 2), (0, 2), shape=(2, 2, 3)),
        VoxelEdit(np.array([0, 6 * 32 * 32]), np.ones(2, np.uint8)),
        VoxelEdit(np.array([-1]), np.ones(1, np.uint8)),
        VoxelEdit(np.array([1, 2]), np.ones(1, np.uint8)),
    ],
)
def test_a_stroke_outside_the_volume_is_refused(
    correction: Correction, reopened: Callable[[], Correction], edit: Edit | VoxelEdit
) -> None:
    before = correction.data.copy()
    with pytest.raises(DataError, match="The stroke") as raised:
        correction.apply(edit, "grow from seeds", {})
    assert raised.value.hint
    np.testing.assert_array_equal(correction.data, before)
    assert correction.actions() == reopened().actions() == ()


def test_jumps_are_one_net_change(
    correction: Correction, reopened: Callable[[], Correction]
) -> None:
    masks = [correction.data.copy()]
    for z in range(5):
        correction.data[z, 0, : z + 1] = 1
        correction.data[0, 5, 5] ^= 1
        correction.commit("brush")
        masks.append(correction.data.copy())
    told, changes = [], []
    correction.undone.connect(lambda stroke: told.append(("undone", stroke)))
    correction.redone.connect(lambda stroke: told.append(("redone", stroke)))
    correction.history_changed.connect(lambda: changes.append(len(told)))
    back = correction.go_to(1)
    assert back is not None
    np.testing.assert_array_equal(correction.data, masks[1])
    assert (back.added, back.removed, back.slice_index) == (14, 0, 4)
    assert [record.state for record in correction.actions()] == ["done"] + ["undone"] * 4
    on = correction.go_to(4)
    assert on is not None
    np.testing.assert_array_equal(correction.data, masks[4])
    assert on.slice_index == 3
    assert told == [("undone", back), ("redone", on)]
    assert changes == [1, 2]
    assert correction.go_to(4) is None
    correction.go_to(0)
    np.testing.assert_array_equal(reopened().data, masks[0])
    correction.go_to(5)
    np.testing.assert_array_equal(correction.data, masks[5])
    np.testing.assert_array_equal(reopened().data, masks[5])


def test_a_jump_to_what_was_painted_over_is_refused(correction: Correction) -> None:
    for x in range(3):
        if x == 2:
            correction.undo()
        correction.data[0, 0, x] = 1
        correction.commit()
    for number, why in ((2, "painted over"), (7, "no such"), (-1, "no such")):
        with pytest.raises(DataError, match=why):
            correction.go_to(number)
    assert correction.data[0, 0, :3].tolist() == [1, 0, 1]


def test_strokes_of_an_older_catalogue_read_well(
    correction: Correction, catalogue: Catalogue, reopened: Callable[[], Correction]
) -> None:
    correction.data[3, :4, :4] = 1
    correction.commit("lasso", {"kind": "add"})
    with catalogue.write() as connection:
        connection.execute(
            text(
                "UPDATE strokes SET tool = 'brush', parameters = '{}', first_slice = NULL, "
                "last_slice = NULL"
            )
        )
    again = reopened()
    (record,) = again.actions()
    assert (record.tool, record.parameters) == ("brush", {})
    assert (record.first_slice, record.last_slice) == (3, 3)
    stroke = again.undo()
    assert stroke is not None
    assert (stroke.first_slice, stroke.last_slice, stroke.added) == (3, 3, 16)
