"""Asks once who corrects and decides: in place, not in a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_brainseg.widgets.panel import hint_label, mark_next

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EditorField"]


class EditorField(QWidget):
    """Hidden until a name is needed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._then: Callable[[str], None] | None = None
        self.name = QLineEdit(placeholderText=self.tr("Name or initials"))
        self.name.setAccessibleName(self.tr("Your name"))
        self.accept = QPushButton(self.tr("Go on"))
        self.accept.setEnabled(False)
        self.name.textChanged.connect(lambda text: self.accept.setEnabled(bool(text.strip())))
        self.name.returnPressed.connect(self.accept.click)
        self.accept.clicked.connect(self._on_accept)
        row = QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(2)
        layout.addWidget(
            hint_label(self.tr("Who corrects? Kept with each stroke and export; asked once."))
        )
        layout.addLayout(row)
        self.hide()

    @property
    def is_asking(self) -> bool:
        """Whether a name is awaited."""
        return self._then is not None

    def ask(self, then: Callable[[str], None]) -> None:
        """Show the field; `then` gets the name, without blanks around it."""
        self._then = then
        mark_next(self.accept, True)
        self.show()
        self.name.setFocus()

    def put_away(self) -> None:
        """Ask no longer."""
        self._then = None
        self.hide()

    def _on_accept(self) -> None:
        name = self.name.text().strip()
        if name and self._then is not None:
            then = self._then
            self.put_away()
            then(name)
