"""The worklist as a table for Qt's views: sorted and filtered, one row a patient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, QTimer
from qtpy.QtCore import Signal as QtSignal

from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.worklist_columns import (
    Column,
    attribute_columns,
    columns,
    sorted_by,
)
from napari_brainseg.widgets.worklist_filter import Kind, haystack, is_kind, tally
from napari_brainseg.widgets.worklist_names import Names
from napari_brainseg.widgets.worklist_words import spoken, tip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qtpy.QtCore import QObject

    from napari_brainseg.session.worklist import Worklist
    from napari_brainseg.session.worklist_row import WorklistRow

_NO_FIGURES: dict[str, Any] = dict.fromkeys(
    ("volume_vox", "volume_ml", "dsc", "hd95", "hd95_unit", "uncertainty", "disagreement")
)

__all__ = ["ROW_ROLE", "WorklistModel"]

ROW_ROLE = Qt.ItemDataRole.UserRole
"""Gives the `WorklistRow` of an index."""
_GATHER_MS = 30
"""Changes that come within this time are shown together."""
_SINGLE = 64
"""Most rows that change, come or go one by one; with more, all are drawn anew."""


class WorklistModel(QAbstractTableModel):
    """Rows of a worklist, of which those that fit the search are shown.

    Parameters
    ----------
    worklist : Worklist
        Followed as long as this model lives.
    hide_names : bool
        Patients by number instead of name.
    """

    tallied = QtSignal()
    """The numbers of `counts` may have changed."""

    def __init__(
        self, worklist: Worklist, *, hide_names: bool = False, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.worklist = worklist
        self.columns: tuple[Column, ...] = columns()
        self.names = Names(hidden=hide_names)
        self.open_patient = ""
        self.predicting = ""
        self._known: dict[str, WorklistRow] = {}
        self._rows: dict[str, WorklistRow] = {}
        self._blind: frozenset[str] = frozenset()
        self._texts: dict[str, str] = {}
        self._ranks: dict[str, int] = {}
        self._shown: list[str] = []
        self._places: dict[str, int] | None = None
        self._counts: Mapping[str, int] = {}
        self._words: tuple[str, ...] = ()
        self._kind: str = Kind.ALL
        self._sorted: tuple[str, bool] | None = None
        self._stale: set[str] = set()
        self._gathering = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._gathering.timeout.connect(self.flush)
        ties = Subscriptions(self)
        ties.add(worklist.changed, self._on_changed)
        ties.add(worklist.reset, self.reload)
        self.reload()

    # what views ask ---------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 -- as Qt has it
        """How many patients are shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """How many columns there are, hidden ones too."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says, explains or holds."""
        if not index.isValid():
            return None
        row = self._rows[self._shown[index.row()]]
        if role == ROW_ROLE:
            return row
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.names.full(row.patient) if index.column() == 0 else column.text(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(row, self.names)
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == 0:
            return spoken(row, self.names, is_open=row.patient == self.open_patient)
        if role == Qt.ItemDataRole.TextAlignmentRole and column.is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the title of a column, and what it means."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.title(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.columns[section].tip
        if role == Qt.ItemDataRole.TextAlignmentRole and self.columns[section].is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; rows without a value come last in both directions.

        Parameters
        ----------
        column : int
            A negative one stands for the order of the worklist.
        order : Qt.SortOrder
            Ascending or descending.
        """
        wanted = None
        if 0 <= column < len(self.columns):
            wanted = (self.columns[column].key, order == Qt.SortOrder.DescendingOrder)
        self._sorted = wanted
        self._renew()

    # what panels ask --------------------------------------------------------------------------

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of rows of each `Kind`, whatever is searched for."""
        return self._counts

    @property
    def shown(self) -> tuple[str, ...]:
        """Patients that are shown, from top to bottom."""
        return tuple(self._shown)

    @property
    def search(self) -> str:
        """Words that rows are searched for."""
        return " ".join(self._words)

    @property
    def sorted_by(self) -> tuple[str, bool] | None:
        """Key of the column that rows are sorted by and whether downwards; `None`: as listed."""
        return self._sorted

    @property
    def kind(self) -> str:
        """Kind of the rows that are shown."""
        return self._kind

    def row(self, patient: str) -> WorklistRow | None:
        """Return what is known of a patient, shown or not."""
        return self._rows.get(patient)

    def patient(self, place: int) -> str:
        """Return the patient of a shown row, empty beyond the last."""
        return self._shown[place] if 0 <= place < len(self._shown) else ""

    def place(self, patient: str) -> int:
        """Return the shown row of a patient, -1 if it is not shown."""
        if self._places is None:
            self._places = {p: i for i, p in enumerate(self._shown)}
        return self._places.get(patient, -1)

    def title(self, number: int) -> str:
        """Title of a column, with an arrow where the rows are sorted by it."""
        column = self.columns[number]
        if self._sorted is None or self._sorted[0] != column.key:
            return column.title
        return f"{column.title}\u00a0{'↓' if self._sorted[1] else '↑'}"

    def column(self, key: str) -> int:
        """Return the number of a column, -1 if there is none of that key."""
        return next((i for i, c in enumerate(self.columns) if c.key == key), -1)

    # changes ----------------------------------------------------------------------------------

    def search_for(self, text: str) -> None:
        """Show the rows that hold all words of a text; all rows for an empty one."""
        words = tuple(text.casefold().split())
        if words != self._words:
            self._words = words
            self._renew()

    def show_kind(self, kind: str) -> None:
        """Show the rows of one `Kind` only."""
        if kind != self._kind:
            self._kind = kind
            self._renew()

    def hide_names(self, hidden: bool) -> None:
        """Show numbers instead of names, or names again."""
        if hidden != self.names.hidden:
            self.names = _names_of(self._rows, hidden=hidden)
            self._texts.clear()
            self._renew()

    def set_open(self, patient: str) -> None:
        """Mark the patient that is open; empty for none."""
        before, self.open_patient = self.open_patient, patient
        self._tell({before, patient})

    def set_predicting(self, patient: str) -> None:
        """Mark the patient that is being predicted; empty for none."""
        if patient != self.predicting:
            before, self.predicting = self.predicting, patient
            self._tell({before, patient})

    def set_blind(self, patients: frozenset[str]) -> None:
        """Keep the figures of patients that are read without the prediction to itself."""
        before, self._blind = self._blind, patients
        differing = (before ^ patients) & self._known.keys()
        if differing:
            self._rows.update({p: self._shaded(self._known[p]) for p in differing})
            self._tell(differing)

    def reload(self) -> None:
        """Take all rows anew from the worklist."""
        self._gathering.stop()
        self._stale.clear()
        self.beginResetModel()
        rows = {row.patient: row for row in self.worklist.rows}
        # A number may be another patient's now.
        kept = {} if self.names.hidden else self._texts
        self._texts = {p: t for p, t in kept.items() if rows.get(p) is self._known[p]}
        self._known = rows
        self._rows = {p: self._shaded(row) for p, row in rows.items()}
        self.names = _names_of(rows, hidden=self.names.hidden)
        self.columns = (*columns(), *attribute_columns(rows.values()))
        self._order()
        self._filter()
        self.endResetModel()
        self._count()

    def flush(self) -> None:
        """Show the changes that were gathered, without waiting for more."""
        self._gathering.stop()
        stale, self._stale = self._stale, set()
        changed = set()
        for patient in stale & self._rows.keys():
            row = self.worklist.row(patient)
            if row is not None and row is not self._known[patient]:
                self._known[patient] = row
                self._rows[patient] = self._shaded(row)
                self._texts.pop(patient, None)
                changed.add(patient)
        if not changed:
            return
        shown = {p for p in changed if self._fits(p) or p == self.open_patient}
        gone = [p for p in changed - shown if self.place(p) >= 0]
        come = [p for p in shown if self.place(p) < 0 and self._fits(p)]
        if len(gone) + len(come) > _SINGLE:
            self._renew()
        else:
            for patient in gone:
                self._take_out(patient)
            if come:
                self._order()
            for patient in come:
                self._put_in(patient)
            self._tell(changed)
        self._count()

    # inside -----------------------------------------------------------------------------------

    def _on_changed(self, patients: Iterable[str]) -> None:
        self._stale.update(patients)
        if not self._gathering.isActive():
            self._gathering.start()

    def _renew(self) -> None:
        self.beginResetModel()
        self._order()
        self._filter()
        self.endResetModel()

    def _order(self) -> None:
        order: Iterable[str] = self._rows
        number = -1 if self._sorted is None else self.column(self._sorted[0])
        if self._sorted is not None and number >= 0:
            value = self.columns[number].value
            keys = {p: value(row) for p, row in self._rows.items()}
            if number == 0 and self.names.hidden:
                keys = {p: self.names.number(p) for p in keys}
            order = sorted_by(keys, downwards=self._sorted[1])
        self._ranks = {p: i for i, p in enumerate(order)}

    def _filter(self) -> None:
        self._shown = [p for p in self._ranks if self._fits(p)]
        self._places = None

    def _fits(self, patient: str) -> bool:
        row = self._rows[patient]
        if not is_kind(row, self._kind):
            return False
        if not self._words:
            return True
        text = self._texts.get(patient)
        if text is None:
            text = self._texts[patient] = haystack(row, self.names)
        return all(word in text for word in self._words)

    def _shaded(self, row: WorklistRow) -> WorklistRow:
        return replace(row, **_NO_FIGURES) if row.patient in self._blind else row

    def _take_out(self, patient: str) -> None:
        place = self.place(patient)
        self.beginRemoveRows(QModelIndex(), place, place)
        del self._shown[place]
        self._places = None
        self.endRemoveRows()

    def _put_in(self, patient: str) -> None:
        rank = self._ranks[patient]
        place = sum(1 for p in self._shown if self._ranks[p] < rank)
        self.beginInsertRows(QModelIndex(), place, place)
        self._shown.insert(place, patient)
        self._places = None
        self.endInsertRows()

    def _tell(self, patients: Iterable[str]) -> None:
        last = len(self.columns) - 1
        places = sorted(place for patient in patients if (place := self.place(patient)) >= 0)
        if len(places) > _SINGLE:
            self.dataChanged.emit(self.index(places[0], 0), self.index(places[-1], last))
            return
        for place in places:
            self.dataChanged.emit(self.index(place, 0), self.index(place, last))

    def _count(self) -> None:
        self._counts = tally(self._rows.values())
        self.tallied.emit()


def _names_of(rows: Mapping[str, WorklistRow], *, hidden: bool) -> Names:
    people = {patient: row.person for patient, row in rows.items() if row.person}
    return Names(rows, hidden=hidden, people=people)
