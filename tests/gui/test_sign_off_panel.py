"""The sign-off panel by itself, with a real desk behind it."""

from __future__ import annotations

import numpy as np
import pytest
from psygnal.qt import start_emitting_from_queue, stop_emitting_from_queue
from qtpy.QtCore import Qt

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.manifest import read_manifest
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.sign_off_panel import SignOffPanel

A, B = "TEST_AB_0001_20200101", "TEST_AB_0002_20200101"
SHAPE = (6, 32, 32)
WAIT_MS = 20_000


@pytest.fixture
def desk(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 8:16, 8:16] = 1
    for patient in (A, B):
        image = rng.integers(1, 255, (3, *SHAPE), dtype=np.uint8)
        write_patient(tmp_path / "root", patient, image, mask, range(1, 7), durable=False)
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)
    made = Desk(preferences=preferences)
    made.open(tmp_path / "root")
    made.editor = "Ada"
    yield made
    made.close()


@pytest.fixture
def went():
    return []


@pytest.fixture
def panel(qtbot, desk, went):
    start_emitting_from_queue(msec=5)
    made = SignOffPanel(desk, went.append)
    made.resize(300, 400)
    qtbot.addWidget(made)
    made.show()
    yield made
    stop_emitting_from_queue()


@pytest.fixture
def checked(qtbot, desk, panel):
    """A correction is there, and what the checks find is on show."""
    desk.start_correction("truth")
    qtbot.waitUntil(lambda: panel.is_checked, timeout=WAIT_MS)
    return panel


def settle(qtbot, panel, status):
    qtbot.waitUntil(
        lambda: panel.desk.case.status.value == status and panel.is_checked, timeout=WAIT_MS
    )


def click(qtbot, widget):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def shown(panel):
    return sum(button.isVisible() for button in panel.findings.buttons)


def lines(desk):
    return read_manifest(desk.workspace.training_set)


def test_nothing_can_be_approved_without_a_correction(qtbot, panel):
    qtbot.waitUntil(lambda: panel.is_checked, timeout=WAIT_MS)
    assert not panel.export_button.isEnabled()
    assert not panel.ask_action.isEnabled()
    assert panel.reject_action.isEnabled()
    assert "can be added to the training set" in panel.hint.text()


def test_each_finding_has_a_way_to_its_slice(qtbot, checked, went):
    (message,) = checked.findings.messages
    assert message == "4 slices with or beside a lesion not looked at: 2\u20135."
    (button,) = checked.findings.buttons
    qtbot.waitUntil(button.isVisible, timeout=WAIT_MS)
    assert button.text() == "Go there"
    click(qtbot, button)
    assert went == [1]


def test_findings_follow_the_brush(qtbot, desk, checked):
    correction = desk.case.correction
    correction.data[0, 30, 30] = 1
    correction.commit()
    qtbot.waitUntil(lambda: len(checked.findings.messages) == 2, timeout=WAIT_MS)
    assert "Island of 1 voxel in slice 1." in checked.findings.messages
    correction.undo()
    qtbot.waitUntil(lambda: len(checked.findings.messages) == 1, timeout=WAIT_MS)


def test_many_findings_are_folded(qtbot, desk, checked):
    correction = desk.case.correction
    correction.data[0, 30, ::4] = 1
    correction.commit()
    qtbot.waitUntil(lambda: len(checked.findings.messages) == 9, timeout=WAIT_MS)
    # New lines appear with the next turn of the event loop.
    qtbot.waitUntil(lambda: shown(checked) == 4, timeout=WAIT_MS)
    assert checked.findings.fold.button.text() == "5 more"
    click(qtbot, checked.findings.fold.button)
    qtbot.waitUntil(lambda: shown(checked) == 9, timeout=WAIT_MS)


def test_approving_in_spite_of_findings_says_so_and_keeps_them(qtbot, desk, checked):
    assert checked.export_button.text() == "Approve anyway"
    checked.note.setText("seen elsewhere")
    click(qtbot, checked.export_button)
    settle(qtbot, checked, "approved")
    (entry,) = lines(desk)
    assert entry.note == "seen elsewhere"
    assert entry.findings == ("4 slices with or beside a lesion not looked at: 2\u20135.",)
    assert checked.state_line.text().startswith("Approved by Ada, ")
    assert checked.state_line.text().endswith(": seen elsewhere")
    assert "read back, equal" in checked.result.text()
    assert checked.waiting.text() == "1 correction waits for training."
    assert not checked.export_button.isEnabled()
    qtbot.waitUntil(checked.folder_button.isVisible, timeout=WAIT_MS)
    assert checked.note.text() == ""


def test_what_was_not_shown_yet_is_shown_first(qtbot, desk, panel):
    desk.start_correction("truth")
    panel.refresh()
    panel.export()
    qtbot.waitUntil(lambda: bool(panel.findings.messages), timeout=WAIT_MS)
    assert desk.case.status.value == "in progress"
    assert lines(desk) == ()
    assert panel.export_button.text() == "Approve anyway"


def test_without_findings_one_press_is_enough(qtbot, desk, panel):
    desk.start_correction("empty")
    correction = desk.case.correction
    correction.data[...] = desk.case.truth
    correction.commit()
    see_all(desk)
    panel.export()
    settle(qtbot, panel, "approved")
    assert lines(desk)[0].findings == ()


def see_all(desk):
    from napari_brainseg.session.seen import SeenSlices

    seen = SeenSlices(desk.catalogue, desk.case.id, SHAPE[0])
    for z in range(SHAPE[0]):
        seen.mark(z)
    seen.save()


def test_rejecting_asks_for_the_reason(qtbot, desk, checked):
    checked.reject_action.trigger()
    assert checked.note.isVisible()
    assert checked.confirm_button.text() == "Reject"
    assert not checked.export_button.isEnabled()
    click(qtbot, checked.confirm_button)
    qtbot.waitUntil(lambda: "no reason" in checked.fault.text, timeout=WAIT_MS)
    checked.note.setText("motion artefacts")
    qtbot.keyClick(checked.note, Qt.Key.Key_Return)
    settle(qtbot, checked, "rejected")
    assert ": motion artefacts" in checked.state_line.text()
    assert not checked.export_button.isEnabled()
    assert not checked.confirm_button.isVisible()
    assert checked.findings.isHidden()
    checked.reopen_action.trigger()
    settle(qtbot, checked, "in progress")
    assert checked.export_button.isEnabled()


def test_a_question_can_be_taken_back(qtbot, desk, checked):
    checked.ask_action.trigger()
    assert checked.confirm_button.text() == "Ask a second reader"
    click(qtbot, checked.cancel_button)
    assert not checked.confirm_button.isVisible()
    assert not checked.note.isVisible()
    assert desk.case.status.value == "in progress"
    assert desk.review.reviews() == ()


def test_the_first_reader_waits_for_the_second(qtbot, desk, checked):
    checked.ask_action.trigger()
    checked.note.setText("oedema?")
    click(qtbot, checked.confirm_button)
    settle(qtbot, checked, "second reader")
    assert "Ada asks for a second reader" in checked.state_line.text()
    assert not checked.export_button.isEnabled()
    assert "another person must approve" in checked.hint.text()
    desk.editor = "Grace"
    qtbot.waitUntil(lambda: checked.export_button.isEnabled(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: checked.is_checked, timeout=WAIT_MS)
    click(qtbot, checked.export_button)
    settle(qtbot, checked, "approved")
    assert checked.state_line.text().startswith("Approved by Grace as second reader of Ada, ")
    assert len(checked.state_line.toolTip().splitlines()) == 2


def test_a_failed_export_is_told_and_can_be_tried_again(qtbot, desk, checked, monkeypatch):
    def refuse(*_args, **_options):
        raise DataError("The disk is full.", "Make space.")

    with monkeypatch.context() as patch:
        patch.setattr(desk.review, "approve", refuse)
        click(qtbot, checked.export_button)
        qtbot.waitUntil(lambda: bool(checked.fault.text), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: checked.is_checked, timeout=WAIT_MS)
    assert checked.fault.text == "The disk is full. Make space."
    assert desk.case.status.value == "in progress"
    click(qtbot, checked.export_button)
    settle(qtbot, checked, "approved")
    assert not checked.fault.text


def test_another_patient_begins_anew(qtbot, desk, checked):
    checked.note.setText("half a thought")
    checked.reject_action.trigger()
    desk.select(B)
    qtbot.waitUntil(lambda: checked.is_checked and not checked.note.text(), timeout=WAIT_MS)
    assert not checked.confirm_button.isVisible()
    assert checked.findings.isHidden()
    assert not checked.export_button.isEnabled()


def test_the_next_act_fills_the_button(panel):
    panel.show_next(Act.EXPORT)
    assert panel.export_button.property("next")
    panel.show_next(Act.WAIT)
    assert not panel.export_button.property("next")


def test_nothing_is_cut_off_in_a_narrow_dock(qtbot, checked):
    assert checked.minimumSizeHint().width() <= 300
