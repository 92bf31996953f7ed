"""The end of a run's log, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from napari_brainseg.core.protocol.run_folder import log_tail
from napari_brainseg.widgets.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.subscriptions import Subscriptions

__all__ = ["LogView"]

_EVERY_MS = 2000
_LINES = 9


class LogView(QWidget):
    """Last lines of the log, read anew while they are looked at.

    Parameters
    ----------
    desk : Desk
        Whose worker reads: the folder may lie on a slow disk.
    ties : Subscriptions
        Of the panel.
    """

    def __init__(self, desk: Desk, ties: Subscriptions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = Background(desk, ties)
        self._run_dir: Path | None = None
        self._reading = False
        self._scrub: Callable[[str], str] = str
        self.text = QPlainTextEdit(readOnly=True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.text)
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.look)

    @property
    def run_dir(self) -> Path | None:
        """Folder of the run whose log it is."""
        return self._run_dir

    def show_run(self, run_dir: Path | None, scrub: Callable[[str], str] = str) -> None:
        """Show the log of another run; `scrub` takes names out where they are hidden."""
        self._scrub = scrub
        if run_dir != self._run_dir:
            self._run_dir = run_dir
            self.text.clear()
            self.text.setToolTip("" if run_dir is None else str(run_dir))
            if self.isVisible():
                self.look()

    def look(self) -> None:
        """Read the end of the log, in a worker."""
        run_dir = self._run_dir
        if run_dir is None or self._reading:
            return
        self._reading = True
        self._background.run(lambda: log_tail(run_dir), self._show, lambda _error: self._show(""))

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the log while it is seen."""
        super().showEvent(event)
        self.text.setFixedHeight(self.text.fontMetrics().lineSpacing() * _LINES + 10)
        self.look()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Leave the log alone out of sight."""
        super().hideEvent(event)
        self._timer.stop()

    def _show(self, text: str) -> None:
        self._reading = False
        text = self._scrub(text) or self.tr("Nothing was written to the log yet.")
        if text == self.text.toPlainText():
            return
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 1
        self.text.setPlainText(text)
        if at_end:
            bar.setValue(bar.maximum())
