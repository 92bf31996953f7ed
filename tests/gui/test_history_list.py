"""The list of actions: what it says, what is in force, and the way back."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_brainseg.core.editing import Tool
from napari_brainseg.session.correction_start import CorrectionStart
from napari_brainseg.widgets.history_list import HistoryList
from napari_brainseg.widgets.history_model import ACTION, SLICE, TIME, VOXELS, HistoryModel
from napari_brainseg.widgets.tool_words import tool_word


@dataclass(frozen=True)
class Record:
    """As `StrokeRecord`."""

    number: int
    tool: str = "brush"
    first_slice: int = 3
    last_slice: int = 3
    slice_index: int = 3
    added: int = 10
    removed: int = 0
    seconds: float = 2.0
    editor: str = "Ada"
    created: float = 0.0
    state: str = "done"


class FakeCorrection:
    history_changed = Signal()
    id, base, base_version = 1, "prediction", "v3"

    def __init__(self, *records: Record) -> None:
        self.records = records

    @property
    def meter(self) -> Any:
        return SimpleNamespace(strokes=sum(r.state == "done" for r in self.records))

    def actions(self) -> tuple[Record, ...]:
        return self.records

    def go_to(self, number: int) -> None:
        self.records = tuple(
            replace(r, state="done" if r.number <= number else "undone") for r in self.records
        )
        self.history_changed.emit()


class FakeDesk:
    opened = Signal(object)
    closed = Signal()
    correction_started = Signal(object)
    status_changed = Signal(str)
    catalogue = None
    case: Any = None

    def submit(self, act: Any) -> None:
        act()

    def open(self, correction: FakeCorrection | None) -> None:
        self.case = SimpleNamespace(correction=correction)
        self.opened.emit(self.case)


class FakeView:
    shown = Signal()

    def __init__(self, desk: FakeDesk) -> None:
        self.slices: list[int] = []
        self.editor = SimpleNamespace(
            is_painting=False, go_to=lambda number: desk.case.correction.go_to(number)
        )

    def go_to(self, slice_index: int) -> None:
        self.slices.append(slice_index)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def shown(qtbot: Any, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> HistoryList:
    monkeypatch.setattr(
        "napari_brainseg.session.correction_start.correction_start",
        lambda _catalogue, _id: CorrectionStart("Ada", time.time()),
    )
    made = HistoryList(desk, FakeView(desk))  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.resize(300, 260)
    desk.open(
        FakeCorrection(
            Record(1, created=time.time()),
            Record(2, "adaptive brush", 4, 6, 5, added=1200, removed=34),
            Record(3, "eraser", added=0, removed=7, slice_index=8, first_slice=8, last_slice=8),
        )
    )
    made.show()
    made.fold.button.setChecked(True)
    qtbot.waitUntil(lambda: made.model.rowCount() == 4)
    return made


def texts(model: HistoryModel, row: int) -> list[str]:
    return [model.index(row, column).data() for column in (ACTION, SLICE, VOXELS, TIME)]


def slanted(model: HistoryModel) -> list[int]:
    font = Qt.ItemDataRole.FontRole
    return [r for r in range(model.rowCount()) if model.index(r, 0).data(font).italic()]


def test_rows_say_what_was_done_where_and_when(shown: HistoryList) -> None:
    assert texts(shown.model, 0)[0].startswith("From v3, Ada ")
    assert "prediction v3" in shown.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    first = texts(shown.model, 1)
    assert first[:3] == ["Brush", "4", "+10"]
    assert ":" in first[3]
    assert texts(shown.model, 2) == ["Adaptive brush", "5–7", "+1\u2009200 −34", "1 Jan"]
    assert texts(shown.model, 3)[1:3] == ["9", "−7"]
    assert "Slice 5–7" in shown.model.index(2, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert shown.fold.button.text() == "History (3)"
    assert shown.table.currentIndex().row() == 3


def test_a_click_goes_there_and_shows_its_slice(shown: HistoryList, qtbot: Any) -> None:
    place = shown.table.visualRect(shown.model.index(1, ACTION)).center()
    QTest.mouseClick(shown.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: shown.model.current_row == 1)
    assert shown._view.slices == [3]
    assert slanted(shown.model) == [2, 3]
    assert shown.model.rowCount() == 4
    assert shown.table.currentIndex().row() == 1


def test_keys_go_there_too_and_the_first_row_is_the_start(shown: HistoryList, qtbot: Any) -> None:
    for _ in range(3):
        QTest.keyClick(shown.table, Qt.Key.Key_Up)
    assert shown.model.current_row == 3
    QTest.keyClick(shown.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.model.current_row == 0)
    assert slanted(shown.model) == [1, 2, 3]
    assert shown._view.slices == []
    QTest.keyClick(shown.table, Qt.Key.Key_Down)
    QTest.keyClick(shown.table, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: shown.model.current_row == 1)


def test_nothing_jumps_while_a_stroke_is_drawn(shown: HistoryList) -> None:
    shown._view.editor.is_painting = True
    shown.go_to(1)
    assert shown.model.current_row == 3
    assert shown._view.slices == []


def test_the_list_follows_the_case(shown: HistoryList, desk: FakeDesk, qtbot: Any) -> None:
    first = desk.case.correction
    desk.open(FakeCorrection(Record(1)))
    qtbot.waitUntil(lambda: shown.model.rowCount() == 2)
    first.go_to(0)
    desk.open(None)
    assert not shown.isVisible()
    assert shown.model.rowCount() == 1
    desk.open(first)
    qtbot.waitUntil(lambda: shown.model.rowCount() == 4)
    assert shown.model.current_row == 0


def test_out_of_sight_it_costs_nothing_and_catches_up(
    shown: HistoryList, desk: FakeDesk, qtbot: Any
) -> None:
    shown.fold.button.setChecked(False)
    correction = desk.case.correction
    correction.records += (Record(4),)
    correction.history_changed.emit()
    qtbot.waitUntil(lambda: shown.fold.button.text() == "History (4)")
    assert shown.model.rowCount() == 4
    shown.fold.button.setChecked(True)
    qtbot.waitUntil(lambda: shown.model.rowCount() == 5)


def test_what_was_painted_over_has_no_row() -> None:
    model = HistoryModel()
    model.show_actions([Record(1), Record(2, state="undone"), Record(3, state="undone")])
    assert (model.rowCount(), model.current_row) == (4, 1)
    model.show_actions(
        [Record(1), Record(2, state="discarded"), Record(3, state="discarded"), Record(4)]
    )
    assert [model.number(row) for row in range(model.rowCount())] == [0, 1, 4]
    assert model.current_row == 2


def test_a_stroke_more_is_one_row_more(qtbot: Any) -> None:
    model = HistoryModel()
    records = [Record(n) for n in range(1, 10_001)]
    model.show_actions(records)
    told: list[tuple[int, int]] = []
    model.rowsInserted.connect(lambda _parent, first, last: told.append((first, last)))
    with qtbot.assertNotEmitted(model.modelReset), qtbot.assertNotEmitted(model.rowsRemoved):
        model.show_actions([*records, Record(10_001)])
    assert told == [(10_001, 10_001)]
    assert model.current_row == 10_001


def test_editors_are_named_where_there_are_several() -> None:
    model = HistoryModel()
    model.show_actions([Record(1), Record(2, editor="Bob")])
    assert [texts(model, row)[0] for row in (1, 2)] == ["Brush (Ada)", "Brush (Bob)"]


def test_every_tool_has_a_word() -> None:
    assert all(tool_word(tool)[0].isupper() for tool in Tool)
    assert tool_word("magic wand") == "Magic wand"
