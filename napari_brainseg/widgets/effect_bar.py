"""What stands above the pictures of an effect review: the case, its figures, steps, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from napari_brainseg.viewer.effect_scene import Overlay
from napari_brainseg.widgets.effect_keys import key_hint
from napari_brainseg.widgets.effect_words import activity_text, figures_text, kind_text
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from napari_brainseg.session.effect_review import EffectReview
    from napari_brainseg.viewer.effect_scene import EffectScene
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["EffectBar"]


class EffectBar(QWidget):
    """Names the case on show, tells its figures, and steps.

    Parameters
    ----------
    review : EffectReview
        The cases. Its owner calls `refresh` when they change.
    scene : EffectScene
        How the case is looked at.
    names : Names
        What patients are called.
    """

    done = Signal()
    """The review is to end."""
    blink_asked = Signal(bool)
    """The button that shows both versions in turn is held, or let go."""

    def __init__(
        self,
        review: EffectReview,
        scene: EffectScene,
        names: Names,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._review, self._scene, self.names = review, scene, names
        self.heading = QLabel()
        set_role(self.heading, "figure")
        self.kind = QLabel()
        set_role(self.kind, "hint")
        self.figures = QLabel()
        self.figures.setMinimumWidth(1)
        self.activity = QLabel()
        self.activity.setMinimumWidth(1)
        self.activity.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        set_role(self.activity, "hint")
        for label in (self.heading, self.kind, self.figures, self.activity):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.done_button = QPushButton(self.tr("Done"))
        self.done_button.clicked.connect(self.done)
        self.previous_case = self._step(self.tr("‹ Case"), "previous_case", review.previous)
        self.next_case = self._step(self.tr("Case ›"), "next_case", review.next)
        self.previous_difference = self._step(
            self.tr("‹ Difference"), "previous_lesion", scene.previous_difference
        )
        self.next_difference = self._step(
            self.tr("Difference ›"), "next_lesion", scene.next_difference
        )
        self.blink = self._step(self.tr("In turn"), "blink", None)
        self.blink.pressed.connect(lambda: self.blink_asked.emit(True))
        self.blink.released.connect(lambda: self.blink_asked.emit(False))
        self.modality = self._step("", "next_modality", scene.next_modality)
        for button in (self.done_button, *self.findChildren(QToolButton)):
            # The keys stay with the pictures.
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        first = QHBoxLayout()
        first.addWidget(self.heading)
        first.addWidget(self.kind)
        first.addStretch(1)
        first.addWidget(self.done_button)
        steps = QHBoxLayout()
        steps.setSpacing(3)
        for button in (
            self.previous_case, self.next_case, None, self.previous_difference,
            self.next_difference, None, self.blink, self.modality,
        ):  # fmt: skip
            if button is None:
                steps.addSpacing(8)
            else:
                steps.addWidget(button)
        steps.addWidget(self.activity, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(3)
        layout.addLayout(first)
        layout.addWidget(self.figures)
        layout.addLayout(steps)
        self.refresh()

    def refresh(self) -> None:
        """Follow the review and the scene."""
        review, scene = self._review, self._scene
        index, case = review.index, review.case
        self.heading.setText(
            self.tr("Case {i} of {n}: {patient}").format(
                i=index + 1, n=len(review.cases), patient=self.names.short(case.patient)
            )
        )
        self.heading.setToolTip(self.names.full(case.patient))
        self.kind.setText(kind_text(case))
        self.figures.setText(figures_text(review, index))
        self.previous_case.setEnabled(index > 0)
        self.next_case.setEnabled(index + 1 < len(review.cases))
        picture = scene.picture
        differing = () if picture is None else picture.slices
        self.previous_difference.setEnabled(any(z < scene.slice_index for z in differing))
        self.next_difference.setEnabled(any(z > scene.slice_index for z in differing))
        self.blink.setEnabled(picture is not None)
        self.modality.setEnabled(len(scene.modalities) > 1)
        self.modality.setText(str(scene.modality))
        self.blink.setDown(scene.overlay is not Overlay.DIFFERENCE)
        self.show_activity()

    def show_activity(self) -> None:
        """Tell what is being prepared ahead; what is on show tells that in the picture."""
        activity = self._review.activity
        ahead = activity is not None and activity.index != self._review.index
        if ahead:
            patient = self._review.cases[activity.index].patient
            self.activity.setText(activity_text(activity, self.names.short(patient)))
        else:
            self.activity.setText("")

    def _step(self, text: str, action: str, act: object) -> QToolButton:
        button = QToolButton(self, text=text, toolTip=key_hint(action))
        if act is not None:
            button.clicked.connect(lambda: act())
        return button
