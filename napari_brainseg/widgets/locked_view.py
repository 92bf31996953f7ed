"""The locked patients of a workspace: how many, since when, who."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_brainseg.core.dataset.locked_set import LEAST_LOCKED
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.dataset.locked_set import LockedSet

__all__ = ["LockedView"]


class LockedView(QWidget):
    """One line with a fold that holds the names.

    Attributes
    ----------
    fold : Fold
        Its button is the line.
    few : QLabel
        Seen where the gate cannot decide.
    more_button : QPushButton
        Seen where more patients could be locked.
    """

    more_asked = Signal()
    """Lock more patients."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names = hint_label()
        self.names.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.fold = Fold("", self.names)
        self.fold.setToolTip(self.tr("Frozen: they measure every version and never train"))
        self.none = hint_label()
        self.few = hint_label()
        set_role(self.few, "notice")
        self.more_button = QPushButton(self.tr("Lock more patients"))
        self.more_button.setToolTip(
            self.tr(
                "Adds patients with ground truth, or approved ones, that no model was trained on. "
                "Figures from before do not compare with figures from then on."
            )
        )
        self.more_button.clicked.connect(self.more_asked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.none, self.fold, self.few, self.more_button):
            layout.addWidget(widget)
        self.show_set(None)

    def show_set(
        self,
        locked: LockedSet | None,
        *,
        planned: bool = False,
        can_grow: bool = False,
        told: bool = False,
        name: Callable[[str], str] = str,
    ) -> None:
        """Show a set.

        Parameters
        ----------
        locked : LockedSet or None
            `None` where nobody is locked yet.
        planned : bool
            Whether it is frozen only when the next run starts.
        can_grow : bool
            Whether more patients could be locked.
        told : bool
            Whether something else says that the gate cannot decide.
        name : callable
            Gives what a patient is called on the screen.
        """
        number = 0 if locked is None else len(locked.patients)
        self.fold.setVisible(number > 0)
        self.none.setVisible(number == 0)
        self.none.setText(
            self.tr("No patients are locked: nothing can be measured that the model has not seen.")
        )
        if locked is not None:
            self.fold.button.setText(self._line(locked, planned=planned))
            self.names.setText(", ".join(name(patient) for patient in locked.names))
        self.few.setText(self._why_few())
        self.few.setVisible(number < LEAST_LOCKED and not told)
        self.more_button.setEnabled(True)
        self.more_button.setVisible(can_grow and not planned and number < LEAST_LOCKED)

    def _line(self, locked: LockedSet, *, planned: bool) -> str:
        number = len(locked.patients)
        if planned:
            text = (
                self.tr("1 patient is locked at the start")
                if number == 1
                else self.tr("{n} patients are locked at the start")
            )
            return text.format(n=number)
        text = (
            self.tr("1 patient locked on {day}")
            if number == 1
            else self.tr("{n} patients locked on {day}")
        )
        return text.format(n=number, day=f"{locked.created.astimezone():%Y-%m-%d}")

    def _why_few(self) -> str:
        return self.tr(
            "The gate cannot decide with fewer than {least}. Open a folder with more patients "
            "that have ground truth, or approve more."
        ).format(least=LEAST_LOCKED)
