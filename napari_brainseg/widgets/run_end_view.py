"""How a run ended, and which runs can go on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.panel import hint_label, mark_next

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.session.run_log import RunRecord

__all__ = ["RunEndView", "gate_outcome"]


class RunEndView(QWidget):
    """One line about the latest run, and a button for each run that can be resumed.

    Attributes
    ----------
    text : QLabel
        What came out.
    resume_button : QPushButton
        Of the latest run; older ones stand in a fold.
    gate_button : QPushButton
        Shows what the gate found.
    """

    resume_asked = Signal(str)
    """Id of a run."""
    gate_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.resumable: tuple[RunRecord, ...] = ()
        self.text = hint_label()
        self.resume_button = QPushButton(self.tr("Resume"))
        self.resume_button.setToolTip(self.tr("Go on from the last checkpoint"))
        self.resume_button.clicked.connect(lambda: self.resume_asked.emit(self.resumable[0].id))
        self.gate_button = QPushButton(self.tr("See the gate"))
        self.gate_button.setToolTip(self.tr("Candidate and model in use, patient by patient"))
        self.gate_button.clicked.connect(self.gate_asked)
        self.gate_button.hide()
        self._older = QWidget()
        self._older_rows = QVBoxLayout(self._older)
        self._older_rows.setContentsMargins(0, 0, 0, 0)
        self._older_rows.setSpacing(3)
        self.older_fold = Fold("", self._older)
        buttons = QHBoxLayout()
        buttons.addWidget(self.gate_button, 1)
        buttons.addWidget(self.resume_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        layout.addWidget(self.older_fold)
        self.say("")
        self.show_resumable(())

    def say(self, text: str, *, gate: bool = False) -> None:
        """Tell what came out; with a way to the gate where one was measured."""
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.gate_button.setVisible(gate)

    def show_resumable(self, records: Sequence[RunRecord], *, latest: str = "") -> None:
        """Offer runs to be resumed, the latest first; `latest` is the id of the latest run.

        A run that was followed by another one is no obvious next act: it stands in the fold.
        """
        up_front = [r for r in records[:1] if r.id == latest]
        self.resumable = (*up_front, *(r for r in records if r not in up_front))
        self.resume_button.setVisible(bool(up_front))
        while (item := self._older_rows.takeAt(0)) is not None:
            item.widget().hide()
            item.widget().deleteLater()
        older = self.resumable[len(up_front) :]
        for record in older:
            button = QPushButton(self.tr("Resume: {run}").format(run=_text(record)))
            button.setToolTip(record.id)
            button.clicked.connect(
                lambda _on=False, run_id=record.id: self.resume_asked.emit(run_id)
            )
            self._older_rows.addWidget(button)
        self.older_fold.button.setText(
            self.tr("1 older run can be resumed")
            if len(older) == 1
            else self.tr("{n} older runs can be resumed").format(n=len(older))
        )
        self.older_fold.setVisible(bool(older))

    @property
    def can_resume(self) -> bool:
        """Whether the latest run can go on."""
        return not self.resume_button.isHidden()

    def describe(self, record: RunRecord) -> str:
        """Tell of a run that ended before this panel was there."""
        return self.tr("The run of {run} can go on from its last checkpoint.").format(
            run=_text(record)
        )

    def show_next(self, is_next: bool) -> None:
        """Fill the button to resume, where that is the next act."""
        mark_next(self.resume_button, is_next and self.can_resume)


def gate_outcome(path: str) -> str:
    """Judge the evidence of a gate: value of a `GateOutcome`. Not for the main thread.

    Raises
    ------
    BrainSegError
        If the evidence cannot be read.
    """
    from napari_brainseg.core.segmentation.gate import judge, load_evidence

    return str(judge(load_evidence(Path(path))).outcome.value)


def _text(record: RunRecord) -> str:
    when = f"{datetime.fromtimestamp(record.created):%Y-%m-%d %H:%M}"
    return f"{when} ({record.state})"
