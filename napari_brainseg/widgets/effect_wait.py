"""What stands in place of the pictures of an effect review until they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_brainseg.widgets.effect_words import activity_text
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from napari_brainseg.session.effect_review import EffectReview
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["EffectWait"]


class EffectWait(QWidget):
    """Says what is being done, or why a case cannot be shown.

    Parameters
    ----------
    review : EffectReview
        Its case on show is told of.
    names : Names
        What patients are called.
    """

    retry_asked = Signal()
    """Try to prepare the case again."""

    def __init__(self, review: EffectReview, names: Names, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._review, self._names = review, names
        self.words = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self.words, "hint")
        self.retry_button = QPushButton(self.tr("Try again"))
        self.retry_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.retry_button.clicked.connect(self.retry_asked)
        layout = QGridLayout(self)
        layout.setRowStretch(0, 1)
        layout.setRowStretch(3, 1)
        layout.addWidget(self.words, 1, 0)
        layout.addWidget(self.retry_button, 2, 0, Qt.AlignmentFlag.AlignCenter)

    def refresh(self) -> None:
        """Follow the review."""
        review = self._review
        patient = self._names.short(review.case.patient)
        fault, activity = review.fault_of(review.index), review.activity
        if fault is not None:
            self.words.setText(self._names.scrub(f"{fault.message}\n{fault.hint}".strip()))
        elif activity is not None and activity.index == review.index:
            self.words.setText(activity_text(activity, patient))
        else:
            self.words.setText(self.tr("{patient} is being prepared…").format(patient=patient))
        self.retry_button.setVisible(fault is not None)
