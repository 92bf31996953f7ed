"""All keys over the window, grouped, as they are now."""

from __future__ import annotations

from html import escape
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QRect, Qt
from qtpy.QtGui import QColor, QKeySequence, QPainter
from qtpy.QtWidgets import QLabel, QShortcut, QWidget

from napari_brainseg.viewer.shortcuts import (
    GROUPS,
    SHORTCUTS,
    current_keys,
    is_registered,
    keys_changed,
    napari_keys,
)
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

__all__ = ["HelpOverlay", "key_groups"]

HELP_KEYS = ("?", "Shift+?")
"""A keyboard may or may not count the shift key that the question mark needs."""
_MARGIN = 18
_GAP = 28
_SIZES = (11.0, 10.0, 9.0, 8.0, 7.0)
"""Points, the largest that fits is taken."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("HelpOverlay", text)


def key_groups() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Headings, each with its rows of keys and what they do, for the actions there are."""
    groups = []
    for group in GROUPS:
        rows = [
            (", ".join(current_keys(shortcut.id)), _tr(shortcut.title))
            for shortcut in SHORTCUTS
            if shortcut.group == group and is_registered(shortcut.id)
        ]
        groups.append((_tr(group), tuple((keys, title) for keys, title in rows if keys)))
    drawing = [("Ctrl+Z", _tr("Take the last stroke back")), ("Ctrl+Shift+Z", _tr("Do it again"))]
    mouse = (
        (_tr("Right drag"), _tr("Window and level")),
        (_tr("Wheel"), _tr("Zoom; over the strip: slices; with a brush: its size")),
        (_tr("Shift+wheel, with a brush"), _tr("Slices that it goes through")),
        (_tr("Click on the strip"), _tr("That slice")),
    )
    own = [(", ".join(keys), _tr(title)) for title, keys in napari_keys() if keys]
    groups.append((_tr("Drawing and napari"), tuple(drawing + own)))
    groups.append((_tr("Mouse"), mouse))
    return tuple((title, rows) for title, rows in groups if rows)


class HelpOverlay(QWidget):
    """A sheet over the window; ``?``, Esc or a click closes it.

    Parameters
    ----------
    window : QWidget
        The window it lies over. ``?`` opens it there.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("brainseg-help")
        self.setAccessibleName(self.tr("Keys"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._window = window
        self._columns: list[QLabel] = []
        self._before: QWidget | None = None
        self.footer = QLabel(
            self.tr("To change a key: File, Preferences, Shortcuts. Esc closes this sheet."), self
        )
        self.footer.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.footer.setStyleSheet("color: #b8bec8; background: transparent; font-size: 9pt;")
        for keys in HELP_KEYS:
            shortcut = QShortcut(QKeySequence(keys), window)
            # Where both fit, Qt calls that ambiguous and tells one of them.
            shortcut.activated.connect(self.toggle)
            shortcut.activatedAmbiguously.connect(self.toggle)
            self.destroyed.connect(shortcut.deleteLater)
        self.ties = Subscriptions(self)
        self.ties.add(keys_changed, self._on_keys)
        window.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """All that is written, without its form."""
        return "\n".join(f"{keys}\t{does}" for _title, rows in key_groups() for keys, does in rows)

    def toggle(self) -> None:
        """Open or close."""
        if self.isVisible():
            self.leave()
        else:
            self.open()

    def open(self) -> None:
        """Lay the sheet over the window."""
        self._before = self._window.focusWidget()
        self.setGeometry(self._window.rect())
        self._write()
        self.show()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def leave(self) -> None:
        """Take the sheet away; the focus goes back to where it was."""
        self.hide()
        before, self._before = self._before, None
        if before is not None:
            before.setFocus(Qt.FocusReason.PopupFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the window."""
        if self.isVisible() and watched is self._window and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._window.rect())
            self._write()
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close at Esc, ? and the key that opened it; no other key acts below the sheet."""
        pressed = QKeySequence(event.key()).toString()
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Question) or pressed in current_keys(
            "help"
        ):
            self.leave()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close at a click."""
        event.accept()
        self.leave()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Darken what lies below."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(12, 14, 18, 232))

    def _on_keys(self) -> None:
        if self.isVisible():
            self._write()

    def _write(self) -> None:
        """Set the groups in as many columns as fit, in the largest letters that do."""
        groups = key_groups()
        self.footer.adjustSize()
        below = _MARGIN + self.footer.height() + _MARGIN // 2
        room = QRect(self.rect()).adjusted(_MARGIN, _MARGIN, -_MARGIN, -below)
        for size in _SIZES:
            for count in (2, 3, 4):
                self._set(_split(groups, count), size)
                width = sum(c.width() for c in self._columns) + _GAP * (len(self._columns) - 1)
                height = max((c.height() for c in self._columns), default=0)
                if width <= room.width() and height <= room.height():
                    self._place(room, width, height)
                    return
        self._place(room, room.width(), room.height())

    def _set(self, columns: list[str], size: float) -> None:
        for label in self._columns:
            label.hide()
            label.deleteLater()
        self._columns = []
        for html in columns:
            label = QLabel(html, self)
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            label.setStyleSheet(f"color: #f0f0f0; background: transparent; font-size: {size}pt;")
            label.ensurePolished()
            label.adjustSize()
            self._columns.append(label)

    def _place(self, room: QRect, width: int, height: int) -> None:
        x = room.left() + max(room.width() - width, 0) // 2
        y = room.top() + max(room.height() - height, 0) // 2
        self.footer.move(
            (self.width() - self.footer.width()) // 2,
            min(y + height, room.bottom()) + _MARGIN // 2,
        )
        for label in self._columns:
            label.move(x, y)
            label.show()
            x += label.width() + _GAP


def _split(groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...], count: int) -> list[str]:
    """Columns, the highest as low as can be, as rich text; a group is never torn apart."""
    weights = [len(rows) + 2 for _title, rows in groups]

    def highest(cuts: tuple[int, ...]) -> int:
        return max(sum(weights[a:b]) for a, b in pairwise((0, *cuts, len(groups))))

    best = min(combinations(range(1, len(groups)), min(count, len(groups)) - 1), key=highest)
    return [
        "<br>".join(_table(title, rows) for title, rows in groups[a:b])
        for a, b in pairwise((0, *best, len(groups)))
    ]


def _table(title: str, rows: tuple[tuple[str, str], ...]) -> str:
    cells = "".join(
        f"<tr><td align='right' style='white-space:nowrap'><b>{escape(keys)}</b>&nbsp;&nbsp;</td>"
        f"<td style='white-space:nowrap'>{escape(does)}</td></tr>"
        for keys, does in rows
    )
    return (
        f"<div style='color:#8fb4ff'><b>{escape(title)}</b></div>"
        f"<table cellspacing='0' cellpadding='1'>{cells}</table>"
    )
