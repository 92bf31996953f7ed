"""What the checks found, a line each, with the way to the slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.session.review import Finding

__all__ = ["FindingsList"]

MOST_SHOWN = 4
"""Lines; the others are folded away."""


class FindingsList(QWidget):
    """Lines with a button each.

    Parameters
    ----------
    go_to : callable
        Gets the index of a slice (0-based).
    """

    def __init__(self, go_to: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._go_to = go_to
        self._shown: tuple[Finding, ...] = ()
        self.buttons: list[QToolButton] = []
        self._first, self._rest = QWidget(), QWidget()
        self.fold = Fold("", self._rest)
        for part in (self._first, self._rest):
            inside = QVBoxLayout(part)
            inside.setContentsMargins(0, 0, 0, 0)
            inside.setSpacing(3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self._first)
        layout.addWidget(self.fold)
        self.hide()

    @property
    def messages(self) -> tuple[str, ...]:
        """What is said, folded lines included."""
        return tuple(finding.message for finding in self._shown)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show other findings; hidden where there are none."""
        if tuple(findings) == self._shown:
            return
        self._shown = tuple(findings)
        self.buttons = []
        for part in (self._first, self._rest):
            _empty(part)
        for number, finding in enumerate(findings):
            part = self._first if number < MOST_SHOWN else self._rest
            inside = part.layout()
            assert inside is not None
            inside.addWidget(self._line(finding))
        more = len(findings) - MOST_SHOWN
        self.fold.button.setText(self.tr("{n} more").format(n=more))
        self.fold.setVisible(more > 0)
        self.setVisible(bool(findings))

    def _line(self, finding: Finding) -> QWidget:
        line = QWidget()
        # A range of slices is not torn apart at the end of a line.
        words = QLabel(finding.message.replace("\u2013", "\u2060\u2013\u2060"), wordWrap=True)
        words.setMinimumWidth(1)
        words.setTextFormat(Qt.TextFormat.PlainText)
        if finding.must_acknowledge:
            set_role(words, "notice")
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(words, 1)
        if finding.slice_index is not None:
            where = finding.slice_index
            button = QToolButton(text=self.tr("Go there"))
            button.setToolTip(self.tr("Show slice {i}").format(i=where + 1))
            button.clicked.connect(lambda: self._go_to(where))
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
            self.buttons.append(button)
        return line


def _empty(part: QWidget) -> None:
    inside = part.layout()
    assert inside is not None
    while inside.count():
        item = inside.takeAt(0)
        widget = None if item is None else item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
