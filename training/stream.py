"""The trainer's ends of the wire: events out, commands in."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.protocol import Event

__all__ = ["EventStream", "StopFlag", "is_first_process"]


def is_first_process() -> bool:
    """Whether this process speaks and writes for the run: rank 0 under torchrun, else always."""
    return int(os.environ.get("RANK", "0")) == 0


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

    def open_log(self, run_dir: Path) -> None:
        """Append to ``events.jsonl`` in `run_dir` from here on."""
        run_dir.mkdir(parents=True, exist_ok=True)
        self._file = (run_dir / "events.jsonl").open("a", encoding="utf-8", buffering=1)

    def send(self, event: Event) -> None:
        """Write one event; a parent that has gone away or a full disk is no fault of the run."""
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
            except (BrokenPipeError, ValueError):
                self._stream = None

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class StopFlag:
    """Set by a `Stop` command, the end of stdin, SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Ask the run to end after the step at hand."""
        self._event.set()

    @contextlib.contextmanager
    def listening(self, *, stdin: bool) -> Iterator[StopFlag]:
        """Listen to signals, and to stdin if asked, while the block runs."""
        signals = [signal.SIGINT, signal.SIGTERM]
        before = {s: signal.signal(s, lambda *_: self.set()) for s in signals}
        if stdin:
            # a daemon: it may sit in read() when the run is over
            threading.Thread(target=self._read, name="trainer-stdin", daemon=True).start()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _read(self) -> None:
        # the raw descriptor: a buffered reader holds a lock that blocks interpreter exit
        with contextlib.suppress(OSError), os.fdopen(os.dup(0), "rb", buffering=0) as source:
            for line in source:
                with contextlib.suppress(ValueError):
                    command = json.loads(line)
                    if isinstance(command, dict) and command.get("kind") == "stop":
                        break
        self.set()
