"""The training runs of a session: plan, start, pause, stop, resume, find again; one at a time.

Thread-safety: every method may be called from any thread; signals come from a background thread.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError
from napari_brainseg.core.protocol import Continue, Pause, Paused, Resumed, RunFinished, RunStarted
from napari_brainseg.session.run_follower import RunFollower
from napari_brainseg.session.way import RightOfWay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_brainseg.core.dataset.preflight import PreflightReport
    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.protocol import Command, RunConfig
    from napari_brainseg.session.expected_time import ExpectedTime, StepMeasurement
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.foreground import ForegroundPredictions
    from napari_brainseg.session.gates import Gates
    from napari_brainseg.session.run import Run
    from napari_brainseg.session.run_handle import RunHandle, RunOutcome
    from napari_brainseg.session.run_log import RunRecord
    from napari_brainseg.session.shelf import Shelf

__all__ = ["Trainings"]


class Trainings:
    """Use cases around the trainer.

    Parameters
    ----------
    shelf : Shelf
        Workspace, catalogue and models.
    command : sequence of str, optional
        Start of the trainer's command line.
    gates : callable, optional
        Gives the gates of the workspace, which a completed run adds to.
    """

    started = Signal(object)
    """`RunHandle`: a run of this window began, or one that goes on without was found."""
    event = Signal(object)
    """`Event` of the trainer."""
    finished = Signal(object)
    """`RunOutcome`; a completed run's bundle is already among the versions."""
    fault = Signal(object)
    """`BrainSegError`: a run ended well but could not be noted or taken over."""
    paused_changed = Signal(bool)
    """Whether the run rests because a person asked for it."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        command: Sequence[str] | None = None,
        gates: Callable[[], Gates] | None = None,
    ) -> None:
        self._shelf = shelf
        self._command = command
        self._gates = gates
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._is_paused = False
        self._keeps_running = False
        self._way = RightOfWay(self._send)
        self._taken_over: dict[str, Run] = {}  # signals do not keep them

    @property
    def trainer(self) -> RunHandle | None:
        """The latest run of this session, which may have ended."""
        return None if self._run is None else self._run.trainer

    @property
    def is_paused(self) -> bool:
        """Whether the run rests because a person asked for it."""
        return self._is_paused

    @property
    def keep_running(self) -> bool:
        """Whether the run under way, and those to come, go on when the window closes."""
        return self._keeps_running

    @keep_running.setter
    def keep_running(self, keep: bool) -> None:
        with self._lock:
            self._keeps_running = keep
            run = self._run
            # At once: so it also survives a window that dies. There is no way back from it; a run
            # that shall not go on after all is stopped by `close`.
            if keep and run is not None and run.trainer.is_running:
                run.detach()

    def plan(self, studies: Discovery | None, **changes: Any) -> FineTuningPlan:
        """Tell what `start` would do; see `fine_tuning.plan_fine_tuning`."""
        from napari_brainseg.session.fine_tuning import base_of, plan_fine_tuning

        shelf, registry = self._shelf, self._shelf.registry
        return plan_fine_tuning(
            shelf.workspace,
            base_of(registry),
            studies,
            current=registry.current,
            catalogue=shelf.catalogue,
            **changes,
        )

    def preflight(
        self, studies: Discovery | None, *, expected: ExpectedTime | None = None, **changes: Any
    ) -> PreflightReport:
        """Tell what speaks against `start`; see `preflight.run_preflight`.

        Raises
        ------
        ModelError
            If there is no base model, or the one in use is damaged.
        """
        from napari_brainseg.session.preflight import preflight_of

        shelf = self._shelf
        return preflight_of(
            shelf.workspace, shelf.catalogue, shelf.registry, studies, expected=expected, **changes
        )

    def measurement(self, config: RunConfig) -> StepMeasurement:
        """Make what measures a step of such a run, by the trainer of this session."""
        from napari_brainseg.session.expected_time import StepMeasurement

        return StepMeasurement(config, command=self._command)

    def start(self, studies: Discovery | None, **changes: Any) -> RunHandle:
        """Fine-tune on the exported corrections, from the bundled base unless changed.

        Raises
        ------
        DataError
            If there is nothing to train on, or locked patients are missing.
        ConfigError
            If a run is under way, or a field does not fit.
        """
        from napari_brainseg.session.run import Run

        with self._lock:
            self._need_none()
            plan = self.plan(studies, **changes)
            workspace, registry = self._shelf.workspace, self._shelf.registry
            _need_unchanged(workspace.training_set)
            if plan.is_new_locked and plan.locked is not None:
                self._shelf.locked.keep(plan.locked)
            run = Run.new(
                workspace,
                self._shelf.catalogue,
                registry,
                run_id=_free_id(workspace.runs, plan.config.name),
                config=plan.config,
                mode="fine-tune",
                base=plan.base,
                locked=plan.locked,
                command=self._command,
                gates=self._gates_now(),
            )
            return self._launch(run)

    def resume(self, run_id: str) -> RunHandle:
        """Go on with a run that was stopped, failed or crashed, from its last checkpoint.

        Raises
        ------
        ConfigError
            If there is no such run, it cannot be resumed, or another one is under way.
        """
        from napari_brainseg.session.run import Run

        with self._lock:
            self._need_none()
            record = next((r for r in self.runs() if r.id == run_id), None)
            if record is None or not record.can_resume:
                raise ConfigError(
                    f"The run {run_id} cannot be resumed.",
                    "It is running or complete, or left no checkpoint. Start a new run.",
                )
            shelf = self._shelf
            run = Run.again(
                shelf.workspace,
                shelf.catalogue,
                shelf.registry,
                record,
                self._command,
                self._gates_now(),
            )
            return self._launch(run)

    def follow(self) -> RunHandle | None:
        """Find a run of the workspace that goes on without a window, and follow it.

        Runs that were completed meanwhile are taken over: their bundles are versions afterwards.
        Costs a look into the catalogue where there is nothing to find.

        Returns
        -------
        RunHandle or None
            The run under way, whether found now or known before.

        Raises
        ------
        BrainSegError
            If the catalogue or the run's config cannot be read.
        """
        from napari_brainseg.session.run import Run
        from napari_brainseg.session.run_log import RUNNING, not_taken_over

        with self._lock:
            if self._run is not None and self._run.trainer.is_running:
                return self._run.trainer
            shelf = self._shelf
            workspace, catalogue, registry = shelf.workspace, shelf.catalogue, shelf.registry
            listed = self.runs()
            for record in not_taken_over(catalogue):
                if record.id not in self._taken_over and _has_bundle(record):
                    done = Run.followed(workspace, catalogue, registry, record, self._gates_now())
                    self._taken_over[record.id] = done
                    done.ended.connect(self._on_taken_over)
                    done.start(lambda: None)
            found = next((r for r in listed if r.state == RUNNING and r.is_detached), None)
            if found is None:
                return None
            self._keeps_running = True
            run = Run.followed(workspace, catalogue, registry, found, self._gates_now())
            return self._launch(run)

    def stop(self) -> None:
        """Ask the run to write a checkpoint and end."""
        if self._run is not None:
            self._run.trainer.stop()

    def pause(self) -> None:
        """Ask the run to write a checkpoint and rest; `paused_changed` tells when it does."""
        self._send(Pause())

    def go_on(self) -> None:
        """End a pause."""
        self._send(Continue())

    def give_way(self, foreground: ForegroundPredictions) -> None:
        """Let runs rest while somebody waits for one of these predictions, from now on."""
        self._way.watch(foreground)

    def runs(self) -> tuple[RunRecord, ...]:
        """List the runs of the workspace in use, the latest first."""
        from napari_brainseg.session.run_log import runs

        run = self._run
        alive = run.id if run is not None and run.trainer.is_running else None
        return runs(self._shelf.catalogue, alive=alive)

    def close(self, timeout: float) -> None:
        """Leave the run as the window ends.

        With `keep_running` it goes on; otherwise it is asked to checkpoint and end, and waited for
        up to `timeout` seconds.
        """
        for done in tuple(self._taken_over.values()):
            done.trainer.wait(timeout)
        run = self._run
        if run is None or not run.trainer.is_running:
            return
        if self._keeps_running:
            run.trainer.hang_up()
            return
        run.trainer.stop()
        run.trainer.wait(timeout)
        run.trainer.hang_up()

    def _launch(self, run: Run) -> RunHandle:
        run.trainer.event.connect(self._on_event)
        run.ended.connect(self._on_ended)

        def announce() -> None:
            self._run = run
            self._set_paused(False)
            self.started.emit(run.trainer)

        run.start(announce)
        if self._keeps_running and not isinstance(run.trainer, RunFollower):
            run.detach()
        self._way.renew()
        return run.trainer

    def _send(self, command: Command) -> None:
        run = self._run
        if run is not None and run.trainer.is_running:
            run.trainer.send(command)

    def _gates_now(self) -> Gates | None:
        return None if self._gates is None else self._gates()

    def _set_paused(self, paused: bool) -> None:
        if paused != self._is_paused:
            self._is_paused = paused
            self.paused_changed.emit(paused)

    def _need_none(self) -> None:
        if self._run is not None and self._run.trainer.is_running:
            raise ConfigError(
                f"The run {self._run.id} is under way.", "Wait for it, or stop it first."
            )

    def _on_event(self, event: object) -> None:
        if isinstance(event, Paused):
            self._set_paused(event.why == "asked")
        elif isinstance(event, Resumed | RunStarted | RunFinished):
            self._set_paused(False)
        self.event.emit(event)

    def _on_taken_over(self, _outcome: RunOutcome, error: BrainSegError | None) -> None:
        if error is not None:
            self.fault.emit(error)

    def _on_ended(self, outcome: RunOutcome, error: BrainSegError | None) -> None:
        self._set_paused(False)
        if error is not None:
            self.fault.emit(error)
        self.finished.emit(outcome)


def _free_id(runs: Path, name: str) -> str:
    """Id of a new run: its time and name, and a number where the clock was set back."""
    wanted = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{name}"
    tried = (wanted, *(f"{wanted}-{number}" for number in range(2, 1_000)))
    return next(run_id for run_id in tried if not (runs / run_id).exists())


def _has_bundle(record: RunRecord) -> bool:
    return record.bundle is not None and record.bundle.is_dir()


def _need_unchanged(training_set: Path) -> None:
    from napari_brainseg.session.disk_watch import changed_exports

    changed = changed_exports(training_set)
    if changed:
        raise DataError(
            f"The masks of {', '.join(changed)} in {training_set} are not those that were signed "
            "off: another program changed them.",
            "Open these patients, paint or reopen, and approve again.",
        )
