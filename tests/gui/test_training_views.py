"""Parts of the Training panel, each with its model: findings, locked patients, settings, runs."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QLabel, QWidget

from napari_brainseg.core.dataset.locked import LockedPatient, LockedSet
from napari_brainseg.core.dataset.preflight import PreflightFinding, PreflightReport
from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import (
    EpochFinished,
    ExampleSaved,
    Message,
    Paused,
    RunConfig,
    RunStarted,
    StageStarted,
    StepFinished,
    Waiting,
)
from napari_brainseg.session.run_log import RunRecord
from napari_brainseg.widgets import board_button as board_module
from napari_brainseg.widgets.board_button import BoardButton
from napari_brainseg.widgets.locked_view import LockedView
from napari_brainseg.widgets.preflight_view import PreflightView
from napari_brainseg.widgets.run_end_view import RunEndView
from napari_brainseg.widgets.run_state import RunState
from napari_brainseg.widgets.run_view import RunView
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.training_settings import FILLED_IN, TrainingSettings
from napari_brainseg.widgets.worklist_names import Names

PATIENTS = ("TEST_AB_0001_20200101", "TEST_AB_0002_20200101")
DEFAULTS = {"epochs": 4, "replay_share": 0.5, "learning_rate": 1e-3, "inner_folds": 4}
STARTED = RunStarted(
    run_id="a", run_dir="/a", device="cuda:0", precision="fp32", epochs=4, steps_per_epoch=2,
    train_patients=PATIENTS, validation_patients=PATIENTS, parent_validation_dsc=0.8,
)  # fmt: skip


def step(**changes):
    told = {"epoch": 2, "step": 1, "steps_per_epoch": 2, "loss": 0.5, "samples_per_second": 41.7,
            "remaining_s": 360.0, "progress": 0.34}  # fmt: skip
    return StepFinished(**(told | changes))


@pytest.fixture
def shown(qtbot):
    """Show a widget in a window of the dock's width."""

    def show(widget, width=300):
        qtbot.addWidget(widget)
        widget.resize(width, 600)
        with qtbot.waitExposed(widget):
            widget.show()
        return widget

    return show


class Desk:
    """Runs what is submitted at once."""

    def submit(self, act):
        act()


def finding(level="warning", kind="x", **changes):
    return PreflightFinding(kind=kind, level=level, message=f"A {level}.", **changes)


def texts(widget):
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


# findings ---------------------------------------------------------------------------------------


def test_findings_stand_with_their_mend_the_gravest_first(shown):
    view = shown(PreflightView())
    mend = "Approve it again."
    view.show_report(
        PreflightReport(findings=(finding("note"), finding(), finding("stop", hint=mend)))
    )
    assert [row.finding.level for row in view.rows] == ["stop", "warning", "note"]
    assert [row.property("role") for row in view.rows] == ["fault", "note", "plain"]
    assert texts(view)[:3] == ["A stop.", mend, "A warning."]
    assert "A note." not in texts(view)
    assert view.notes_fold.button.text() == "1 note"
    view.notes_fold.button.click()
    assert "A note." in texts(view)


def test_what_stops_a_run_is_the_reason(shown):
    view = shown(PreflightView())
    view.show_report(PreflightReport(findings=(finding("stop"), finding(needs_expert=True))))
    assert not view.lets_start
    assert view.reason == "A stop."
    assert not view.anyway.isVisible()


def test_an_expert_goes_on_and_the_tick_is_for_the_warnings_that_were_read(shown):
    view = shown(PreflightView())
    few = finding(kind="few", needs_expert=True)
    view.show_report(PreflightReport(findings=(few,)))
    assert not view.lets_start
    assert "Go on anyway" in view.reason
    view.anyway.click()
    assert view.lets_start
    assert view.reason == ""
    view.show_report(PreflightReport(findings=(few, finding("note"))))
    assert view.lets_start
    view.show_report(PreflightReport(findings=(few, finding(kind="drift"))))
    assert not view.lets_start


def test_a_clean_report_says_so_and_a_later_look_leaves_it_in_place(shown):
    view = shown(PreflightView())
    view.show_checking()
    assert view.reason == "The corrections are being checked."
    assert texts(view) == ["Checking corrections, memory and disk…"]
    view.show_report(PreflightReport())
    assert view.lets_start
    assert texts(view) == ["Checked: nothing speaks against a start."]
    view.show_checking()
    assert texts(view) == ["Checked: nothing speaks against a start."]
    assert view.lets_start


def test_many_patients_are_folded_and_hidden_names_stay_hidden(shown):
    view = shown(PreflightView())
    many = tuple(f"TEST_AB_{n:04d}_20200101" for n in range(1, 6))
    found = PreflightFinding(
        kind="x", level="warning", message=f"{many[0]} and others are alike.", patients=many
    )
    view.show_report(PreflightReport(findings=(found,)), Names(many, hidden=True))
    assert texts(view)[0] == "Patient 1 and others are alike."
    assert "Patient 5" not in " ".join(texts(view))
    from napari_brainseg.widgets.fold import Fold

    view.rows[0].findChild(Fold).button.click()
    assert "Patient 1, Patient 2, Patient 3, Patient 4, Patient 5" in texts(view)
    assert "TEST" not in " ".join(texts(view))


def test_what_could_not_be_checked_stops(shown):
    view = shown(PreflightView())
    view.show_fault(ConfigError("No such thing.", "Mend it."))
    assert not view.lets_start
    assert texts(view) == ["No such thing.", "Mend it."]


# locked patients --------------------------------------------------------------------------------


def locked(number):
    return LockedSet(
        patients=tuple(
            LockedPatient(
                patient=f"TEST_AB_{n:04d}_20200101", image_sha256=f"{n:064x}",
                mask_sha256=f"{n:064x}", mask_source="ground truth", path="/x", lesion_vox=9,
            )
            for n in range(1, number + 1)
        ),
        created="2026-03-12T12:00:00+00:00",
    )  # fmt: skip


def test_locked_patients_stand_in_one_line_with_their_names_folded(shown):
    view = shown(LockedView())
    view.show_set(locked(6), name=lambda patient: patient[8:12])
    assert view.fold.button.text() == "6 patients locked on 2026-03-12"
    assert not view.few.isVisible()
    assert not view.more_button.isVisible()
    view.fold.button.click()
    assert view.names.text() == "0001, 0002, 0003, 0004, 0005, 0006"


@pytest.mark.parametrize("number", [0, 1, 4])
def test_with_few_locked_patients_the_gate_cannot_decide(shown, qtbot, number):
    view = shown(LockedView())
    view.show_set(locked(number) if number else None, can_grow=True)
    assert "cannot decide with fewer than 5" in view.few.text()
    assert view.few.isVisible()
    assert view.none.isVisible() == (number == 0)
    with qtbot.waitSignal(view.more_asked):
        view.more_button.click()
    view.show_set(locked(number) if number else None, told=True)
    assert not view.few.isVisible()


def test_a_set_that_is_not_frozen_yet_is_announced(shown):
    view = shown(LockedView())
    view.show_set(locked(3), planned=True, can_grow=True)
    assert view.fold.button.text() == "3 patients are locked at the start"
    assert not view.more_button.isVisible()


# settings ---------------------------------------------------------------------------------------


def test_three_settings_write_into_the_form_and_follow_it(shown, qtbot):
    settings = shown(TrainingSettings(DEFAULTS))
    assert settings.length.currentData() == "standard"
    assert settings.changes() == {}
    with qtbot.waitSignal(settings.changed):
        settings.length.setCurrentIndex(settings.length.findData("quick"))
    assert settings.changes() == {"epochs": 2}
    settings.length.setCurrentIndex(settings.length.findData("thorough"))
    settings.replay.setCurrentIndex(2)
    assert settings.changes() == {"epochs": 8, "replay_share": 0.75}
    RunConfig.model_validate(settings.changes())

    settings.form.fields["epochs"].setValue(5)
    settings.form.fields["replay_share"].setValue(0.6)
    assert settings.length.currentText() == "5 epochs"
    assert settings.replay.currentText() == "60\u202f%"
    assert settings.changes() == {"epochs": 5, "replay_share": 0.6}
    settings.form.fields["epochs"].setValue(4)
    assert settings.length.currentText() == "Standard"
    assert settings.length.count() == 3


def test_other_defaults_leave_what_was_set(shown):
    settings = shown(TrainingSettings(DEFAULTS))
    settings.form.fields["crop"].setValue(160)
    settings.length.setCurrentIndex(settings.length.findData("quick"))
    settings.show_defaults({**DEFAULTS, "epochs": 10, "steps_per_epoch": 40}, replayed=3)
    assert settings.changes() == {"crop": 160, "epochs": 5}
    assert settings.form.value("steps_per_epoch") == 40
    assert settings.length.currentText() == "Quick"


def test_replay_is_not_offered_where_nobody_is_known(shown):
    settings = shown(TrainingSettings(DEFAULTS))
    settings.show_defaults({**DEFAULTS, "replay_share": 0.0}, replayed=0)
    assert not settings.replay.isEnabled()
    assert settings.replay.currentText() == "no known patients at hand"
    assert settings.changes() == {}
    settings.show_defaults(DEFAULTS, replayed=8)
    assert settings.replay.isEnabled()
    assert settings.replay.currentText() == "50\u202f%"


def test_the_model_in_use_is_a_start_only_where_it_is_another_one(shown):
    settings = shown(TrainingSettings(DEFAULTS))
    settings.show_starts("default-1", "default-1")
    assert not settings.start_from.isEnabled()
    settings.show_starts("default-1", "fine-tuned-2")
    assert settings.start_from.isEnabled()
    settings.start_from.setCurrentIndex(1)
    assert settings.changes() == {"start": "current"}
    tip = settings.start_from.itemData(1, Qt.ItemDataRole.ToolTipRole)
    assert tip == "fine-tuned-2"
    settings.show_starts("default-1", "fine-tuned-3")
    assert settings.changes() == {"start": "current"}


def test_what_fine_tuning_fixes_is_not_asked_for(shown):
    settings = shown(TrainingSettings(DEFAULTS))
    assert {*settings.form.fields, *FILLED_IN} == set(RunConfig.model_fields)
    assert not settings.form.more.content.isVisible()


# the run ----------------------------------------------------------------------------------------


@pytest.fixture
def view(shown):
    owner = QWidget()
    run = RunView(Desk(), Subscriptions(owner))
    run.owner = owner
    return shown(run)


def test_a_run_tells_its_stage_its_progress_and_what_it_costs(view):
    events = [
        STARTED,
        StageStarted(stage="inner fold", number=2, stages=6, text="Inner fold 2 of 3"),
        step(cpu_percent=190.0, memory_mb=1536.0, gpu_memory_mb=2048.0),
    ]
    view.show_run(RunState.of(events), None, running=True)
    assert view.stage.text() == "Inner fold 2 of 3"
    assert "a model that has not seen it" in view.purpose.text()
    assert view.count.text() == "stage 2 of 6"
    assert view.how_far.text() == "34\u202f%, 6 min left"
    assert view.progress.value() == 340
    assert view.facts.text().replace("\u00a0", " ") == (
        "GPU 0 · 42 slices/s · processor 1.9 cores · memory 1.5 GB · GPU memory 2.0 GB"
    )
    assert not view.notice.isVisible()
    events += [StageStarted(stage="training", number=4, stages=6), step(epoch=3)]
    view.show_run(RunState.of(events), None, running=True)
    assert view.stage.text() == "Epoch 3 of 4"
    assert not view.purpose.isVisible()
    events.append(StageStarted(stage="gate", number=6, stages=6))
    view.show_run(RunState.of(events), None, running=True)
    assert view.stage.text() == "Gate"


def test_a_run_waits_for_its_turn_and_can_be_stopped_meanwhile(view, qtbot):
    view.show_run(RunState.of([Waiting(ahead=1, text="")]), None, running=True)
    assert view.stage.text() == "Waiting for its turn"
    assert view.notice.text() == "Waits for another run on this machine (1 ahead)."
    assert not view.pause_button.isEnabled()
    with qtbot.waitSignal(view.stop_asked):
        view.stop_button.click()
    view.show_run(RunState.of([Waiting(ahead=2, text="")]), None, running=True, stopping=True)
    assert view.how_far.text() == "Stopping"
    assert not view.stop_button.isEnabled()


def test_a_run_is_paused_and_goes_on(view, qtbot):
    state = RunState.of([STARTED, step()])
    view.show_run(state, None, running=True)
    assert view.pause_button.text() == "Pause"
    with qtbot.waitSignal(view.pause_asked):
        view.pause_button.click()
    state.add(Paused())
    view.show_run(state, None, running=True)
    assert view.pause_button.text() == "Continue"
    assert view.how_far.text() == "Paused at 34\u202f%"
    assert "a checkpoint is written" in view.notice.text()
    with qtbot.waitSignal(view.go_on_asked):
        view.pause_button.click()


def test_giving_way_to_a_prediction_is_told_quietly(view):
    state = RunState.of([STARTED, step(), Paused(why="prediction")])
    view.show_run(state, None, running=True)
    assert view.notice.text() == "Gives way to a prediction; goes on by itself."
    assert view.pause_button.text() == "Pause"
    assert view.how_far.text() == "34\u202f%, 6 min left"


def test_what_a_run_says_is_shown_until_the_next_stage(view):
    state = RunState.of([STARTED, Message(text="Went on with the checkpoint before.")])
    view.show_run(state, None, running=True)
    assert view.notice.text() == "Went on with the checkpoint before."
    state.add(StageStarted(stage="training", number=1, stages=2))
    view.show_run(state, None, running=True)
    assert not view.notice.isVisible()


def test_slices_stand_beside_each_other_before_and_now(view, tmp_path):
    def example(epoch, patient, dsc):
        path = tmp_path / f"{epoch}-{patient}.png"
        QImage(np.zeros((8, 8, 4), np.uint8).tobytes(), 8, 8, QImage.Format.Format_RGB32).save(
            str(path)
        )
        return ExampleSaved(epoch=epoch, patient=patient, slice_index=30, path=str(path), dsc=dsc)

    state = RunState.of([STARTED, *(example(0, patient, 0.7) for patient in PATIENTS)])
    view.show_run(state, tmp_path, running=True, names=Names(PATIENTS))
    first = view.examples.views[0]
    assert first.patient.text() == "AB_0001, slice 31"
    assert [label.text() for label in first.figures] == ["before: 0.700", "now: to come"]
    assert [picture.is_empty for picture in first.pictures] == [False, True]

    for event in (example(1, PATIENTS[0], 0.75), example(2, PATIENTS[0], 0.82)):
        state.add(event)
    view.show_run(state, tmp_path, running=True, names=Names(PATIENTS))
    assert first.figures[1].text() == "epoch 2: 0.820"
    assert Path(first.pictures[1].path).name == f"2-{PATIENTS[0]}.png"
    assert first.pictures[1].path in first.pictures[1].toolTip()
    # The picture of an epoch that is gone, e.g. because somebody tidied up, is no fault.
    state.add(ExampleSaved(epoch=3, patient=PATIENTS[0], slice_index=30, path="/no.png", dsc=0.9))
    view.show_run(state, tmp_path, running=True)
    assert first.pictures[1].is_empty


def test_hidden_names_stay_hidden_in_what_a_run_says(view, tmp_path):
    (tmp_path / "stderr.log").write_text(f"reading {PATIENTS[1]}\n")
    state = RunState.of([STARTED, Message(text=f"{PATIENTS[0]} has no lesion.")])
    view.show_run(state, tmp_path, running=True, names=Names(PATIENTS, hidden=True))
    view.log_fold.button.click()
    assert view.notice.text() == "Patient 1 has no lesion."
    assert view.log.text.toPlainText() == "reading Patient 2"


def test_out_of_sight_nothing_is_drawn_and_all_is_there_when_seen(view):
    view.show_run(RunState.of([STARTED, step()]), None, running=True)
    view.hide()
    state = RunState.of([STARTED, step(), step(epoch=4)])
    state.add(
        EpochFinished(epoch=2, epochs=4, train_loss=0.3, train_dsc=0.9, validation_dsc=0.85,
                      learning_rate=1e-3, seconds=1.0, remaining_s=1.0)
    )  # fmt: skip
    view.show_run(state, None, running=True)
    assert view.stage.text() == "Epoch 2 of 4"
    view.show()
    assert view.stage.text() == "Epoch 4 of 4"
    assert list(view.curves.dsc_chart.lines[1].ys) == [0.8, 0.85]


def test_the_log_is_read_while_it_is_looked_at(view, tmp_path, qtbot):
    log = tmp_path / "stderr.log"
    view.show_run(RunState.of([STARTED]), tmp_path, running=True)
    view.log_fold.button.click()
    assert view.log.text.toPlainText() == "Nothing was written to the log yet."
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    qtbot.waitUntil(lambda: view.log.text.toPlainText().endswith("line 99"), timeout=60_000)
    assert "line 0\n" not in view.log.text.toPlainText()


def test_curves_stay_when_the_run_has_ended(view, tmp_path):
    state = RunState.of([STARTED, step()])
    view.show_run(state, tmp_path, running=True)
    view.show_run(state, tmp_path, running=False)
    assert not view.stop_button.isVisible()
    assert view.curves.loss_chart.isVisible()
    view.show_run(RunState(), None, running=False)
    assert not view.curves.isVisible()


# TensorBoard ------------------------------------------------------------------------------------


class Board:
    def __init__(self, reason="", error=None):
        self.reason, self.error, self.opened, self.is_closed = reason, error, [], False

    @property
    def available(self):
        return not self.reason

    def open(self, run_dir):
        assert threading.current_thread() is threading.main_thread()  # this desk has no worker
        self.opened.append(run_dir)
        if self.error is not None:
            raise self.error
        return "http://127.0.0.1:1/"

    def close(self):
        self.is_closed = True


@pytest.fixture
def urls(monkeypatch):
    opened = []
    services = SimpleNamespace(openUrl=lambda url: opened.append(url.toString()))
    monkeypatch.setattr(board_module, "QDesktopServices", services)
    return opened


def test_tensorboard_opens_in_the_browser(qtbot, shown, urls, tmp_path):
    owner, board = QWidget(), Board()
    button = shown(BoardButton(Desk(), Subscriptions(owner), board))
    button.click()
    assert board.opened == []
    button.show_run(tmp_path)
    button.click()
    qtbot.waitUntil(lambda: urls == ["http://127.0.0.1:1/"], timeout=60_000)
    assert board.opened == [tmp_path]
    assert button.isEnabled()


def test_tensorboard_that_does_not_open_says_why(qtbot, shown, urls, tmp_path):
    owner, board = QWidget(), Board(error=ConfigError("Nothing was written yet."))
    button = shown(BoardButton(Desk(), Subscriptions(owner), board))
    button.show_run(tmp_path)
    with qtbot.waitSignal(button.failed, timeout=60_000) as caught:
        button.click()
    assert str(caught.args[0].message) == "Nothing was written yet."
    assert urls == []
    assert button.isEnabled()


def test_tensorboard_that_is_missing_tells_how_to_get_it(shown):
    owner = QWidget()
    button = shown(BoardButton(Desk(), Subscriptions(owner), Board(reason="pip install it")))
    assert not button.isEnabled()
    assert button.toolTip() == "pip install it"


# how runs ended ---------------------------------------------------------------------------------


def record(run_id, state="crashed"):
    return RunRecord(
        run_id, Path("/x"), "fine-tune", state, "b", None, "", "", None, 1.7e9, 1.7e9, True
    )


def test_the_latest_run_is_resumed_up_front_and_older_ones_from_a_fold(shown, qtbot):
    view = shown(RunEndView())
    view.show_resumable([record("c"), record("b"), record("a")], latest="c")
    assert view.can_resume
    with qtbot.waitSignal(view.resume_asked) as asked:
        view.resume_button.click()
    assert asked.args == ["c"]
    assert view.older_fold.button.text() == "2 older runs can be resumed"
    view.older_fold.button.click()
    older = [b for b in view.older_fold.content.children() if hasattr(b, "click")]
    with qtbot.waitSignal(view.resume_asked) as asked:
        older[-1].click()
    assert asked.args == ["a"]


def test_a_run_that_another_one_followed_is_no_obvious_next_act(shown):
    view = shown(RunEndView())
    view.show_resumable([record("b")], latest="c")
    assert not view.can_resume
    assert view.older_fold.button.text() == "1 older run can be resumed"
    view.show_resumable([])
    assert not view.older_fold.isVisible()


@pytest.mark.parametrize("font_pt", [9, 18])
def test_nothing_widens_a_dock_of_300_pixels_at_96_dpi(shown, font_pt):
    """The dock never scrolls sideways: what is too wide would be cut off."""
    owner = QWidget()
    run = RunView(Desk(), Subscriptions(owner))
    end, lock, settings = RunEndView(), LockedView(), TrainingSettings(DEFAULTS)
    end.say("fine-tuned-20260312-0123abcd is ready.", gate=True)
    end.show_resumable([record("b"), record("a")], latest="b")
    end.older_fold.button.click()
    lock.show_set(locked(4), can_grow=True)
    state = RunState.of([STARTED, step(cpu_percent=190.0, memory_mb=1536.0)])
    run.show_run(state, Path("/x"), running=True)
    scale = font_pt / 9
    for widget in (run, end, lock, settings):
        widget.setStyleSheet(f"* {{ font-size: {font_pt}pt; }}")
        shown(widget, round(262 * scale))
        assert widget.minimumSizeHint().width() <= 262 * scale, type(widget).__name__
