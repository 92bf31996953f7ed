"""What the worklist is searched for: words, and one kind of rows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtCore import Signal as QtSignal
from qtpy.QtWidgets import (
    QActionGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QToolButton,
    QWidget,
)

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.worklist_filter import STATUSES, Kind, kind_title, status_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QKeyEvent

__all__ = ["CountsLine", "SearchBar", "SearchField"]


class SearchField(QLineEdit):
    """Words to search for; Esc clears them, the key down goes on to the list."""

    left_downwards = QtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setClearButtonEnabled(True)
        self.setPlaceholderText(self.tr("Search"))
        self.setAccessibleName(self.tr("Search the patients"))

    def show_key(self, key: str) -> None:
        """Name the key that leads here in the tooltip."""
        text = self.tr(
            "Search names, status, editor, model, clinical attributes and faults; rows show that "
            "hold all words ({key}; Esc clears)"
        )
        self.setToolTip(text.format(key=key))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Clear, or go on to the list."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left_downwards.emit()
        else:
            super().keyPressEvent(event)


class SearchBar(QWidget):
    """Search field, and beside it the kind of patients that are shown, with numbers."""

    searched = QtSignal(str)
    """Text of the search."""
    kind_chosen = QtSignal(str)
    """A `Kind`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = SearchField()
        self.field.textChanged.connect(self.searched)
        self.kind = str(Kind.ALL)
        self.kinds = QToolButton()
        set_role(self.kinds, "menu")
        self.kinds.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.kinds.setToolTip(self.tr("Show patients of one kind only"))
        self.kinds.setAccessibleName(self.tr("Kind of patients"))
        menu = QMenu(self.kinds)
        group = QActionGroup(menu)
        self._actions = {}
        for kind in Kind:
            action = group.addAction(kind_title(kind))
            action.setCheckable(True)
            action.triggered.connect(lambda _on, kind=kind: self.choose(kind))
            self._actions[kind] = action
        menu.addActions(group.actions())
        self.kinds.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.kinds)
        self._show_kind()

    def choose(self, kind: str) -> None:
        """Choose a kind."""
        if kind != self.kind:
            self.kind = str(kind)
            self._show_kind()
            self.kind_chosen.emit(self.kind)

    def clear(self) -> None:
        """Search for nothing, show all kinds."""
        self.field.clear()
        self.choose(Kind.ALL)

    def count(self, counts: Mapping[str, int]) -> None:
        """Write the numbers beside the kinds."""
        for kind, action in self._actions.items():
            action.setText(f"{kind_title(kind)} ({counts.get(kind, 0)})")

    def _show_kind(self) -> None:
        kind = Kind(self.kind)
        self._actions[kind].setChecked(True)
        self.kinds.setText(self.tr("All") if kind is Kind.ALL else kind_title(kind))


class CountsLine(QLabel):
    """How many patients are of which kind; a click shows them."""

    kind_chosen = QtSignal(str)
    """A `Kind`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setMinimumWidth(1)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(self.tr("Numbers by status"))
        self.setToolTip(self.tr("Click to show these patients only, again to show all"))
        set_role(self, "hint")
        self._colour, self._kind = "", str(Kind.ALL)
        self._counts: Mapping[str, int] = {}
        self.linkActivated.connect(self._on_link)

    def dress(self, colour: str) -> None:
        """Take the colour of text."""
        self._colour = colour
        self._write()

    def count(self, counts: Mapping[str, int], kind: str) -> None:
        """Show the numbers; the kind that is shown alone is underlined."""
        self._counts, self._kind = counts, str(kind)
        self._write()

    def _write(self) -> None:
        kinds = (*STATUSES, Kind.FAULTS, Kind.VANISHED)
        parts = [self._link(kind) for kind in kinds if self._counts.get(kind)]
        self.setText(", ".join(parts))
        self.setVisible(bool(parts))

    def _link(self, kind: Kind) -> str:
        line = "underline" if kind == self._kind else "none"
        words = f"{self._counts[kind]}&nbsp;{escape(status_word(kind)).replace(' ', '&nbsp;')}"
        style = f"color: {self._colour}; text-decoration: {line};"
        return f'<a href="{kind.value}" style="{style}">{words}</a>'

    def _on_link(self, kind: str) -> None:
        self.kind_chosen.emit(str(Kind.ALL) if kind == self._kind else kind)
