"""A question in place, with the act by its name and a way out; not a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QKeyEvent

__all__ = ["AskBar"]


class AskBar(QFrame):
    """Hidden until something is asked.

    Attributes
    ----------
    question : QLabel
    accept, cancel : QPushButton
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "note")
        self._then: Callable[[], None] | None = None
        self.question = hint_label()
        self.accept = QPushButton()
        self.accept.clicked.connect(self._on_accept)
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.clicked.connect(self.put_away)
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept, 1)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(self.question)
        layout.addLayout(buttons)
        self.hide()

    def ask(self, question: str, act: str, then: Callable[[], None]) -> None:
        """Ask; `then` is called if the button that says `act` is pressed."""
        self._then = then
        self.question.setText(question)
        self.accept.setText(act)
        self.show()
        # What cannot be undone is not what Return or the space bar does.
        self.cancel.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape asks no longer."""
        if event.key() == Qt.Key.Key_Escape:
            self.put_away()
        else:
            super().keyPressEvent(event)

    def put_away(self) -> None:
        """Ask no longer."""
        self._then = None
        self.hide()

    def _on_accept(self) -> None:
        then = self._then
        self.put_away()
        if then is not None:
            then()
