"""What the gate found of a version: the outcome first, then the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.gate_words import (
    day_text,
    outcome_sign,
    outcome_text,
    reason_sign,
    short_reason,
)
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.gate import GateVerdict
    from napari_brainseg.session.gates import GateRecord

__all__ = ["GateView"]

_DIGEST = 6
"""Digits of a hash that people compare."""


class GateView(QWidget):
    """The gate of one version against the one in use.

    Attributes
    ----------
    outcome : QLabel
        The outcome in words.
    reasons : list of tuple of str
        Sign and text of each reason, as shown.
    measure_button, stop_button, review_button : QPushButton
    """

    measure_wanted = Signal(str)
    """Version that is to be measured against the one in use."""
    stop_wanted = Signal()
    """The measurement is to end without a result."""
    review_wanted = Signal(str)
    """Version whose effect is to be looked at, side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._version = ""
        self.record: GateRecord | None = None
        self.reasons: list[tuple[str, str]] = []
        self.box = QFrame()
        set_role(self.box, "verdict")
        self._sign = QLabel()
        set_role(self._sign, "sign")
        self.outcome = QLabel(wordWrap=True)
        self.outcome.setMinimumWidth(1)
        set_role(self.outcome, "figure")
        self._list, self._notes = _grid(), _grid()
        notes = QWidget()
        set_role(notes, "plain")
        notes.setLayout(self._notes)
        self.notes_fold = Fold("", notes)
        self.measured = hint_label()
        self.missing = hint_label()
        self.progress = QProgressBar(textVisible=False)
        self.progress.setRange(0, 0)
        set_role(self.progress, "thin")
        self.measure_button = QPushButton(self.tr("Measure"))
        self.measure_button.setToolTip(
            self.tr(
                "Predict the locked patients with both versions and compare; some minutes, in a "
                "process of its own"
            )
        )
        self.measure_button.clicked.connect(lambda: self.measure_wanted.emit(self._version))
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.setToolTip(self.tr("End the measurement; nothing is kept of it"))
        self.stop_button.clicked.connect(self.stop_wanted)
        self.review_button = QPushButton(self.tr("Review the effect"))
        self.review_button.setToolTip(
            self.tr("Old and new prediction side by side, on the patients where they differ most")
        )
        self.review_button.clicked.connect(lambda: self.review_wanted.emit(self._version))
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.outcome, 1)
        inside = QVBoxLayout(self.box)
        inside.setContentsMargins(8, 5, 6, 6)
        inside.setSpacing(4)
        inside.addLayout(head)
        inside.addLayout(self._list)
        inside.addWidget(self.notes_fold)
        inside.addWidget(self.measured)
        buttons = QHBoxLayout()
        buttons.addWidget(self.review_button, 1)
        buttons.addWidget(self.measure_button, 1)
        buttons.addWidget(self.stop_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.reviewed = hint_label()
        for widget in (self.box, self.missing, self.progress, self.reviewed):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.hide()

    def show_gate(
        self,
        version: str,
        current: str,
        record: GateRecord | None,
        *,
        names: Names | None = None,
        reviewed: str = "",
        is_measuring: bool = False,
        can_measure: bool = True,
    ) -> None:
        """Show what is known of a version.

        Parameters
        ----------
        version, current : str
            The version, and the one in use that it is compared with.
        record : GateRecord or None
            Latest gate of the two; `None` where they were not measured against each other.
        names : Names, optional
            What patients are called on the screen.
        reviewed : str
            Who looked at the effect of the version, in words.
        is_measuring, can_measure : bool
            Whether the gate is being measured, and whether that may be asked for.
        """
        self._version, self.record = version, record
        self.box.setVisible(record is not None)
        self.progress.setVisible(is_measuring)
        self.reviewed.setText(reviewed)
        self.reviewed.setVisible(bool(reviewed))
        self.measure_button.setVisible(record is None and not is_measuring)
        self.measure_button.setEnabled(can_measure)
        self.stop_button.setVisible(is_measuring)
        self.stop_button.setEnabled(True)
        self.missing.setVisible(record is None)
        self.missing.setText(
            self.tr("Both versions predict the locked patients…")
            if is_measuring
            else self.tr(
                "{version} was not measured against {current}, which is in use: nothing shows "
                "yet which one is better."
            ).format(version=short_version(version), current=short_version(current))
        )
        if record is not None:
            self._show_record(record, current, Names() if names is None else names)
        self.show()

    def _show_record(self, record: GateRecord, current: str, names: Names) -> None:
        outcome = str(record.outcome)
        self._sign.setText(outcome_sign(outcome))
        self.outcome.setText(
            self.tr("{outcome} against {current}").format(
                outcome=outcome_text(outcome), current=short_version(current)
            )
        )
        for widget in (self.box, self._sign):
            _set_outcome(widget, outcome)
        self._show_reasons(record.verdict, names)
        self.measured.setText(self._measured(record))

    def _show_reasons(self, verdict: GateVerdict, names: Names) -> None:
        for grid in (self._list, self._notes):
            while grid.count():
                item = grid.takeAt(0).widget()
                item.hide()
                item.deleteLater()
        self.reasons = []
        notes = 0
        for row, reason in enumerate(verdict.reasons):
            is_note = reason.level == "note"
            notes += is_note
            grid = self._notes if is_note else self._list
            shown, outcome = reason_sign(reason)
            sign = QLabel(shown)
            set_role(sign, "sign")
            sign.setProperty("outcome", outcome)
            text = hint_label(short_reason(reason, verdict, names))
            text.setToolTip(names.scrub(reason.text))
            if not is_note:
                set_role(text, "")
            grid.addWidget(sign, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(text, row, 1)
            self.reasons.append((shown, text.text()))
        self.notes_fold.setVisible(notes > 0)
        self.notes_fold.button.setText(
            self.tr("1 note") if notes == 1 else self.tr("{n} notes").format(n=notes)
        )

    def _measured(self, record: GateRecord) -> str:
        number = len(record.evidence.locked)
        text = (
            self.tr("Measured on 1 locked patient{digest}, {day}")
            if number == 1
            else self.tr("Measured on {n} locked patients{digest}, {day}")
        )
        digest = (
            self.tr(" (digest {digest})").format(digest=record.locked_digest[:_DIGEST])
            if record.locked_digest
            else ""
        )
        return text.format(n=number, digest=digest, day=day_text(record.created))


def _grid() -> QGridLayout:
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(6)
    grid.setVerticalSpacing(2)
    grid.setColumnStretch(1, 1)
    return grid


def _set_outcome(widget: QWidget, outcome: str) -> None:
    widget.setProperty("outcome", outcome)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
