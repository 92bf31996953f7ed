"""The Models tab: a run with its curves, its crash, its result, and the way back."""

from __future__ import annotations

import os
import signal

import pytest
from qtpy.QtWidgets import QSpinBox

from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.widgets.config_form import ConfigForm
from napari_brainseg.widgets.training_settings import FILLED_IN


@pytest.fixture
def ready(window):
    """A window with one exported correction, on its Models tab."""
    window.open()
    window.correct()
    window.drag((8, 8), (8, 14))
    window.approve()
    window.dock.tabs.setCurrentIndex(2)
    window.wait(lambda: window.dock.training.outlook.checked)
    # One correction is few, and too few patients are left for the gate.
    window.dock.training.idle.preflight.anyway.click()
    window.wait(lambda: window.dock.training.train_button.isEnabled())
    window.wait(lambda: window.dock.models.versions)
    return window


def name_run(window, name):
    window.dock.training.form.fields["name"].setText(name)


def test_without_corrections_the_panel_teaches(window):
    window.dock.tabs.setCurrentIndex(2)
    window.wait(lambda: window.dock.models.versions)
    training = window.dock.training
    assert "None is waiting" in training.idle.hint.text()
    assert not training.train_button.isEnabled()


def test_a_run_ends_beside_the_model_in_use_and_can_be_taken_into_use(ready):
    training, models = ready.dock.training, ready.dock.models
    assert training.idle.hint.text() == "1 correction trains, 1 new."
    assert "Trains on 1 corrected patient" in training.idle.plan_text.toolTip()

    training.train_button.click()
    ready.wait(lambda: training.story.state.curves.locked_dsc[1] == [0.7, 0.85])
    ready.wait(lambda: not training.is_running and "against" in models.comparison.text())

    assert training.story.state.curves.loss == ([0.5], [0.6])
    compared = models.comparison.text()
    assert compared.startswith("0.850 against 0.700 in use (+0.150), mean DSC on the same ")
    assert "locked patient" in compared
    base, new = (version.version for version in models.versions)
    assert [models.tree.state_of(name) for name in (base, new)] == ["in use, bundled", "new"]
    assert models.selected.version == new
    # No gate was measured: nothing urges anybody, and whoever uses it says why.
    assert not models.use_button.property("next")
    assert "was not measured against" in models.gate.missing.text()
    models.use_button.click()
    models.bar.reason_field.text.setText("A phantom of this test")
    models.bar.reason_field.accept.click()
    ready.wait(lambda: ready.desk.registry.current_version == ready.candidate.version)
    ready.wait(lambda: models.back_button.isEnabled())
    assert ready.candidate.version in ready.dock.predict.model.text()
    models.back_button.click()
    ready.wait(lambda: ready.desk.registry.current_version != ready.candidate.version)


def test_a_worse_version_is_called_so_and_not_urged(ready, monkeypatch):
    monkeypatch.setenv("FAKE_TRAINER_DSC", "0.65")
    models = ready.dock.models
    ready.dock.training.train_button.click()
    ready.wait(lambda: "against" in models.comparison.text())
    assert models.comparison.text().startswith("Worse: 0.650 against 0.700 in use (−0.050)")
    assert models.use_button.isEnabled()
    assert not models.use_button.property("next")


def test_a_crash_is_told_with_the_last_words_and_can_be_resumed(ready):
    training = ready.dock.training
    name_run(ready, "crashes")
    training.train_button.click()
    ready.wait(lambda: training.fault.text and training.end.resume_button.isVisible())
    assert "exit code 3" in training.fault.text
    assert "Segmentation fault in a library" in training.fault.log
    assert training.end.resume_button.property("next")

    training.end.resume_button.click()
    ready.wait(lambda: ready.dock.models.candidate is not None)
    assert training.fault.text == ""
    ready.wait(lambda: not training.end.resume_button.isVisible())


def test_a_killed_trainer_leaves_the_window_alive(ready):
    training = ready.dock.training
    name_run(ready, "waits")
    training.train_button.click()
    ready.wait(lambda: training.story.state.started and ready.desk.trainer.pid)
    ready.wait(lambda: (ready.desk.trainer.run_dir / "checkpoints" / "last.pt").exists())
    os.kill(ready.desk.trainer.pid, signal.SIGKILL)
    ready.wait(lambda: training.fault.text and training.end.resume_button.isVisible())
    assert "SIGKILL" in training.fault.text
    ready.dock.tabs.setCurrentIndex(0)
    ready.drag((16, 8), (16, 14))
    assert ready.desk.case.correction.meter.strokes == 2


def test_a_run_shows_how_far_it_is_and_can_be_stopped(ready):
    training = ready.dock.training
    name_run(ready, "waits")
    training.form.fields["epochs"].setValue(3)
    training.train_button.click()
    view = training.run_view
    ready.wait(lambda: "left" in view.how_far.text())
    assert view.stage.text() == "Epoch 1 of 3"
    assert view.how_far.text() == "17\u202f%, 12 s left"
    facts = view.facts.text().replace("\u00a0", " ")
    assert facts == "CPU · 9.0 slices/s · processor 1.8 cores · memory 1.5 GB"
    assert not training.form.isVisible()
    view.stop_button.click()
    assert not view.stop_button.isEnabled()
    ready.wait(lambda: not training.is_running)
    assert training.end.text.text() == "Stopped in epoch 1."
    ready.wait(lambda: training.end.resume_button.isVisible())


def test_a_run_that_cannot_start_says_why(window):
    window.dock.training.start()
    window.wait(lambda: window.dock.training.fault.text)
    assert "holds no corrections" in window.dock.training.fault.text
    assert not window.dock.training.is_running


def test_the_form_is_made_from_the_config(qtbot):
    form = ConfigForm(("epochs",), FILLED_IN, {"epochs": 5, "learning_rate": 3e-4})
    qtbot.addWidget(form)
    assert {*form.fields, *FILLED_IN} == set(RunConfig.model_fields)
    assert form.changes() == {}
    assert form.value("epochs") == 5
    assert form.value("steps_per_epoch") is None
    assert "Passes over the data" in form.fields["epochs"].toolTip()
    assert not form.more.content.isVisible()

    epochs = form.fields["epochs"]
    assert isinstance(epochs, QSpinBox)
    epochs.setValue(-4)
    form.fields["steps_per_epoch"].setValue(12)
    form.fields["learning_rate"].setValue(1e-3)
    form.fields["augmentation"].setCurrentText("none")
    changes = form.changes()
    assert changes == {
        "epochs": 1,
        "steps_per_epoch": 12,
        "learning_rate": 0.001,
        "augmentation": "none",
    }
    RunConfig.model_validate(changes)
    assert form.fields["learning_rate"].text() == "0.001"
