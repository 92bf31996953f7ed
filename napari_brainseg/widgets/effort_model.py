"""Cases of the effort page as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF

from napari_brainseg.widgets.effort_words import (
    Figure,
    figure_text,
    figure_title,
    start_of,
    start_text,
    value,
)
from napari_brainseg.widgets.numbers import voxels
from napari_brainseg.widgets.tool_words import tool_word
from napari_brainseg.widgets.work_time import work_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qtpy.QtCore import QObject

    from napari_brainseg.session.effort import EffortRow
    from napari_brainseg.widgets.effort_words import Mark, Start

__all__ = ["PATIENT", "SORT_ROLE", "EffortModel", "icon_of"]

PATIENT = 0
FIGURES = (Figure.SECONDS, Figure.STROKES, Figure.VOXELS)
SORT_ROLE = Qt.ItemDataRole.UserRole
_SIDE = 24


class EffortModel(QAbstractTableModel):
    """A row a case: patient with the sign of its model version, time, strokes, voxels."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[EffortRow, ...] = ()
        self._icons: dict[Start, QIcon] = {}
        self._name: Callable[[str], str] = str

    def show_rows(
        self,
        rows: Sequence[EffortRow],
        signs: Mapping[Start, Mark],
        name: Callable[[str], str],
    ) -> None:
        """Show other cases; `name` gives what a patient is called on the screen."""
        self.beginResetModel()
        self._rows, self._name = tuple(rows), name
        self._icons = {start: icon_of(sign) for start, sign in signs.items()}
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the cases."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the patient's column and those of the figures."""
        return 0 if parent is not None and parent.isValid() else 1 + len(FIGURES)

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
            return int(_LEFT if section == PATIENT else _RIGHT)
        if role == Qt.ItemDataRole.DisplayRole:
            return self.tr("Patient") if section == PATIENT else self._title(section)
        if role == Qt.ItemDataRole.ToolTipRole and section != PATIENT:
            return figure_title(FIGURES[section - 1])
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Tell what a cell shows, and what it is sorted by."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(_LEFT if column == PATIENT else _RIGHT)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row)
        if column == PATIENT:
            if role in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
                return self._name(row.patient)
            if role == Qt.ItemDataRole.DecorationRole:
                return self._icons.get(start_of(row))
            return None
        figure = FIGURES[column - 1]
        if role == Qt.ItemDataRole.DisplayRole:
            return figure_text(figure, value(row, figure))
        return value(row, figure) if role == SORT_ROLE else None

    def _title(self, section: int) -> str:
        return (self.tr("min:s"), self.tr("Strokes"), self.tr("Voxels"))[section - 1]

    def _tip(self, row: EffortRow) -> str:
        lines = [
            self._name(row.patient),
            self.tr("Started from: {start}").format(start=start_text(start_of(row))),
            self.tr("Editor: {editor}").format(editor=row.editor),
            self.tr("+{added} −{removed} voxels, {undone} strokes taken back").format(
                added=voxels(row.voxels_added), removed=voxels(row.voxels_removed),
                undone=row.undone,
            ),
            self.tr("Editing {editing}, reading {reading}").format(
                editing=work_time(row.seconds), reading=work_time(row.reading_seconds)
            ),
        ]  # fmt: skip
        lines += [f"{tool_word(tool)}: {count}" for tool, count in row.tools.items()]
        return "\n".join(lines)


def icon_of(sign: Mark) -> QIcon:
    """Draw the sign of a model version, as the plot has it."""
    picture = QPixmap(_SIDE, _SIDE)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(sign.colour))
    box = QRectF(4, 4, _SIDE - 8, _SIDE - 8)
    middle = box.center()
    if sign.shape == "o":
        painter.drawEllipse(box)
    elif sign.shape == "s":
        painter.drawRect(box)
    elif sign.shape == "d":
        thin = box.width() * 0.35
        painter.drawPolygon(QPolygonF([
            QPointF(middle.x(), box.top()), QPointF(middle.x() + thin, middle.y()),
            QPointF(middle.x(), box.bottom()), QPointF(middle.x() - thin, middle.y()),
        ]))  # fmt: skip
    else:
        painter.drawPolygon(
            QPolygonF([QPointF(middle.x(), box.top()), box.bottomRight(), box.bottomLeft()])
        )
    painter.end()
    return QIcon(picture)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
