"""The list of patients: keyboard, mouse, and two forms of the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtCore import Signal as QtSignal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from napari_brainseg.widgets.worklist_columns import ATTRIBUTE, DEFAULT, PATIENT
from napari_brainseg.widgets.worklist_delegate import WorklistDelegate
from napari_brainseg.widgets.worklist_marks import inks
from napari_brainseg.widgets.worklist_thumbnails import Thumbnails

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.widgets.worklist_columns import Column
    from napari_brainseg.widgets.worklist_model import WorklistModel

__all__ = ["WorklistView"]

_MOST_OF_NAME, _MOST_LETTERS = 34, 18
"""That the patient's column and those beside it are fitted to; they can be drawn wider."""
_CELL, _ARROW = 12, 12
"""Pixels around a text, and for the arrow of the column that is sorted by."""
_SAMPLED = 60
"""Rows that a column is fitted to."""
_OWN_KEYS = (
    Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
)  # fmt: skip


class WorklistView(QTableView):
    """Rows of a worklist; the selected patient stays selected whatever comes or goes.

    Parameters
    ----------
    model : WorklistModel
        The rows.
    preferences : Preferences
        Keep the columns that were chosen.
    """

    asked = QtSignal(str)
    """A patient was asked for, by Enter or a double click."""
    selected = QtSignal(str)
    """The selected patient; empty for none."""
    menu_wanted = QtSignal(str, QPoint)
    """A patient, and a point on the screen."""

    def __init__(
        self, model: WorklistModel, preferences: Preferences, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._preferences = preferences
        self._wanted = ""
        self._held: tuple[str, int] = ("", 0)
        self._restoring = False
        self._fitted: tuple[object, ...] = ()
        self.thumbnails = Thumbnails(model.worklist)
        self.painter = WorklistDelegate(model, self.thumbnails, self)
        self.setModel(model)
        self.setItemDelegate(self.painter)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.setWordWrap(False)
        self.setAccessibleName(self.tr("Patients"))
        rows = self.verticalHeader()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(1)
        rows.hide()
        head = self.horizontalHeader()
        head.setSectionsMovable(False)
        head.setHighlightSections(False)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setResizeContentsPrecision(_SAMPLED)
        head.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        head.customContextMenuRequested.connect(
            lambda at: self.column_menu().popup(head.mapToGlobal(at))
        )
        head.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        # The title has an arrow; the style's lies over the text.
        head.setSortIndicatorShown(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        self.doubleClicked.connect(self._on_double_click)
        model.modelAboutToBeReset.connect(self._hold)
        model.modelReset.connect(self._restore)
        self.set_wide(False)

    @property
    def wide(self) -> bool:
        """Whether all columns are shown."""
        return self.painter.wide

    @property
    def patient(self) -> str:
        """The selected patient; empty for none."""
        return self._model.patient(self.currentIndex().row())

    def select(self, patient: str) -> None:
        """Select a patient and bring its row into view; remembered if it is not shown."""
        self._wanted = patient
        place = self._model.place(patient)
        if place >= 0:
            self.setCurrentIndex(self._model.index(place, 0))
            self.scrollTo(self.currentIndex())

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        ink = self.painter.inks = inks(theme_id)
        ground = ink.ground.name()
        self.setStyleSheet(
            f"QTableView {{ background: {ground}; border: 1px solid {ink.line.name()};"
            " font-size: 9pt; outline: 0; }"
            f"QTableView:focus {{ border: 1px solid {ink.mark.name()}; }}"
            "QHeaderView { font-size: 9pt; }"
            f"QHeaderView::section {{ background: {ink.soft.name()}; color: {ink.text.name()};"
            " border: 0px; padding: 3px 6px; font-size: 9pt; }"
        )
        self._fit_rows()

    def set_wide(self, wide: bool) -> None:
        """Show all chosen columns, or each patient in two lines."""
        self.painter.wide = wide
        held = self._anchor()
        self.horizontalHeader().setVisible(wide)
        bar = (
            Qt.ScrollBarPolicy.ScrollBarAsNeeded if wide else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self.setHorizontalScrollBarPolicy(bar)
        self._fit_columns()
        self._fit_rows()
        self._scroll_to(held)

    def chosen_columns(self) -> list[str]:
        """Keys of the columns that the wide form shows, the patient among them."""
        chosen = self._preferences.get("worklist_columns")
        keys = DEFAULT if chosen is None else (PATIENT, *chosen)
        return [column.key for column in self._model.columns if column.key in keys]

    def choose_column(self, key: str, shown: bool) -> None:
        """Show or hide a column of the wide form; kept in the preferences."""
        keys = [k for k in self.chosen_columns() if k != key]
        # What other roots have in their tables stays chosen for them.
        before = self._preferences.get("worklist_columns") or ()
        known = {column.key for column in self._model.columns}
        keys += [k for k in before if k not in known]
        self._preferences.set(worklist_columns=keys + [key] * shown)
        self._fit_columns()

    def sort_by(self, key: str | None, *, downwards: bool = False) -> None:
        """Sort by a column; `None` for the order of the worklist."""
        order = Qt.SortOrder.DescendingOrder if downwards else Qt.SortOrder.AscendingOrder
        self.sortByColumn(-1 if key is None else self._model.column(key), order)

    def sort_menu(self, parent: QWidget) -> QMenu:
        """Menu of what the list can be sorted by, also where no header is seen."""
        menu = QMenu(self.tr("Sort by"), parent)
        now = self._model.sorted_by
        columns = {column.key: column for column in self._model.columns}
        for key in (None, *self.chosen_columns()):
            title = self.tr("Worklist order") if key is None else columns[key].title
            is_now = key == (None if now is None else now[0])
            action = menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(is_now)
            # The same once more turns it round.
            turned = is_now and now is not None and not now[1]
            action.triggered.connect(
                lambda _on, key=key, turned=turned: self.sort_by(key, downwards=turned)
            )
        return menu

    def column_menu(self) -> QMenu:
        """Menu of all columns with a tick at those that are shown."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Sort in worklist order"), lambda: self.sort_by(None))
        menu.addSeparator()
        chosen = self.chosen_columns()
        for column in self._model.columns[1:]:
            if column.key.startswith(ATTRIBUTE) and not menu.property("divided"):
                menu.addSection(self.tr("From data.csv"))
                menu.setProperty("divided", True)
            action = menu.addAction(column.title)
            action.setCheckable(True)
            action.setChecked(column.key in chosen)
            action.setToolTip(column.tip)
            action.toggled.connect(lambda on, key=column.key: self.choose_column(key, on))
        return menu

    # events -----------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, open; all other keys are the picture's, e.g. the one that hides the masks."""
        key, last = event.key(), self._model.rowCount() - 1
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            event.ignore()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.patient:
                self.asked.emit(self.patient)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.setCurrentIndex(self._model.index(0 if key == Qt.Key.Key_Home else last, 0))
        elif key in _OWN_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def changeEvent(self, event: QEvent) -> None:
        """Rows are as high as the font needs."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_rows()

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Tell which patient is selected."""
        super().currentChanged(current, previous)
        if current.isValid() and not self._restoring:
            self._wanted = self._model.patient(current.row())
            self.selected.emit(self._wanted)

    # inside -----------------------------------------------------------------------------------

    def _on_double_click(self, index: QModelIndex) -> None:
        self.asked.emit(self._model.patient(index.row()))

    def _on_menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        if index.isValid():
            self.menu_wanted.emit(self._model.patient(index.row()), self.viewport().mapToGlobal(at))

    def _fit_rows(self) -> None:
        height = self.painter.height(self.font())
        if self.verticalHeader().defaultSectionSize() != height:
            self.verticalHeader().setDefaultSectionSize(height)

    def _columns_now(self) -> tuple[object, ...]:
        # Widths that were drawn stay as long as there are the same columns, with rows or without.
        return (self._model.rowCount() > 0, *(column.key for column in self._model.columns))

    def _fit_columns(self) -> None:
        self._fitted = self._columns_now()
        head = self.horizontalHeader()
        if not self.wide:
            for number in range(1, len(self._model.columns)):
                self.setColumnHidden(number, True)
            head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            return
        chosen = self.chosen_columns()
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for number, column in enumerate(self._model.columns):
            self.setColumnHidden(number, column.key not in chosen)
            if column.key in chosen:
                self.setColumnWidth(number, self._fitting(number, column))

    def _fitting(self, number: int, column: Column) -> int:
        width = self.fontMetrics().horizontalAdvance
        needed = max(self.sizeHintForColumn(number), width(column.widest) + _CELL)
        # A long name with its pseudonym would push all figures out of sight; its tip has it whole.
        needed = min(needed, width("n" * (_MOST_LETTERS if number else _MOST_OF_NAME)))
        return max(needed, width(column.title) + _CELL + _ARROW)

    def _anchor(self) -> tuple[str, int]:
        """Return the patient that should stay where it is, and its place in the viewport."""
        place = self._model.place(self._wanted)
        top = self.rowViewportPosition(place) if place >= 0 else -1
        if not 0 <= top < self.viewport().height():
            place = self.rowAt(0)
            top = self.rowViewportPosition(place) if place >= 0 else 0
        return self._model.patient(place), top

    def _scroll_to(self, anchor: tuple[str, int]) -> None:
        place = self._model.place(anchor[0])
        if place >= 0:
            bar = self.verticalScrollBar()
            bar.setValue(place * self.verticalHeader().defaultSectionSize() - anchor[1])

    def _hold(self) -> None:
        self._held = self._anchor()

    def _restore(self) -> None:
        if self._fitted != self._columns_now():
            self._fit_columns()
        place = self._model.place(self._wanted)
        self._restoring = True
        if place >= 0:
            self.setCurrentIndex(self._model.index(place, 0))
        self._restoring = False
        self._scroll_to(self._held)
        self.selected.emit(self._wanted if place >= 0 else "")
