"""What lies in a run folder: names that plugin and trainer share, and the ends of its logs."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_brainseg.core.protocol.events import parse_event

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol.events import Event

__all__ = [
    "BUNDLE",
    "CHECKPOINT",
    "COMMANDS",
    "CONFIG",
    "EVENTS",
    "GATE",
    "LOG",
    "PREVIOUS",
    "RUNNING",
    "SUMMARY",
    "LineTail",
    "can_resume",
    "is_complete",
    "last_event",
    "log_tail",
]

BUNDLE = "bundle"
CONFIG = "config.json"
CHECKPOINT = "checkpoints/last.pt"
PREVIOUS = "checkpoints/previous.pt"
COMMANDS = "commands.jsonl"
GATE = "gate.json"
EVENTS = "events.jsonl"
LOG = "stderr.log"
SUMMARY = "summary.json"
"""Written last by a run that is complete."""

RUNNING = ("device", "threads", "precision", "compile", "cache", "intermediate_mb")
"""Settings that a run may be resumed with whatever they were: they decide how it runs, not what."""

_TAIL_LINES = 30
_TAIL_BYTES = 16_384


def is_complete(run_dir: Path) -> bool:
    """Whether a run came to its end: published, measured, summed up."""
    return (run_dir / BUNDLE).exists() and (run_dir / SUMMARY).is_file()


def can_resume(run_dir: Path) -> bool:
    """Whether a run folder holds a checkpoint of a run that is not complete."""
    return (
        not is_complete(run_dir)
        and (run_dir / CONFIG).is_file()
        and any((run_dir / name).is_file() for name in (CHECKPOINT, PREVIOUS))
    )


class LineTail:
    """Reads the whole lines that others add to a file.

    Parameters
    ----------
    path : Path
        The file; it need not be there yet.
    skip : bool
        Leave out what is there already.
    """

    def __init__(self, path: Path, *, skip: bool = False) -> None:
        self._path = path
        self._at = 0
        if skip:
            with contextlib.suppress(OSError):
                self._at = path.stat().st_size
        self._rest = b""

    def read(self) -> list[bytes]:
        """Return the lines that were ended since the last call, without their ends."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return []
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return lines


def last_event(run_dir: Path) -> Event | None:
    """Read the last whole event of a run, `None` if there is none."""
    for line in reversed(_end_of(run_dir / EVENTS).splitlines()):
        # a process that was killed may leave half a line
        with contextlib.suppress(ValidationError):
            return parse_event(line)
    return None


def log_tail(run_dir: Path) -> str:
    """Read the last lines that a run wrote to its stderr; empty if there are none."""
    text = _end_of(run_dir / LOG).decode(errors="replace")
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read()
    except OSError:
        return b""
