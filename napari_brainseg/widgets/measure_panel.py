"""Ruler and area: their buttons, and the list of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QModelIndex, QObject, QSignalBlocker, Qt
from qtpy.QtGui import QGuiApplication, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.session.measurements import Kind
from napari_brainseg.viewer import shortcuts
from napari_brainseg.viewer.views import AXIAL, LINKED, SIDE_BY_SIDE
from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.measure_model import LABEL, PLACE, VALUE, MeasureModel
from napari_brainseg.widgets.measure_words import as_csv, as_text, intensity_words
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.measurements import Measurement
    from napari_brainseg.viewer.measuring import Measuring
    from napari_brainseg.viewer.views import Views

__all__ = ["AREA_KEY", "RULER_KEY", "MeasurePanel"]

RULER_KEY, AREA_KEY = "measure_ruler", "measure_area"
"""Names of the actions, see `viewer.shortcuts`."""
_ROWS = 5
"""Rows in sight at the most; the others by scrolling."""
_WIDEST = {VALUE: "0\u2009000 mm²", PLACE: "sagittal 000"}
_CELL = 7


class MeasurePanel(QWidget):
    """The tools that measure, and what was measured in the open case.

    A click on a row goes to its slice; a double click changes its label; Delete takes it away.

    Parameters
    ----------
    measuring : Measuring
        The tools, and the measurements.
    views : Views
        Goes to a slice.

    Attributes
    ----------
    buttons : dict of Kind to QToolButton
    table : QTableView
    model : MeasureModel
    delete, undo, copy : QToolButton
    """

    def __init__(self, measuring: Measuring, views: Views, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measuring, self._views = measuring, views
        self.buttons = {Kind.RULER: QToolButton(text=self.tr("Ruler")),
                        Kind.AREA: QToolButton(text=self.tr("Area"))}  # fmt: skip
        self.delete = QToolButton(text=self.tr("Delete"))
        self.delete.setToolTip(self.tr("Take the chosen measurement away (Delete)"))
        self.delete.clicked.connect(measuring.remove_chosen)
        self.undo = QToolButton(text=self.tr("Undo"))
        self.undo.setToolTip(self.tr("Bring the measurement back that was deleted last"))
        self.undo.clicked.connect(measuring.measurements.undo)
        self.copy = QToolButton(text=self.tr("Copy"))
        set_role(self.copy, "menu")
        self.copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.copy)
        menu.addAction(self.tr("As text")).triggered.connect(lambda: self.copy_as(as_text))
        menu.addAction(self.tr("As table (CSV)")).triggered.connect(lambda: self.copy_as(as_csv))
        self.copy.setMenu(menu)
        tools = QHBoxLayout()
        tools.setSpacing(3)
        for kind, button in self.buttons.items():
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _on=False, k=kind: self._toggle(k))
            tools.addWidget(button)
        self.model = MeasureModel(measuring.measurements, self)
        self.table = self._make_table()
        self.table.installEventFilter(self)
        self.note = QLabel()
        self.note.setWordWrap(True)
        # Else a long line makes the whole dock wider than its place.
        self.note.setMinimumWidth(1)
        set_role(self.note, "hint")
        below = QHBoxLayout()
        below.setSpacing(3)
        for button in (self.delete, self.undo, self.copy):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            below.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(tools)
        layout.addWidget(self.note)
        layout.addWidget(self.table)
        layout.addLayout(below)
        self._ties = ties = Subscriptions(self)
        ties.add(measuring.changed, self._on_changed)
        ties.add(shortcuts.keys_changed, self._write_keys)
        self._write_keys()
        self.refresh()

    def actions(self) -> dict[str, Callable[[], None]]:
        """Return what the keys do: name of an action to a callable without arguments."""
        return {
            RULER_KEY: lambda: self._toggle(Kind.RULER),
            AREA_KEY: lambda: self._toggle(Kind.AREA),
        }

    def copy_as(self, form: Callable[[tuple[Measurement, ...]], str]) -> None:
        """Put all measurements of the case on the clipboard."""
        QGuiApplication.clipboard().setText(form(tuple(self.model.items)))

    def go_to(self, item: Measurement) -> None:
        """Show the slice of a measurement, with the crosshair in its middle."""
        views = self._views
        if item.axis != 0:
            views.set_mode(LINKED)
        elif views.mode not in (AXIAL, LINKED, SIDE_BY_SIDE):
            views.leave_3d()
        count = len(item.points)
        z, y, x = (sum(p[axis] for p in item.points) / count for axis in range(3))
        views.crosshair = (round(z), round(y), round(x))
        self._measuring.choose(item.id)

    def refresh(self) -> None:
        """Follow tools and measurements."""
        measuring = self._measuring
        for kind, button in self.buttons.items():
            button.setChecked(measuring.tool is kind)
            button.setEnabled(measuring.can_measure)
        self.model.refresh()
        chosen = measuring.chosen
        row = self.model.row_of(chosen)
        with QSignalBlocker(self.table.selectionModel()):
            self.table.clearSelection()
            if row >= 0:
                self.table.selectRow(row)
        self.table.viewport().update()
        there = bool(self.model.items)
        self.table.setVisible(there)
        self.delete.setEnabled(chosen is not None)
        self.copy.setEnabled(there)
        self.undo.setEnabled(measuring.measurements.can_undo)
        for button in (self.delete, self.undo, self.copy):
            button.setVisible(there or measuring.measurements.can_undo)
        self.note.setText(self._words(chosen, there))
        self.note.setVisible(bool(self.note.text()))
        self._fit_rows()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Delete the chosen row, by a key pressed in the table."""
        if (
            watched is self.table
            and isinstance(event, QKeyEvent)
            and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
        ):
            if event.type() == QEvent.Type.KeyPress:
                self._measuring.remove_chosen()
            event.accept()
            return True
        return False

    def _words(self, chosen: Measurement | None, there: bool) -> str:
        measuring = self._measuring
        if chosen is not None:
            words = intensity_words(measuring.intensities_of(chosen))
            if words:
                return self.tr("Inside: {words}").format(words=words)
        if not there and measuring.can_measure:
            geometry = measuring.measurements.geometry
            if geometry is None or geometry.spacing_mm is None:
                return self.tr("The files carry no pixel size: values are in pixels.")
            return self.tr("Nothing measured yet.")
        return ""

    def _make_table(self) -> QAbstractItemView:
        table = compact_table(self.model, self.tr("Measurements"), LABEL)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.clicked.connect(self._on_click)
        table.activated.connect(self._on_click)
        table.setToolTip(self.tr("Click: go there. Double click: change the label."))
        return table

    def _fit_rows(self) -> None:
        table = self.table
        metrics = table.fontMetrics()
        row = metrics.height() + 4
        table.verticalHeader().setDefaultSectionSize(row)
        for column, text in _WIDEST.items():
            table.setColumnWidth(column, metrics.horizontalAdvance(text) + 2 * _CELL)
        count = min(max(len(self.model.items), 1), _ROWS)
        frame = 2 * table.frameWidth()
        table.setFixedHeight(table.horizontalHeader().sizeHint().height() + count * row + frame)

    def _on_click(self, index: QModelIndex) -> None:
        item = self.model.item(index.row())
        if item is not None:
            self.go_to(item)

    def _toggle(self, kind: Kind) -> None:
        self._measuring.toggle(kind)
        # A tool that could not be taken must not look taken.
        self.refresh()

    def _on_changed(self, what: str) -> None:
        if what != "draft":
            self.refresh()

    def _write_keys(self) -> None:
        tips = {
            Kind.RULER: (RULER_KEY, self.tr("Measure a length: drag, or click at both ends")),
            Kind.AREA: (AREA_KEY, self.tr("Measure an area: drag around it, or click corners")),
        }
        for kind, (name, tip) in tips.items():
            key = _key(name)
            self.buttons[kind].setToolTip(f"{tip} ({key})" if key else tip)


def _key(name: str) -> str:
    return shortcuts.key_text(name)
