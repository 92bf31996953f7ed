"""A run that another window left, or that goes on without any: followed by its files.

Its events are read from ``events.jsonl`` from the start, so that curves are whole; commands go to
``commands.jsonl``, which every run follows.

Thread-safety: see `run_handle.RunHandle`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal, SignalInstance
from pydantic import ValidationError

from napari_brainseg.core.protocol import Detach, RunFinished, StepFinished, Stop, parse_event
from napari_brainseg.core.protocol.process_mark import lives
from napari_brainseg.core.protocol.run_folder import COMMANDS, EVENTS, LineTail
from napari_brainseg.session.run_handle import RunOutcome, crashed, finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.protocol import Command, Event, RunConfig
    from napari_brainseg.session.run_handle import TrainingMode

__all__ = ["RunFollower", "past_events"]

_log = logging.getLogger(__name__)
_LOOK_S = 0.2


class RunFollower:
    """A run of which this window is not the parent.

    Parameters
    ----------
    config : RunConfig
        Of the run.
    run_dir : Path
        Its folder.
    mode : {"fit", "fine-tune"}
        Command of the trainer.
    pid : int or None
        Its process; `None` if that ended already: then only its end is told.
    mark : float or None
        See `process_mark.mark_of`.

    Attributes
    ----------
    outcome : RunOutcome or None
        `None` until the run ended.
    """

    event = Signal(object)
    """An `Event` of the run. Of what is past, the steps but the last are left out."""
    finished = Signal(RunOutcome)
    """The run ended; exactly once, after the last event."""

    def __init__(
        self, config: RunConfig, run_dir: Path, mode: TrainingMode, pid: int | None,
        mark: float | None,
    ) -> None:  # fmt: skip
        self.config = config
        self.run_dir = run_dir
        self.mode: TrainingMode = mode
        self.outcome: RunOutcome | None = None
        self._pid = pid
        self._mark = mark
        self._left = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether it was found and has not ended yet."""
        return self._thread is not None and self.outcome is None and not self._left.is_set()

    def start(self, before_events: Callable[[], None] | None = None) -> None:
        """Begin to follow.

        Parameters
        ----------
        before_events : callable, optional
            Called before the first event is read.
        """
        self._thread = threading.Thread(target=self._follow, name="brainseg-follower", daemon=True)
        try:
            if before_events is not None:
                before_events()
        finally:
            self._thread.start()

    def send(self, command: Command) -> None:
        """Tell the run something, by its folder."""
        line = command.model_dump_json().encode() + b"\n"
        with contextlib.suppress(OSError), (self.run_dir / COMMANDS).open("ab") as file:
            file.write(line)

    def stop(self) -> None:
        """Ask the run to checkpoint and end. Returns at once; `finished` comes later."""
        self.send(Stop())

    def detach(self) -> None:
        """Let it go on without a window."""
        self.send(Detach())

    def hang_up(self) -> None:
        """Follow it no more; it goes on. `finished` does not come."""
        self._left.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def kill(self) -> None:
        """End it at once; what came after the last checkpoint is lost."""
        pid = self._pid
        if pid is None or not lives(pid, self._mark):
            return
        with contextlib.suppress(OSError):
            # the trainer leads a group of its own; one started by hand may not
            if os.name == "posix" and os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came within `timeout` seconds. Not for the GUI thread."""
        return self._ended.wait(timeout)

    def _follow(self) -> None:
        tail = LineTail(self.run_dir / EVENTS)
        last: RunFinished | None = None
        is_past = True
        while not self._left.is_set():
            # the order matters: what a process wrote before it ended must still be read
            alive = lives(self._pid, self._mark)
            events = _parsed(tail.read())
            for event in _thinned(events) if is_past else events:
                # A resumed run has ended before; only an end that nothing follows is one.
                last = event if isinstance(event, RunFinished) else None
                if last is None:
                    self._tell(self.event, event)
            is_past = False
            if not alive:
                break
            self._left.wait(_LOOK_S)
        else:
            return
        if last is not None:
            self._tell(self.event, last)
        self.outcome = (
            crashed(self.run_dir, None) if last is None else finished(last, self.run_dir, None)
        )
        self._tell(self.finished, self.outcome)
        self._ended.set()

    def _tell(self, listeners: SignalInstance, value: object) -> None:
        try:
            listeners.emit(value)
        except EmitLoopError:
            _log.exception("A listener of the run failed")


def past_events(run_dir: Path) -> list[Event]:
    """Events of a run so far, for its curves; of the steps only the last.

    Ends of a run that was resumed afterwards are left out.
    """
    events = list(_thinned(_parsed(LineTail(run_dir / EVENTS).read())))
    return [event for event in events if not isinstance(event, RunFinished) or event is events[-1]]


def _parsed(lines: list[bytes]) -> list[Event]:
    events = []
    for line in lines:
        # a process that was killed may leave half a line
        with contextlib.suppress(ValidationError):
            events.append(parse_event(line))
    return events


def _thinned(events: list[Event]) -> Iterator[Event]:
    """Leave the steps out but the last: a long run has tens of thousands."""
    steps = [event for event in events if isinstance(event, StepFinished)]
    for event in events:
        if not isinstance(event, StepFinished) or event is steps[-1]:
            yield event
