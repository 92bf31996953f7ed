"""Settings of a run: loss, optimiser, schedule, averaging, what is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["OptimisationFields"]


class OptimisationFields(BaseModel):
    """How the network learns."""

    epochs: int = Field(default=20, ge=1, title="Epochs", description="Passes over the data")
    steps_per_epoch: int | None = Field(
        default=None, ge=1, title="Steps an epoch", description="All slices once if left out"
    )
    batch_size: int = Field(
        default=16, ge=1, title="Batch size", description="Slices a step, over all devices together"
    )
    accumulation: int = Field(
        default=1,
        ge=1,
        title="Accumulation",
        description="Parts of a batch computed one after the other: less memory, same step",
    )
    loss: str = Field(
        default="bce:0.5+dice:0.5", title="Loss", description="Names and weights, e.g. bce:1+dice:1"
    )
    optimizer: Literal["adamw", "adam", "sgd"] = Field(
        default="adamw", title="Optimiser", description="adamw, adam or sgd"
    )
    learning_rate: float = Field(
        default=2e-3, gt=0, title="Learning rate", description="The schedule's highest"
    )
    weight_decay: float = Field(
        default=1e-2, ge=0, title="Weight decay", description="Not on norms and biases"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, title="Momentum", description="Of sgd")
    nesterov: bool = Field(default=False, title="Nesterov", description="Nesterov momentum of sgd")
    schedule: Literal[
        "one-cycle", "constant", "linear", "step", "exponential", "poly", "cosine", "plateau"
    ] = Field(default="one-cycle", title="Schedule", description="Of the learning rate")
    final_learning_rate: float = Field(
        default=0.0,
        ge=0,
        title="Final learning rate",
        description="Where linear, poly, cosine and plateau end",
    )
    warmup_epochs: float = Field(
        default=0.0,
        ge=0,
        title="Warm-up",
        description="Epochs of linear rise before the schedule; one-cycle has its own",
    )
    decay_epochs: int = Field(
        default=10,
        ge=1,
        title="Decay epochs",
        description="Of step: epochs between drops; of plateau: epochs without progress",
    )
    decay_factor: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        title="Decay factor",
        description="Of step and plateau by drop, of exponential by epoch",
    )
    clip_gradient: float = Field(
        default=5.0, ge=0, title="Gradient clipping", description="Largest norm; 0 is off"
    )
    ema: float = Field(
        default=0.998, ge=0, lt=1, title="Weight averaging", description="EMA decay; 0 is off"
    )
    freeze_norm: bool = Field(
        default=False,
        title="Freeze batch-norm statistics",
        description="Keep the base model's statistics while fine-tuning",
    )
    keep: Literal["best", "last"] = Field(
        default="best",
        title="Keep",
        description="Which epoch becomes the model: best on the validation patients, or the last",
    )
    early_stopping: int | None = Field(
        default=None,
        ge=1,
        title="Early stopping",
        description="Epochs without a better validation DSC after which the run ends",
    )
    intermediate_mb: int = Field(
        default=0,
        ge=0,
        title="Intermediate models",
        description="Megabytes for the best models on the way; 0 keeps none",
    )
