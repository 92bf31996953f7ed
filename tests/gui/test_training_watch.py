"""The watch behind the Training panel, on a real desk: findings, plan, and how long a run takes."""

from __future__ import annotations

import threading

import pytest

from napari_brainseg.core.imaging import CancelledError, ConfigError
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.expected_time import ExpectedTime
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.widgets.training_watch import TrainingWatch

TOOK = ExpectedTime(prepare_s=2.0, step_s=0.5, steps=100, expected_s=52.0, memory_mb=900.0)


class Measurement:
    """Measures as long as it is let, unless it is called off."""

    def __init__(self, answer=TOOK):
        self.answer = answer
        self.begun, self.go_on, self.off = (threading.Event() for _ in range(3))
        self.configs = []

    def __call__(self, config):
        self.configs.append(config)
        return self

    def measure(self):
        self.begun.set()
        while not self.go_on.wait(0.01):
            if self.off.is_set():
                raise CancelledError("Called off.")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def cancel(self):
        self.off.set()


@pytest.fixture
def desk(tmp_path, root, make_bundle):
    """Give a desk with one approved correction."""
    bundled = make_bundle("default")
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)
    desk = Desk(
        Workspace(tmp_path / "workspace").create(), bundled=lambda: (bundled,),
        preferences=preferences,
    )  # fmt: skip
    desk.editor = "A. Tester"
    desk.open(root)
    desk.start_correction("truth")
    desk.export()
    yield desk
    desk.close()


@pytest.fixture
def watching(desk, qtbot):
    """Make a watch and the list of what it finds."""
    made = []

    def watch(measurement=None):
        it = TrainingWatch(desk, measurement)
        made.append(it)
        found = []
        it.found.connect(found.append)
        return it, found

    yield watch
    for it in made:
        it.close()


@pytest.fixture
def until(qtbot):
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=60_000)


def test_what_is_known_at_once_comes_first_and_findings_last(watching, until):
    watch, found = watching()
    watch.ask({"epochs": 3})
    until(lambda: found and found[-1].checked)
    assert found[0].waiting == 1
    assert found[0].report is None
    last = found[-1]
    assert last.plan.config.epochs == 3
    assert last.report.corrections == last.report.new_corrections
    assert len(last.report.corrections) == 1
    assert last.report.needs_expert
    assert last.plan.is_new_locked
    assert last.bundled == last.current
    assert last.fault is None


def test_a_plan_that_does_not_hold_is_a_finding(watching, until):
    watch, found = watching()
    watch.ask({"epochs": 0})
    until(lambda: found and found[-1].checked)
    assert found[-1].plan is None
    assert not found[-1].report.can_start


def test_a_step_is_measured_once_for_the_same_run(watching, until):
    measurement = Measurement()
    measurement.go_on.set()
    watch, found = watching(measurement)
    watch.ask({}, measure=True)
    until(lambda: found and found[-1].time == "known")
    assert found[-1].report.expected_s == 52.0
    assert found[-2].time == "measuring"
    found.clear()
    watch.ask({}, measure=True)
    until(lambda: found and found[-1].checked)
    assert found[-1].report.expected_s == 52.0
    assert len(measurement.configs) == 1


def test_a_measurement_is_called_off_when_something_else_is_asked(watching, until):
    measurement = Measurement()
    watch, found = watching(measurement)
    watch.ask({}, measure=True)
    assert measurement.begun.wait(60)
    watch.ask({"epochs": 2})
    until(lambda: found[-1].checked and found[-1].plan.config.epochs == 2)
    assert measurement.off.is_set()
    assert found[-1].time == "unknown"


def test_a_machine_that_cannot_tell_lets_the_run_start(watching, until):
    measurement = Measurement(ConfigError("No trainer here."))
    measurement.go_on.set()
    watch, found = watching(measurement)
    watch.ask({}, measure=True)
    until(lambda: found and found[-1].time == "unmeasurable")
    assert found[-1].report.can_start
    assert found[-1].report.expected_s is None


def test_who_cannot_be_locked_is_said(watching, until):
    watch, found = watching()
    refused = []
    watch.refused.connect(refused.append)
    watch.ask({}, lock_more=True)
    until(lambda: found and found[-1].checked)
    assert refused[0].message == "No patients are locked yet."
