"""Which patient comes next, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtCore import Signal as QtSignal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.viewer.shortcuts import key_text, keys_changed
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QShowEvent

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.ordering import Suggestion

__all__ = ["NextCase"]

_SETTLE_MS = 200
"""Rows change in bursts; the suggestion is made once after them."""
_STEP = 5
_PERCENT = 100


class NextCase(Panel):
    """Names the next patient with the reason, and opens it.

    Parameters
    ----------
    desk : Desk
        Whose worklist and preferences; it chooses the case.
    open_patient : callable
        Gets the patient to open.
    names : callable, optional
        Gives what patients are called.
    """

    suggested = QtSignal(object)
    """`Suggestion`, or `None`: another case comes next, or none is left."""
    blind_known = QtSignal(object)
    """frozenset of str: patients to be read without the prediction."""

    def __init__(
        self,
        desk: Desk,
        open_patient: Callable[[str], None],
        names: Callable[[], Names] = Names,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(desk, parent)
        from napari_brainseg.session.ordering import STRATEGIES

        self._open_patient = open_patient
        self._names = names
        self.suggestion: Suggestion | None = None
        self._is_answered = False
        self.heading.setText(self.tr("Next case"))
        self.body.setContentsMargins(0, 0, 0, 0)
        set_role(self, "part")
        self.strategy = QComboBox()
        self.strategy.setAccessibleName(self.tr("How the next case is chosen"))
        self.strategy.setMinimumContentsLength(8)
        self.strategy.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        for index, (key, strategy) in enumerate(STRATEGIES.items()):
            self.strategy.addItem(self.tr(strategy.title), key)
            self.strategy.setItemData(
                index, self.tr(strategy.description), Qt.ItemDataRole.ToolTipRole
            )
        self.strategy.activated.connect(self._on_strategy)
        self.patient = QLabel(wordWrap=True)
        self.patient.setMinimumWidth(1)
        set_role(self.patient, "figure")
        self.reason = hint_label()
        self.next_button = QPushButton(self.tr("Next"))
        self.next_button.clicked.connect(self.open_next)
        self.blind_words = hint_label()
        self.blind_share = QSlider(Qt.Orientation.Horizontal)
        self.blind_share.setRange(0, _PERCENT // _STEP)
        self.blind_share.setPageStep(2)
        self.blind_share.setAccessibleName(self.tr("Share of cases read without the prediction"))
        self.blind_share.valueChanged.connect(self._on_share_moved)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.blind_words)
        column.addWidget(self.blind_share)
        self.blind = Fold(self.tr("Blind reading"), inside)
        self.blind.button.setToolTip(
            self.tr("A share of the cases is read without the prediction, to see what it changes")
        )
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.patient, 1)
        row.addWidget(self.next_button)
        self.body.addWidget(self.strategy)
        self.body.addLayout(row)
        self.body.addWidget(self.reason)
        self.body.addWidget(self.blind)
        self._settling = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settling.timeout.connect(self._ask)
        # Writing the preferences for each step of a slider would be too much.
        self._saving = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._saving.timeout.connect(self._save_share)
        worklist, preferences = desk.worklist, desk.preferences
        for signal in (worklist.changed, worklist.reset, desk.opened, desk.closed):
            self.ties.add(signal, self._on_news)
        self.ties.add(preferences.changed, self._on_preference)
        self.ties.add(keys_changed, self.refresh)
        self._take_preferences()
        self.refresh()
        self._on_news()

    def refresh(self) -> None:
        """Show the suggestion."""
        found = self.suggestion
        self.next_button.setEnabled(found is not None)
        if found is None:
            self.patient.setText("")
            self.patient.setToolTip("")
            self.reason.setText(self.tr("No case is left to do.") if self._is_answered else "")
        else:
            names = self._names()
            self.patient.setText(names.short(found.patient))
            self.patient.setToolTip(names.full(found.patient))
            self.reason.setText(self.tr(found.reason))
        self.next_button.setToolTip(self.tr("Open it ({key})").format(key=key_text("next_case")))

    def open_next(self) -> None:
        """Open the patient that is suggested."""
        if self.suggestion is not None:
            self._open_patient(self.suggestion.patient)

    def show_next(self, act: Act) -> None:
        """Fill the button when the next patient is the next act."""
        mark_next(self.next_button, act is Act.NEXT_PATIENT and self.suggestion is not None)

    def _on_news(self, *_news: object) -> None:
        self.setVisible(bool(self.desk.worklist.rows))
        self._settle()

    def _ask(self) -> None:
        # The desk of a window that is closing must not be given work.
        if not self.isVisible():
            return
        desk = self.desk
        self._background.run(
            lambda: (desk.next_case(), _blind_patients(desk)),
            self._on_answer,
            self.fault.show_error,
        )

    def _on_answer(self, answer: tuple[Suggestion | None, frozenset[str]]) -> None:
        before, self._is_answered = self.suggestion, True
        self.suggestion, blind = answer
        self.refresh()
        if self.suggestion != before:
            self.suggested.emit(self.suggestion)
        self.blind_known.emit(blind)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._settle()

    def _settle(self) -> None:
        # Not started anew by each change: while all are looked at, changes do not cease for long.
        if not self._settling.isActive():
            self._settling.start()

    def _on_strategy(self, index: int) -> None:
        self.desk.preferences.set(strategy=self.strategy.itemData(index))

    def _on_share_moved(self, steps: int) -> None:
        self._say_share(steps)
        self._saving.start()

    def _save_share(self) -> None:
        self.desk.preferences.set(blind_share=self.blind_share.value() * _STEP / _PERCENT)

    def _on_preference(self, name: str) -> None:
        if name in ("strategy", "blind_share"):
            self._take_preferences()
            self._settle()
        elif name == "hide_identifiers":
            self.refresh()

    def _take_preferences(self) -> None:
        preferences = self.desk.preferences
        index = max(0, self.strategy.findData(preferences.get("strategy")))
        self.strategy.setCurrentIndex(index)
        self.strategy.setToolTip(self.strategy.itemData(index, Qt.ItemDataRole.ToolTipRole))
        steps = round(preferences.get("blind_share") * _PERCENT / _STEP)
        self.blind_share.blockSignals(True)
        self.blind_share.setValue(steps)
        self.blind_share.blockSignals(False)
        self._say_share(steps)

    def _say_share(self, steps: int) -> None:
        text = self.tr("{share} % of the cases are read without the prediction")
        none = self.tr("Every case is read with its prediction")
        self.blind_words.setText(text.format(share=steps * _STEP) if steps else none)


def _blind_patients(desk: Desk) -> frozenset[str]:
    from napari_brainseg.session.ordering import order

    values = desk.preferences.values
    if not values.blind_share and values.strategy != "blind":
        return frozenset()
    found = order(desk.worklist.rows, values.strategy, blind_share=values.blind_share)
    return frozenset(suggestion.patient for suggestion in found if suggestion.blind)
