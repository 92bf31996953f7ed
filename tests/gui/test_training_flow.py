"""The Training panel as a whole, on a desk that only notes what it is asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from psygnal import Signal
from psygnal.qt import start_emitting_from_queue

from napari_brainseg.core.dataset.preflight import PreflightFinding, PreflightReport
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import (
    BundleSaved,
    EpochFinished,
    GateMeasured,
    Paused,
    RunStarted,
    StepFinished,
)
from napari_brainseg.core.segmentation import gate
from napari_brainseg.session.run_handle import RunOutcome, RunReason
from napari_brainseg.session.run_log import RunRecord
from napari_brainseg.widgets import training_panel as panel_module
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.training_panel import TrainingPanel
from napari_brainseg.widgets.training_watch import Outlook

FEW = PreflightFinding(
    kind="too-few-cases", level="warning", message="2 corrections are few.", needs_expert=True
)
CLEAN = PreflightReport(corrections=("a", "b"), new_corrections=("b",))


class Watch:
    """Notes what is asked; a test answers."""

    found = Signal(object)
    refused = Signal(object)

    def __init__(self, _desk, _measurement):
        self.asked = []
        self.dropped = 0

    def ask(self, changes, *, measure=False, lock_more=False):
        self.asked.append({"changes": dict(changes), "measure": measure, "lock_more": lock_more})

    def drop(self):
        self.dropped += 1

    def close(self, _object=None):
        return None


class Desk:
    """As much of a desk as the panel needs."""

    opened = Signal(object)
    exported = Signal(object)
    models_changed = Signal()
    locked_changed = Signal()
    training_started = Signal(object)
    training_event = Signal(object)
    training_finished = Signal(object)
    decided = Signal(object)

    def __init__(self):
        self.trainer = None
        self.calls = []
        self.refuses = None
        self.review = SimpleNamespace(decided=self.decided)
        self.preferences = {"hide_identifiers": False}
        self.worklist = SimpleNamespace(rows=[])
        self.predictions = SimpleNamespace(is_busy=False)
        self.trainings = SimpleNamespace(
            keep_running=False,
            pause=lambda: self.calls.append("pause"),
            go_on=lambda: self.calls.append("go on"),
        )

    def submit(self, act):
        act()

    def start_fine_tuning(self, **changes):
        self.calls.append(("start", changes))
        if self.refuses is not None:
            raise self.refuses

    def resume_run(self, run_id):
        self.calls.append(("resume", run_id))

    def stop_training(self):
        self.calls.append("stop")


@pytest.fixture
def desk():
    start_emitting_from_queue(msec=10)
    return Desk()


@pytest.fixture
def make(qtbot, desk, monkeypatch):
    """Make a panel that is seen, with a watch whose answers the test gives."""
    monkeypatch.setattr(panel_module, "TrainingWatch", Watch)
    monkeypatch.setattr(panel_module, "_SETTLE_MS", 10)

    def make_panel(*, seen=True):
        panel = TrainingPanel(desk)
        qtbot.addWidget(panel)
        panel.resize(300, 900)
        if seen:
            with qtbot.waitExposed(panel):
                panel.show()
        return panel

    return make_panel


@pytest.fixture
def until(qtbot):
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=60_000)


@pytest.fixture
def panel(make):
    return make()


@pytest.fixture
def tell(until):
    """Let the watch of a panel tell something, and wait until the panel knows."""

    def answer(panel, **known):
        outlook = Outlook(**({"waiting": 2, "checked": True, "time": "known"} | known))
        panel._watch.found.emit(outlook)
        until(lambda: panel.outlook is outlook)

    return answer


def run_of(tmp_path, *events, outcome=None):
    (tmp_path / "events.jsonl").write_text("".join(f"{e.model_dump_json()}\n" for e in events))
    return SimpleNamespace(run_dir=tmp_path, outcome=outcome, is_running=outcome is None)


def started(**changes):
    told = {
        "run_id": "a", "run_dir": "/a", "device": "cpu", "precision": "fp32", "epochs": 4,
        "steps_per_epoch": 2, "train_patients": ("p",), "validation_patients": ("q",),
        "parent_validation_dsc": 0.8, "time": 1.0,
    }  # fmt: skip
    return RunStarted(**(told | changes))


def epoch(number, dsc=0.8):
    return EpochFinished(
        epoch=number, epochs=4, train_loss=0.4, train_dsc=0.9, validation_dsc=dsc,
        learning_rate=1e-3, seconds=1.0, remaining_s=1.0, time=1.0 + number,
    )  # fmt: skip


def begin(panel, desk, until, run):
    desk.trainer = run
    desk.training_started.emit(run)
    until(lambda: panel.story.run_dir == run.run_dir)


def record(run_id, state="crashed", *, can_resume=True):
    return RunRecord(
        run_id, Path("/x"), "fine-tune", state, "b", None, "", "", None, 1.7e9, 1.7e9, can_resume
    )


# before a run -----------------------------------------------------------------------------------


def test_a_fault_stops_the_start_and_says_why(panel, tell):
    stop = PreflightFinding(kind="x", level="stop", message="One mask is empty.", hint="Mend it.")
    tell(panel, report=PreflightReport(findings=(stop,), corrections=("a",)))
    assert not panel.train_button.isEnabled()
    assert panel.train_button.toolTip() == "One mask is empty."
    panel.show_next(Act.TRAIN)
    assert not panel.train_button.property("next")


def test_an_expert_may_go_on_and_the_settings_go_along(panel, desk, tell, until):
    tell(panel, report=CLEAN.model_copy(update={"findings": (FEW,)}))
    assert panel.idle.hint.text() == "2 corrections train, 1 new."
    assert not panel.train_button.isEnabled()
    panel.idle.preflight.anyway.click()
    assert panel.train_button.isEnabled()
    panel.show_next(Act.TRAIN)
    assert panel.train_button.property("next")
    panel.form.fields["crop"].setValue(128)
    panel.idle.settings.length.setCurrentIndex(0)
    panel.train_button.click()
    epochs = max(round(panel.form.default("epochs") / 2), 1)
    assert desk.calls == [("start", {"crop": 128, "epochs": epochs})]
    assert panel.is_running
    assert not panel.idle.isVisible()


def test_a_start_that_is_refused_says_why_and_leaves_the_settings(panel, desk, tell, until):
    tell(panel, report=CLEAN)
    desk.refuses = ConfigError("A run is under way.", "Wait for it.")
    panel.train_button.click()
    until(lambda: panel.fault.text == "A run is under way. Wait for it.")
    assert not panel.is_running
    assert panel.idle.isVisible()


def test_out_of_sight_nothing_is_looked_at(make, desk, tell, qtbot):
    panel = make(seen=False)
    desk.exported.emit(object())
    desk.models_changed.emit()
    qtbot.wait(50)
    assert panel._watch.asked == []
    panel.show()
    assert len(panel._watch.asked) == 1
    panel.hide()
    panel.show()
    # What was asked for was not answered.
    assert len(panel._watch.asked) == 2
    tell(panel, report=CLEAN)
    panel.look()
    panel.hide()
    panel.show()
    assert len(panel._watch.asked) == 4


def test_corrections_and_settings_are_looked_at_anew_when_they_change(panel, desk, tell, until):
    tell(panel, report=CLEAN)
    asked = panel._watch.asked
    desk.exported.emit(object())
    until(lambda: len(asked) == 2)
    panel.form.fields["crop"].setValue(128)
    until(lambda: len(asked) == 3)
    assert asked[-1]["changes"] == {"crop": 128}
    # Who comes back finds what was found.
    tell(panel, report=CLEAN)
    panel.hide()
    panel.show()
    assert len(asked) == 3


def test_time_is_measured_when_nothing_happens_and_nobody_waits(
    make, desk, tell, until, monkeypatch
):
    monkeypatch.setattr(panel_module, "_IDLE_MS", 20)
    panel = make()
    desk.predictions.is_busy = True
    tell(panel, report=CLEAN, time="unknown")
    until(lambda: panel._idle_long.isActive())
    assert not any(request["measure"] for request in panel._watch.asked)
    desk.predictions.is_busy = False
    until(lambda: panel._watch.asked[-1]["measure"])
    tell(panel, report=CLEAN, time="measuring")
    assert panel.idle.plan_text.text() == "Measuring how long it takes…"
    panel.hide()
    assert panel._watch.dropped
    panel.show()
    tell(panel, report=CLEAN.model_copy(update={"expected_s": 540.0}))
    assert panel.idle.plan_text.text() == "About 9 min on this machine (measured)."
    assert not panel._idle_long.isActive()


def test_a_catalogue_that_cannot_be_read_is_told(panel, tell):
    tell(panel, waiting=0, fault=BrainSegError("The catalogue is damaged.", "Restore it."))
    assert panel.idle.preflight.isVisible()
    assert panel.idle.preflight.rows[0].message.text() == "The catalogue is damaged."
    assert not panel.train_button.isEnabled()


def test_time_is_measured_at_once_when_asked_for(panel, tell):
    tell(panel, report=CLEAN, time="unknown")
    panel.idle.measure_button.click()
    assert panel._watch.asked[-1]["measure"]
    tell(panel, report=CLEAN, time="unmeasurable")
    assert "could not be measured" in panel.idle.plan_text.text()
    assert not panel.idle.measure_button.isVisible()


def test_more_patients_can_be_locked_and_a_refusal_is_told(panel, tell, until):
    tell(panel, report=CLEAN, plan=None)
    panel.idle.locked.more_asked.emit()
    assert panel._watch.asked[-1]["lock_more"]
    panel._watch.refused.emit(BrainSegError("Nobody can be added.", "Open a folder."))
    until(lambda: "Nobody can be added." in panel.fault.text)


# a run ------------------------------------------------------------------------------------------


def test_a_run_is_paused_continued_and_stopped(panel, desk, until, tmp_path):
    begin(panel, desk, until, run_of(tmp_path, started()))
    view = panel.run_view
    until(lambda: view.pause_button.isVisible() and panel.story.state.started)
    view.pause_button.click()
    desk.training_event.emit(Paused(time=5.0))
    until(lambda: view.pause_button.text() == "Continue")
    view.pause_button.click()
    view.stop_button.click()
    assert desk.calls == ["pause", "go on", "stop"]
    assert view.how_far.text() == "Stopping"
    desk.training_finished.emit(RunOutcome(RunReason.CANCELLED, "Stopped in epoch 1."))
    until(lambda: not panel.is_running)
    assert panel.end.text.text() == "Stopped in epoch 1."
    assert panel.idle.isVisible()


def test_a_run_that_began_without_this_window_is_shown_whole(make, desk, until, tmp_path):
    desk.trainer = run_of(tmp_path, started(), epoch(1, 0.82), epoch(2, 0.84))
    panel = make()
    assert panel.is_running
    until(lambda: panel.story.state.curves.locked_dsc[1] == [0.8, 0.82, 0.84])
    assert not panel.idle.isVisible()
    assert panel.run_view.stop_button.isVisible()
    desk.training_event.emit(epoch(3, 0.85))
    until(lambda: panel.story.state.curves.locked_dsc[1] == [0.8, 0.82, 0.84, 0.85])


def test_what_is_told_while_the_past_is_read_counts_once(panel, desk, until, tmp_path):
    later = []
    desk.submit = later.append
    begin(panel, desk, until, run_of(tmp_path, started(), epoch(1, 0.82)))
    for event in (started(), epoch(1, 0.82), epoch(2, 0.84)):  # as a follower tells them
        desk.training_event.emit(event)
    until(lambda: panel.story.state.curves.epochs == 2)
    for act in later:
        act()
    until(lambda: panel.story.state.curves.locked_dsc == ([0.0, 1.0, 2.0], [0.8, 0.82, 0.84]))


def test_a_hidden_panel_draws_nothing_and_is_up_to_date_when_seen(panel, desk, until, tmp_path):
    begin(panel, desk, until, run_of(tmp_path, started()))
    until(lambda: panel.run_view.state is panel.story.state)
    drawn = []
    panel.run_view.show_run = lambda *args, **_options: drawn.append(args)
    panel.hide()
    step = StepFinished(
        epoch=1, step=1, steps_per_epoch=2, loss=0.5, samples_per_second=9.0, remaining_s=9.0
    )
    desk.training_event.emit(step)
    until(lambda: panel.story.state.last_step is not None and not panel._draw.is_pending)
    assert drawn == []
    panel.show()
    assert drawn


def test_keep_running_is_one_wish_in_two_places(panel, desk, tell, until, tmp_path):
    tell(panel, report=CLEAN)
    panel.idle.keep_check.click()
    assert desk.trainings.keep_running is True
    begin(panel, desk, until, run_of(tmp_path, started()))
    assert panel.run_view.keep_check.isChecked()
    panel.run_view.keep_check.click()
    assert desk.trainings.keep_running is False
    assert not panel.idle.keep_check.isChecked()


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("passed", "fine-tuned-1 is ready. The gate passed: see above."),
        ("failed", "fine-tuned-1 is ready. The gate failed: see above why."),
        ("not enough evidence", "fine-tuned-1 is ready. Too little evidence for the gate."),
    ],
)
def test_what_came_out_points_to_the_gate(
    panel, desk, until, tmp_path, monkeypatch, qtbot, outcome, words
):
    verdict = SimpleNamespace(outcome=gate.GateOutcome(outcome))
    monkeypatch.setattr(gate, "load_evidence", lambda path: path)
    monkeypatch.setattr(gate, "judge", lambda _evidence: verdict)
    versions = []
    panel.finished_version.connect(versions.append)
    begin(panel, desk, until, run_of(tmp_path, started()))
    for event in (
        BundleSaved(path="/b", version="fine-tuned-1", validation_dsc=0.85),
        GateMeasured(path=str(tmp_path / "gate.json")),
    ):
        desk.training_event.emit(event)
    desk.training_finished.emit(RunOutcome(RunReason.COMPLETED))
    until(lambda: panel.end.text.text() == words)
    assert versions == ["fine-tuned-1"]
    panel.end.gate_button.click()
    assert versions == ["fine-tuned-1", "fine-tuned-1"]
    assert panel.run_view.curves.dsc_chart.isVisible()


def test_a_crash_is_named_with_its_log_and_a_way_on(panel, desk, tell, until, tmp_path):
    begin(panel, desk, until, run_of(tmp_path, started()))
    desk.training_finished.emit(
        RunOutcome(RunReason.CRASHED, "It was ended by SIGKILL.", "Resume it.", "last words")
    )
    until(lambda: not panel.is_running)
    assert panel.fault.text == "It was ended by SIGKILL. Resume it."
    assert panel.fault.log == "last words"
    tell(panel, report=CLEAN, runs=(record("c"), record("b")))
    panel.show_next(Act.TRAIN)
    assert panel.end.resume_button.property("next")
    assert not panel.train_button.property("next")
    assert panel.end.older_fold.button.text() == "1 older run can be resumed"
    panel.end.resume_button.click()
    assert desk.calls == [("resume", "c")]
    assert panel.fault.text == ""
    assert panel.is_running


def test_a_run_that_can_go_on_is_offered_when_a_window_opens(panel, tell):
    tell(panel, report=CLEAN, runs=(record("c"),))
    assert "can go on from its last checkpoint" in panel.end.text.text()
    assert panel.end.can_resume
    tell(panel, report=CLEAN, runs=(record("c", "completed", can_resume=False),))
    assert not panel.end.can_resume
