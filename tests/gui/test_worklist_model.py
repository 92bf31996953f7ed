"""The worklist as a table: sorting, searching, counting, single changes, hidden names."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from psygnal import Signal
from qtpy.QtCore import Qt

from napari_brainseg.session.worklist_row import WorklistRow
from napari_brainseg.widgets.worklist_filter import Kind
from napari_brainseg.widgets.worklist_model import WorklistModel
from napari_brainseg.widgets.worklist_names import Names

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
ROOT = Path("/scans")


class FakeWorklist:
    changed = Signal(object)
    reset = Signal()

    def __init__(self, rows):
        self.show(rows)

    def show(self, rows):
        self.rows = tuple(rows)
        self.reset.emit()

    def row(self, patient):
        return next((r for r in self.rows if r.patient == patient), None)

    def put(self, *rows):
        new = {row.patient: row for row in rows}
        self.rows = tuple(new.get(row.patient, row) for row in self.rows)
        self.changed.emit(frozenset(new))


def patient(number, **facts):
    name = f"TCGA_CS_{number}_2001020{number}"
    return WorklistRow(name, ROOT / name, slices=20, **facts)


P1, P2, P3, P4, P5 = (f"TCGA_CS_{n}_2001020{n}" for n in range(1, 6))
ROWS = (
    patient(1, dsc=0.9, volume_vox=100, editor="Ann Reader", attributes={"age": "9"}),
    patient(2, status="in progress", attributes={"age": "70", "site": "frontal"}),
    patient(3, dsc=0.7, volume_vox=20, missing=("pre-contrast",), attributes={"age": "unknown"}),
    patient(4, fault=f"{ROOT}/{P4}/{P4}_7.tif is truncated.", hint=f"Copy {P4} again."),
    patient(5, status="approved", dsc=0.8, vanished=True, attributes={"age": "10"}),
)


@pytest.fixture
def worklist():
    return FakeWorklist(ROWS)


@pytest.fixture
def model(worklist, qtbot):
    return WorklistModel(worklist)


def cells(model, role=Qt.ItemDataRole.DisplayRole):
    return [
        str(model.data(model.index(row, column), role) or "")
        for row in range(model.rowCount())
        for column in range(model.columnCount())
    ]


@pytest.mark.parametrize(
    ("key", "ascending", "descending"),
    [
        ("dsc", (P3, P5, P1, P2, P4), (P1, P5, P3, P2, P4)),
        ("volume", (P3, P1, P2, P4, P5), (P1, P3, P2, P4, P5)),
        ("attribute:age", (P1, P5, P2, P3, P4), (P3, P2, P5, P1, P4)),
        ("editor", (P1, P2, P3, P4, P5), (P1, P2, P3, P4, P5)),
    ],
)
def test_rows_without_a_value_come_last_in_both_directions(model, key, ascending, descending):
    model.sort(model.column(key), UP)
    assert model.shown == ascending
    model.sort(model.column(key), DOWN)
    assert model.shown == descending
    model.sort(-1)
    assert model.shown == (P1, P2, P3, P4, P5)


def test_patients_sort_as_people_count(qtbot):
    names = ("P 10", "P 9", "p 100")
    model = WorklistModel(FakeWorklist(WorklistRow(name, ROOT / name) for name in names))
    model.sort(0, UP)
    assert model.shown == ("P 9", "P 10", "p 100")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("cs_2", (P2,)),
        ("ann", (P1,)),
        ("FRONTAL progress", (P2,)),
        ("progress ann", ()),
        ("truncated", (P4,)),
        ("pre-contrast", (P3,)),
        ("", (P1, P2, P3, P4, P5)),
    ],
)
def test_a_row_shows_that_holds_all_words(model, search, found):
    model.search_for(search)
    assert model.shown == found


def test_every_patient_is_counted_once_beside_the_missing_modalities(model):
    assert {kind: n for kind, n in model.counts.items() if n} == {
        Kind.ALL: 5, Kind.NEW: 2, Kind.IN_PROGRESS: 1, Kind.FAULTS: 1, Kind.VANISHED: 1,
        Kind.MISSING: 1,
    }  # fmt: skip
    for kind in Kind:
        model.show_kind(kind)
        assert model.rowCount() == model.counts[kind]


def test_a_change_touches_its_row_only_and_is_found_by_its_new_words(model, worklist, qtbot):
    told = []
    model.dataChanged.connect(lambda top, bottom: told.append((top.row(), bottom.row())))
    model.modelReset.connect(lambda: told.append("reset"))
    with qtbot.waitSignal(model.tallied):
        worklist.put(replace(ROWS[1], editor="Zoe"))
        worklist.put(replace(ROWS[1], editor="Zoe", status="corrected"))
    assert told == [(1, 1)]
    assert model.counts[Kind.CORRECTED] == 1
    model.search_for("zoe corrected")
    assert model.shown == (P2,)


def test_rows_come_and_go_with_the_kind_that_is_shown_but_the_open_one_stays(model, worklist):
    model.show_kind(Kind.NEW)
    model.set_open(P1)
    assert model.shown == (P1, P3)
    worklist.put(
        replace(ROWS[0], status="approved"),
        replace(ROWS[1], status="new"),
        replace(ROWS[2], status="approved"),
    )
    model.flush()
    assert model.shown == (P1, P2)
    assert model.counts[Kind.NEW] == 1


def test_hidden_names_are_nowhere_to_be_read_or_found(model):
    model.hide_names(True)
    roles = Qt.ItemDataRole
    for role in (roles.DisplayRole, roles.ToolTipRole, roles.AccessibleTextRole):
        assert not [text for text in cells(model, role) if "TCGA" in text or "CS_" in text]
    fault = cells(model, roles.ToolTipRole)[3 * model.columnCount()]
    assert "/scans/Patient 4/Patient 4_7.tif is truncated." in fault
    model.search_for("cs_2")
    assert model.shown == ()
    model.search_for("patient 2")
    assert model.shown == (P2,)
    model.hide_names(False)
    model.search_for("cs_2")
    assert model.shown == (P2,)


def test_figures_of_blind_cases_are_not_shown_and_do_not_sort(model, worklist):
    model.set_blind(frozenset({P1}))
    model.sort(model.column("dsc"), DOWN)
    assert model.shown == (P5, P3, P1, P2, P4)
    assert "0.900" not in cells(model)
    worklist.put(replace(ROWS[0], dsc=0.95))
    model.flush()
    assert "0.950" not in cells(model)
    model.set_blind(frozenset())
    assert "0.950" in cells(model)


def test_short_names_leave_out_what_tells_nothing():
    names = Names([P1, P2])
    assert (names.short(P1), names.full(P1)) == ("CS_1", P1)
    people = Names(["TCGA_CS_4941_19960909", "TCGA_DU_5849_19950405"])
    assert people.short("TCGA_CS_4941_19960909") == "CS_4941"
    twice = Names(["TCGA_CS_4941_19960909", "TCGA_CS_4941_19970101"])
    assert twice.short("TCGA_CS_4941_19960909") == "CS_4941_19960909"
    assert Names(["Jane"]).short("Jane") == "Jane"


def test_ten_thousand_rows_are_filtered_at_once(qtbot):
    rows = [
        WorklistRow(
            f"SITE_{i:05d}", ROOT / str(i), editor="Ann" if i % 2 else None,
            attributes={"location": "frontal", "age": str(i % 90)},
        )
        for i in range(10_000)
    ]  # fmt: skip
    model = WorklistModel(FakeWorklist(rows))
    took = []
    for search in ("ann", "frontal 77", "site_01"):
        start = time.perf_counter()
        model.search_for(search)
        took.append(time.perf_counter() - start)
    assert model.rowCount() == 1000
    assert min(took) < 0.2


def test_pseudonymous_patients_are_called_by_their_names_unless_those_are_hidden() -> None:
    from napari_brainseg.widgets.worklist_names import Names

    first, second, other = "PT-aa_20240312", "PT-aa_20240601b", "PT-bb_20240312"
    people = {first: "Phantom, Paula", second: "Phantom, Paula"}

    names = Names((first, second, other), people=people)

    assert names.short(first) == "Phantom, Paula, 2024-03-12"
    assert names.short(second) == "Phantom, Paula, 2024-06-01b"
    assert names.short(other).endswith("bb_20240312")
    assert names.full(first) == "Phantom, Paula (PT-aa_20240312)"
    assert Names((first, other), people=people).short(first) == "Phantom, Paula"
    hidden = Names((first, second), hidden=True, people=people)
    assert "Paula" not in hidden.short(first) + hidden.full(first)
