"""Taking a version into use, with a reason where the gate was not passed, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.gate_words import FAILED, NOT_ENOUGH, PASSED
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label, mark_next

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QLabel

__all__ = ["LEAST_WORDS", "PromoteBar", "ReasonField"]

LEAST_WORDS = 3
"""A reason of fewer words tells nobody anything."""


class ReasonField(QFrame):
    """Hidden until a reason is needed: why a version is used although the gate was not passed.

    Attributes
    ----------
    text : QLineEdit
    accept, cancel : QPushButton
    """

    given = Signal(str)
    """The reason, without blanks around it."""
    ended = Signal()
    """The field was put away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "note")
        self.question: QLabel = hint_label()
        self.text = QLineEdit(placeholderText=self.tr("Reason, at least a few words"))
        self.text.setAccessibleName(self.tr("Reason"))
        self.text.setMaxLength(500)
        self.accept = QPushButton(self.tr("Take into use"))
        self.cancel = QPushButton(self.tr("Cancel"))
        self.text.textChanged.connect(self._follow)
        self.text.returnPressed.connect(self.accept.click)
        self.accept.clicked.connect(self._on_accept)
        self.cancel.clicked.connect(self.put_away)
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept, 1)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(self.question)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.hide()

    def ask(self, question: str) -> None:
        """Show the field."""
        self.question.setText(question)
        self.text.clear()
        self._follow()
        self.show()
        self.text.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape asks no longer."""
        if event.key() == Qt.Key.Key_Escape:
            self.put_away()
        else:
            super().keyPressEvent(event)

    def put_away(self) -> None:
        """Ask no longer."""
        if not self.isHidden():
            self.hide()
            self.ended.emit()

    def _follow(self) -> None:
        enough = len(self.text.text().split()) >= LEAST_WORDS
        self.accept.setEnabled(enough)
        self.accept.setToolTip(
            self.tr("The reason is kept with your name, for good")
            if enough
            else self.tr("Give a reason of at least {n} words first").format(n=LEAST_WORDS)
        )

    def _on_accept(self) -> None:
        reason = self.text.text().strip()
        self.put_away()
        self.given.emit(reason)


class PromoteBar(QWidget):
    """The two acts that change which version is in use.

    Attributes
    ----------
    use_button : QPushButton
    back_button : QPushButton
        Stands where whoever holds the bar puts it; seen while there is a way back.
    reason_field : ReasonField
    """

    promote_wanted = Signal(str)
    """Reason for using the version; empty where the gate was passed."""
    rollback_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._version = ""
        self._outcome = ""
        self.use_button = QPushButton()
        self.use_button.clicked.connect(self._on_use)
        self.back_button = QPushButton(self.tr("Roll back"))
        self.back_button.clicked.connect(self.rollback_wanted)
        self.reason_field = ReasonField()
        self.reason_field.given.connect(self.promote_wanted)
        self.reason_field.ended.connect(self.use_button.show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.reason_field)
        layout.addWidget(self.use_button)
        self.follow("", "", can_use=False, previous=None)

    @property
    def is_passed(self) -> bool:
        """Whether the gate speaks for the version."""
        return self._outcome == PASSED and bool(self.use_button.isEnabled())

    def follow(
        self,
        version: str,
        outcome: str,
        *,
        can_use: bool,
        previous: str | None,
    ) -> None:
        """Show what can be done.

        Parameters
        ----------
        version : str
            The selected version.
        outcome : str
            Of its gate against the version in use; empty where there is none.
        can_use : bool
            Whether the version may be taken into use: it is whole, and not in use.
        previous : str or None
            The version that a roll-back brings back, `None` where there is none.
        """
        if version != self._version or not can_use:
            self.reason_field.put_away()
        self._version, self._outcome = version, outcome
        asks = can_use and outcome != PASSED
        self.use_button.setEnabled(can_use)
        self.use_button.setText(
            self.tr("Take into use all the same…") if asks else self.tr("Take into use")
        )
        self.use_button.setToolTip(
            self.tr("Asks for a reason: the gate does not speak for this version")
            if asks
            else self.tr("Predict with the selected version from now on")
        )
        self.back_button.setEnabled(previous is not None)
        self.back_button.setVisible(previous is not None)
        if previous is not None:
            text = self.tr("{version} comes back into use").format(version=short_version(previous))
            self.back_button.setToolTip(text)

    def show_next(self, is_next: bool) -> None:
        """Fill the button that takes the version into use."""
        mark_next(self.use_button, is_next and self.is_passed)

    def _on_use(self) -> None:
        if self._outcome == PASSED:
            self.promote_wanted.emit("")
            return
        self.use_button.hide()
        self.reason_field.ask(self._question().format(version=short_version(self._version)))

    def _question(self) -> str:
        if self._outcome == FAILED:
            return self.tr(
                "{version} failed the gate. Why is it taken into use all the same? The reason is "
                "kept with your name."
            )
        if self._outcome == NOT_ENOUGH:
            return self.tr(
                "There is not enough evidence for {version}. Why is it taken into use all the "
                "same? The reason is kept with your name."
            )
        return self.tr(
            "{version} was not measured against the version in use. Why is it taken into use all "
            "the same? The reason is kept with your name."
        )
