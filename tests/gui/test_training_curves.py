"""Curves of a run: what they are made of, and that their axes can be read."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_brainseg.core.protocol import (
    EpochFinished,
    ExampleSaved,
    Message,
    Paused,
    Resumed,
    RunStarted,
    StageStarted,
    StepFinished,
    Waiting,
)
from napari_brainseg.widgets.curves import Curves
from napari_brainseg.widgets.line_chart import Line, LineChart, ticks
from napari_brainseg.widgets.run_state import RunState


def started(**changes):
    told = {
        "run_id": "a", "run_dir": "/a", "device": "cpu", "precision": "fp32", "epochs": 4,
        "steps_per_epoch": 2, "train_patients": ("p",), "validation_patients": ("q", "r"),
        "parent_validation_dsc": 0.8,
    }  # fmt: skip
    return RunStarted(**(told | changes))


def step(epoch, number, loss=0.5, **changes):
    told = {"steps_per_epoch": 2, "samples_per_second": 9.0, "remaining_s": 60.0}
    return StepFinished(epoch=epoch, step=number, loss=loss, **(told | changes))


def epoch(number, dsc, **changes):
    told = {"epochs": 4, "train_loss": 0.4, "train_dsc": 0.9, "learning_rate": 1e-3,
            "seconds": 1.0, "remaining_s": 1.0}  # fmt: skip
    return EpochFinished(epoch=number, validation_dsc=dsc, **(told | changes))


@pytest.mark.parametrize(
    ("low", "high", "most", "wanted"),
    [
        (0.803, 0.861, 5, (0.82, 0.84, 0.86)),
        (0.0, 1.0, 5, (0.0, 0.5, 1.0)),
        (0.8, 0.82, 5, (0.8, 0.805, 0.81, 0.815, 0.82)),
        (0.0, 0.0, 5, (0.0,)),
        (100.0, 900.0, 5, (200.0, 400.0, 600.0, 800.0)),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low, high, most, wanted):
    assert ticks(low, high, most) == wanted


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 12, 200])
def test_epochs_are_told_in_whole_numbers(epochs):
    found = ticks(0, epochs, 8, whole=True)
    assert 2 <= len(found) <= 8
    assert all(value == int(value) for value in found)


@pytest.mark.parametrize("values", [[0.8123], [0.8123, 0.8131], [0.71, 0.93], [0.999, 1.0], [0.0]])
def test_a_dsc_axis_has_numbers_however_few_points_there_are(qtbot, values):
    chart = LineChart(least_span=0.02, floor=0.0, ceiling=1.0)
    qtbot.addWidget(chart)
    chart.show_lines([Line("x", "#000", range(len(values)), values, marked=True)], (0.0, 5.0))
    low, high = chart.y_range
    assert 0.0 <= low <= min(values) <= max(values) <= high <= 1.0
    assert high - low >= 0.02 - 1e-9
    assert 2 <= len(chart.y_ticks()) <= 5


def test_curves_begin_with_the_base_and_leave_the_inner_folds_out(qtbot):
    state = RunState.of(
        [
            started(),
            StageStarted(stage="inner fold", number=1, stages=4),
            step(1, 1, 9.0),
            StageStarted(stage="training", number=2, stages=4),
            step(1, 1, 0.6), step(1, 2, 0.5),
            epoch(1, 0.82),
            StageStarted(stage="gate", number=4, stages=4),
        ]
    )  # fmt: skip
    curves = Curves()
    qtbot.addWidget(curves)
    curves.show_curves(state.curves, 2)
    train, locked, base = curves.dsc_chart.lines
    assert list(train.ys) == [0.9]
    assert (list(locked.xs), list(locked.ys)) == ([0.0, 1.0], [0.8, 0.82])
    assert locked.name == "2 locked patients"
    assert base.is_level
    assert base.dashed
    assert base.name == "base 0.800"
    assert list(curves.loss_chart.lines[0].ys) == [0.6, 0.5]
    assert len({line.colour for line in (train, locked)}) == 2


def test_nothing_is_drawn_before_there_is_something(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    curves.show()
    curves.show_curves(RunState.of([started(parent_validation_dsc=None)]).curves)
    assert not curves.dsc_chart.isVisible()
    assert not curves.loss_chart.isVisible()


def test_a_resumed_run_keeps_its_curves_up_to_where_it_goes_on():
    first = [started(), step(1, 2, 0.6), epoch(1, 0.82), step(2, 2, 0.5), epoch(2, 0.85)]
    state = RunState.of([*first, step(3, 1, 0.4), started(first_epoch=3), step(3, 1, 0.3)])
    assert state.curves.locked_dsc == ([0.0, 1.0, 2.0], [0.8, 0.82, 0.85])
    assert state.curves.loss == ([1.0, 2.0, 2.5], [0.6, 0.5, 0.3])
    state.add(started(run_id="b"))
    assert state.curves.loss == ([], [])


def test_steps_that_were_left_out_are_made_up_by_the_epochs():
    state = RunState.of([started(), epoch(1, 0.82, train_loss=0.7), epoch(2, 0.83)])
    assert state.curves.loss == ([1.0, 2.0], [0.7, 0.4])


def test_a_long_run_is_thinned_and_keeps_its_ends():
    curves = RunState.of([started(epochs=9000)]).curves
    for number in range(5000):
        curves.step(step(number + 1, 2, float(number)))
    assert len(curves.loss[0]) <= 2001
    assert curves.loss[1][0] == 0.0
    assert curves.loss[1][-1] == 4999.0


def test_figures_stand_under_the_pointer(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    curves.show_curves(RunState.of([started(), step(1, 2), epoch(1, 0.82)]).curves, 2)
    curves.resize(300, 260)
    with qtbot.waitExposed(curves):
        curves.show()
    chart = curves.dsc_chart
    chart.grab()
    at = QPoint(round(chart.width() * 0.35), chart.height() // 2)
    QApplication.sendEvent(chart, QHelpEvent(QEvent.Type.ToolTip, at, chart.mapToGlobal(at)))
    assert QToolTip.text() == "Epoch 1\ntraining: 0.900\nlocked patients: 0.820"
    QToolTip.hideText()


def test_a_legend_wraps_where_the_dock_is_narrow(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    curves.show_curves(RunState.of([started(), step(1, 2), epoch(1, 0.82)]).curves, 10)
    heights = []
    for width in (620, 180):
        curves.resize(width, 300)
        with qtbot.waitExposed(curves):
            curves.show()
        curves.dsc_chart.resize(width, curves.dsc_chart.height())
        heights.append(curves.dsc_chart.height())
        curves.hide()
    assert heights[1] > heights[0]


def test_progress_is_that_of_the_whole_run():
    state = RunState.of([started(), step(2, 1)])
    assert state.progress == pytest.approx(1.5 / 4)
    state.add(step(2, 2, progress=0.9))
    assert state.progress == 0.9
    assert RunState().progress is None


def test_rests_are_known_and_end():
    state = RunState.of([Waiting(ahead=2, text="")])
    assert state.waiting is not None
    state.add(started())
    assert state.waiting is None
    state.add(Paused(why="prediction"))
    assert (state.gives_way, state.is_paused) == (True, False)
    state.add(Resumed())
    state.add(Paused())
    assert (state.gives_way, state.is_paused) == (False, True)
    state.add(Message(text="A line"))
    assert state.is_paused
    state.add(step(1, 1))
    assert not state.is_paused


def test_examples_keep_the_first_picture_and_the_latest():
    def example(number, patient="q"):
        return ExampleSaved(
            epoch=number, patient=patient, slice_index=3, path=f"/{number}.png", dsc=0.5
        )

    state = RunState.of([started(), example(0), example(0, "r"), example(1), example(2)])
    pairs = list(state.examples.values())
    assert [(p.before.epoch, p.now and p.now.epoch) for p in pairs] == [(0, 2), (0, None)]
    # A resumed run may tell of its base once more.
    state.add(example(0))
    assert state.examples["q"].now is None
