"""Runs as processes, several at a time on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.core.protocol import FinishReason, RunFinished, Stop
from napari_brainseg.core.protocol.run_folder import (
    BUNDLE,
    CHECKPOINT,
    CONFIG,
    LOG,
    RUNNING,
    log_tail,
)
from training.run_folder import ClaimedBy, EventTail, unmeasured

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["Fleet", "Job", "LocalFleet", "Outcome", "Wish", "supervise"]

End = Literal["completed", "failed", "stopped"]
POLL_S = 0.2
STOP_GRACE_S = 600.0
"""How long a child may take to checkpoint: it may be preparing patients or validating."""
LOST = "what came after its last checkpoint is lost."
CLAIM_GRACE_S = 120.0
"""How long to wait for an earlier process that is about to leave the run folder."""


class Wish(IntEnum):
    """What is wanted of a run that goes on."""

    GO_ON = 0
    STOP = 1
    """Write a checkpoint and leave."""
    KILL = 2
    """Leave at once."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to start or to resume, as it is sent to the machine that does it.

    Parameters
    ----------
    name : str
        Of the run.
    run_dir : str
        Its folder, absolute.
    command : {"fit", "fine-tune"}
        Of the trainer.
    config : str
        `RunConfig` as JSON.
    trainer : tuple of str
        Start of the command line; the interpreter at hand and ``-m training`` if empty.
    """

    name: str
    run_dir: str
    command: Literal["fit", "fine-tune"]
    config: str
    trainer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    end : {"completed", "failed", "stopped"}
        A run that was stopped can be resumed.
    message : str
        What happened and what to do.
    log : str
        Last lines of the log of a failed run.
    exit_code : int or None
        Negative numbers are signals; None for a run that was not started.
    """

    end: End
    message: str = ""
    log: str = ""
    exit_code: int | None = None


class Fleet(Protocol):
    """What carries out jobs."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job as soon as there is room."""

    def beat(self) -> None:
        """Say that somebody still waits for the jobs; called about once a second."""

    def wish(self, wish: Wish) -> None:
        """Stop or kill all jobs; those that wait do not start."""

    def close(self) -> None:
        """Give back what it holds, when all jobs have ended."""


class LocalFleet:
    """Runs on this machine.

    Parameters
    ----------
    workers : int
        How many at a time.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="brainseg-run")
        self._wish = Wish.GO_ON

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job as soon as a worker is free."""
        return self._pool.submit(supervise, job, lambda: self._wish)

    def beat(self) -> None:
        """Nothing to do: the children end with this process, whose pipe they hold."""

    def wish(self, wish: Wish) -> None:
        """Stop or kill all jobs."""
        self._wish = max(self._wish, wish)

    def close(self) -> None:
        """Wait for the workers."""
        self._pool.shutdown()


def supervise(job: Job, wish: Callable[[], Wish]) -> Outcome:
    """Start the process of a run, or resume it, and wait for its end.

    The child holds a pipe of this process: should this process vanish, it writes a checkpoint and
    leaves. Its events go to ``events.jsonl``, all else that it says to ``stderr.log``.

    Parameters
    ----------
    job : Job
        What to run; a checkpoint in its folder is resumed from.
    wish : callable
        Asked several times a second.
    """
    run_dir, claim = Path(job.run_dir), ClaimedBy(Path(job.run_dir))
    if not _free(claim, wish):
        return Outcome("failed", f"{claim.who} still works in {run_dir}. Wait for it, or end it.")
    if wish() is not Wish.GO_ON:
        return Outcome("stopped", "It had not begun.")
    if (run_dir / BUNDLE).exists():  # a scheduler may hand a job out twice
        return Outcome("completed")
    try:
        events = EventTail(run_dir, skip=True)
        with _started(job) as process:
            claim.take(process.pid)
            try:
                code, forced = _wait(process, wish)
            except BaseException:
                _kill_group(process)
                raise
            finally:
                claim.release()
            if code not in (0, 130):
                _kill_group(process)
    except (OSError, BrainSegError) as error:
        return Outcome("failed", f"The run could not be started in {run_dir}: {error}.")
    if forced:
        return Outcome("stopped", f"It was ended at once; {LOST}", exit_code=code)
    last = [event for event in events.read() if isinstance(event, RunFinished)]
    return _outcome(run_dir, code, last[-1] if last else None)


def _free(claim: ClaimedBy, wish: Callable[[], Wish]) -> bool:
    end = time.monotonic() + CLAIM_GRACE_S
    while claim:
        if time.monotonic() > end or wish() is not Wish.GO_ON:
            return wish() is not Wish.GO_ON
        time.sleep(POLL_S)
    return True


def _started(job: Job) -> subprocess.Popen[bytes]:
    run_dir = Path(job.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    resume = (run_dir / CHECKPOINT).is_file()
    config = run_dir / CONFIG
    if not resume:
        write_atomically(config, job.config.encode() + b"\n")
    trainer = job.trainer or (sys.executable, "-P", "-m", "training")
    line = [*trainer, job.command, "--config", str(config), "--run-dir", str(run_dir)]
    if resume:
        line += ["--resume", *_running_flags(job)]
    with (run_dir / LOG).open("ab") as log:
        # A session of its own: Ctrl-C is for the parent, which then stops its children, and the
        # workers of a child can be ended with it.
        return subprocess.Popen(
            line,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=os.name == "posix",
        )


def _running_flags(job: Job) -> list[str]:
    """Give the settings that a resumed run may take anew; the others it has in its folder."""
    config, flags = json.loads(job.config), list[str]()
    for key in RUNNING:
        flag = key.replace("_", "-")
        if isinstance(config[key], bool):
            flags.append(f"--{flag}" if config[key] else f"--no-{flag}")
        elif config[key] is not None:
            flags += [f"--{flag}", str(config[key])]
    return flags


def _wait(process: subprocess.Popen[bytes], wish: Callable[[], Wish]) -> tuple[int, bool]:
    """Return the exit code, and whether the child was not given the time to leave."""
    deadline, forced = None, False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S), forced
        wanted = wish()
        if wanted is not Wish.GO_ON and deadline is None:
            deadline = time.monotonic() + STOP_GRACE_S
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # it may just have ended
                process.stdin.write(Stop().model_dump_json().encode() + b"\n")
                process.stdin.close()
        if wanted is Wish.KILL or (deadline is not None and time.monotonic() > deadline):
            forced = True
            _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the child, if need be, and workers that it left behind."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()


def _outcome(run_dir: Path, code: int, last: RunFinished | None) -> Outcome:
    if code == 0 and (run_dir / BUNDLE).exists():
        return Outcome("completed", unmeasured(run_dir), exit_code=code)
    if code == 130:
        return Outcome("stopped", last.message if last else "", exit_code=code)
    tail = log_tail(run_dir)
    if last is not None and last.reason is FinishReason.FAILED:
        return Outcome("failed", f"{last.message} {last.hint}".strip(), tail, code)
    return Outcome(
        "failed", f"Its process {_describe(code)} without finishing the run.", tail, code
    )


def _describe(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
