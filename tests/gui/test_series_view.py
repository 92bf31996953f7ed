"""The table of series by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_brainseg.core.formats import StudyFolder
from napari_brainseg.core.imaging import Modality, SeriesInfo, StudyFormat
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.series_view import SeriesView

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST


def series(key, text, role=None, **facts):
    return SeriesInfo(key, text, (Path(text),), role, "description says so", 20, "TE 9 ms", **facts)


SERIES = (
    series("1", "localizer"),
    series("2", "t2_tirm_tra_dark-fluid", FLAIR),
    series("3", "t1_se_tra", PRE),
    series("4", "t1_se_tra KM", POST),
    series("5", "t1_se_cor KM", POST),
    series("6", "Tumour", is_mask=True),
)
ROLES = {PRE: "3", FLAIR: "2", POST: "4"}


@pytest.fixture
def view(qtbot):
    made = SeriesView()
    made.resize(300, 500)
    qtbot.addWidget(made)
    made.show_series(SERIES, ROLES, "6")
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(view, key, word):
    """Pick a role from the box of a series."""
    box = view.rows[key].box
    box.setFocus()
    box.setCurrentIndex(box.findText(word))
    box.activated.emit(box.currentIndex())


def shown(view):
    return {key: row.box.currentText() for key, row in view.rows.items()}


def test_it_shows_what_was_recognised(view):
    assert shown(view) == {
        "2": "FLAIR",
        "3": "Pre-contrast",
        "4": "Post-contrast",
        "5": "Not used",
        "6": "Ground truth",
        "1": "Not used",
    }
    assert "20 slices" in view.rows["2"].facts.text()
    assert "Description says so" in view.rows["2"].why.text()
    assert not view.missing.isVisible()
    assert not view.use_button.isEnabled()


def test_a_role_is_taken_from_the_series_that_had_it(view, qtbot):
    choose(view, "5", "Post-contrast")
    assert shown(view)["4"] == "Not used"
    assert view.roles == {**ROLES, POST: "5"}
    assert view.use_button.isEnabled()
    with qtbot.waitSignal(view.chosen) as told:
        view.use_button.click()
    assert told.args == [{**ROLES, POST: "5"}, "6"]


def test_nothing_is_told_before_the_button(view, qtbot):
    with qtbot.assertNotEmitted(view.chosen, wait=20):
        choose(view, "5", "FLAIR")


def test_back_to_how_it_was_is_no_change(view):
    choose(view, "5", "Post-contrast")
    choose(view, "4", "Post-contrast")
    assert not view.use_button.isEnabled()


def test_masks_are_truth_or_nothing(view):
    box = view.rows["6"].box
    assert [box.itemText(n) for n in range(box.count())] == ["Not used", "Ground truth"]
    choose(view, "6", "Not used")
    assert view.truth == ""
    assert view.roles == ROLES


def test_what_is_missing_is_said(view):
    choose(view, "2", "Not used")
    assert "No FLAIR: if one of these is, choose it." in view.missing.text()
    choose(view, "2", "FLAIR")
    choose(view, "3", "Not used")
    assert view.missing.text() == "No pre-contrast: FLAIR stands in for it."
    view.show_series(SERIES, {FLAIR: "2", POST: "4"}, "6")
    assert view.missing.text() == "", "the panel of the study says what the files lack"


def test_without_any_series_there_is_nothing_to_use(view):
    for key in ("2", "3", "4"):
        choose(view, key, "Not used")
    assert not view.use_button.isEnabled()


def test_as_recognised(view, qtbot):
    with qtbot.waitSignal(view.reset):
        view.reset_button.click()


def test_the_same_again_keeps_a_choice_in_the_making(view):
    choose(view, "5", "Post-contrast")
    view.show_series(SERIES, dict(ROLES), "6")
    assert view.is_changed
    view.show_series(SERIES, {FLAIR: "2"}, "")
    assert not view.is_changed
    assert view.roles == {FLAIR: "2"}


def test_a_patient_that_is_not_open(view):
    folder = StudyFolder(
        Path("a"), "x", (), (), (), (), StudyFormat.DICOM, SERIES, ((FLAIR, "5"),), ""
    )
    view.show_folder(folder)
    assert view.roles == {FLAIR: "5"}
    assert view.truth == ""


def test_others_are_folded_away_but_there_when_something_is_missing(view):
    fold = view.findChild(Fold)
    assert fold.button.text() == "1 other series"
    assert not fold.button.isChecked()
    view.show_series(SERIES, {PRE: "3"}, "")
    assert view.findChildren(Fold)[-1].button.isChecked()


def test_the_list_is_as_high_as_its_rows(view, qtbot):
    view.show_series((*SERIES[:2], SERIES[2], series("7", "T1 +C", POST)), {**ROLES, POST: "7"})
    area = view.findChild(QScrollArea)
    before = area.height()
    assert area.verticalScrollBar().maximum() == 0
    view.findChildren(Fold)[-1].button.click()
    qtbot.waitUntil(lambda: area.height() > before)


def test_the_wheel_scrolls_and_changes_no_role(view):
    box = view.rows["2"].box
    box.setFocus()
    centre = QPointF(box.rect().center())
    event = QWheelEvent(
        centre, QPointF(box.mapToGlobal(box.rect().center())), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(box, event)
    assert box.currentText() == "FLAIR"


def test_by_keyboard(view, qtbot):
    row = view.rows["5"]
    row.box.setFocus()
    QTest.keyClick(row.box, Qt.Key.Key_P)
    assert view.roles[PRE] == "5" or view.roles[POST] == "5"
    assert row.box.accessibleName() == "Role of t1_se_cor KM"


def test_nothing_is_wider_than_the_dock(view):
    assert view.minimumSizeHint().width() <= 300
    content = next(iter(view.rows.values()))
    assert content.minimumSizeHint().width() <= 285


def test_hundreds_of_series_stay_usable(view):
    many = tuple(series(f"9.{n}", f"perf {n}") for n in range(400))
    view.show_series((*SERIES, *many), ROLES, "6")
    assert len(view.rows) == 5 + 200
    assert view.findChildren(Fold)[-1].button.text() == "401 other series"
