"""Settings of a run: fine-tuning from a bundle, and the proof of what it made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["FineTuningFields"]


class FineTuningFields(BaseModel):
    """How a model is trained on without forgetting, and against what it is measured."""

    replay_patients: tuple[str, ...] = Field(
        default=(),
        title="Replayed patients",
        description="Those of the training patients that the base model knows already",
    )
    replay_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Replay share",
        description="Share of each batch drawn from the replayed patients; 0 draws all alike",
    )
    inner_folds: int = Field(
        default=0,
        ge=0,
        title="Inner folds",
        description="Folds of the corrected patients: each is measured by a model that was not "
        "trained on it, for the interpolation and the gate; 0 is none",
    )
    interpolation: float | Literal["choose"] = Field(
        default=1.0,
        title="Weight interpolation",
        description="Share of the new weights, the base model's being the rest (WiSE-FT); choose: "
        "the share that does best on the inner folds",
    )
    current: Path | None = Field(
        default=None,
        title="Model in use",
        description="Bundle that the gate compares the new one with; the base if left out",
    )
    locked: Path | None = Field(
        default=None,
        title="Locked set",
        description="File of the locked patients, for the gate; never trained on",
    )
