"""The trainer as a child process: its events as signals, its end as one outcome.

Events come as JSON lines on the child's stdout, commands go to its stdin. When the viewer ends, for
whatever reason, stdin closes and the child checkpoints and leaves, unless it was told to detach.
Its stderr goes straight to a file, so a viewer that dies takes no pipe along that the child still
writes to; a broken stdout is no fault of the run.

Thread-safety: `start`, `stop` and `kill` may be called from any thread. Signals are emitted in a
background thread; a widget connects with ``thread="main"``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
from psygnal import EmitLoopError, Signal, SignalInstance
from pydantic import ValidationError

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import Detach, Message, RunFinished, Stop, parse_event
from napari_brainseg.core.protocol.run_folder import CONFIG, LOG
from napari_brainseg.session.run_folder import resumable, write_config
from napari_brainseg.session.run_handle import (
    RunOutcome,
    RunReason,
    TrainingMode,
    crashed,
    finished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_brainseg.core.protocol import Command, Event, RunConfig

__all__ = ["RunOutcome", "RunReason", "TrainerProcess", "TrainingMode", "resumable"]

_log = logging.getLogger(__name__)
_NICE = 19  # at 10 a frame of the window still took a quarter longer beside it
_DRAIN_S = 5.0  # for events still in the pipe after the child ended
_LINGER_S = 60.0  # for a child that closed its stdout but has not ended


class TrainerProcess:
    """One run of the trainer.

    Parameters
    ----------
    config : RunConfig
        What to run; written to ``config.json`` of the run folder.
    run_dir : Path
        Run folder; made if missing.
    mode : {"fit", "fine-tune"}
        Command of the trainer.
    resume : bool
        Go on from the last checkpoint in `run_dir`.
    command : sequence of str, optional
        Start of the command line instead of ``[sys.executable, "-P", "-m", "training"]``.

    Attributes
    ----------
    outcome : RunOutcome or None
        `None` until the run ended.
    """

    event = Signal(object)
    """An `Event` of the child."""
    finished = Signal(RunOutcome)
    """The run ended; exactly once, after the last event."""

    def __init__(
        self,
        config: RunConfig,
        run_dir: Path,
        mode: TrainingMode,
        *,
        resume: bool = False,
        command: Sequence[str] | None = None,
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self.mode: TrainingMode = mode
        self.resume = resume
        self.outcome: RunOutcome | None = None
        self._command = tuple(command or (sys.executable, "-P", "-m", "training"))
        self._process: subprocess.Popen[bytes] | None = None
        self._last: RunFinished | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        """Process id, `None` before the start."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended yet."""
        return self._process is not None and self.outcome is None

    def start(self, before_events: Callable[[], None] | None = None) -> None:
        """Write the config and start the child.

        Parameters
        ----------
        before_events : callable, optional
            Called when the child runs and before its first event is read, so that whoever is told
            of the start hears of it before anything else.

        Raises
        ------
        ConfigError
            If the child cannot be started.
        DataError
            If the run folder cannot be written.
        """
        with self._lock:
            if self._process is not None:
                raise ConfigError(f"The run {self.run_dir} was started already.")
            try:
                self._process = self._launch()
            except OSError as error:
                raise ConfigError(
                    f"The trainer could not be started in {self.run_dir}: {error}.",
                    "Check that the folder may be written to and that the disk has space.",
                ) from error
        with contextlib.suppress(psutil.Error, OSError):
            child = psutil.Process(self._process.pid)
            child.nice(_priority())
        try:
            if before_events is not None:
                before_events()
        finally:
            threading.Thread(target=self._supervise, name="brainseg-trainer", daemon=True).start()

    def send(self, command: Command) -> None:
        """Tell the child something; returns at once."""
        self._send(command.model_dump_json().encode() + b"\n")

    def stop(self) -> None:
        """Ask the child to checkpoint and leave. Returns at once; `finished` comes later."""
        self.send(Stop())

    def detach(self) -> None:
        """Let the child go on without this window, also if that dies; it is still heard here."""
        self.send(Detach())

    def hang_up(self) -> None:
        """Close the child's stdin, as the end of the viewer does.

        It checkpoints and leaves, unless it was told to `detach`.
        """
        process = self._process
        if process is not None and process.stdin is not None:
            with self._lock, contextlib.suppress(OSError):
                process.stdin.close()

    def kill(self) -> None:
        """End the child and its workers at once; what came after the last checkpoint is lost."""
        if self._process is not None and self._process.poll() is None:
            _kill_group(self._process)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came within `timeout` seconds. Not for the GUI thread."""
        return self._ended.wait(timeout)

    def _launch(self) -> subprocess.Popen[bytes]:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        config = self.run_dir / CONFIG
        if not (self.resume and config.is_file()):
            write_config(self.run_dir, self.config)
        arguments = [*self._command, self.mode, "--config", str(config)]
        arguments += ["--run-dir", str(self.run_dir), "--queue"]
        if self.resume:
            arguments.append("--resume")
        # A group of its own: Ctrl+C in the terminal is for the viewer, and the workers of a killed
        # child can be ended with it. Not a session of its own: Linux shares the processor out by
        # session first (autogroup), and the child's low priority would count within it only.
        with (self.run_dir / LOG).open("ab") as errors:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=0 if os.name == "posix" else None,
            )

    def _send(self, line: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        # A child that has just ended needs no command.
        with self._lock, contextlib.suppress(OSError, ValueError):
            process.stdin.write(line)
            process.stdin.flush()

    def _supervise(self) -> None:
        process = self._process
        assert process is not None
        reader = threading.Thread(target=self._read, name="brainseg-trainer-events", daemon=True)
        reader.start()
        while reader.is_alive() and process.poll() is None:
            reader.join(0.1)
        # A killed child may leave workers that hold its stdout open: do not wait for them long.
        reader.join(_DRAIN_S if process.poll() is not None else None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LINGER_S)
        if self._last is None or process.poll() is None or reader.is_alive():
            _kill_group(process)
        code = process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.outcome = self._conclude(code)
        self._tell(self.finished, self.outcome)
        self._ended.set()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.strip():
                continue
            try:
                event: Event = parse_event(line)
            except ValidationError:
                text = line.decode(errors="replace").strip()[:300]
                event = Message(level="warning", text=f"The trainer said something odd: {text}")
            if isinstance(event, RunFinished):
                self._last = event
            self._tell(self.event, event)

    def _tell(self, listeners: SignalInstance, value: object) -> None:
        try:
            listeners.emit(value)
        except EmitLoopError:
            _log.exception("A listener of the trainer failed")

    def _conclude(self, code: int) -> RunOutcome:
        if self._last is not None:
            return finished(self._last, self.run_dir, code)
        return crashed(self.run_dir, code)


def _priority() -> int:
    if sys.platform == "win32":
        return int(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    return _NICE


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
