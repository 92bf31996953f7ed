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

__all__ = ["BUNDLE", "CHECKPOINT", "CONFIG", "EVENTS", "LOG", "RUNNING", "last_event", "log_tail"]

BUNDLE = "bundle"
CONFIG = "config.json"
CHECKPOINT = "checkpoints/last.pt"
EVENTS = "events.jsonl"
LOG = "stderr.log"

RUNNING = ("device", "threads", "precision", "compile", "cache", "intermediate_mb")
"""Settings that a run may be resumed with whatever they were: they decide how it runs, not what."""

_TAIL_LINES = 30
_TAIL_BYTES = 16_384


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
