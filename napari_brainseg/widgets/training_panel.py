"""Fine-tuning: what would be trained and what speaks against it, the run, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal

from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, mark_next
from napari_brainseg.widgets.run_end_view import RunEndView, gate_outcome
from napari_brainseg.widgets.run_story import RunStory
from napari_brainseg.widgets.run_view import RunView
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.training_idle import TrainingIdle
from napari_brainseg.widgets.training_watch import Outlook, TrainingWatch
from napari_brainseg.widgets.training_words import ended_text
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QHideEvent, QShowEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.expected_time import StepMeasurement
    from napari_brainseg.session.run_handle import RunHandle, RunOutcome
    from napari_brainseg.widgets.config_form import ConfigForm
    from napari_brainseg.widgets.curves import Curves

__all__ = ["TrainingPanel"]

_SETTLE_MS = 400
_DRAW_MS = 200
_IDLE_MS = 8_000
"""So long nothing changes in sight before a step is measured, which takes the processor."""


class TrainingPanel(Panel):
    """Starts, shows, pauses, stops and resumes fine-tuning runs.

    Parameters
    ----------
    desk : Desk
        Runs the trainer in a process of its own.
    measurement : callable, optional
        Makes what measures a step of a run; the trainer's own if left out.

    Attributes
    ----------
    story : RunStory
        What the run told so far.
    idle : TrainingIdle
        Seen between runs.
    run_view : RunView
    end : RunEndView
    """

    gathered = Signal()
    """What can be trained or resumed is known anew."""
    finished_version = Signal(str)
    """A run made this version, or somebody asks for what its gate found."""

    def __init__(
        self,
        desk: Desk,
        parent: QWidget | None = None,
        *,
        measurement: Callable[[RunConfig], StepMeasurement] | None = None,
    ) -> None:
        from napari_brainseg.session.expected_time import StepMeasurement

        super().__init__(desk, parent)
        self._starting = self._stopping = False
        # As the signals tell it: the process itself ends a little before or after they arrive.
        self._running = desk.trainer is not None and desk.trainer.is_running
        self._is_stale = self._undrawn = True
        self._is_awaited = False
        self._version = ""
        self._watch = TrainingWatch(desk, measurement or StepMeasurement)
        self.destroyed.connect(self._watch.close)
        self.heading.setText(self.tr("Training"))
        self.idle = TrainingIdle()
        self.train_button = self.idle.train_button
        self.run_view = RunView(desk, self.ties)
        self.end = RunEndView()
        self.keep_checks = (self.run_view.keep_check, self.idle.keep_check)
        for widget in (self.end, self.run_view, self.idle):
            self.body.addWidget(widget)
        self._draw = Throttle(self._draw_run, self, _DRAW_MS)
        self.story = RunStory(self._background, self._draw.ask)
        self._settled = self._timer(_SETTLE_MS, self.look)
        self._idle_long = self._timer(_IDLE_MS, self._measure_when_quiet)
        self._connect()
        self.refresh()
        if self._running and desk.trainer is not None:
            self.story.tell(desk.trainer.run_dir)

    @property
    def curves(self) -> Curves:
        """The charts, for the theme."""
        return self.run_view.curves

    @property
    def form(self) -> ConfigForm:
        """All settings."""
        return self.idle.settings.form

    @property
    def outlook(self) -> Outlook:
        """What a run could be made of."""
        return self.idle.outlook

    @property
    def is_running(self) -> bool:
        """Whether a run is under way or about to be."""
        return self._starting or self._running

    def showEvent(self, event: QShowEvent) -> None:
        """Look at what changed while nobody saw this panel."""
        super().showEvent(event)
        if self._undrawn:
            self._draw.now()
        if self._is_stale:
            self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        """Cost nothing out of sight."""
        super().hideEvent(event)
        self._idle_long.stop()
        self._watch.drop()
        self._is_stale = self._is_stale or self._is_awaited

    def look(self) -> None:
        """Look for corrections, locked patients and runs, and check them; when seen next."""
        self._is_stale = not self.isVisible()
        self._idle_long.stop()
        if self.isVisible():
            self.idle.show_checking()
            self._ask()

    def start(self) -> None:
        """Start fine-tuning with the settings shown."""
        changes = self.idle.settings.changes()
        self._begin()
        self.run(lambda: self.desk.start_fine_tuning(**changes), None, self._on_refused)

    def resume(self, run_id: str = "") -> None:
        """Go on with a run, the latest that can be resumed if none is named."""
        if not run_id and self.end.resumable:
            run_id = self.end.resumable[0].id
        if run_id:
            self._begin()
            self.run(lambda: self.desk.resume_run(run_id), None, self._on_refused)

    def refresh(self) -> None:
        """Follow the state."""
        self.idle.setVisible(not self.is_running)
        self.end.setVisible(not self.is_running)
        self._draw.now()

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act, unless another panel has one."""
        resume = self.end.can_resume
        self.end.show_next(act is Act.TRAIN)
        mark_next(self.train_button, act is Act.TRAIN and not resume and self.idle.is_ready)

    def _names(self) -> Names:
        hidden = bool(self.desk.preferences.get("hide_identifiers"))
        return Names([row.patient for row in self.desk.worklist.rows], hidden=hidden)

    def _draw_run(self) -> None:
        self._undrawn = not self.isVisible()
        if self._undrawn:
            return
        self.run_view.show_run(
            self.story.state,
            self.story.run_dir,
            running=self.is_running,
            stopping=self._stopping,
            names=self._names(),
        )

    def _on_found(self, known: Outlook) -> None:
        names = self._names()
        self._is_awaited = not known.checked or known.time == "measuring"
        self.end.show_resumable(
            [record for record in known.runs if record.can_resume],
            latest=known.runs[0].id if known.runs else "",
        )
        self.idle.show_outlook(known, names)
        told = self.end.text.text() or self.fault.text  # how the run ended, if it ended just now
        if self.end.can_resume and not self.is_running and not told:
            self.end.say(self.end.describe(self.end.resumable[0]))
        self.refresh()
        if known.checked and known.time == "unknown" and self.isVisible():
            self._idle_long.start()
        self.gathered.emit()

    def _measure_when_quiet(self) -> None:
        if self.desk.predictions.is_busy:
            self._idle_long.start()
        else:
            self._measure()

    def _measure(self) -> None:
        if self.idle.preflight.can_start and self.isVisible() and not self.is_running:
            self._idle_long.stop()
            self._ask(measure=True)

    def _lock_more(self) -> None:
        self.idle.locked.more_button.setEnabled(False)
        self._ask(lock_more=True)

    def _ask(self, *, measure: bool = False, lock_more: bool = False) -> None:
        self._is_awaited = True
        changes = self.idle.settings.changes()
        self._watch.ask(changes, measure=measure, lock_more=lock_more)

    def _begin(self) -> None:
        self._idle_long.stop()
        self._watch.drop()
        self._starting, self._stopping = True, False
        self.story.forget()
        self.end.say("")
        self.refresh()

    def _stop(self) -> None:
        self._stopping = True
        self.desk.stop_training()
        self.refresh()

    def _on_refused(self, error: BrainSegError) -> None:
        self._starting = False
        self.fault.show_error(error)
        self.refresh()
        self.look()

    def _on_started(self, trainer: RunHandle) -> None:
        self._starting = self._stopping = False
        # One that failed at once may have ended before the news of its start is here.
        self._running = trainer.outcome is None
        self.fault.clear()
        self.end.say("")
        self._show_keep(self.desk.trainings.keep_running)
        self.story.tell(trainer.run_dir)
        self.refresh()

    def _on_finished(self, outcome: RunOutcome) -> None:
        self._starting = self._running = self._stopping = False
        reason, state = outcome.reason.value, self.story.state
        scrub = self._names().scrub
        message = scrub(outcome.message)
        if reason in ("failed", "crashed"):
            self.fault.show_fault(message, scrub(outcome.hint), scrub(outcome.stderr_tail))
        else:
            self._version = "" if state.bundle is None else state.bundle.version
            gate = None if state.gate is None else state.gate.path
            self.end.say(ended_text(reason, message, self._version), gate=gate is not None)
            if gate is not None:
                self._judge(gate)
            if self._version:
                self.finished_version.emit(self._version)
        self.refresh()
        self.look()

    def _judge(self, path: str) -> None:
        """Tell the verdict in one line; its figures stand with the versions."""
        version = self._version

        def done(outcome: str) -> None:
            if self._version == version and not self.is_running:
                self.end.say(ended_text("completed", "", version, outcome), gate=True)

        self._background.run(lambda: gate_outcome(path), done, self.fault.show_error)

    def _keep(self, on: bool) -> None:
        def keep() -> None:
            self.desk.trainings.keep_running = on

        self._show_keep(on)
        self._background.run(keep, lambda _nothing: None, self.fault.show_error)

    def _show_keep(self, on: bool) -> None:
        for check in self.keep_checks:
            check.blockSignals(True)
            check.setChecked(on)
            check.blockSignals(False)

    def _timer(self, interval_ms: int, act: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval_ms)
        timer.timeout.connect(act)
        return timer

    def _connect(self) -> None:
        desk, idle, view = self.desk, self.idle, self.run_view
        idle.start_asked.connect(self.start)
        idle.measure_asked.connect(self._measure)
        idle.settings.changed.connect(self._settled.start)
        idle.ready_changed.connect(self.gathered)
        idle.locked.more_asked.connect(self._lock_more)
        for check in self.keep_checks:
            check.toggled.connect(self._keep)
        self.end.resume_asked.connect(self.resume)
        self.end.gate_asked.connect(lambda: self.finished_version.emit(self._version))
        view.pause_asked.connect(lambda: desk.trainings.pause())
        view.go_on_asked.connect(lambda: desk.trainings.go_on())
        view.stop_asked.connect(self._stop)
        view.board_button.failed.connect(self.fault.show_error)
        self.ties.add(self._watch.found, self._on_found)
        self.ties.add(self._watch.refused, self.fault.show_error)
        for signal in (
            desk.opened, desk.exported, desk.review.decided, desk.models_changed,
            desk.locked_changed,
        ):  # fmt: skip
            self.ties.add(signal, lambda *_news: self.look())
        self.ties.add(desk.training_started, self._on_started)
        self.ties.add(desk.training_event, self.story.add)
        self.ties.add(desk.training_finished, self._on_finished)
