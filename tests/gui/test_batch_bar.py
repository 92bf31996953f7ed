"""Prediction of all patients: how far, how long, pause, stop, and what could not be predicted."""

from __future__ import annotations

import pytest
from psygnal import Signal

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.batch import BatchState
from napari_brainseg.widgets.batch_bar import BatchBar, time_left
from napari_brainseg.widgets.worklist_names import Names

AT_WORK = BatchState(done=12, total=98, running=True, current="A_2", seconds_left=250.0)


class FakeBatch:
    changed = Signal(object)
    state = BatchState()

    def __init__(self):
        self.calls = []

    def start(self, patients=None, *, with_disagreement=False):
        self.calls.append(("start", patients, with_disagreement))

    def pause(self):
        self.calls.append("pause")

    def resume(self):
        self.calls.append("resume")

    def cancel(self):
        self.calls.append("cancel")


@pytest.fixture
def batch():
    return FakeBatch()


@pytest.fixture
def bar(batch, qtbot):
    bar = BatchBar(batch, lambda act: act(), lambda: Names(["A_1", "A_2"], hidden=True))
    qtbot.addWidget(bar)
    bar.show()
    return bar


def test_a_click_predicts_all_in_order(bar, batch):
    assert not bar.pause_button.isVisible()
    bar.start_button.click()
    assert batch.calls == [("start", None, False)]


def test_the_mirrored_view_is_predicted_where_cases_are_ordered_by_it(batch, qtbot):
    bar = BatchBar(batch, lambda act: act(), needs_disagreement=lambda: True)
    qtbot.addWidget(bar)
    bar.start_button.click()
    assert batch.calls == [("start", None, True)]


def test_it_tells_how_far_it_is_and_who_is_at_work(bar, batch, qtbot):
    with qtbot.waitSignal(bar.predicting) as at_work:
        batch.changed.emit(AT_WORK)
    assert at_work.args == ["A_2"]
    assert bar.words.text() == "12 of 98, about 4 min left"
    assert (bar.progress.value(), bar.progress.maximum()) == (12, 98)
    assert not bar.start_button.isVisible()
    bar.pause_button.click()
    assert batch.calls == ["pause"]
    with qtbot.waitSignal(bar.predicting) as at_work:
        batch.changed.emit(BatchState(done=13, total=98, running=True, paused=True))
    assert at_work.args == [""]
    assert bar.words.text() == "Paused at 13 of 98"
    bar.pause_button.click()
    bar.cancel_button.click()
    assert batch.calls == ["pause", "resume", "cancel"]
    batch.changed.emit(BatchState(done=13, total=98, cancelled=True))
    assert bar.words.text() == "Stopped at 13 of 98"
    assert bar.start_button.isVisible()


def test_what_could_not_be_predicted_is_listed_and_leads_to_the_row(bar, batch, qtbot):
    failed = {"A_1": DataError("A_1 has no FLAIR.", "Add it.")}
    batch.changed.emit(BatchState(done=2, total=2, failed=failed))
    assert bar.words.text() == "1 of 2 predicted"
    assert bar.faults.button.text() == "1 could not be predicted"
    bar.faults.button.click()
    assert bar.fault_list.isVisible()
    shown = bar.fault_list.text().replace('href="A_1"', "")
    assert "Patient 1 has no FLAIR. Add it." in shown
    assert "A_1" not in shown
    with qtbot.waitSignal(bar.fault_chosen) as chosen:
        bar.fault_list.linkActivated.emit("A_1")
    assert chosen.args == ["A_1"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (2, "5 s"), (38, "40 s"), (70, "1 min"), (3500, "58 min"), (7800, "2 h 10 min")],
)
def test_time_left_is_rough(seconds, words):
    assert time_left(seconds) == words
