"""The training runs of a session: plan, start, stop, resume; one at a time.

Thread-safety: every method may be called from any thread; signals come from a background thread.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.run import Run
    from napari_brainseg.session.run_log import RunRecord
    from napari_brainseg.session.shelf import Shelf
    from napari_brainseg.session.trainer_process import RunOutcome, TrainerProcess

__all__ = ["Trainings"]


class Trainings:
    """Use cases around the trainer.

    Parameters
    ----------
    shelf : Shelf
        Workspace, catalogue and models.
    command : sequence of str, optional
        Start of the trainer's command line.
    """

    started = Signal(object)
    """`TrainerProcess`."""
    event = Signal(object)
    """`Event` of the trainer."""
    finished = Signal(object)
    """`RunOutcome`; a completed run's bundle is already among the versions."""
    fault = Signal(object)
    """`BrainSegError`: a run ended well but could not be noted or taken over."""

    def __init__(self, shelf: Shelf, *, command: Sequence[str] | None = None) -> None:
        self._shelf = shelf
        self._command = command
        self._lock = threading.RLock()
        self._run: Run | None = None

    @property
    def trainer(self) -> TrainerProcess | None:
        """The latest run of this session, which may have ended."""
        return None if self._run is None else self._run.trainer

    def plan(self, studies: Discovery | None, **changes: Any) -> FineTuningPlan:
        """Tell what `start` would do; see `fine_tuning.plan_fine_tuning`."""
        from napari_brainseg.session.fine_tuning import plan_fine_tuning

        shelf = self._shelf
        return plan_fine_tuning(shelf.workspace, shelf.registry.current, studies, **changes)

    def start(self, studies: Discovery | None, **changes: Any) -> TrainerProcess:
        """Fine-tune the model in use on the exported corrections.

        Raises
        ------
        DataError
            If there is nothing to train on or to validate with.
        ConfigError
            If a run is under way, or a field does not fit.
        """
        from napari_brainseg.core.dataset.splits import freeze_split
        from napari_brainseg.session.run import Run

        with self._lock:
            self._need_none()
            plan = self.plan(studies, **changes)
            workspace, registry = self._shelf.workspace, self._shelf.registry
            _need_unchanged(workspace.training_set)
            if plan.is_new_split:
                freeze_split(workspace.splits, plan.split)
            run = Run.new(
                workspace,
                self._shelf.catalogue,
                registry,
                run_id=f"{datetime.now():%Y%m%d-%H%M%S-%f}-{plan.config.name}",
                config=plan.config,
                mode="fine-tune",
                base=registry.current_version,
                split=plan.split,
                command=self._command,
            )
            return self._launch(run)

    def resume(self, run_id: str) -> TrainerProcess:
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
            run = Run.again(shelf.workspace, shelf.catalogue, shelf.registry, record, self._command)
            return self._launch(run)

    def stop(self) -> None:
        """Ask the run to write a checkpoint and end."""
        if self._run is not None:
            self._run.trainer.stop()

    def runs(self) -> tuple[RunRecord, ...]:
        """List the runs of the workspace in use, the latest first."""
        from napari_brainseg.session.run_log import runs

        run = self._run
        alive = run.id if run is not None and run.trainer.is_running else None
        return runs(self._shelf.catalogue, alive=alive)

    def close(self, timeout: float) -> None:
        """Let the run checkpoint and leave by itself; wait for it up to `timeout` seconds."""
        run = self._run
        if run is not None and run.trainer.is_running:
            run.trainer.detach()
            run.trainer.wait(timeout)

    def _launch(self, run: Run) -> TrainerProcess:
        run.trainer.event.connect(self._on_event)
        run.ended.connect(self._on_ended)

        def announce() -> None:
            self._run = run
            self.started.emit(run.trainer)

        run.start(announce)
        return run.trainer

    def _need_none(self) -> None:
        if self._run is not None and self._run.trainer.is_running:
            raise ConfigError(
                f"The run {self._run.id} is under way.", "Wait for it, or stop it first."
            )

    def _on_event(self, event: object) -> None:
        self.event.emit(event)

    def _on_ended(self, outcome: RunOutcome, error: BrainSegError | None) -> None:
        if error is not None:
            self.fault.emit(error)
        self.finished.emit(outcome)


def _need_unchanged(training_set: Path) -> None:
    from napari_brainseg.session.disk_watch import changed_exports

    changed = changed_exports(training_set)
    if changed:
        raise DataError(
            f"The masks of {', '.join(changed)} in {training_set} are not those that were signed "
            "off: another program changed them.",
            "Open these patients, paint or reopen, and approve again.",
        )
