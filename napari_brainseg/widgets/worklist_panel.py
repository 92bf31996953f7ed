"""The worklist: all patients, which are done, which comes next."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtCore import Signal as QtSignal
from qtpy.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QStackedWidget, QToolButton

from napari_brainseg.viewer.shortcuts import key_text, keys_changed
from napari_brainseg.widgets.batch_bar import BatchBar
from napari_brainseg.widgets.drops import StudyDrops
from napari_brainseg.widgets.look import set_role, stylesheet, text_colour
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.next_case import NextCase
from napari_brainseg.widgets.panel import Panel, mark_next
from napari_brainseg.widgets.worklist_filter import Kind, kind_title
from napari_brainseg.widgets.worklist_menu import mark, row_menu
from napari_brainseg.widgets.worklist_model import WorklistModel
from napari_brainseg.widgets.worklist_search import CountsLine, SearchBar
from napari_brainseg.widgets.worklist_states import (
    EmptyNote,
    NoMatchNote,
    RootFault,
    RowFault,
    SurveyLine,
)
from napari_brainseg.widgets.worklist_view import WorklistView

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["COMPACT_WIDTH", "WIDE_WIDTH", "WorklistPanel"]

COMPACT_WIDTH = 220
WIDE_WIDTH = 760
"""Widths in pixels that the two forms are made for."""


class WorklistPanel(Panel):
    """Browses the patients of the opened folder.

    Parameters
    ----------
    desk : Desk
        With its worklist, batch and preferences.
    open_patient : callable
        Gets the patient to open.
    choose_folder : callable
        Asks for a folder to open.
    open_phantoms : callable, optional
        Opens synthetic patients.
    open_folder : callable, optional
        Gets a folder that was dropped here.
    """

    wide_changed = QtSignal(bool)
    """Whether all columns are shown now; the dock should take `WIDE_WIDTH` or `COMPACT_WIDTH`."""

    def __init__(
        self,
        desk: Desk,
        open_patient: Callable[[str], None],
        choose_folder: Callable[[], None],
        *,
        open_phantoms: Callable[[], None] | None = None,
        open_folder: Callable[[Path], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(desk, parent)
        self._open_patient = open_patient
        self._root: Path | None = None
        self.heading.setText(self.tr("Worklist"))
        preferences = desk.preferences
        self.model = WorklistModel(
            desk.worklist, hide_names=preferences.get("hide_identifiers"), parent=self
        )
        self.view = WorklistView(self.model, preferences)
        self.wide_button = QToolButton(text=self.tr("Table"), checkable=True)
        self.wide_button.setAccessibleName(self.tr("Table with all columns"))
        self.search = SearchBar()
        self.notices = QLabel(wordWrap=True)
        self.notices.setMinimumWidth(1)
        self.notices.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self.notices, "notice")
        self.counts = CountsLine()
        self.survey = SurveyLine()
        self.root_fault = RootFault(self.rescan)
        self.row_fault = RowFault()
        self.empty = EmptyNote(choose_folder, open_phantoms)
        self.no_match = NoMatchNote(self.search.clear)
        self.pages = QStackedWidget()
        for page in (self.view, self.empty, self.no_match):
            self.pages.addWidget(page)
        self.batch = BatchBar(
            desk.batch, self.run, self._names, lambda: preferences.get("strategy") == "disagreement"
        )
        self.next_case = NextCase(desk, open_patient, self._names)
        if open_folder is not None:
            self.setAcceptDrops(True)
            StudyDrops(self, open_folder, self)
        self._lay_out()
        self._follow()
        self._take_wide()
        self._name_keys()
        self.refresh()

    # what others call -------------------------------------------------------------------------

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        colour = text_colour(theme_id)
        self.setStyleSheet(stylesheet(theme_id))
        self.view.dress(theme_id)
        self.counts.dress(colour)
        self.batch.dress(colour)

    def show_loading(self, what: str) -> None:
        """Say that a folder is being opened, where there is no list yet; empty for the end."""
        self.empty.show_loading(what)

    def toggle_wide(self) -> None:
        """Change between the compact form and the table; kept in the preferences."""
        self.desk.preferences.set(worklist_wide=not self.view.wide)

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.field.selectAll()

    def focus_list(self) -> None:
        """Go to the list; the first row is selected where none is."""
        if not self.view.patient and self.model.rowCount():
            self.view.select(self.model.open_patient or self.model.patient(0))
            if not self.view.patient:
                self.view.select(self.model.patient(0))
        self.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def open_next(self) -> None:
        """Open the case that is suggested."""
        self.next_case.open_next()

    def rescan(self) -> None:
        """Look for the folder and its patients once more, in the background."""
        self.desk.worklist.rescan()

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        mark_next(self.empty.open_button, act is Act.OPEN)
        self.next_case.show_next(act)

    def refresh(self) -> None:
        """Follow the worklist."""
        model, counts = self.model, self.model.counts
        total = counts.get(Kind.ALL, 0)
        self.heading.setText(self._title())
        self.search.count(counts)
        self.counts.count(counts, model.kind)
        self.batch.set_patients(total - counts.get(Kind.FAULTS, 0) - counts.get(Kind.VANISHED, 0))
        for widget in (self.search, self.batch, self.wide_button):
            widget.setVisible(total > 0)
        self.root_fault.show_state(self.desk.worklist.root_fault)
        told = [model.names.scrub(str(notice)) for notice in self.desk.worklist.notices]
        self.notices.setText("\n".join(told))
        self.notices.setVisible(bool(told))
        if model.rowCount():
            self.pages.setCurrentWidget(self.view)
        elif total:
            kind = "" if model.kind == Kind.ALL else kind_title(Kind(model.kind))
            self.no_match.tell(self.search.field.text().strip(), kind)
            self.pages.setCurrentWidget(self.no_match)
        else:
            self.pages.setCurrentWidget(self.empty)
        self.row_fault.show_row(model.row(self.view.patient), model.names)

    # inside -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.body.setContentsMargins(4, 6, 4, 6)
        self.body.removeWidget(self.heading)
        head = QHBoxLayout()
        head.addWidget(self.heading, 1)
        head.addWidget(self.wide_button)
        self.body.insertLayout(0, head)
        for widget in (self.search, self.survey, self.root_fault, self.notices):
            self.body.addWidget(widget)
        self.body.addWidget(self.pages, 1)
        for widget in (self.row_fault, self.counts):
            self.body.addWidget(widget)
        self._foot = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._foot.setSpacing(8)
        for widget in (self.batch, self.next_case):
            self._foot.addWidget(widget, 1, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(self._foot)
        order = (
            self.search.field, self.search.kinds, self.wide_button, self.view,
            self.row_fault.fold.button, self.counts, self.batch.start_button,
            self.batch.pause_button, self.batch.cancel_button, self.batch.faults.button,
            self.next_case.strategy, self.next_case.next_button, self.next_case.blind.button,
        )  # fmt: skip
        for first, second in pairwise(order):
            self.setTabOrder(first, second)

    def _follow(self) -> None:
        desk, model, view = self.desk, self.model, self.view
        self.search.searched.connect(model.search_for)
        self.search.kind_chosen.connect(model.show_kind)
        self.search.field.left_downwards.connect(self.focus_list)
        self.counts.kind_chosen.connect(self.search.choose)
        view.asked.connect(self._on_asked)
        view.selected.connect(
            lambda patient: self.row_fault.show_row(model.row(patient), model.names)
        )
        view.menu_wanted.connect(self._show_menu)
        for signal in (model.tallied, model.modelReset, model.rowsInserted, model.rowsRemoved):
            signal.connect(lambda *_news: self.refresh())
        model.dataChanged.connect(self._on_rows)
        self.batch.predicting.connect(model.set_predicting)
        self.next_case.blind_known.connect(model.set_blind)
        self.batch.fault_chosen.connect(self._show_patient)
        self.wide_button.clicked.connect(self.toggle_wide)
        worklist = desk.worklist
        self.ties.add(worklist.changed, view.thumbnails.forget)
        self.ties.add(worklist.reset, self._on_reset)
        self.ties.add(worklist.surveying, self.survey.show_progress)
        self.ties.add(worklist.root_fault_changed, lambda _error: self.refresh())
        self.ties.add(desk.opened, self._on_opened)
        self.ties.add(desk.closed, lambda: model.set_open(""))
        self.ties.add(desk.preferences.changed, self._on_preference)
        self.ties.add(keys_changed, self._name_keys)
        if desk.case is not None:
            self._on_opened(desk.case)
        self.batch.show_state(desk.batch.state)
        self.survey.show_progress(*worklist.progress)

    def _title(self) -> str:
        # The compact form has no header that would show it.
        by = self.model.sorted_by
        column = -1 if by is None else self.model.column(by[0])
        if by is None or column < 0 or self.view.wide:
            return self.tr("Worklist")
        return self.tr("By {column}").format(column=self.model.title(column))

    def _names(self) -> Any:
        return self.model.names

    def _on_asked(self, patient: str) -> None:
        row = self.model.row(patient)
        if row is None or patient == self.model.open_patient:
            return
        if row.fault or row.vanished:
            self.row_fault.fold.button.setChecked(True)
        else:
            self._open_patient(patient)

    def _on_opened(self, case: Case) -> None:
        self.model.set_open(case.patient)
        self.view.select(case.patient)

    def _on_reset(self) -> None:
        # Another folder may have patients of the same names.
        self.view.thumbnails.forget()
        found = self.desk.worklist.discovery
        root = None if found is None else found.root
        if root != self._root and not self.batch.is_running:
            self.batch.show_state(None)
        self._root = root

    def _on_rows(self, *_range: Any) -> None:
        self.row_fault.show_row(self.model.row(self.view.patient), self.model.names)

    def _on_preference(self, name: str) -> None:
        if name == "hide_identifiers":
            self.model.hide_names(self.desk.preferences.get(name))
            self.next_case.refresh()
            self.batch.show_state(self.batch.state)
        elif name == "worklist_wide":
            self._take_wide()

    def _name_keys(self) -> None:
        self.search.field.show_key(key_text("search"))
        table = self.tr("Show all columns as a table ({key})")
        self.wide_button.setToolTip(table.format(key=key_text("worklist_wide")))

    def _take_wide(self) -> None:
        wide = self.desk.preferences.get("worklist_wide")
        self.wide_button.setChecked(wide)
        if wide != self.view.wide:
            directions = QBoxLayout.Direction
            self._foot.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
            self.view.set_wide(wide)
            self.refresh()
            self.wide_changed.emit(wide)

    def _show_patient(self, patient: str) -> None:
        if self.model.place(patient) < 0:
            self.search.clear()
        self.view.select(patient)
        self.view.setFocus()

    def _predict(self, patient: str) -> None:
        self.run(lambda: self.desk.batch.start((patient,), rerun=True))

    def _show_menu(self, patient: str, at: QPoint) -> None:
        row = self.model.row(patient)
        if row is None:
            return
        menu = row_menu(
            self, row, self.model.names,
            open_patient=self._open_patient,
            predict=None if self.batch.is_running else self._predict,
            mark_as=lambda p, status: self.run(lambda: mark(self.desk, p, status)),
            sort_menu=self.view.sort_menu(self),
        )  # fmt: skip
        menu.popup(at)
