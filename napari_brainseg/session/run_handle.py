"""A run that goes on, whoever started it: what widgets and the bookkeeping of runs rely on.

`TrainerProcess` is a child of this window; `RunFollower` one that another window left.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from napari_brainseg.core.protocol.run_folder import LOG, log_tail
from napari_brainseg.session.run_folder import resumable

if TYPE_CHECKING:
    from psygnal import SignalInstance

    from napari_brainseg.core.protocol import Command, RunConfig, RunFinished

__all__ = ["RunHandle", "RunOutcome", "RunReason", "TrainingMode", "crashed", "finished"]

TrainingMode = Literal["fit", "fine-tune"]


class RunReason(StrEnum):
    """Why a run ended, as the viewer sees it."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    CRASHED = "crashed"
    """The process ended without a word."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    Parameters
    ----------
    reason : RunReason
        One of four.
    message, hint : str
        What happened and what to do, for the user.
    stderr_tail : str
        Last lines of the child's stderr where it failed or crashed.
    bundle : Path or None
        The candidate model.
    exit_code : int or None
        Of the process; negative numbers are signals. `None` if it was no child of this window.
    """

    reason: RunReason
    message: str = ""
    hint: str = ""
    stderr_tail: str = ""
    bundle: Path | None = None
    exit_code: int | None = None


class RunHandle(Protocol):
    """One run of the trainer.

    Thread-safety: every method may be called from any thread and returns at once, `wait` apart.
    Signals are emitted in a background thread.
    """

    config: RunConfig
    run_dir: Path
    mode: TrainingMode
    outcome: RunOutcome | None
    """`None` until the run ended."""

    @property
    def event(self) -> SignalInstance:
        """Emits each `Event`."""
        ...

    @property
    def finished(self) -> SignalInstance:
        """Emits the `RunOutcome`; exactly once, after the last event."""
        ...

    @property
    def pid(self) -> int | None:
        """Process id, `None` before the start."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended yet."""
        ...

    def send(self, command: Command) -> None:
        """Tell the trainer something; one that has just ended hears nothing, which is no fault."""
        ...

    def stop(self) -> None:
        """Ask it to checkpoint and end; `finished` comes later."""
        ...

    def detach(self) -> None:
        """Let it go on without this window."""
        ...

    def hang_up(self) -> None:
        """Let go of it as the end of the viewer does; one that was not detached ends."""
        ...

    def kill(self) -> None:
        """End it at once; what came after the last checkpoint is lost."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came within `timeout` seconds. Not for the GUI thread."""
        ...


def finished(last: RunFinished, run_dir: Path, code: int | None) -> RunOutcome:
    """Outcome of a run that said how it ended."""
    reason = RunReason(last.reason.value)
    return RunOutcome(
        reason,
        last.message,
        last.hint,
        log_tail(run_dir) if reason is RunReason.FAILED else "",
        None if last.bundle is None else Path(last.bundle),
        code,
    )


def crashed(run_dir: Path, code: int | None) -> RunOutcome:
    """Outcome of a run whose process ended without a word."""
    hints = []
    if code == -_SIGKILL:
        hints.append(
            "Perhaps the machine ran out of memory: close other programs, or lower the batch size "
            "or the crop of a new run."
        )
    if resumable(run_dir):
        hints.append("The run can be resumed from its last checkpoint.")
    hints.append(f"The last lines it wrote are below; its log is {run_dir / LOG}.")
    return RunOutcome(
        RunReason.CRASHED,
        f"The training process {_describe(code)} without finishing the run.",
        " ".join(hints),
        log_tail(run_dir),
        exit_code=code,
    )


_SIGKILL = getattr(signal, "SIGKILL", 9)


def _describe(code: int | None) -> str:
    if code is None:
        return "ended"
    if code == -_SIGKILL:
        return "was ended by SIGKILL (perhaps out of memory)"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
