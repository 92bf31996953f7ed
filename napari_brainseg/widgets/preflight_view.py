"""What was found before a run starts: faults that stop it, warnings, notes; each with its mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFrame, QLabel, QVBoxLayout, QWidget

from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.dataset.preflight import PreflightFinding, PreflightReport
    from napari_brainseg.core.imaging import BrainSegError

__all__ = ["PreflightView"]

_ROLES = {"stop": "fault", "warning": "note", "note": "plain"}
_NAMED = 3
"""So many patients are named at once; more are folded away."""


class PreflightView(QWidget):
    """Lists findings, the gravest first; notes are folded away behind one line.

    Attributes
    ----------
    report : PreflightReport or None
        What is shown.
    anyway : QCheckBox
        An expert's word that the warnings were read; seen where it is needed.
    """

    changed = Signal()
    """Another report, or the tick."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.report: PreflightReport | None = None
        self._checking = False
        self.state = hint_label()
        self.rows: list[FindingRow] = []
        self._grave = _column()
        self._notes = _column()
        self.notes_fold = Fold("", self._notes)
        self.anyway = QCheckBox(self.tr("Go on anyway"))
        self.anyway.setToolTip(self.tr("I have read the warnings and know what they mean"))
        self.anyway.toggled.connect(lambda _on: self.changed.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.state, self._grave, self.anyway, self.notes_fold):
            layout.addWidget(widget)
        self.show_report(None)

    @property
    def can_start(self) -> bool:
        """Whether nothing stops a run, warnings apart."""
        return self.report is not None and self.report.can_start

    @property
    def lets_start(self) -> bool:
        """Whether nothing found stands against a start."""
        report = self.report
        if report is None or not report.can_start:
            return False
        return not report.needs_expert or self.anyway.isChecked()

    @property
    def reason(self) -> str:
        """Why a run cannot be started; empty if it can."""
        report = self.report
        if report is None:
            return self.tr("The corrections are being checked.") if self._checking else ""
        stops = [f.message for f in report.findings if f.level == "stop"]
        if stops:
            return stops[0]
        if not self.lets_start:
            return self.tr("Read the warnings, then tick “Go on anyway”.")
        return ""

    def show_checking(self) -> None:
        """Tell that another report is on its way; the last one stands meanwhile."""
        if self.report is None:
            self._checking = True
            self.state.setText(self.tr("Checking corrections, memory and disk…"))
            self.state.show()

    def show_fault(self, error: BrainSegError, names: Names | None = None) -> None:
        """Show why nothing could be checked, as one finding that stops."""
        from napari_brainseg.core.dataset.preflight import PreflightFinding, PreflightReport

        finding = PreflightFinding(
            kind="fault", level="stop", message=error.message, hint=error.hint
        )
        self.show_report(PreflightReport(findings=(finding,)), names)

    def show_report(self, report: PreflightReport | None, names: Names | None = None) -> None:
        """Show what was found; `names` tell what patients are called on the screen."""
        names = Names() if names is None else names
        self._checking = False
        asked_before = self._warned(self.report)
        self.report = report
        self._clear()
        # The time is told up front, where it helps to decide.
        findings = (
            [] if report is None else [f for f in report.findings if f.kind != "expected-time"]
        )
        for finding in sorted(findings, key=lambda f: list(_ROLES).index(f.level)):
            row = FindingRow(finding, names)
            self.rows.append(row)
            box = self._notes if finding.level == "note" else self._grave
            box.layout().addWidget(row)
        notes = sum(1 for f in findings if f.level == "note")
        self.notes_fold.button.setText(
            self.tr("1 note") if notes == 1 else self.tr("{n} notes").format(n=notes)
        )
        self.notes_fold.setVisible(notes > 0)
        self._grave.setVisible(len(findings) > notes)
        needed = report is not None and report.can_start and report.needs_expert
        if not needed or self._warned(report) != asked_before:
            # The tick is for the warnings that were read, not for others.
            self.anyway.setChecked(False)
        self.anyway.setVisible(needed)
        clean = report is not None and len(findings) == notes
        self.state.setText(self.tr("Checked: nothing speaks against a start.") if clean else "")
        self.state.setVisible(bool(self.state.text()))
        self.changed.emit()

    @staticmethod
    def _warned(report: PreflightReport | None) -> list[tuple[str, tuple[str, ...]]]:
        findings: Sequence[PreflightFinding] = () if report is None else report.findings
        return [(f.kind, tuple(f.patients)) for f in findings if f.level == "warning"]

    def _clear(self) -> None:
        for row in self.rows:
            row.hide()
            row.deleteLater()
        self.rows = []


class FindingRow(QFrame):
    """One finding: what, whom, and the mend."""

    def __init__(self, finding: PreflightFinding, names: Names) -> None:
        super().__init__()
        self.finding = finding
        set_role(self, _ROLES[finding.level])
        self.message = hint_label(names.scrub(finding.message))
        if finding.level != "note":
            set_role(self.message, "plain")
        self.hint = hint_label(names.scrub(finding.hint))
        self.hint.setVisible(bool(finding.hint))
        layout = QVBoxLayout(self)
        grave = finding.level != "note"
        layout.setContentsMargins(8 if grave else 12, 3 if grave else 0, 4, 3 if grave else 0)
        layout.setSpacing(1)
        layout.addWidget(self.message)
        self._name_patients(layout, names)
        layout.addWidget(self.hint)

    def _name_patients(self, layout: QVBoxLayout, names: Names) -> None:
        patients = self.finding.patients
        if all(patient in self.finding.message for patient in patients):
            return
        listed = QLabel(", ".join(names.short(patient) for patient in patients), wordWrap=True)
        listed.setMinimumWidth(1)
        listed.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if len(patients) <= _NAMED:
            layout.addWidget(listed)
        else:
            layout.addWidget(Fold(self.tr("{n} patients").format(n=len(patients)), listed))


def _column() -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    return box
