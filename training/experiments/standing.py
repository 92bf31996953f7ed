"""How each of several runs stands: what its folder says, and the file that tells it to others."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import FinishReason, RunFinished
from napari_brainseg.core.protocol.run_folder import BUNDLE, CONFIG, last_event
from training.run_folder import differences, unmeasured

if TYPE_CHECKING:
    from pathlib import Path

    from training.experiments.attempt import Attempt

__all__ = ["FILE", "Experiments", "RunRecord", "State", "judge", "read_experiments"]

FILE = "experiments.json"


class State(StrEnum):
    """How a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    """It can be resumed."""
    REFUSED = "refused"
    """Its folder holds something else."""
    BLOCKED = "blocked"
    """The run that it starts from has no model."""


class RunRecord(BaseModel):
    """A run as `experiments.json` tells it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Of its folder, beside this file")
    what: str = ""
    why: str = ""
    state: State = State.WAITING
    message: str = Field(default="", description="What happened and what to do")
    base: str | None = Field(default=None, description="Name of the run that it starts from")
    epoch: int = Field(default=0, description="Epochs done")
    epochs: int = 0
    validation_dsc: float | None = Field(default=None, description="Of the last epoch")
    best_validation_dsc: float | None = None
    remaining_s: float | None = None
    started: float | None = Field(default=None, description="Unix time of the last start")
    ended: float | None = Field(default=None, description="Unix time of the last end")


class Experiments(BaseModel):
    """All runs of a folder."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    suite: str = Field(default="", description="File that names the runs")
    pid: int | None = Field(default=None, description="Process that carries them out")
    host: str = ""
    created: float = Field(default=0.0, description="Unix time of that process's start")
    updated: float = 0.0
    runs: tuple[RunRecord, ...] = ()

    def write(self, folder: Path) -> None:
        """Replace the file in one step.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        write_atomically(folder / FILE, self.model_dump_json(indent=2).encode() + b"\n")

    def refuse_while_alive(self, folder: Path, host: str) -> None:
        """Refuse to work in a folder in which another process does.

        Raises
        ------
        ConfigError
            If the process named is alive on this machine.
        """
        if self.pid is None or self.host != host or self.pid == os.getpid():
            return
        try:
            alive = abs(psutil.Process(self.pid).create_time() - self.created) < 1
        except psutil.Error:
            alive = False
        if alive:
            raise ConfigError(
                f"Process {self.pid} is carrying out the runs in {folder}.",
                "Wait for it, or stop it with Ctrl-C or SIGTERM.",
            )


def read_experiments(folder: Path) -> Experiments:
    """Read ``experiments.json`` of a folder; an empty one if there is none.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    path = folder / FILE
    try:
        return Experiments.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Experiments()
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.",
            "Move it away: what the runs came to stands in their own folders.",
        ) from error


def judge(
    attempt: Attempt, run_dir: Path, before: RunRecord | None, *, retry_failed: bool
) -> tuple[State, str]:
    """Say how a run stands before anything is started, and why.

    Parameters
    ----------
    attempt : Attempt
        What is wanted.
    run_dir : Path
        Its folder, which need not exist.
    before : RunRecord or None
        What was noted of it earlier.
    retry_failed : bool
        Let a failed run wait for another start.

    Returns
    -------
    (State, str)
        Completed, failed, refused or waiting; a message with all but most completed ones.
    """
    if not (run_dir / CONFIG).is_file():
        if run_dir.exists() and not _is_empty(run_dir):
            return State.REFUSED, f"{run_dir} holds something else than a run; move it away."
        return State.WAITING, "new"
    try:
        changed = differences(run_dir, attempt.config)
    except BrainSegError as error:
        return State.REFUSED, f"{error} Nothing is overwritten; move the folder away."
    if changed:
        return State.REFUSED, (
            f"The run in {run_dir} was started with {'; '.join(changed)}. Nothing is overwritten: "
            "give the run another name, or move the folder away."
        )
    if (run_dir / BUNDLE).exists():
        return State.COMPLETED, unmeasured(run_dir)
    last = last_event(run_dir)
    told = last if isinstance(last, RunFinished) and last.reason is FinishReason.FAILED else None
    if told is not None or (before is not None and before.state is State.FAILED):
        if retry_failed:
            return State.WAITING, "to be tried again"
        message = before.message if before is not None and before.message else ""
        return State.FAILED, message or (told.message if told is not None else "")
    return State.WAITING, "to be resumed"


def _is_empty(path: Path) -> bool:
    """Whether a folder holds nothing but hidden files, which desktops leave everywhere."""
    return path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())
