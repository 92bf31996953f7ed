"""What several runs leave in their folders, read from outside."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

import psutil
from pydantic import ValidationError

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.protocol import RunConfig, load_config, parse_event
from napari_brainseg.core.protocol.run_folder import BUNDLE, CONFIG, EVENTS, RUNNING, LineTail

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol import Event

__all__ = ["ClaimedBy", "EventTail", "differences", "unmeasured"]

CLAIM = "process.json"

MAY_CHANGE = {*RUNNING, "what", "why"}


class EventTail:
    """Reads what is added to the events of a run.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    skip : bool
        Leave out what is there already.
    """

    def __init__(self, run_dir: Path, *, skip: bool) -> None:
        self._lines = LineTail(run_dir / EVENTS, skip=skip)

    def read(self) -> list[Event]:
        """Return the whole lines that came since the last call."""
        events = []
        for line in self._lines.read():
            # A process that was killed may leave half a line.
            with contextlib.suppress(ValidationError):
                events.append(parse_event(line))
        return events


def differences(run_dir: Path, config: RunConfig) -> tuple[str, ...]:
    """Name the settings in which the run in a folder differs, as ``epochs 2, now 3``.

    Raises
    ------
    ConfigError
        If the folder holds no config that can be read.
    """
    before = load_config(run_dir / CONFIG)
    return tuple(
        f"{key} {_short(then)}, now {_short(now)}"
        for key in RunConfig.model_fields
        if key not in MAY_CHANGE and (then := getattr(before, key)) != (now := getattr(config, key))
    )


def unmeasured(run_dir: Path) -> str:
    """Say what to do where a complete run was stopped before its model was measured."""
    try:
        training = json.loads((run_dir / BUNDLE / "model.json").read_bytes())["training"]
    except (OSError, ValueError, KeyError):
        return ""
    if not training.get("validation_patients") or any(run_dir.glob("evaluation/*.json")):
        return ""
    return f"Its model was not measured; python -m training evaluate {run_dir} does it."


class ClaimedBy:
    """The process that works in a run folder, by host, id and start time."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / CLAIM

    def take(self, pid: int) -> None:
        """Note that process `pid` of this machine works there."""
        with contextlib.suppress(psutil.Error):  # it ended already
            claim = {
                "host": socket.gethostname(),
                "pid": pid,
                "created": psutil.Process(pid).create_time(),
            }
            write_atomically(self._path, json.dumps(claim).encode())

    def release(self) -> None:
        """Note that nobody does."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def __bool__(self) -> bool:
        """Whether somebody does, as far as can be seen from this machine."""
        return bool(self.who)

    @property
    def who(self) -> str:
        """The process in words; empty if there is none or it has ended."""
        try:
            claim = json.loads(self._path.read_bytes())
            host, pid, created = claim["host"], int(claim["pid"]), float(claim["created"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        if host == socket.gethostname():
            try:
                if abs(psutil.Process(pid).create_time() - created) > 1:
                    return ""
            except psutil.Error:
                return ""
        return f"process {pid} on {host}"


def _short(value: object, most: int = 60) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 3] + "..."
