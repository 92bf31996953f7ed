"""Patients of a gate, old against new: a small table and a dot plot of the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen
from qtpy.QtWidgets import QShortcut, QSizePolicy, QTableView, QVBoxLayout, QWidget

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.gate_words import signed
from napari_brainseg.widgets.look import BETTER, WORSE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtCore import QObject
    from qtpy.QtGui import QPaintEvent

    from napari_brainseg.core.segmentation.gate import PairedRow

__all__ = ["GateTable", "PairModel", "PairPlot"]

PATIENT, OLD, NEW, CHANGE, DISTANCE = range(5)
_ROWS = 8
"""Rows in sight at the most; the table scrolls then."""
_CELL = 10
"""Pixels around a text."""
_NOTED = 0.005
"""Changes of the DSC below this are drawn in neither colour."""


class PairModel(QAbstractTableModel):
    """A row a patient: DSC of both versions, change, change of the HD95."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[PairedRow, ...] = ()
        self._name: Callable[[str], str] = str

    def show_rows(self, rows: Sequence[PairedRow], name: Callable[[str], str]) -> None:
        """Show other patients, in their order; `name` gives what they are called here."""
        self.beginResetModel()
        self.rows, self._name = tuple(rows), name
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the patients."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count patient, both versions and the two changes."""
        return 0 if parent is not None and parent.isValid() else DISTANCE + 1

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
            return (
                self.tr("Patient"), self.tr("In use"), self.tr("New"), self.tr("Change"),
                self.tr("HD95"),
            )[section]  # fmt: skip
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                self.tr("A click shows both predictions of the patient"),
                self.tr("DSC of the version in use"),
                self.tr("DSC of the new version"),
                self.tr("Change of the DSC; the worst stands first"),
                self.tr("Change of the HD95 in {unit}; less is better").format(unit=self._unit()),
            )[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Tell what a cell shows."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(_LEFT if column == PATIENT else _RIGHT)
        if role == Qt.ItemDataRole.FontRole and column == CHANGE and row.difference <= -_NOTED:
            bold = QFont()
            bold.setBold(True)
            return bold
        return self._tip(row) if role == Qt.ItemDataRole.ToolTipRole else None

    def _text(self, row: PairedRow, column: int) -> str:
        old, new = row.current, row.candidate
        if not row.has_lesion:
            # Its DSC is 1 or 0; what is marked tells how bad it is.
            before, after = old.volume_prediction_vox, new.volume_prediction_vox
            return (
                self._name(row.patient), _marked(before), _marked(after),
                _marked(after - before, is_change=True), "–",
            )[column]  # fmt: skip
        return (
            self._name(row.patient), numbers.dsc(old.dsc_native), numbers.dsc(new.dsc_native),
            signed(row.difference, 3), signed(row.hd95_difference, 1),
        )[column]  # fmt: skip

    def _unit(self) -> str:
        is_mm = bool(self.rows) and self.rows[0].hd95_unit == "mm"
        return self.tr("mm") if is_mm else self.tr("voxels")

    def _tip(self, row: PairedRow) -> str:
        old, new = row.current, row.candidate
        lines = [self._name(row.patient)]
        if row.has_lesion:
            lines.append(
                self.tr("DSC {old} in use, {new} with the new version").format(
                    old=numbers.dsc(old.dsc_native), new=numbers.dsc(new.dsc_native)
                )
            )
            lines.append(self._distance(row))
        else:
            text = self.tr("No lesion: {old} voxels marked by the version in use, {new} by the new")
            lines.append(
                text.format(
                    old=numbers.voxels(old.volume_prediction_vox),
                    new=numbers.voxels(new.volume_prediction_vox),
                )
            )
        if row.is_new_empty:
            lines.append(self.tr("The new version marks nothing here, though there is a lesion."))
        if row.compared_with == "base":
            lines.append(
                self.tr(
                    "Compared with the model that the run started from: the version in use was "
                    "trained on this patient."
                )
            )
        return "\n".join(lines)

    def _distance(self, row: PairedRow) -> str:
        if row.hd95_candidate is None or row.hd95_current is None:
            return self.tr("No HD95: one of the masks is empty")
        return self.tr("HD95 {old} in use, {new} {unit} with the new version").format(
            old=f"{row.hd95_current:.1f}", new=f"{row.hd95_candidate:.1f}", unit=self._unit()
        )


def _marked(count: int, *, is_change: bool = False) -> str:
    text = numbers.voxels(abs(count))
    sign = ("−" if count < 0 else "+") if is_change and count else ""
    return f"{sign}{text} vox"


class PairPlot(QWidget):
    """A line a patient from the old DSC (ring) to the new one (dot), the worst change on top."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[PairedRow, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_rows(self, rows: Sequence[PairedRow]) -> None:
        """Draw other patients; those without a lesion have no DSC that could be compared."""
        self.rows = tuple(row for row in rows if row.has_lesion)
        self.setAccessibleName(self.tr("DSC of {n} patients, old and new").format(n=len(self.rows)))
        self.updateGeometry()
        self.setVisible(bool(self.rows))
        self.update()

    @property
    def least(self) -> float:
        """DSC at the left end: a tenth below the lowest, so that near values part."""
        lowest = min((min(_both(row)) for row in self.rows), default=0.0)
        return max(0.0, int(lowest * 10 - 1e-9) / 10)

    def sizeHint(self) -> QSize:
        """As high as its lines and the axis need."""
        line = self.fontMetrics().height()
        return QSize(200, round(0.75 * line) * max(len(self.rows), 1) + round(2.2 * line))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw ring, line and dot of each patient, and the axis."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = self.fontMetrics()
        ink = self.palette().color(self.foregroundRole())
        faint = QColor(ink)
        faint.setAlphaF(0.25)
        line, least = metrics.height(), self.least
        side = metrics.horizontalAdvance("0.00") / 2 + 2
        left, right = side, self.width() - side
        floor = self.height() - 1.2 * line

        def place(dsc: float) -> float:
            return left + (right - left) * (dsc - least) / (1 - least)

        steps = round((1 - least) * 10)
        stride = 2 if steps > 5 else 1
        for tick in range(0, steps + 1, stride):
            at, value = place(least + tick / 10), least + tick / 10
            painter.setPen(QPen(faint, 1))
            painter.drawLine(QPointF(at, 2), QPointF(at, floor))
            painter.setPen(ink)
            box = QRectF(at - side, floor, 2 * side, 1.2 * line)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{value:.1f}")
        dot = 0.24 * line
        pitch = (floor - 2) / max(len(self.rows), 1)
        for number, row in enumerate(self.rows):
            y = 2 + (number + 0.5) * pitch
            old, new = (QPointF(place(dsc), y) for dsc in _both(row))
            noted = abs(row.difference) >= _NOTED
            colour = QColor((BETTER if row.difference > 0 else WORSE) if noted else ink)
            painter.setPen(QPen(colour, 2))
            painter.drawLine(old, new)
            painter.setPen(QPen(ink, 1.2))
            painter.setBrush(self.palette().color(self.backgroundRole()))
            painter.drawEllipse(old, dot, dot)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(new, dot, dot)


def _both(row: PairedRow) -> tuple[float, float]:
    return row.current.dsc_native, row.candidate.dsc_native


class GateTable(QWidget):
    """Plot and table of the patients of one kind.

    Attributes
    ----------
    model : PairModel
    plot : PairPlot
    table : QTableView
    """

    patient_chosen = Signal(str)
    """A row was clicked, or Return was pressed on it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = PairModel(self)
        self.plot = PairPlot()
        self.table: QTableView = compact_table(self.model, name, PATIENT)
        self.table.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.table.clicked.connect(self._choose)
        enter = QShortcut(Qt.Key.Key_Return, self.table, context=Qt.ShortcutContext.WidgetShortcut)
        enter.activated.connect(lambda: self._choose(self.table.currentIndex()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.plot)
        layout.addWidget(self.table)

    def show_rows(self, rows: Sequence[PairedRow], name: Callable[[str], str]) -> None:
        """Show other patients, in their order; `name` gives what they are called here."""
        self.model.show_rows(rows, name)
        self.plot.show_rows(self.model.rows)
        self._fit()

    def showEvent(self, event: Any) -> None:
        """Fit the columns to the font, which is known only now."""
        super().showEvent(event)
        self._fit()

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self.patient_chosen.emit(self.model.rows[index.row()].patient)

    def _fit(self) -> None:
        self.table.ensurePolished()
        metrics = self.table.fontMetrics()
        line = metrics.height() + 4
        self.table.verticalHeader().setDefaultSectionSize(line)
        for column in range(OLD, DISTANCE + 1):
            texts = [self.model.headerData(column, Qt.Orientation.Horizontal)]
            texts += [self.model.index(row, column).data() for row in range(len(self.model.rows))]
            width = max(metrics.horizontalAdvance(text) for text in texts)
            self.table.setColumnWidth(column, width + _CELL)
        rows = min(len(self.model.rows), _ROWS)
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(line * max(rows, 1) + head + 4)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
