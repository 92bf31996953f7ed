"""One training run as the desk sees it: process, catalogue and registry kept in step."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from napari_brainseg.core.dataset.locked import load_generations
from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.core.protocol import BundleSaved
from napari_brainseg.core.protocol.run_folder import GATE
from napari_brainseg.session.run_folder import read_config
from napari_brainseg.session.run_follower import RunFollower
from napari_brainseg.session.run_handle import RunOutcome, RunReason
from napari_brainseg.session.run_log import (
    add_run,
    end_run,
    note_detached,
    note_process,
    reopen_run,
)
from napari_brainseg.session.trainer_process import TrainerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.dataset.locked import LockedSet
    from napari_brainseg.core.protocol import Event, RunConfig
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.gates import Gates
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.run_handle import TrainingMode
    from napari_brainseg.session.run_log import RunRecord
    from napari_brainseg.session.workspace import Workspace

__all__ = ["Run"]

_log = logging.getLogger(__name__)


class Run:
    """A run with its bookkeeping; made by `new`, `again` or `followed`.

    The catalogue and registry are those of the start: the desk may have moved to another
    workspace when the run ends.
    """

    ended = Signal(object, object)
    """``(RunOutcome, BrainSegError | None)``: all is noted; the error is one of the noting."""

    def __init__(
        self,
        run_id: str,
        trainer: TrainerProcess | RunFollower,
        catalogue: Catalogue,
        registry: ModelRegistry,
        *,
        base: str | None,
        locked: LockedSet | None,
        gates: Gates | None = None,
    ) -> None:
        self.id = run_id
        self.trainer = trainer
        self._catalogue = catalogue
        self._registry = registry
        self._base = base
        self._locked = locked
        self._gates = gates
        self._saved: BundleSaved | None = None
        trainer.event.connect(self._on_event)
        trainer.finished.connect(self._on_finished)

    @classmethod
    def new(
        cls,
        workspace: Workspace,
        catalogue: Catalogue,
        registry: ModelRegistry,
        *,
        run_id: str,
        config: RunConfig,
        mode: TrainingMode,
        base: str | None,
        locked: LockedSet | None,
        command: Sequence[str] | None,
        gates: Gates | None = None,
    ) -> Run:
        """Make a run that was not started before; it is listed from now on."""
        path = workspace.runs / run_id
        digest = None if locked is None else locked.digest
        add_run(catalogue, run_id, path, mode, base=base, split_digest=digest)
        trainer = TrainerProcess(config, path, mode, command=command)
        return cls(run_id, trainer, catalogue, registry, base=base, locked=locked, gates=gates)

    @classmethod
    def again(
        cls,
        workspace: Workspace,
        catalogue: Catalogue,
        registry: ModelRegistry,
        record: RunRecord,
        command: Sequence[str] | None,
        gates: Gates | None = None,
    ) -> Run:
        """Make a run that goes on from its checkpoint.

        Raises
        ------
        ConfigError
            If its config cannot be read.
        """
        config = read_config(record.path)
        reopen_run(catalogue, record.id)
        trainer = TrainerProcess(config, record.path, record.mode, resume=True, command=command)
        locked = _same_locked(workspace, record)
        return cls(
            record.id, trainer, catalogue, registry, base=record.base, locked=locked, gates=gates
        )

    @classmethod
    def followed(
        cls,
        workspace: Workspace,
        catalogue: Catalogue,
        registry: ModelRegistry,
        record: RunRecord,
        gates: Gates | None = None,
    ) -> Run:
        """Make a run that goes on already, or ended, without being a child of this window.

        Raises
        ------
        ConfigError
            If its config cannot be read.
        """
        trainer = RunFollower(
            read_config(record.path), record.path, record.mode, record.pid, record.mark
        )
        locked = _same_locked(workspace, record)
        return cls(
            record.id, trainer, catalogue, registry, base=record.base, locked=locked, gates=gates
        )

    def start(self, announce: Callable[[], None]) -> None:
        """Start the process and note it.

        Parameters
        ----------
        announce : callable
            Called when the process runs, before its first event.

        Raises
        ------
        ConfigError
            If it cannot be started; that is noted too.
        """

        def noted() -> None:
            if not isinstance(self.trainer, RunFollower):
                note_process(self._catalogue, self.id, self.trainer.pid)
            announce()

        try:
            self.trainer.start(noted)
        except BrainSegError as error:
            outcome = RunOutcome(RunReason.FAILED, error.message, error.hint)
            end_run(self._catalogue, self.id, outcome)
            raise

    def detach(self) -> None:
        """Let the run go on without this window, and have the next one find it."""
        note_detached(self._catalogue, self.id)
        self.trainer.detach()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, BundleSaved):
            self._saved = event

    def _on_finished(self, outcome: RunOutcome) -> None:
        fault: BrainSegError | None = None
        try:
            pid = self.trainer.pid if isinstance(self.trainer, RunFollower) else None
            end_run(self._catalogue, self.id, outcome, pid=pid)
            if outcome.reason is RunReason.COMPLETED and outcome.bundle is not None:
                version = self._registry.adopt(outcome.bundle, run_id=self.id)
                if not self._record_gate():
                    self._measure(version.version)
        except BrainSegError as error:
            fault = error
        try:
            self.ended.emit(outcome, fault)
        except EmitLoopError:
            _log.exception("A listener of the run failed")

    def _record_gate(self) -> bool:
        """Keep what the run measured of its candidate against the version in use.

        Returns
        -------
        bool
            Whether locked patients were measured. The list of versions shows the gate's means
            then: they leave patients without a lesion out, and one list must not show another
            figure than the verdict beside it.
        """
        path = self.trainer.run_dir / GATE
        if not path.is_file():
            return False
        from napari_brainseg.core.segmentation.gate import load_evidence
        from napari_brainseg.session.gates import Gates

        gates = self._gates or Gates(self._catalogue)
        record = gates.record(load_evidence(path), self.id)
        verdict = record.verdict
        if record.locked_digest is None or verdict.mean_candidate is None:
            return False
        for name, dsc in (
            (record.current, verdict.mean_current),
            (record.candidate, verdict.mean_candidate),
        ):
            if dsc is not None:
                self._registry.record_dsc(
                    name,
                    split_digest=record.locked_digest,
                    patients=verdict.locked_patients - verdict.lesion_free_patients,
                    dsc=dsc,
                    run_id=self.id,
                )
        return True

    def _measure(self, version: str) -> None:
        """Keep both figures: candidate and base on the same patients, in the same run."""
        saved, locked = self._saved, self._locked
        if saved is None or locked is None:
            return
        for name, dsc in (
            (self._base, saved.parent_validation_dsc),
            (version, saved.validation_dsc),
        ):
            if name is not None and dsc is not None:
                self._registry.record_dsc(
                    name,
                    split_digest=locked.digest,
                    patients=len(locked.patients),
                    dsc=dsc,
                    run_id=self.id,
                )


def _same_locked(workspace: Workspace, record: RunRecord) -> LockedSet | None:
    """Find the generation of the locked set that a run measures with."""
    generations = load_generations(workspace.locked)
    return next((g for g in generations if g.digest == record.split_digest), None)
