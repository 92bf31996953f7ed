"""Fine-tuning: what would be trained, the run as it goes, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton

from napari_brainseg.core.protocol import EpochFinished, Message, RunStarted, StepFinished
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.config_form import ConfigForm
from napari_brainseg.widgets.curves import Curves
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next
from napari_brainseg.widgets.run_curves import epochs_done
from napari_brainseg.widgets.run_state import RunState

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.core.protocol import Event
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.run_log import RunRecord
    from napari_brainseg.session.trainer_process import RunOutcome, TrainerProcess

__all__ = ["TrainingPanel"]

FRONT = ("epochs", "learning_rate", "phantoms")
"""Settings that a radiologist may want to change."""
FILLED_IN = (
    "data",
    "corrections",
    "base",
    "train_patients",
    "validation_patients",
    "locked_patients",
    "lock_reference",
    "validation_share",
    "protocol",
    "folds",
    "fold",
    "test_patients",
    "recipe",
    "bias_correction",
    "skull_stripping",
    "context_slices",
    "cache",
    "what",
    "why",
    "network",
    "features",
    "network_options",
    "encoder_weights",
    "temperature",
    "threshold",
    "minimum_size_vox",
    "spared_share",
    "largest_component",
    "fill_holes",
    "opening_vox",
    "closing_vox",
)
"""Settings that follow from the corrections and the model in use."""


class TrainingPanel(Panel):
    """Starts, shows, stops and resumes fine-tuning runs.

    Parameters
    ----------
    desk : Desk
        Runs the trainer in a process of its own.
    """

    gathered = Signal()
    """What can be trained or resumed is known anew."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        from napari_brainseg.session.fine_tuning import DEFAULTS

        super().__init__(desk, parent)
        self._waiting = 0
        self._resumable: RunRecord | None = None
        self._starting = False
        # As the signals tell it: the process itself ends a little before or after they arrive.
        self._running = desk.trainer is not None and desk.trainer.is_running
        self._started: RunStarted | None = None
        self.story = RunState()
        self.heading.setText(self.tr("Training"))
        self.hint = hint_label()
        self.form = ConfigForm(FRONT, FILLED_IN, DEFAULTS)
        self.plan_text = hint_label()
        self.train_button = QPushButton(self.tr("Fine-tune"))
        self.train_button.setToolTip(
            self.tr("Train the model in use on your corrections, in a process of its own")
        )
        self.train_button.clicked.connect(self.start)
        self.resume_button = QPushButton(self.tr("Resume"))
        self.resume_button.setToolTip(self.tr("Go on from the last checkpoint"))
        self.resume_button.clicked.connect(self.resume)
        self.progress = QProgressBar(textVisible=True)
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.setToolTip(
            self.tr("Write a checkpoint and end the run; it can be resumed")
        )
        self.stop_button.clicked.connect(self._stop)
        self.state = hint_label()
        self.curves = Curves()
        running = QHBoxLayout()
        running.addWidget(self.progress, 1)
        running.addWidget(self.stop_button)
        self.body.addLayout(running)
        for widget in (self.state, self.resume_button, self.curves):
            self.body.addWidget(widget)
        for widget in (self.hint, self.form, self.plan_text, self.train_button):
            self.body.addWidget(widget)

        self.ties.add(desk.opened, lambda _case: self.look())
        self.ties.add(desk.exported, lambda _entry: self.look())
        self.ties.add(desk.review.decided, lambda _review: self.look())
        self.ties.add(desk.models_changed, self.look)
        self.ties.add(desk.training_started, self._on_started)
        self.ties.add(desk.training_event, self._on_event)
        self.ties.add(desk.training_finished, self._on_finished)
        self._looked = False
        self.refresh()

    @property
    def is_running(self) -> bool:
        """Whether a run is under way or about to be."""
        return self._starting or self._running

    def showEvent(self, event: QShowEvent) -> None:
        """Look for corrections and runs when the panel is seen for the first time."""
        super().showEvent(event)
        if not self._looked:
            self.look()

    def look(self) -> None:
        """Count waiting corrections and find a run to resume, in a worker."""
        if not self.isVisible() and not self._looked:
            return
        self._looked = True
        self._background.run(self._gather, self._on_gathered, self.fault.show_error)

    def start(self) -> None:
        """Start fine-tuning with the settings of the form."""
        changes = self.form.changes()
        self._begin()
        self.run(lambda: self.desk.start_fine_tuning(**changes), None, self._on_refused)

    def resume(self) -> None:
        """Go on with the run that can be resumed."""
        record = self._resumable
        if record is not None:
            self._begin()
            self.run(lambda: self.desk.resume_run(record.id), None, self._on_refused)

    def refresh(self) -> None:
        """Follow the desk."""
        running = self.is_running
        for widget in (self.hint, self.form, self.train_button):
            widget.setVisible(not running)
        self.plan_text.setVisible(not running and bool(self.plan_text.text()))
        self.progress.setVisible(running)
        self.stop_button.setVisible(running)
        self.resume_button.setVisible(not running and self._resumable is not None)
        self.train_button.setEnabled(self._waiting > 0)
        self.state.setVisible(bool(self.state.text()))
        if self._waiting == 0:
            text = self.tr(
                "Masks that you correct and add to the training set teach the next version. "
                "None is waiting."
            )
        elif self._waiting == 1:
            text = self.tr("1 correction is waiting to be learned from.")
        else:
            text = self.tr("{n} corrections are waiting to be learned from.").format(
                n=self._waiting
            )
        self.hint.setText(text)

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act, unless another panel has one."""
        resume = self._resumable is not None
        mark_next(self.resume_button, act is Act.TRAIN and resume)
        mark_next(self.train_button, act is Act.TRAIN and not resume and self._waiting > 0)

    def _gather(self) -> tuple[int, RunRecord | None, FineTuningPlan | None]:
        from napari_brainseg.core.imaging import BrainSegError

        waiting = self.desk.waiting_corrections()
        latest = next(iter(self.desk.runs()), None)
        plan = None
        if waiting:
            try:
                plan = self.desk.plan_fine_tuning(**self.form.changes())
            except BrainSegError:
                # Told when somebody tries to start; a plan that does not hold is no fault yet.
                plan = None
        return waiting, latest if latest is not None and latest.can_resume else None, plan

    def _on_gathered(self, found: tuple[int, RunRecord | None, FineTuningPlan | None]) -> None:
        self._waiting, self._resumable, plan = found
        self.plan_text.setText("" if plan is None else "\n".join(plan.notes))
        record = self._resumable
        told = self.state.text() or self.fault.text  # how the run ended, if it ended just now
        if record is not None and not self.is_running and not told:
            self.state.setText(
                self.tr("The run {id} can be resumed from its last checkpoint.").format(
                    id=record.id
                )
            )
        self.refresh()
        self.gathered.emit()

    def _begin(self) -> None:
        self._starting = True
        self._started = None
        self.state.setText("")
        self.story = RunState()
        self.curves.show_curves(self.story.curves)
        self.stop_button.setEnabled(True)
        self.progress.setRange(0, 0)
        self.progress.setFormat(self.tr("Starting"))
        self.refresh()

    def _stop(self) -> None:
        self.stop_button.setEnabled(False)
        self.state.setText(self.tr("Stopping: finishing the step and writing a checkpoint."))
        self.desk.stop_training()
        self.refresh()

    def _on_refused(self, error: BrainSegError) -> None:
        self._starting = False
        self.fault.show_error(error)
        self.refresh()

    def _on_started(self, trainer: TrainerProcess) -> None:
        self._starting = False
        # One that failed at once may have ended before the news of its start is here.
        self._running = trainer.outcome is None
        self.fault.clear()
        self.refresh()

    def _on_event(self, event: Event) -> None:
        self.story.add(event)
        self.curves.show_curves(self.story.curves)
        if isinstance(event, RunStarted):
            self._started = event
            self.progress.setRange(0, event.epochs * event.steps_per_epoch)
            self.progress.setValue(epochs_done(event) * event.steps_per_epoch)
            self.progress.setFormat(self.tr("Preparing"))
        elif isinstance(event, StepFinished) and self._started is not None:
            self.progress.setValue((event.epoch - 1) * event.steps_per_epoch + event.step)
            self.progress.setFormat(
                self.tr("Epoch {i} of {n}, {time} left").format(
                    i=event.epoch,
                    n=self._started.epochs,
                    time=numbers.duration(event.remaining_s),
                )
            )
            if event.cpu_percent is not None and event.memory_mb is not None:
                self.progress.setToolTip(
                    self.tr("The trainer uses {cpu} % of a core and {gb} GB of memory").format(
                        cpu=round(event.cpu_percent), gb=f"{event.memory_mb / 1024:.1f}"
                    )
                )
        elif isinstance(event, EpochFinished) and event.validation_dsc is not None:
            best = event.best_validation_dsc
            self.state.setText(
                self.tr("Epoch {i}: DSC {dsc} on the validation patients, best {best}").format(
                    i=event.epoch,
                    dsc=numbers.dsc(event.validation_dsc),
                    best=numbers.dsc(event.validation_dsc if best is None else best),
                )
            )
        elif isinstance(event, Message):
            self.state.setText(event.text)
        self.state.setVisible(bool(self.state.text()))

    def _on_finished(self, outcome: RunOutcome) -> None:
        self._starting = False
        self._running = False
        reason = outcome.reason.value
        if reason == "completed":
            self.state.setText(
                outcome.message or self.tr("Training is complete. The new version is listed above.")
            )
        elif reason == "cancelled":
            self.state.setText(outcome.message or self.tr("Training stopped."))
        else:
            self.state.setText("")
            self.fault.show_fault(outcome.message, outcome.hint, outcome.stderr_tail)
        self.refresh()
        self.look()
