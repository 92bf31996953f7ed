"""Before a run: what would be trained, how, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_brainseg.core.protocol.fine_tuning_defaults import fine_tuning_defaults
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.keep_check import keep_check
from napari_brainseg.widgets.locked_view import LockedView
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.preflight_view import PreflightView
from napari_brainseg.widgets.training_settings import TrainingSettings
from napari_brainseg.widgets.training_watch import Outlook
from napari_brainseg.widgets.training_words import waiting_text

if TYPE_CHECKING:
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["TrainingIdle"]


class TrainingIdle(QWidget):
    """Corrections, locked patients, settings and findings, and the button that starts.

    Attributes
    ----------
    outlook : Outlook
        What is shown.
    """

    start_asked = Signal()
    measure_asked = Signal()
    ready_changed = Signal()
    """Whether a run can be started."""

    def __init__(self, parent: QWidget | None = None) -> None:
        from napari_brainseg.session.fine_tuning import DEFAULTS

        super().__init__(parent)
        self.outlook = Outlook()
        self.hint = hint_label()
        self.locked = LockedView()
        self.settings = TrainingSettings(DEFAULTS)
        self.preflight = PreflightView()
        self.plan_text = hint_label()
        self.measure_button = QPushButton(self.tr("How long will it take?"))
        self.measure_button.setToolTip(
            self.tr("Measures a step on this machine, in a process of its own at low priority")
        )
        self.measure_button.clicked.connect(self.measure_asked)
        self.keep_check = keep_check()
        self.train_button = QPushButton(self.tr("Fine-tune"))
        self.train_button.clicked.connect(self.start_asked)
        self.preflight.changed.connect(self._follow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for widget in (
            self.hint, self.locked, self.settings, self.preflight, self.plan_text,
            self.measure_button, self.keep_check, self.train_button,
        ):  # fmt: skip
            layout.addWidget(widget)
        self._follow()

    @property
    def is_ready(self) -> bool:
        """Whether a run can be started."""
        return self.outlook.waiting > 0 and self.preflight.lets_start

    def show_outlook(self, known: Outlook, names: Names) -> None:
        """Show what is known; what is not looked at yet stands as it was."""
        self.outlook = known
        plan = known.plan
        if plan is not None:
            replayed = len(plan.replayed)
            defaults = fine_tuning_defaults(len(plan.corrected), replayed=replayed)
            self.settings.show_defaults(defaults, replayed=replayed)
        if known.waiting:
            self.settings.show_starts(known.bundled, known.current)
        if plan is not None or known.checked:
            self.locked.show_set(
                known.locked if plan is None else plan.locked,
                planned=plan is not None and plan.is_new_locked,
                can_grow=plan is not None,
                told=known.report is not None
                and any(known.report.find(kind) for kind in ("few-locked", "no-locked")),
                name=names.short,
            )
            self.plan_text.setText(self._plan(known))
            self.plan_text.setToolTip("" if plan is None else names.scrub("\n".join(plan.notes)))
        if known.fault is not None:
            self.preflight.show_fault(known.fault, names)
        elif known.checked:
            self.preflight.show_report(known.report, names)
        self._follow()

    def show_checking(self) -> None:
        """Tell that it is looked again."""
        self.preflight.show_checking()
        self._follow()

    def _plan(self, known: Outlook) -> str:
        lines = []
        replayed = 0 if known.plan is None else len(known.plan.replayed)
        if replayed:
            lines.append(
                self.tr("1 patient that the model knows is replayed.")
                if replayed == 1
                else self.tr("{n} patients that the model knows are replayed.").format(n=replayed)
            )
        seconds = None if known.report is None else known.report.expected_s
        if seconds is not None:
            lines.append(
                self.tr("About {time} on this machine (measured).").format(
                    time=numbers.duration(seconds)
                )
            )
        elif known.time == "measuring":
            lines.append(self.tr("Measuring how long it takes…"))
        elif known.time == "unmeasurable":
            lines.append(self.tr("How long it takes could not be measured."))
        return "\n".join(lines)

    def _follow(self) -> None:
        known = self.outlook
        self.hint.setText(waiting_text(known.waiting, known.report))
        for widget in (self.locked, self.settings, self.keep_check):
            widget.setVisible(known.waiting > 0)
        self.preflight.setVisible(known.waiting > 0 or known.fault is not None)
        self.plan_text.setVisible(known.waiting > 0 and bool(self.plan_text.text()))
        self.measure_button.setVisible(
            known.checked and known.time == "unknown" and self.preflight.can_start
        )
        self.train_button.setEnabled(self.is_ready)
        self.train_button.setToolTip(
            (self.preflight.reason if known.waiting else self.hint.text())
            or self.tr("Train on all your corrections, in a process of its own")
        )
        self.ready_changed.emit()
