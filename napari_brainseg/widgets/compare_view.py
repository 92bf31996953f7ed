"""What differs between two versions: settings, data, figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QToolButton, QVBoxLayout

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

__all__ = ["CompareView", "Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a comparison.

    Parameters
    ----------
    title : str
        What is compared.
    rows : tuple of tuple of str
        What differs, as it is in the first version and in the second.
    note : str
        Shown where nothing differs, or below the rows.
    """

    title: str
    rows: tuple[tuple[str, str, str], ...] = ()
    note: str = ""


class CompareView(QFrame):
    """Hidden until two versions are compared.

    Attributes
    ----------
    version : str
        The second one.
    sections : tuple of Section
        As shown.
    close_button : QToolButton
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "verdict")
        self.version = ""
        self.sections: tuple[Section, ...] = ()
        self.heading = QLabel(wordWrap=True)
        self.heading.setMinimumWidth(1)
        self.heading.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self.heading, "figure")
        self.close_button = QToolButton(text="✕", toolTip=self.tr("Put the comparison away"))
        self.close_button.clicked.connect(self.put_away)
        set_role(self.close_button, "fold")
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(2)
        for column, share in enumerate((6, 5, 5)):
            self._grid.setColumnStretch(column, share)
        head = QHBoxLayout()
        head.addWidget(self.heading, 1)
        head.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 4, 6)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addLayout(self._grid)
        self.hide()

    def put_away(self) -> None:
        """Show nothing."""
        self.sections = ()
        self.hide()

    def show_sections(self, first: str, second: str, sections: Sequence[Section]) -> None:
        """Compare two versions.

        Parameters
        ----------
        first, second : str
            The versions; the figures of each stand in a column.
        sections : sequence of Section
            Parts of the comparison.
        """
        self.version = second
        self.sections = tuple(sections)
        first, second = short_version(first), short_version(second)
        self.heading.setText(self.tr("{first} and {second}").format(first=first, second=second))
        self._clear()
        row = 0
        for section in self.sections:
            self._put(section.title, row, 0, "cell", span=1 if section.rows else 3)
            if section.rows:
                self._put(first, row, 1, "column")
                self._put(second, row, 2, "column")
            row += 1
            for name, old, new in section.rows:
                self._put(name, row, 0, "hint")
                self._put(old, row, 1, "")
                self._put(new, row, 2, "")
                row += 1
            if section.note:
                note = hint_label(section.note)
                self._grid.addWidget(note, row, 0, 1, 3)
                row += 1
        self.show()

    def _put(self, text: str, row: int, column: int, role: str, span: int = 1) -> None:
        label = QLabel(text, wordWrap=True)
        label.setMinimumWidth(1)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        if role:
            set_role(label, role)
        self._grid.addWidget(label, row, column, 1, span)

    def _clear(self) -> None:
        while self._grid.count():
            widget = self._grid.takeAt(0).widget()
            widget.hide()
            widget.deleteLater()
