"""Cases of an effect review as a table: looked at, patient, why, fair change of its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont

from napari_brainseg.widgets.effect_words import change_text, figures_text, kind_text
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.session.effect_review import EffectReview

__all__ = ["CHANGE", "KIND", "PATIENT", "SEEN", "EffectModel"]

SEEN, PATIENT, KIND, CHANGE = range(4)
"""Columns."""


class EffectModel(QAbstractTableModel):
    """Rows are the cases of a review; none without one."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._review: EffectReview | None = None
        self._names = Names()

    def show_review(self, review: EffectReview | None, names: Names | None = None) -> None:
        """List the cases of another review; `names` tell what patients are called."""
        self.beginResetModel()
        self._review = review
        self._names = Names() if names is None else names
        self.endResetModel()

    def refresh(self) -> None:
        """Follow signs and figures."""
        rows = self.rowCount()
        if rows:
            self.dataChanged.emit(self.index(0, SEEN), self.index(rows - 1, CHANGE))

    def rowCount(self, _parent: QModelIndex | None = None) -> int:
        """Count the cases."""
        return 0 if self._review is None else len(self._review.cases)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return CHANGE + 1

    def headerData(
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Name a column."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return ("", self.tr("Patient"), self.tr("Why"), self.tr("Change"))[section]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Tell a cell."""
        review = self._review
        if review is None or not index.isValid():
            return None
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(review, row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(review, row)
        if role == Qt.ItemDataRole.FontRole and row == review.index:
            font = QFont()
            font.setBold(True)
            return font
        if role == Qt.ItemDataRole.AccessibleTextRole and column == SEEN:
            return self.tr("looked at") if review.is_seen(row) else self.tr("not looked at")
        return None

    def _text(self, review: EffectReview, row: int, column: int) -> str:
        case = review.cases[row]
        if column == SEEN:
            return "✓" if review.is_seen(row) else ""
        if column == PATIENT:
            return self._names.short(case.patient)
        if column == KIND:
            return self.tr("locked") if case.kind == "locked" else self.tr("corrected")
        return change_text(review.fair_figures(row))

    def _tip(self, review: EffectReview, row: int) -> str:
        case = review.cases[row]
        lines = (
            f"{self._names.full(case.patient)}: {kind_text(case)}",
            figures_text(review, row),
        )
        return "\n".join(line for line in lines if line)
