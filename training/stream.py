"""The trainer's ends of the wire: events out, commands in."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Literal, TextIO

from pydantic import ValidationError

from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.protocol import (
    Continue,
    Detach,
    GiveWay,
    Pause,
    Paused,
    Resumed,
    Stop,
    parse_command,
)
from napari_brainseg.core.protocol.run_folder import COMMANDS, EVENTS, LineTail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.protocol import Command, Event, RunFinished

__all__ = ["EventStream", "StopCause", "StopFlag", "is_first_process", "world_size"]

StopCause = Literal["command", "parent", "signal"]
PauseReason = Literal["asked", "prediction"]

_LOOK_S = 0.02
_FOLLOW_S = 0.2
_HANGUP = getattr(signal, "SIGHUP", None)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *(() if _HANGUP is None else (_HANGUP,)))


def is_first_process() -> bool:
    """Whether this process speaks and writes for the run: rank 0 under torchrun, else always."""
    return int(os.environ.get("RANK", "0")) == 0


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class EventStream:
    """Writes events as JSON lines to a stream and to ``events.jsonl`` of the run folder.

    Parameters
    ----------
    stream : file object or None
        Where the parent listens; ``None`` writes the file only.
    show : callable, optional
        Shows each event to a person as well.
    """

    def __init__(
        self, stream: TextIO | None, *, show: Callable[[Event], None] | None = None
    ) -> None:
        self._stream = stream
        self._show = show
        self._file: TextIO | None = None
        self._lock = threading.Lock()
        self._is_finished = False

    def open_log(self, run_dir: Path) -> None:
        """Append to ``events.jsonl`` in `run_dir` from here on."""
        run_dir.mkdir(parents=True, exist_ok=True)
        path = run_dir / EVENTS
        cut_off = path.is_file() and path.read_bytes()[-1:] not in (b"\n", b"")
        self._file = path.open("a", encoding="utf-8", buffering=1)
        if cut_off:
            self._file.write("\n")  # the half line of a killed process must not swallow the next

    def send(self, event: Event) -> None:
        """Write one event; a parent that has gone away or a full disk is no fault of the run."""
        with self._lock:
            if not self._is_finished:
                self._write(event)

    def finish(self, event: RunFinished) -> None:
        """Write the last event; nothing that another thread sends comes after it."""
        with self._lock:
            if not self._is_finished:
                self._is_finished = True
                self._write(event)

    def _write(self, event: Event) -> None:
        line = event.model_dump_json() + "\n"
        if self._show is not None:
            self._show(event)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(line)
        if self._stream is not None:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class StopFlag:
    """What the run was told: stop, pause, give way, detach; by commands, signals, end of stdin.

    Commands come on stdin and in ``commands.jsonl`` of the run folder.

    Thread-safety: `obey` and `set` may be called from any thread and from signal handlers; `rest`
    is for the thread that trains.
    """

    def __init__(self) -> None:
        # plain attributes: a signal handler may interrupt the thread that holds a lock
        self._cause: StopCause | None = None
        self._is_paused = False
        self._way_until = 0.0
        self._is_detached = False
        self._over = threading.Event()

    def __bool__(self) -> bool:
        return self._cause is not None

    @property
    def cause(self) -> StopCause | None:
        """What asked for the end: ``command``, ``parent`` (end of stdin) or ``signal``."""
        return self._cause

    @property
    def is_detached(self) -> bool:
        """Whether the run goes on without the one who started it."""
        return self._is_detached

    def set(self, cause: StopCause = "command") -> None:
        """Ask the run to end after the step at hand."""
        if self._cause is None:
            self._cause = cause

    def obey(self, command: Command) -> None:
        """Take a command in."""
        if isinstance(command, Stop):
            self.set()
        elif isinstance(command, Pause):
            self._is_paused = True
        elif isinstance(command, GiveWay):
            self._way_until = time.monotonic() + command.seconds
        elif isinstance(command, Continue):
            self._way_until = 0.0
            if command.what == "everything":
                self._is_paused = False
        elif isinstance(command, Detach):
            self._is_detached = True

    def check(self) -> None:
        """Raise `CancelledError` if the run was told to end; for parts without a checkpoint."""
        if self:
            raise CancelledError("The run was stopped.")

    def rest(self, events: EventStream, checkpoint: Callable[[], None] | None = None) -> None:
        """Return at once, or block while the run is paused or gives way to a prediction.

        Called by the loop after each step. `Paused` and `Resumed` are sent; a stop ends the rest
        without `Resumed`.

        Parameters
        ----------
        events : EventStream
            Where events go.
        checkpoint : callable, optional
            Writes a checkpoint; called once, before a pause that a person asked for.
        """
        told: PauseReason | None = None
        saved = False
        while not self and (why := self._why_rest()) is not None:
            if why == "asked" and not saved and checkpoint is not None:
                saved = True
                checkpoint()
                continue
            if why != told:
                told = why
                events.send(Paused(why=why))
            time.sleep(_LOOK_S)
        if told is not None and not self:
            events.send(Resumed())

    @contextlib.contextmanager
    def listening(self, *, stdin: bool, run_dir: Path | None = None) -> Iterator[StopFlag]:
        """Listen to signals, to stdin if asked, and to a run folder, while the block runs.

        Parameters
        ----------
        stdin : bool
            Whether to read commands there, and take its end for a stop unless detached.
        run_dir : Path, optional
            Folder whose ``commands.jsonl`` is followed, from its end as it is now.
        """
        # what nohup set to be ignored stays so
        heard = [s for s in _SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
        before = {s: signal.signal(s, self._on_signal) for s in heard}
        self._over.clear()
        follower = None
        if stdin:
            # a daemon: it may sit in read() when the run is over
            threading.Thread(target=self._read, name="trainer-stdin", daemon=True).start()
        if run_dir is not None:
            tail = LineTail(run_dir / COMMANDS, skip=True)
            follower = threading.Thread(
                target=self._follow, args=(tail,), name="trainer-commands", daemon=True
            )
            follower.start()
        try:
            yield self
        finally:
            self._over.set()
            if follower is not None:
                follower.join()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _why_rest(self) -> PauseReason | None:
        if self._is_paused:
            return "asked"
        return "prediction" if time.monotonic() < self._way_until else None

    def _on_signal(self, number: int, _frame: object) -> None:
        # the terminal that went with the window is no reason to end a run that was let go
        if number == _HANGUP and self._is_detached:
            return
        self.set("signal")

    def _read(self) -> None:
        # the raw descriptor: a buffered reader holds a lock that blocks interpreter exit
        with contextlib.suppress(OSError), os.fdopen(os.dup(0), "rb", buffering=0) as source:
            for line in source:
                self._take(line)
        if not self._is_detached:
            self.set("parent")

    def _follow(self, tail: LineTail) -> None:
        while not self._over.wait(_FOLLOW_S):
            for line in tail.read():
                self._take(line)

    def _take(self, line: bytes) -> None:
        # what is no command, such as one of a later version, is passed over
        with contextlib.suppress(ValidationError):
            self.obey(parse_command(line))
