"""The list of actions: what was done to the mask, and the way back to any of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.history_model import ACTION, SLICE, TIME, VOXELS, HistoryModel
from napari_brainseg.widgets.numbers import voxels
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.correction_start import CorrectionStart
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["HistoryList"]

_ROWS = 7
"""Rows in sight at the least."""
_JUMP_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_WIDEST = {SLICE: "00–00", VOXELS: "+0\u2009000 −000", TIME: "00 Nov"}
"""Columns are as wide as these, so that nothing moves while the list grows."""
_CELL = 7
"""Pixels around a text."""


class HistoryList(QWidget):
    """Actions of the open correction, oldest first; a click goes to the mask after one of them.

    What was taken back stands below the current state until something else is done. The list is
    only kept up to date while it is in sight.

    Parameters
    ----------
    desk : Desk
        Whose open case is shown.
    view : CaseView
        Goes there, and shows the slice.

    Attributes
    ----------
    fold : Fold
    table : QTableView
    model : HistoryModel
    """

    def __init__(self, desk: Desk, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._view = desk, view
        self._correction: Correction | None = None
        self._of_correction: Subscriptions | None = None
        self.model = HistoryModel(self)
        self.table = self._make_table()
        self.fold = Fold(self.tr("History"), self.table)
        self.fold.button.toggled.connect(lambda _on: self._update.ask())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self._update = Throttle(self._catch_up, self)
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        for signal in (view.shown, desk.closed):
            self.ties.add(signal, self.refresh)
        for signal in (desk.opened, desk.correction_started, desk.status_changed):
            self.ties.add(signal, lambda _news: self.refresh())
        self.refresh()

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        theme = get_theme(theme_id)
        dark = sum(theme.background.as_rgb_tuple()[:3]) < 3 * 128
        self.model.dress(QColor("#8d939d" if dark else "#6b7078"))

    def refresh(self) -> None:
        """Follow the correction of the open case."""
        case = self._desk.case
        correction = None if case is None else case.correction
        self.setVisible(correction is not None)
        if correction is self._correction:
            return
        if self._of_correction is not None:
            self._of_correction.close()
        self._correction = correction
        self._of_correction = None
        self.model.show_actions(())
        self.model.show_start(self.tr("Start"), "")
        if correction is None:
            return
        self._of_correction = Subscriptions(self)
        self._of_correction.add(correction.history_changed, self._update.ask)
        self._ask_who_started(correction)
        self._update.ask()

    def go_to(self, row: int) -> None:
        """Make the mask what it was after the action of a row, and show its slice."""
        record = self.model.record(row)
        if self._correction is None or self._view.editor.is_painting:
            return
        if row != self.model.current_row:
            self._view.editor.go_to(self.model.number(row))
        if record is not None:
            self._view.go_to(record.slice_index)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Go to the row under the cursor by Enter or space."""
        if (
            watched is self.table
            and event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() in _JUMP_KEYS
        ):
            self.go_to(self.table.currentIndex().row())
            return True
        return bool(super().eventFilter(watched, event))

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened out of sight."""
        super().showEvent(event)
        self._fit()
        self._update.ask()

    def _make_table(self) -> QTableView:
        table = compact_table(self.model, self.tr("Actions"), ACTION)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setCornerButtonEnabled(False)
        table.setSpan(0, ACTION, 1, TIME + 1)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.horizontalHeader().setSectionsClickable(False)
        table.clicked.connect(self._on_click)
        table.installEventFilter(self)
        return table

    def _fit(self) -> None:
        self.table.ensurePolished()
        metrics = self.table.fontMetrics()
        line = metrics.height() + 4
        self.table.verticalHeader().setDefaultSectionSize(line)
        self.table.setMinimumHeight(line * (_ROWS + 1) + 6)
        for column, text in _WIDEST.items():
            self.table.setColumnWidth(column, metrics.horizontalAdvance(text) + _CELL)

    def _on_click(self, index: QModelIndex) -> None:
        self.go_to(index.row())

    def _catch_up(self) -> None:
        correction = self._correction
        if correction is None:
            return
        done = correction.meter.strokes
        title = self.tr("History ({n})").format(n=voxels(done)) if done else self.tr("History")
        self.fold.button.setText(title)
        if not self.table.isVisible():
            return
        self.model.show_actions(correction.actions())
        here = self.model.index(self.model.current_row, ACTION)
        self.table.setCurrentIndex(here)
        self.table.scrollTo(here)

    def _ask_who_started(self, correction: Correction) -> None:
        catalogue = self._desk.catalogue

        def look() -> CorrectionStart:
            from napari_brainseg.session.correction_start import correction_start

            return correction_start(catalogue, correction.id)

        def show(start: CorrectionStart) -> None:
            if correction is self._correction:
                self._show_start(correction, start)

        # Without an answer the list serves all the same.
        self._background.run(look, show, lambda _error: None)

    def _show_start(self, correction: Correction, start: CorrectionStart) -> None:
        version = correction.base_version or ""
        base = {
            "prediction": self.tr("prediction"),
            "truth": self.tr("ground truth"),
            "empty": self.tr("empty mask"),
        }[correction.base]
        then = datetime.fromtimestamp(start.created).astimezone()
        today = then.date() == datetime.now().astimezone().date()
        when = f"{then:%H:%M}" if today else f"{then.day} {then:%b}"
        tip = self.tr("Started from {base}\nBy {editor}, {when}\nClick to take all back.").format(
            base=f"{base} {version}".strip(), editor=start.editor,
            when=f"{then.day} {then:%b %Y, %H:%M}",
        )  # fmt: skip
        text = self.tr("From {base}, {editor} {when}").format(
            base=short_version(version) or base, editor=start.editor, when=when
        )
        self.model.show_start(text, tip)
