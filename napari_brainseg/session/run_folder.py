"""What lies in a run folder, as the viewer reads and writes it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.protocol import load_config, parse_event

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol import Event, RunConfig

__all__ = ["last_event", "read_config", "resumable", "stderr_tail", "write_config"]

CONFIG = "config.json"
EVENTS = "events.jsonl"
STDERR = "stderr.log"
CHECKPOINT = "checkpoints/last.pt"
BUNDLE = "bundle"

_TAIL_LINES = 30
_TAIL_BYTES = 16_384


def write_config(run_dir: Path, config: RunConfig) -> None:
    """Write the config of a run.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    write_atomically(run_dir / CONFIG, config.model_dump_json(indent=2).encode() + b"\n")


def read_config(run_dir: Path) -> RunConfig:
    """Read the config of a run.

    Raises
    ------
    ConfigError
        If it is missing or does not fit.
    """
    return load_config(run_dir / CONFIG)


def last_event(run_dir: Path) -> Event | None:
    """Read the last whole event in ``events.jsonl``, `None` if there is none."""
    try:
        lines = (run_dir / EVENTS).read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        # A process that was killed may leave half a line.
        with contextlib.suppress(ValidationError):
            return parse_event(line)
    return None


def resumable(run_dir: Path) -> bool:
    """Whether a run folder holds a checkpoint of a run that was not completed."""
    if (run_dir / BUNDLE).exists():
        return False
    return (run_dir / CONFIG).is_file() and (run_dir / CHECKPOINT).is_file()


def stderr_tail(run_dir: Path) -> str:
    """Read the last lines that the trainer wrote to its stderr."""
    try:
        with (run_dir / STDERR).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
