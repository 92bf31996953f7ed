"""The patients that a gate was measured on, folded away below its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.gate_table import GateTable
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["GatePatients"]


class GatePatients(QWidget):
    """Locked patients and corrected ones, each kind in a fold.

    Attributes
    ----------
    locked, corrected : GateTable
    locked_fold, corrected_fold : Fold
    """

    patient_chosen = Signal(str)
    """A patient of the tables was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.locked = GateTable(self.tr("Locked patients"))
        self.corrected = GateTable(self.tr("Corrected patients"))
        self.locked_fold = Fold("", self.locked)
        self.corrected_fold = Fold("", self.corrected)
        self.legend = hint_label(
            self.tr("DSC of each patient: ring in use, dot new; worst change first.")
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for fold, table in ((self.locked_fold, self.locked), (self.corrected_fold, self.corrected)):
            table.patient_chosen.connect(self.patient_chosen)
            fold.button.toggled.connect(self._follow_folds)
            layout.addWidget(fold)
        layout.addWidget(self.legend)
        self.hide()

    def show_gate(self, record: GateRecord | None, names: Names) -> None:
        """Show the patients of a gate; `None` hides all.

        Parameters
        ----------
        record : GateRecord or None
            With the evidence.
        names : Names
            What patients are called on the screen.
        """
        self.setVisible(record is not None)
        if record is None:
            return
        from napari_brainseg.core.segmentation.gate import paired

        rows = paired(record.evidence)
        for fold, table, group in (
            (self.locked_fold, self.locked, "locked"),
            (self.corrected_fold, self.corrected, "correction"),
        ):
            found = [row for row in rows if row.group == group]
            fold.setVisible(bool(found))
            fold.button.setText(self._count(len(found), is_locked=group == "locked"))
            table.show_rows(found, names.short)
        self._follow_folds()

    def _count(self, number: int, *, is_locked: bool) -> str:
        if is_locked:
            return (
                self.tr("1 locked patient")
                if number == 1
                else self.tr("{n} locked patients").format(n=number)
            )
        return (
            self.tr("1 corrected patient, not trained on")
            if number == 1
            else self.tr("{n} corrected patients, not trained on").format(n=number)
        )

    def _follow_folds(self) -> None:
        folds = (self.locked_fold, self.corrected_fold)
        seen = any(fold.button.isChecked() and not fold.isHidden() for fold in folds)
        self.legend.setVisible(seen)
