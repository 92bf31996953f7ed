"""The worklist as a person uses it: keys, clicks, search, faults, next case."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from psygnal.qt import start_emitting_from_queue, stop_emitting_from_queue
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QWidget

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.worklist_row import WorklistRow
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.worklist_filter import Kind
from napari_brainseg.widgets.worklist_panel import WorklistPanel

SHAPE = (3, 32, 32)
PATIENTS = tuple(f"TEST_AB_000{n}_20200101" for n in range(1, 5))
BROKEN = "TEST_AB_0009_20200101"
KEYS = Qt.Key


def predict(study, bundle, **_options):
    mask = np.roll(study.truth.data, 2, axis=2)
    return Prediction(
        study.patient, mask.astype(np.float32), mask, np.zeros(mask.shape, np.float32),
        bundle.version, "CPU", "fake", {"total": 0.1},
    )  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """Four patients, a folder that cannot be read, and a table."""
    folder = tmp_path / "patients"
    for number, name in enumerate(PATIENTS):
        image = np.random.default_rng(number).integers(1, 255, (3, *SHAPE), dtype=np.uint8)
        mask = np.zeros(SHAPE, np.uint8)
        mask[1, 8:24, 8:24] = 1
        study = Study(name, ScalarVolume(image), LabelVolume(mask))
        write_patient(folder, name, study.image, mask, study.slice_numbers, durable=False)
    (folder / BROKEN).mkdir()
    (folder / "data.csv").write_text("Patient,age\nTEST_AB_0001,61\n", encoding="utf-8")
    return folder


@pytest.fixture
def desk(tmp_path, make_bundle):
    bundle = make_bundle("default")
    desk = Desk(
        Workspace(tmp_path / "workspace").create(),
        predictor=predict,
        bundled=lambda: (bundle,),
        preferences=Preferences(tmp_path / "preferences.json"),
    )
    desk.preferences.set(prefetch=False)
    start_emitting_from_queue(msec=5)
    yield desk
    desk.close()
    stop_emitting_from_queue()


@pytest.fixture
def asked():
    return []


@pytest.fixture
def panel(desk, qtbot, asked):
    panel = WorklistPanel(desk, asked.append, lambda: asked.append("folder?"))
    qtbot.addWidget(panel)
    panel.dress("dark")
    panel.resize(240, 700)
    panel.show()
    return panel


@pytest.fixture
def filled(panel, desk, root, qtbot):
    """Return the panel with the patients of `root`, the first one open."""
    desk.submit(lambda: desk.open(root)).result()
    qtbot.waitUntil(lambda: panel.model.open_patient == PATIENTS[0])
    qtbot.waitUntil(lambda: panel.survey.isHidden())
    return panel


def texts(widget: QWidget) -> str:
    """All that a person can read on labels and in tooltips."""
    labels = [label.text() for label in widget.findChildren(QLabel) if not label.isHidden()]
    return "\n".join(labels + [w.toolTip() for w in widget.findChildren(QWidget)])


def place(panel, patient):
    index = panel.model.index(panel.model.place(patient), 0)
    return panel.view.visualRect(index).center()


def test_an_empty_worklist_says_how_to_begin(panel, asked):
    assert panel.pages.currentWidget() is panel.empty
    assert "Drop a folder of patients here" in panel.empty.words.text()
    panel.show_next(Act.OPEN)
    assert panel.empty.open_button.property("next")
    panel.empty.open_button.click()
    assert asked == ["folder?"]
    assert not panel.batch.isVisible()
    panel.show_loading("scans")
    assert panel.empty.words.text() == "Opening scans…"
    assert not panel.empty.open_button.isEnabled()


def test_patients_appear_with_their_numbers_and_the_open_one_is_selected(filled):
    assert filled.model.shown == (*PATIENTS, BROKEN)
    assert filled.view.patient == PATIENTS[0]
    assert ">4&nbsp;new<" in filled.counts.text()
    assert ">1&nbsp;cannot&nbsp;be&nbsp;read<" in filled.counts.text()
    assert filled.model.column("attribute:age") > 0
    assert filled.view.thumbnails.pixmap(PATIENTS[1], 30, 2.0).width() == 60


def test_the_keyboard_searches_moves_and_opens(filled, asked):
    filled.focus_search()
    QTest.keyClicks(filled.search.field, "ab_0003")
    assert filled.model.shown == (PATIENTS[2],)
    QTest.keyClick(filled.search.field, KEYS.Key_Escape)
    assert filled.model.rowCount() == 5
    assert filled.view.patient == PATIENTS[0]
    QTest.keyClick(filled.search.field, KEYS.Key_Down)
    assert filled.focusWidget() is filled.view
    for key in (KEYS.Key_Down, KEYS.Key_Down, KEYS.Key_Return):
        QTest.keyClick(filled.view, key)
    assert asked == [PATIENTS[2]]
    QTest.keyClick(filled.view, KEYS.Key_Home)
    QTest.keyClick(filled.view, KEYS.Key_Up)
    assert filled.view.patient == PATIENTS[0]


def test_keys_of_the_picture_reach_it_through_the_list(filled, qtbot):
    heard = []

    class Window(QWidget):
        def keyPressEvent(self, event):
            heard.append(event.key())

    window = Window()
    qtbot.addWidget(window)
    filled.setParent(window)
    window.show()
    for key in (KEYS.Key_H, KEYS.Key_Left, KEYS.Key_Down):
        QTest.keyClick(filled.view, key)
    assert heard == [KEYS.Key_H, KEYS.Key_Left]
    assert filled.view.patient == PATIENTS[1]
    filled.setParent(None)


def test_the_tab_key_goes_from_the_search_to_the_list(filled):
    filled.focus_search()
    for _ in range(3):
        QTest.keyClick(filled.focusWidget(), KEYS.Key_Tab)
    assert filled.focusWidget() is filled.view


def test_a_double_click_opens(filled, asked):
    at = place(filled, PATIENTS[3])
    viewport, left = filled.view.viewport(), Qt.MouseButton.LeftButton
    QTest.mouseClick(viewport, left, pos=at)
    QTest.mouseDClick(viewport, left, pos=at)
    assert asked == [PATIENTS[3]]


def test_a_search_without_a_match_says_so_and_can_be_cleared(filled):
    filled.search.choose(Kind.NEW)
    filled.search.field.setText("zebra")
    assert filled.pages.currentWidget() is filled.no_match
    assert filled.no_match.words.text() == "No patient among “New” matches “zebra”."
    filled.no_match.clear_button.click()
    assert filled.pages.currentWidget() is filled.view
    assert filled.model.rowCount() == 5
    assert filled.view.patient == PATIENTS[0]


def test_a_click_on_a_number_shows_those_patients_and_another_one_all(filled):
    filled.counts.linkActivated.emit("faults")
    assert filled.model.shown == (BROKEN,)
    assert "underline" in filled.counts.text()
    assert filled.search.kinds.text() == "Cannot be read"
    filled.counts.linkActivated.emit("faults")
    assert filled.model.rowCount() == 5


def test_a_patient_that_cannot_be_read_tells_why_and_the_rest_goes_on(filled, asked):
    assert not filled.row_fault.isVisible()
    filled.view.select(BROKEN)
    assert filled.row_fault.isVisible()
    assert not filled.row_fault.message.isVisible()
    QTest.keyClick(filled.view, KEYS.Key_Return)
    assert asked == []
    assert filled.row_fault.message.isVisible()
    assert "is empty" in filled.row_fault.message.text()
    QTest.keyClick(filled.view, KEYS.Key_Up)
    assert not filled.row_fault.isVisible()
    QTest.keyClick(filled.view, KEYS.Key_Return)
    assert asked == [PATIENTS[3]]


def test_the_table_form_and_its_columns_are_kept(filled, desk, qtbot, monkeypatch):
    with qtbot.waitSignal(filled.wide_changed) as wide:
        filled.wide_button.click()
    assert wide.args == [True]
    view, model = filled.view, filled.model
    assert view.horizontalHeader().isVisible()
    monkeypatch.setattr(view, "sizeHintForColumn", lambda _column: 2000)
    view._fit_columns()
    assert view.columnWidth(0) <= view.fontMetrics().horizontalAdvance("n" * 34)
    assert not view.isColumnHidden(model.column("hd95"))
    assert view.isColumnHidden(model.column("attribute:age"))
    actions = {action.text(): action for action in view.column_menu().actions()}
    actions["age"].trigger()
    actions["HD95"].trigger()
    assert not view.isColumnHidden(model.column("attribute:age"))
    assert view.isColumnHidden(model.column("hd95"))

    again = WorklistPanel(desk, print, lambda: None)
    qtbot.addWidget(again)
    assert again.view.wide
    assert not again.view.isColumnHidden(model.column("attribute:age"))
    assert again.view.isColumnHidden(model.column("hd95"))
    head = view.horizontalHeader()
    at = QPoint(head.sectionViewportPosition(model.column("dsc")) + 5, 5)
    QTest.mouseClick(head.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert model.sorted_by == ("dsc", False)
    view.sort_by("dsc", downwards=True)
    assert filled.heading.text() == "Worklist"
    filled.toggle_wide()
    assert filled.heading.text() == "By DSC\u00a0↓"
    assert not view.horizontalHeader().isVisible()
    assert view.isColumnHidden(model.column("attribute:age"))


def test_a_patient_is_marked_from_the_menu_and_reopened(filled, desk, qtbot):
    def menu(patient):
        filled.view.menu_wanted.emit(patient, QPoint(5, 5))
        menu = QGuiApplication.instance().activePopupWidget()
        actions = {a.text().partition("\t")[0]: a for a in menu.actions()}
        marks = {a.text(): a for a in actions["Mark as"].menu().actions()}
        menu.close()
        return actions, marks

    for patient in PATIENTS[:2]:
        menu(patient)[1]["approved"].trigger()
        qtbot.waitUntil(lambda p=patient: filled.model.row(p).status == "approved")
    assert desk.case.status.value == "approved"
    menu(PATIENTS[1])[1]["in progress"].trigger()
    qtbot.waitUntil(lambda: filled.model.row(PATIENTS[1]).status == "in progress")
    actions, _ = menu(BROKEN)
    assert not actions["Open"].isEnabled()
    assert not actions["Predict now"].isEnabled()
    sorts = {a.text(): a for a in menu(PATIENTS[0])[0]["Sort by"].menu().actions()}
    assert sorts["Worklist order"].isChecked()
    sorts["Status"].trigger()
    assert filled.model.shown == (*PATIENTS[2:], PATIENTS[1], PATIENTS[0], BROKEN)
    menu(PATIENTS[0])[0]["Copy name"].trigger()
    assert QGuiApplication.clipboard().text() == PATIENTS[0]


def test_hidden_names_are_shown_nowhere(filled, desk, qtbot):
    desk.preferences.set(hide_identifiers=True)
    filled.view.select(BROKEN)
    filled.row_fault.fold.button.setChecked(True)
    qtbot.waitUntil(lambda: filled.next_case.suggestion is not None)
    shown = texts(filled).replace("\u200b", "")
    assert "TEST_AB" not in shown
    assert "Patient 5" in filled.row_fault.message.text()
    assert filled.next_case.patient.text() == "Patient 2"


def test_the_next_case_comes_with_its_reason(filled, desk, asked, qtbot):
    block = filled.next_case
    qtbot.waitUntil(lambda: block.patient.text() == "AB_0002")
    assert block.reason.text() == "Number 2 of 5 in the worklist"
    filled.show_next(Act.NEXT_PATIENT)
    assert block.next_button.property("next")
    assert block.next_button.toolTip() == "Open it (N)"
    block.next_button.click()
    assert asked == [PATIENTS[1]]
    index = block.strategy.findData("uncertainty")
    block.strategy.setCurrentIndex(index)
    block.strategy.activated.emit(index)
    assert desk.preferences.get("strategy") == "uncertainty"
    qtbot.waitUntil(lambda: block.reason.text() == "Not predicted yet")


def test_a_blind_share_is_kept_and_hides_the_figures_of_these_cases(filled, desk, qtbot):
    filled.batch.start_button.click()
    qtbot.waitUntil(lambda: filled.batch.words.text() == "4 of 4 predicted")
    qtbot.waitUntil(lambda: all(filled.model.row(p).dsc is not None for p in PATIENTS))
    filled.next_case.blind_share.setValue(20)
    assert "100 %" in filled.next_case.blind_words.text()
    qtbot.waitUntil(lambda: all(filled.model.row(p).dsc is None for p in PATIENTS))
    assert desk.preferences.get("blind_share") == 1.0


def test_another_folder_has_other_pictures_and_no_old_news(filled, desk, root, tmp_path, qtbot):
    filled.batch.start_button.click()
    qtbot.waitUntil(lambda: filled.batch.words.text() == "4 of 4 predicted")
    before = filled.view.thumbnails.pixmap(PATIENTS[0], 30, 1.0)
    other = tmp_path / "other" / PATIENTS[0]
    shutil.copytree(root / PATIENTS[0], other)
    shutil.copytree(root / PATIENTS[1], other.with_name(PATIENTS[1]))
    desk.submit(lambda: desk.open(other.parent)).result()
    qtbot.waitUntil(lambda: filled.model.rowCount() == 2)
    assert filled.batch.words.text() == ""
    qtbot.waitUntil(lambda: filled.view.thumbnails.pixmap(PATIENTS[0], 30, 1.0) is not None)
    assert filled.view.thumbnails.pixmap(PATIENTS[0], 30, 1.0) is not before


def test_a_root_that_is_gone_can_be_tried_again_and_the_rows_stay(filled, desk, root, qtbot):
    away = root.with_name("away")
    root.rename(away)
    filled.rescan()
    qtbot.waitUntil(lambda: filled.root_fault.isVisible())
    assert str(root) in filled.root_fault.text
    assert filled.model.rowCount() == 5
    away.rename(root)
    filled.root_fault.again_button.click()
    qtbot.waitUntil(lambda: not filled.root_fault.isVisible())


def test_selection_and_scroll_stay_when_rows_change_come_and_go(panel, desk, monkeypatch, qtbot):
    rows = [WorklistRow(f"P{i:03d}", Path(f"/p/{i}"), slices=9) for i in range(300)]
    monkeypatch.setattr(type(desk.worklist), "rows", property(lambda _self: tuple(rows)))
    monkeypatch.setattr(desk.worklist, "row", lambda p: next(r for r in rows if r.patient == p))
    desk.worklist.reset.emit()
    view = panel.view
    view.select("P150")
    view.verticalScrollBar().setValue(view.verticalScrollBar().value() + 40)
    top = view.rowViewportPosition(panel.model.place("P150"))

    rows[151] = replace(rows[151], dsc=0.5)
    desk.worklist.changed.emit(frozenset({"P151"}))
    panel.model.flush()
    assert panel.model.row("P151").dsc == 0.5
    del rows[:20]
    desk.worklist.reset.emit()
    assert view.patient == "P150"
    assert view.rowViewportPosition(panel.model.place("P150")) == top
    panel.search.field.setText("P02")
    assert view.patient == ""
    panel.search.field.setText("")
    assert view.patient == "P150"
    panel.model.sort(0, Qt.SortOrder.DescendingOrder)
    assert view.patient == "P150"
