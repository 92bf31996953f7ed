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
    "ExampleSaved",
    "FinishReason",
    "GateMeasured",
    "Message",
    "Paused",
    "Resumed",
    "RunFinished",
    "RunStarted",
    "StageStarted",
    "StepFinished",
    "Waiting",
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


class StageStarted(_Event):
    """The next part of a run that has several: inner folds, the final training, the gate."""

    kind: Literal["stage"] = "stage"
    stage: Literal["inner fold", "training", "interpolation", "gate"]
    number: int
    """1-based, over all stages of the run."""
    stages: int
    text: str = ""
    """For the user."""


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
    """Of the whole run, its other stages included."""
    progress: float | None = None
    """Share of the whole run that is done, 0 to 1."""
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


class ExampleSaved(_Event):
    """A slice of a validation patient with truth and the mask of this epoch, as PNG."""

    kind: Literal["example"] = "example"
    epoch: int
    """0 is the base model, before any step."""
    patient: str
    slice_index: int
    """0-based, native grid."""
    path: str
    dsc: float
    """Of the patient's whole volume."""


class GateMeasured(_Event):
    """The evidence of the gate is on disk; see `core.segmentation.gate`."""

    kind: Literal["gate"] = "gate"
    path: str


class Waiting(_Event):
    """Another run of this machine goes first; the run starts when its turn comes."""

    kind: Literal["waiting"] = "waiting"
    ahead: int
    """Runs before this one, the running one included."""
    text: str


class Paused(_Event):
    """The run rests after a whole step; nothing is lost."""

    kind: Literal["paused"] = "paused"
    why: Literal["asked", "prediction"] = "asked"
    """A person's wish, or a prediction of the viewer that goes first."""


class Resumed(_Event):
    """A pause is over."""

    kind: Literal["resumed"] = "resumed"


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
    | StageStarted
    | ExampleSaved
    | GateMeasured
    | Waiting
    | Paused
    | Resumed
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
