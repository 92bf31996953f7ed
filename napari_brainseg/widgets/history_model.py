"""The actions of a correction as rows: what was done where, and how much of it is in force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QBrush, QFont

from napari_brainseg.widgets.numbers import voxels
from napari_brainseg.widgets.tool_words import tool_word
from napari_brainseg.widgets.work_time import work_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QObject
    from qtpy.QtGui import QColor

    from napari_brainseg.session.history import StrokeRecord

__all__ = ["ACTION", "SLICE", "TIME", "VOXELS", "HistoryModel"]

ACTION, SLICE, VOXELS, TIME = range(4)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class HistoryModel(QAbstractTableModel):
    """Oldest first; row 0 is the mask that the correction started from.

    Actions that were taken back and painted over cannot be reached any more and have no row.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._records: list[StrokeRecord] = []
        self._start, self._start_tip = "", ""
        self._done = 0
        self._editors: frozenset[str] = frozenset()
        self._quiet: QColor | None = None

    @property
    def current_row(self) -> int:
        """Row of the last action in force, 0 for the start."""
        return self._done

    def number(self, row: int) -> int:
        """Tell the number of the action of a row, 0 for the start."""
        return self._records[row - 1].number if row > 0 else 0

    def record(self, row: int) -> StrokeRecord | None:
        """Give the action of a row, `None` for the start."""
        return self._records[row - 1] if row > 0 else None

    def dress(self, quiet: QColor) -> None:
        """Set the colour of actions that are not in force."""
        self._quiet = quiet
        self._tell(0, self.rowCount() - 1)

    def show_start(self, text: str, tip: str) -> None:
        """Set what the row of the start says."""
        self._start, self._start_tip = text, tip
        self._tell(0, 0)

    def show_actions(self, records: Sequence[StrokeRecord]) -> None:
        """Show the actions of a correction, oldest first; rows that stay are not touched."""
        new = [record for record in records if record.state != "discarded"]
        old = self._records
        same = 0
        for before, after in zip(old, new, strict=False):
            if before is not after and before.number != after.number:
                break
            same += 1
        editors = frozenset(record.editor for record in new)
        if same < len(old):
            self.beginRemoveRows(QModelIndex(), same + 1, len(old))
            self._records = old[:same]
            self.endRemoveRows()
        if same < len(new):
            self.beginInsertRows(QModelIndex(), same + 1, len(new))
            self._records = new
            self.endInsertRows()
        self._records = new
        done_before, self._done = self._done, sum(record.state == "done" for record in new)
        if (len(editors) > 1) != (len(self._editors) > 1):
            self._tell(0, len(new))
        elif done_before != self._done:
            # The rows between are in force now, or no longer; that of the state is marked.
            first, last = sorted((done_before, self._done))
            self._tell(min(first, len(new)), min(last, len(new)))
        self._editors = editors

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Actions, and the start."""
        return 0 if parent is not None and parent.isValid() else len(self._records) + 1

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns: action, slice, voxels, time."""
        return 0 if parent is not None and parent.isValid() else TIME + 1

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(_LEFT if section == ACTION else _RIGHT)
        if role == Qt.ItemDataRole.DisplayRole:
            titles = (self.tr("Action"), self.tr("Slice"), self.tr("Voxels"), self.tr("Time"))
            return titles[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Tell what a cell shows."""
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(_LEFT if column == ACTION else _RIGHT)
        if role == Qt.ItemDataRole.FontRole:
            # Not by the colour alone: what is not in force is slanted, too.
            font = QFont()
            font.setItalic(row > self._done)
            font.setBold(row == self._done and column == ACTION)
            return font
        if role == Qt.ItemDataRole.ForegroundRole and row > self._done and self._quiet is not None:
            return QBrush(self._quiet)
        return None

    def _text(self, row: int, column: int) -> str:
        record = self.record(row)
        if record is None:
            return self._start if column == ACTION else ""
        if column == ACTION:
            word = tool_word(record.tool)
            return f"{word} ({record.editor})" if len(self._editors) > 1 else word
        if column == SLICE:
            return _slices(record)
        if column == VOXELS:
            return _change(record)
        return _time(record.created)

    def _tip(self, row: int) -> str:
        record = self.record(row)
        if record is None:
            return self._start_tip
        lines = [
            self.tr("{number}. {tool}, {editor}, {when}").format(
                number=row, tool=tool_word(record.tool), editor=record.editor,
                when=_day_and_time(record.created),
            ),
            self.tr("Slice {slices}, {added} voxels added, {removed} removed, {time}").format(
                slices=_slices(record), added=voxels(record.added),
                removed=voxels(record.removed), time=work_time(record.seconds),
            ),
        ]  # fmt: skip
        lines.append(
            self.tr("Taken back. Click to do it and all before it again.")
            if row > self._done
            else self.tr("Click to go back to the mask after this action.")
            if row < self._done
            else self.tr("The mask is as this action left it.")
        )
        return "\n".join(lines)

    def _tell(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, TIME))


def _slices(record: StrokeRecord) -> str:
    first, last = record.first_slice + 1, record.last_slice + 1
    return f"{first}" if first == last else f"{first}–{last}"


def _change(record: StrokeRecord) -> str:
    parts = (("+", record.added), ("−", record.removed))
    return " ".join(sign + voxels(count) for sign, count in parts if count)


def _time(seconds: float) -> str:
    """Time of day; the day where it is another one."""
    then = datetime.fromtimestamp(seconds).astimezone()
    today = datetime.now().astimezone().date()
    return f"{then:%H:%M}" if then.date() == today else f"{then.day} {then:%b}"


def _day_and_time(seconds: float) -> str:
    then = datetime.fromtimestamp(seconds).astimezone()
    return f"{then.day} {then:%b %Y, %H:%M:%S}"
