"""The measurements of a case as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_brainseg.widgets.measure_words import name_of, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QObject

    from napari_brainseg.session.case_measurements import CaseMeasurements
    from napari_brainseg.session.measurements import Measurement

__all__ = ["LABEL", "PLACE", "VALUE", "MeasureModel"]

LABEL, VALUE, PLACE = range(3)


class MeasureModel(QAbstractTableModel):
    """Label, value and slice; labels can be changed.

    Parameters
    ----------
    measurements : CaseMeasurements
        What it shows.
    """

    def __init__(self, measurements: CaseMeasurements, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._measurements = measurements
        self._rows: tuple[Measurement, ...] = ()

    def refresh(self) -> None:
        """Show the measurements that there are now."""
        rows = self._measurements.items
        if rows == self._rows:
            return
        same_count = len(rows) == len(self._rows)
        if not same_count:
            self.beginResetModel()
        self._rows = rows
        if not same_count:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, PLACE))

    def item(self, row: int) -> Measurement | None:
        """Return the measurement of a row."""
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def row_of(self, item: Measurement | None) -> int:
        """Return the row of a measurement, -1 without one."""
        ids = [other.id for other in self._rows]
        return ids.index(item.id) if item is not None and item.id in ids else -1

    @property
    def items(self) -> Sequence[Measurement]:
        """All rows."""
        return self._rows

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the measurements."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return 3

    def headerData(self, section: int, way: Qt.Orientation, role: int = 0) -> Any:
        """Name the columns."""
        if role != Qt.ItemDataRole.DisplayRole or way != Qt.Orientation.Horizontal:
            return None
        return (self.tr("Label"), self.tr("Value"), self.tr("Slice"))[section]

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return what a cell shows."""
        item = self.item(index.row())
        if item is None:
            return None
        column = index.column()
        if role == Qt.ItemDataRole.EditRole:
            return item.label
        if role == Qt.ItemDataRole.DisplayRole:
            return (name_of(item), item.text, place_of(item))[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            who = self.tr("by {editor}").format(editor=item.editor) if item.editor else ""
            parts = (f"{name_of(item)}: {item.text}", place_of(item), who)
            return ", ".join(part for part in parts if part)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == VALUE:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """Give a measurement another label."""
        item = self.item(index.row())
        if item is None or role != Qt.ItemDataRole.EditRole:
            return False
        self._measurements.rename(item.id, str(value))
        return True

    def flags(self, index: QModelIndex) -> Any:
        """Let labels be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == LABEL else flags
