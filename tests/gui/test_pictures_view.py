"""Pictures from the window: what is offered, how far it is, where it went."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting.root_pictures import MadePictures
from napari_brainseg.core.reporting.study_pictures import PictureKind
from napari_brainseg.session.pictures import PictureState
from napari_brainseg.widgets.picture_choices import PictureChoices
from napari_brainseg.widgets.pictures_view import PicturesView

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "TEST_AB_0001_20200101"


@pytest.fixture
def choices(qtbot):
    made = PictureChoices()
    qtbot.addWidget(made)
    return made


@pytest.fixture(autouse=True)
def _priority(monkeypatch):
    """Draw at once, also beside the other tests."""
    monkeypatch.setattr("napari_brainseg.session.background_loop.lower_priority", lambda: None)


def case_with(**masks):
    study = SimpleNamespace(missing_modalities=("pre-contrast",))
    there = {"truth": None, "prediction": None, "correction": None, **masks}
    return SimpleNamespace(study=study, **there)


def test_nothing_can_be_drawn_before_there_is_a_patient(choices):
    assert not choices.can_draw
    choices.set_patients(3)
    choices.set_case(None)
    assert choices.everyone.isChecked()
    assert choices.can_draw
    assert "3 patients" in choices.everyone.text()


def test_a_chart_is_of_all_patients(choices, tmp_path):
    choices.set_case(case_with())
    choices.set_patients(3)
    assert PictureKind.CHART not in choices.chosen
    choices.everyone.setChecked(True)
    choices.as_archive.setChecked(True)
    choices.kinds[PictureKind.OVERLAY].setChecked(False)
    wish = choices.wish(tmp_path / "a.zip")
    assert wish.kinds == (
        PictureKind.TRIPTYCH, PictureKind.GIF, PictureKind.SHEET, PictureKind.CHART
    )  # fmt: skip
    assert (wish.everyone, wish.archive) == (True, True)
    for box in choices.kinds.values():
        box.setChecked(False)
    assert not choices.can_draw


def test_the_modalities_are_those_of_the_patient(choices):
    choices.set_case(case_with())
    assert [choices.modality.itemText(n) for n in range(2)] == ["FLAIR", "post-contrast"]
    choices.modality.setCurrentIndex(1)
    choices.set_case(case_with(truth=1))
    assert choices.modality.currentText() == "post-contrast", "her choice stays"
    assert choices.masks.text() == "Outlines of this patient: ground truth green."
    choices.set_case(case_with())
    assert "no mask yet" in choices.masks.text()


def test_pictures_from_the_window(window, qtbot, tmp_path, monkeypatch):
    view = PicturesView(window.desk, lambda: 2)
    qtbot.addWidget(view)
    view.show()
    assert not view.draw_button.isEnabled()
    window.open()
    window.predict()
    window.wait(lambda: "prediction" in view.choices.masks.text())
    window.wait(lambda: "3 patients" in view.choices.everyone.text())
    for kind in (PictureKind.OVERLAY, PictureKind.GIF, PictureKind.SHEET):
        view.choices.kinds[kind].setChecked(False)
    out = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    view.draw_button.click()
    window.wait(lambda: view.folder_button.isVisible())

    assert [path.name for path in (out / FIRST).iterdir()] == [f"{FIRST}_triptych.png"]
    assert str(out) in view.result.text().replace("\u200b", "")
    assert not view.progress.isVisible()

    view.choices.everyone.setChecked(True)
    view.choices.as_archive.setChecked(True)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "all"), ""))
    view.choose()
    window.wait(lambda: (tmp_path / "all.zip").is_file() and not view.export.state.running)
    window.wait(lambda: "of 3 patients" in view.result.text())
    assert "Without any mask" not in view.result.text(), "they have ground truth"

    view.copy_button.click()
    window.wait(lambda: not QApplication.clipboard().image().isNull())
    assert QApplication.clipboard().image().width() > 400
    assert "clipboard" in view.result.text()


def test_what_is_told(window, qtbot, tmp_path: Path):
    view = PicturesView(window.desk)
    qtbot.addWidget(view)
    view.show()
    assert not view.copy_button.isVisible(), "nobody said which slice is on show"

    view.show_state(PictureState(running=True, done=1, total=3, patient="B", share=0.4))
    assert view.result.text() == "Drawing patient 2 of 3"
    assert view.progress.value() == 400
    assert view.stop_button.isVisible()
    assert not view.draw_button.isVisible()

    view.show_state(PictureState(cancelled=True, total=3))
    assert "Stopped" in view.result.text()
    assert view.draw_button.isVisible()

    view.show_state(PictureState(error=DataError("The disk is full.", "Make room.")))
    assert view.fault.text == "The disk is full. Make room."
    view.fault.clear()

    nothing = MadePictures(folder=tmp_path, faults={"A": DataError("A is broken.")})
    view.show_state(PictureState(done=1, total=1, made=nothing))
    assert not view.result.isVisible()
    assert "A is broken." in view.fault.text
    view.fault.clear()

    window.open()
    window.desk.preferences.set(hide_identifiers=True)
    made = MadePictures(files=2, patients=[FIRST], unmarked=[FIRST], folder=tmp_path)
    made.faults["TEST_AB_0002_20200101"] = DataError("TEST_AB_0002_20200101 is broken.")
    view.show_state(PictureState(done=2, total=2, made=made))
    assert "Without any mask, drawn as they are: Patient 1." in view.result.text()
    assert "Could not be drawn: Patient 2. Patient 2 is broken." in view.fault.text
    assert view.folder_button.isVisible()
