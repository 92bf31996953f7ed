"""The effort page: read in a worker, tables and plot of the same cases, and the file."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.effort import EffortRow
from napari_brainseg.session.effort_comparison import EffortRatio
from napari_brainseg.widgets.effort_view import EffortView
from napari_brainseg.widgets.effort_words import Figure, comparison_text, figure_text, marks

if TYPE_CHECKING:
    from pathlib import Path


def row(patient: str, version: str | None = "v1", **facts: object) -> EffortRow:
    given = {
        "patient": patient, "model_version": version, "editor": "Ada", "seconds": 60.0,
        "strokes": 2, "voxels_added": 30, "voxels_removed": 4, "tools": {"brush": 2},
        "status": "corrected", "created": 0.0, **facts,
    }  # fmt: skip
    return EffortRow(**given)  # type: ignore[arg-type]


ROWS = (
    row("TCGA_CS_1111", seconds=200.0, strokes=12),
    row("TCGA_DU_2222", seconds=100.0, strokes=30, voxels_added=5000),
    row("TCGA_HT_3333", "v2", seconds=20.0, strokes=3),
    row("TCGA_HT_4444", None, base="truth", strokes=1),
    row("TCGA_HT_5555", "v2", strokes=0, status="in progress"),
)


class FakeDesk:
    opened = Signal(object)
    closed = Signal()
    corrected = Signal(object)
    status_changed = Signal(str)
    models_changed = Signal()
    catalogue = "a catalogue"
    worklist = SimpleNamespace(rows=())

    def __init__(self) -> None:
        self.rows: tuple[EffortRow, ...] = ROWS
        self.fault: DataError | None = None
        self.threads: list[str] = []
        self.preferences = _Preferences()

    def effort(self, catalogue: object) -> tuple[EffortRow, ...]:
        assert catalogue == self.catalogue
        self.threads.append(threading.current_thread().name)
        if self.fault is not None:
            raise self.fault
        return self.rows

    def submit(self, act: Any) -> None:
        worker = threading.Thread(target=act, name="worker")
        worker.start()
        worker.join()


class _Preferences:
    changed = Signal(str)
    hide = False

    def get(self, name: str) -> object:
        assert name == "hide_identifiers"
        return self.hide


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    made = FakeDesk()
    monkeypatch.setattr("napari_brainseg.session.effort.effort", made.effort)
    return made


@pytest.fixture
def view(qtbot: Any, desk: FakeDesk) -> EffortView:
    from psygnal.qt import start_emitting_from_queue

    start_emitting_from_queue(msec=10)
    made = EffortView(desk)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.resize(310, 700)
    return made


@pytest.fixture
def shown(view: EffortView, qtbot: Any) -> EffortView:
    view.show()
    qtbot.waitUntil(lambda: bool(view.rows), timeout=20_000)
    return view


def column(view: EffortView, number: int) -> list[str]:
    model = view.table.model()
    return [model.index(r, number).data() for r in range(model.rowCount())]


def test_it_is_read_in_a_worker_and_only_when_looked_at(
    view: EffortView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.models_changed.emit()
    assert desk.threads == []
    view.show()
    qtbot.waitUntil(lambda: bool(view.rows), timeout=20_000)
    assert desk.threads == ["worker"]
    desk.rows = ROWS[:1]
    desk.corrected.emit(None)
    qtbot.waitUntil(lambda: len(view.rows) == 1, timeout=20_000)


def test_tables_show_cases_that_were_begun_and_medians(shown: EffortView) -> None:
    assert column(shown, 0) == ["CS_1111", "DU_2222", "HT_3333", "HT_4444"]
    assert column(shown, 1) == ["3:20", "1:40", "0:20", "1:00"]
    assert column(shown, 3) == ["34", "5\u2009004", "34", "34"]
    tree = shown.versions
    found = [
        [tree.topLevelItem(r).text(c) for c in range(4)] for r in range(tree.topLevelItemCount())
    ]
    assert found == [
        ["v1, 2 cases", "", "", ""],
        ["Median", "2:30", "21", "2\u2009519"],
        ["v2, 1 case", "", "", ""],
        ["Median", "0:20", "3", "34"],
        ["Ground truth, 1 case", "", "", ""],
        ["Median", "1:00", "1", "34"],
    ]
    tip = shown.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "Started from: v1" in tip
    assert "Brush: 2" in tip
    assert not shown.empty.isVisible()


def test_numbers_are_sorted_as_numbers(shown: EffortView) -> None:
    shown.table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert column(shown, 0)[0] == "DU_2222"
    shown.table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert column(shown, 0)[0] == "HT_3333"


def test_the_plot_has_the_figure_that_was_chosen(shown: EffortView) -> None:
    v1, truth = ("v1", "prediction"), (None, "truth")
    assert shown.plot.points[v1] == pytest.approx([200 / 60, 100 / 60])
    assert "minutes" in shown.plot.caption.text()
    shown.figure.setCurrentIndex(shown.figure.findData(Figure.STROKES))
    assert shown.plot.points[v1] == [12, 30]
    assert shown.plot.points[truth] == [1]
    assert shown.plot.caption.text().startswith("Strokes of each case")


def test_cases_stand_in_the_order_begun_and_a_change_of_version_is_marked(
    view: EffortView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.rows = (
        *(row(f"A{n}", strokes=20 + n) for n in range(6)),
        row("T", None, base="truth"),
        *(row(f"B{n}", "v2", strokes=5 + n % 2) for n in range(5)),
        row("A6", strokes=20),
    )
    view.show()
    qtbot.waitUntil(lambda: bool(view.rows), timeout=20_000)
    plot = view.plot
    assert plot.places["v1", "prediction"] == [1, 2, 3, 4, 5, 6, 13]
    assert plot.places["v2", "prediction"] == [8, 9, 10, 11, 12]
    # Ground truth is no version.
    assert plot.changes == [7.5, 12.5]
    view.figure.setCurrentIndex(view.figure.findData(Figure.STROKES))
    assert view.comparison.text().startswith("v1 needed 4.40 × the strokes of v2 (medians of 7 and")
    assert view.comparison.text().endswith("More work.")
    view.figure.setCurrentIndex(view.figure.findData(Figure.SECONDS))
    assert "The interval holds 1: no difference is shown." in view.comparison.text()


def test_few_cases_are_too_few_to_tell(shown: EffortView, desk: FakeDesk, qtbot: Any) -> None:
    assert shown.comparison.text() == "v2: 1 case, v1: 2 cases. Too few to tell; each needs 5."
    desk.rows = ROWS[:2]
    desk.corrected.emit(None)
    qtbot.waitUntil(lambda: len(shown.rows) == 2, timeout=20_000)
    assert not shown.comparison.isVisible()


def test_no_sentence_contradicts_its_figures() -> None:
    facts = {
        "earlier": "v1", "later": "v2", "earlier_cases": 12, "later_cases": 9,
        "earlier_median": 10.0, "later_median": 8.0,
    }  # fmt: skip
    for interval, end in (
        ((0.6, 0.94), "Less work."),
        ((0.6, 0.997), "no difference is shown."),
        ((1.004, 1.5), "no difference is shown."),
        ((1.1, 1.5), "More work."),
    ):
        found = EffortRatio(**facts, ratio=0.8, interval=interval)
        assert comparison_text(found, Figure.STROKES).endswith(end)
    text = comparison_text(EffortRatio(**facts, ratio=0.8, interval=(0.6, 1.1)), Figure.STROKES)
    assert text == (
        "v2 needed 0.80 × the strokes of v1 (medians of 9 and 12 cases, 95 % interval 0.60 to "
        "1.10). The interval holds 1: no difference is shown."
    )
    text = comparison_text(EffortRatio(**facts, ratio=None, interval=None), Figure.STROKES)
    assert text == "v2: 8, v1: 10 (medians of 9 and 12 cases); no ratio can be told."


def test_before_anything_was_corrected_it_says_what_will_be_here(
    view: EffortView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.rows = ROWS[4:]
    view.show()
    qtbot.waitUntil(lambda: bool(desk.threads), timeout=20_000)
    assert view.empty.isVisible()
    assert "Nothing was corrected" in view.empty.text()
    for widget in (view.table, view.save_button, view.versions):
        assert not widget.isVisible()


def test_saving_says_where_and_a_fault_stands_in_the_page(
    shown: EffortView, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "effort.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(path), ""))
    shown.save_button.click()
    qtbot.waitUntil(lambda: str(path) in shown.saved.text(), timeout=20_000)
    assert path.read_text(encoding="utf-8").count("TCGA_") == 4
    assert shown.saved.isVisible()
    (tmp_path / "file").write_text("")
    shown.save(tmp_path / "file" / "effort.csv")
    qtbot.waitUntil(shown.fault.isVisible, timeout=20_000)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: ("", ""))
    shown.save_button.click()


def test_a_catalogue_that_cannot_be_read_is_a_fault_in_the_page(
    view: EffortView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.fault = DataError("The catalogue is damaged.", "Restore a copy.")
    view.show()
    qtbot.waitUntil(view.fault.isVisible, timeout=20_000)


def test_hidden_names_stay_hidden(shown: EffortView, desk: FakeDesk) -> None:
    desk.preferences.hide = True
    desk.preferences.changed.emit("hide_identifiers")
    assert column(shown, 0) == ["Patient 1", "Patient 2", "Patient 3", "Patient 4"]
    assert "CS_1111" not in shown.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_signs_differ_in_colour_or_shape() -> None:
    starts = [(f"v{n}", "prediction") for n in range(12)]
    assert len({(m.colour, m.shape) for m in marks(starts).values()}) == 12
    first, second = list(marks(starts).values())[:2]
    assert first.colour != second.colour
    assert first.shape != second.shape


def test_times_and_counts_are_written_short() -> None:
    assert figure_text(Figure.SECONDS, 59.6) == "1:00"
    assert figure_text(Figure.READING, 3725) == "1:02:05"
    assert figure_text(Figure.STROKES, 14.5) == "14.5"
    assert figure_text(Figure.VOXELS, 1234) == "1\u2009234"
