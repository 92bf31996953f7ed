"""A fault, where it happened, with its mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QToolButton, QVBoxLayout

from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError

__all__ = ["FaultBox"]

_LOG_LINES = 8


class FaultBox(QFrame):
    """Hidden until there is a fault to show."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "fault")
        self._message = _wrapping_label()
        self._hint = _wrapping_label()
        set_role(self._hint, "hint")
        self._log = QPlainTextEdit(readOnly=True)
        self._log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        close = QToolButton(text="✕", toolTip=self.tr("Put this notice away"))
        close.clicked.connect(self.clear)
        set_role(close, "fold")
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(self._message, 1)
        top.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self._hint)
        layout.addWidget(self._log)
        self.hide()

    @property
    def text(self) -> str:
        """What is shown, empty if nothing."""
        return "" if self.isHidden() else f"{self._message.text()} {self._hint.text()}".strip()

    @property
    def log(self) -> str:
        """The log lines shown."""
        return self._log.toPlainText()

    def show_error(self, error: BrainSegError) -> None:
        """Show an error of the kernel or the session."""
        self.show_fault(error.message, error.hint)

    def show_fault(self, message: str, hint: str = "", log: str = "") -> None:
        """Show what happened, what to do, and the last lines of a log."""
        self._message.setText(message)
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._log.setPlainText(log)
        self._log.setVisible(bool(log))
        lines = min(log.count("\n") + 1, _LOG_LINES)
        self._log.setFixedHeight(self._log.fontMetrics().lineSpacing() * (lines + 1) + 10)
        bar = self._log.verticalScrollBar()
        bar.setValue(bar.maximum())
        self.show()

    def clear(self) -> None:
        """Put the fault away."""
        self.hide()


def _wrapping_label() -> QLabel:
    label = QLabel(wordWrap=True)
    # Paths have no spaces to wrap at; they must not widen the dock.
    label.setMinimumWidth(1)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
