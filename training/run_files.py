"""The files of a run folder; damage is told in a list of faults and does not stop the reading."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.core.protocol import (
    EpochFinished,
    Event,
    Message,
    RunConfig,
    RunFinished,
    RunStarted,
    StepFinished,
    load_config,
    parse_config,
    parse_event,
)
from napari_brainseg.core.segmentation.evaluation_results import Evaluation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Sample",
    "count_parameters",
    "read_config",
    "read_evaluation",
    "read_history",
    "read_resources",
    "read_summary",
]

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Ends of names in a state dict that are no parameters."""


class Sample(BaseModel):
    """A line of ``resources.jsonl``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    time: float
    """Unix time in seconds."""
    cpu_percent: float | None = None
    rss_mb: float | None = None
    gpu_memory_mb: float | None = None
    gpu_percent: float | None = None


def read_config(path: Path, faults: list[str]) -> RunConfig | None:
    """Read ``config.json``; ``None`` where it cannot be."""
    try:
        return load_config(path)
    except BrainSegError as error:
        known = _known_settings(path)
        if known is None:
            faults.append(error.message)
            return None
        config, unknown = known
        faults.append(
            f"{path.name} was written by another version; settings left out: {', '.join(unknown)}."
        )
        return config


def read_summary(path: Path, faults: list[str]) -> dict[str, Any]:
    """Read ``summary.json``; empty where there is none or it cannot be read."""
    if not path.is_file():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            raise ValueError("it holds no mapping")
    except (OSError, ValueError) as error:
        faults.append(f"{path.name} cannot be read: {error}.")
        return {}
    return raw


def read_evaluation(path: Path, faults: list[str]) -> Evaluation | None:
    """Read what was measured; ``None`` where there is nothing or it cannot be read."""
    if not path.is_file():
        return None
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        told = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        told = first["msg"] + (f" at {place}" if place else "")
    faults.append(f"evaluation/{path.name} cannot be read: {told}.")
    return None


def read_resources(path: Path, faults: list[str]) -> tuple[Sample, ...]:
    """Read ``resources.jsonl`` in order of time."""
    samples, damaged = [], 0
    for line in _lines(path, faults):
        try:
            samples.append(Sample.model_validate_json(line))
        except ValidationError:
            damaged += 1
    _tell_damage(path, damaged, faults)
    return tuple(sorted(samples, key=lambda sample: sample.time))


def read_history(path: Path, faults: list[str]) -> dict[str, Any]:
    """Read ``events.jsonl`` into the fields of a `Run` that follow from it."""
    events: list[Event] = []
    damaged = 0
    for line in _lines(path, faults):
        try:
            events.append(parse_event(line))
        except ValidationError:
            damaged += 1
    _tell_damage(path, damaged, faults)
    epochs: dict[int, EpochFinished] = {}
    started, finished, last_step = None, None, None
    for event in events:
        if isinstance(event, RunStarted):
            started, finished = event, None
            # a resumed run does these epochs again
            epochs = {n: e for n, e in epochs.items() if n < event.first_epoch}
        elif isinstance(event, EpochFinished):
            epochs[event.epoch] = event
        elif isinstance(event, StepFinished):
            last_step = event
        elif isinstance(event, RunFinished):
            finished = event
    return {
        "started": started,
        "finished": finished,
        "last_step": last_step,
        "epochs": tuple(epochs[n] for n in sorted(epochs)),
        "seconds": _spent(events),
        "messages": tuple(e for e in events if isinstance(e, Message) and e.level != "info"),
    }


def count_parameters(path: Path) -> int | None:
    """Count the parameters in a safetensors file by its header.

    Returns
    -------
    int or None
        ``None`` where the file is missing or damaged.
    """
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    total = 0
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                if not key.endswith(STATISTICS):
                    total += math.prod(file.get_slice(key).get_shape())
    except (OSError, SafetensorError):
        return None
    return total


def _known_settings(path: Path) -> tuple[RunConfig, list[str]] | None:
    """Read a config without the settings that this version does not know."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        unknown = sorted(set(raw) - set(RunConfig.model_fields))
        known = {key: value for key, value in raw.items() if key not in unknown}
        return (parse_config(known), unknown) if unknown else None
    except (OSError, ValueError, TypeError, AttributeError, BrainSegError):
        return None


def _lines(path: Path, faults: list[str]) -> list[bytes]:
    """Read non-empty lines; a last one without its end was torn by a crash and is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        faults.append(f"{path.name} cannot be read: {error.strerror}.")
        return []
    return [line for line in content.split(b"\n")[:-1] if line.strip()]


def _spent(events: Sequence[Event]) -> float | None:
    """Seconds at work: pauses between an end and the next start do not count."""
    if not events:
        return None
    total, begun = 0.0, events[0].time
    for before, event in itertools.pairwise(events):
        if isinstance(before, RunFinished):
            total += before.time - begun
            begun = event.time
    return total + events[-1].time - begun


def _tell_damage(path: Path, damaged: int, faults: list[str]) -> None:
    if damaged:
        lines = "1 line" if damaged == 1 else f"{damaged} lines"
        faults.append(f"{path.name}: {lines} could not be read and left out.")
