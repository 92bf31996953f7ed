"""Events a trainer sends, as JSON lines; one tagged union.

Every run ends with exactly one `RunFinished`; a process that ends without one has crashed.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = [
    "BundleSaved",
    "CheckpointSaved",
    "EpochFinished",
    "Event",
    "FinishReason",
    "Message",
    "RunFinished",
    "RunStarted",
    "StepFinished",
    "parse_event",
]


class FinishReason(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)

    time: float = Field(default_factory=time.time, description="Unix time in seconds")


class RunStarted(_Event):
    """Data is prepared; the first step follows."""

    kind: Literal["run-started"] = "run-started"
    run_id: str
    run_dir: str
    device: str
    precision: str
    epochs: int
    steps_per_epoch: int
    first_epoch: int = 1
    """1-based: 1, or the epoch at which a resumed run goes on."""
    train_patients: tuple[str, ...]
    validation_patients: tuple[str, ...]
    parent: str | None = None
    """Version of the model that a fine-tuning run starts from."""
    parent_validation_dsc: float | None = None
    """Mean DSC of that model on the same validation patients."""


class StepFinished(_Event):
    """Sent a few times a second at most."""

    kind: Literal["step"] = "step"
    epoch: int
    step: int
    """1-based within the epoch."""
    steps_per_epoch: int
    loss: float
    samples_per_second: float
    remaining_s: float
    cpu_percent: float | None = None
    """Of one core, so that two busy cores are 200."""
    memory_mb: float | None = None
    """Resident, of the trainer's process."""
    gpu_memory_mb: float | None = None


class EpochFinished(_Event):
    """An epoch with its validation."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    """1-based."""
    epochs: int
    train_loss: float
    train_dsc: float
    validation_loss: float | None = None
    validation_dsc: float | None = None
    """Mean over validation patients: native grid, as delivered; in the reference protocol by the
    published definition."""
    learning_rate: float
    seconds: float
    remaining_s: float
    best_epoch: int | None = None
    best_validation_dsc: float | None = None


class CheckpointSaved(_Event):
    """A checkpoint a run can resume from is on disk."""

    kind: Literal["checkpoint"] = "checkpoint"
    epoch: int
    path: str


class BundleSaved(_Event):
    """A candidate model bundle is on disk."""

    kind: Literal["bundle"] = "bundle"
    path: str
    version: str
    validation_dsc: float | None
    parent_validation_dsc: float | None = None


class Message(_Event):
    """A line for the user."""

    kind: Literal["message"] = "message"
    level: Literal["info", "warning", "error"] = "info"
    text: str


class RunFinished(_Event):
    """The last event of a run."""

    kind: Literal["run-finished"] = "run-finished"
    reason: FinishReason
    message: str = ""
    hint: str = ""
    bundle: str | None = None


Event = Annotated[
    RunStarted
    | StepFinished
    | EpochFinished
    | CheckpointSaved
    | BundleSaved
    | Message
    | RunFinished,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event:
    """Read one JSON line.

    Raises
    ------
    pydantic.ValidationError
        If the line is no event.
    """
    return _ADAPTER.validate_json(line)
