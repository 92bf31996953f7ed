"""The tools of the hand: brushes, eraser, lasso, polygon, fill; one button each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QButtonGroup, QGridLayout, QSizePolicy, QToolButton, QWidget

from napari_brainseg.viewer import shortcuts
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari_brainseg.viewer.brushes import Brushes

__all__ = ["HandTools"]

_COLUMNS = (45, 59, 72, 65)
"""Shares of the width, as the words need them."""
_MODES = {"paint": "brush", "erase": "eraser", "pan_zoom": "move"}
"""napari's names of some of them."""


class HandTools(QWidget):
    """Buttons of what is taken in hand.

    Parameters
    ----------
    brushes : Brushes
        Takes them.
    """

    def __init__(self, brushes: Brushes, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brushes = brushes
        self._ties = Subscriptions(self)
        self._buttons: dict[str, QToolButton] = {}
        self._hints: dict[str, tuple[str, str]] = {}
        self._reason: str | None = None
        self._group = QButtonGroup(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        labels = "napari:activate_labels_{}_mode"
        for index, (tool, action, text, hint) in enumerate(
            (
                ("brush", labels.format("paint"), self.tr("Brush"), self.tr("Add to the mask")),
                ("eraser", labels.format("erase"), self.tr("Eraser"),
                 self.tr("Take from the mask")),
                ("threshold brush", "threshold_brush", self.tr("Threshold"),
                 self.tr("Add only what is as bright as the window says")),
                ("adaptive brush", "adaptive_brush", self.tr("Adaptive"),
                 self.tr("Add what is like the stroke, up to its edge")),
                ("lasso", "lasso", self.tr("Lasso"),
                 self.tr("Draw around what to add, or to cut (Shift turns it round)")),
                ("polygon", "polygon", self.tr("Polygon"),
                 self.tr("Click around what to add, or to cut; Enter closes it")),
                ("fill", labels.format("fill"), self.tr("Fill"),
                 self.tr("Fill a hole, or with the eraser a region")),
                ("move", labels.format("pan_zoom"), self.tr("Move"),
                 self.tr("Move and zoom the picture; or hold Space")),
            )
        ):  # fmt: skip
            button = QToolButton(text=text, checkable=True)
            button.clicked.connect(lambda _on, tool=tool: self.take(tool))
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button)
            button.setMinimumWidth(1)
            row, column = divmod(index, len(_COLUMNS))
            grid.addWidget(button, row, column)
            grid.setColumnStretch(column, _COLUMNS[column])
            self._buttons[tool] = button
            self._hints[tool] = (action, hint)
        self._ties.add(brushes.changed, lambda what: self.refresh() if what == "tool" else None)
        self._ties.add(shortcuts.keys_changed, self._say_keys)
        self._say_keys()
        self.refresh()

    def button(self, tool: str) -> QToolButton:
        """Return the button of a tool, by its name in the history or napari's name of a mode."""
        return self._buttons[_MODES.get(tool, tool)]

    def take(self, tool: str) -> None:
        """Take a tool in hand, by its name in the history or napari's name of a mode."""
        self._brushes.take(_MODES.get(tool, tool))
        self.refresh()

    def allow(self, reason: str | None) -> None:
        """Offer the tools, or say why they cannot be used."""
        self.setEnabled(reason is None)
        if reason != self._reason:
            self._reason = reason
            self._say_keys()

    def refresh(self) -> None:
        """Follow what is in hand."""
        tool = self._brushes.tool
        # A group would not let go of its last button.
        self._group.setExclusive(False)
        for name, button in self._buttons.items():
            button.setChecked(name == tool)
        self._group.setExclusive(True)

    def _say_keys(self) -> None:
        for tool, (action, hint) in self._hints.items():
            keys = self.tr(" or ").join(shortcuts.current_keys(action))
            text = f"{hint} ({keys})" if keys else hint
            self._buttons[tool].setToolTip(text if self._reason is None else self._reason)
