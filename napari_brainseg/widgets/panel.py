"""What all panels share: a title, a body, a place for faults, ties that end with the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.next_act import Act

__all__ = ["Panel", "hint_label", "mark_next"]


class Panel(QFrame):
    """A titled part of the dock.

    Parameters
    ----------
    desk : Desk
        The state it shows.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "panel")
        self.desk = desk
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self.heading = QLabel()
        set_role(self.heading, "title")
        self.fault = FaultBox()
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(8, 6, 8, 8)
        self.body.setSpacing(5)
        self.body.addWidget(self.heading)
        self.body.addWidget(self.fault)

    def head(self, *widgets: QWidget) -> None:
        """Put widgets to the right of the heading, in its line."""
        self.body.removeWidget(self.heading)
        row = QHBoxLayout()
        row.setSpacing(3)
        row.addWidget(self.heading, 1)
        for widget in widgets:
            row.addWidget(widget)
        self.body.insertLayout(0, row)

    def run(
        self,
        act: Callable[[], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[BrainSegError], None] | None = None,
    ) -> None:
        """Run a slow act in a worker; a fault is shown in this panel."""
        self.fault.clear()
        self._background.run(act, done or _ignore, failed or self.fault.show_error)

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act, if it is one of this panel's."""


def mark_next(button: QPushButton, is_next: bool) -> None:
    """Fill a button, or make it an ordinary one."""
    if bool(button.property("next")) != is_next:
        button.setProperty("next", is_next)
        button.style().unpolish(button)
        button.style().polish(button)


def hint_label(text: str = "") -> QLabel:
    """Quiet, wrapping text."""
    label = QLabel(text, wordWrap=True)
    label.setMinimumWidth(1)
    label.setTextFormat(Qt.TextFormat.PlainText)
    set_role(label, "hint")
    return label


def _ignore(_result: Any) -> None:
    return None
