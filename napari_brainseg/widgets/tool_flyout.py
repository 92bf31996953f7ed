"""Menus of the tools that are not in the hand all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QAction, QGridLayout, QMenu, QSizePolicy, QToolButton, QWidget

from napari_brainseg.viewer import shortcuts
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.tool_entries import ENTRIES, GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.viewer.tool_bench import ToolBench
    from napari_brainseg.widgets.tool_entries import ToolEntry

__all__ = ["ToolFlyout"]

COLUMNS = 3


class ToolFlyout(QWidget):
    """Buttons in rows, each with a menu. What cannot be used is grey and says why.

    Parameters
    ----------
    bench : ToolBench
        Uses the tools.
    last : QWidget
        Has the place that is left in the last row.
    """

    def __init__(self, bench: ToolBench, last: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bench = bench
        self._ties = Subscriptions(self)
        self.buttons: dict[str, QToolButton] = {}
        self.lines: dict[str, QAction] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for index, group in enumerate(GROUPS):
            button = QToolButton(text=self.tr(group))
            set_role(button, "menu")
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            menu = QMenu(button)
            menu.setToolTipsVisible(True)
            # What is possible is looked up when somebody looks.
            menu.aboutToShow.connect(self.refresh)
            for entry in ENTRIES:
                if entry.group == group:
                    line = menu.addAction(self.tr(entry.title))
                    line.triggered.connect(self._use(entry))
                    self.lines[entry.id] = line
            button.setMenu(menu)
            # Equal columns, however long the words are.
            button.setMinimumWidth(1)
            layout.addWidget(button, index // COLUMNS, index % COLUMNS)
            layout.setColumnStretch(index % COLUMNS, 1)
            self.buttons[group] = button
        layout.addWidget(last, len(GROUPS) // COLUMNS, len(GROUPS) % COLUMNS)
        self._ties.add(shortcuts.keys_changed, self.refresh)
        self.refresh()

    def actions_by_id(self) -> dict[str, Callable[[], None]]:
        """Return what the keys do: entry id to a callable without arguments."""
        return {entry.id: self._use(entry) for entry in ENTRIES}

    def refresh(self) -> None:
        """Follow what the case has."""
        for entry in ENTRIES:
            line = self.lines[entry.id]
            reason = self._bench.why_not(entry.tool)
            line.setEnabled(reason is None)
            line.setToolTip(self.tr(reason) if reason else self.tr(entry.hint))
            key = shortcuts.key_text(entry.id)
            line.setText(self.tr(entry.title) + (f"\t{key}" if key else ""))

    def _use(self, entry: ToolEntry) -> Callable[[], None]:
        def use(_on: bool = False) -> None:
            self._bench.use(entry.tool, **entry.parameters)

        return use
