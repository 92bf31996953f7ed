"""The typed configuration of a run. Titles and descriptions make the form and the help."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_brainseg.core.imaging import ConfigError

__all__ = ["RunConfig", "load_config", "parse_config"]


class RunConfig(BaseModel):
    """Everything that decides the outcome of a training run."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    # data -------------------------------------------------------------------------------------
    data: tuple[Path, ...] = Field(
        default=(), title="Data", description="Folders of patients in kaggle_3m layout"
    )
    corrections: Path | None = Field(
        default=None,
        title="Corrections",
        description="A training set exported from the viewer; its masks win over the originals",
    )
    train_patients: tuple[str, ...] | None = Field(
        default=None, title="Training patients", description="By name; all others if left out"
    )
    validation_patients: tuple[str, ...] | None = Field(
        default=None,
        title="Validation patients",
        description="By name; drawn by patient with the seed if left out",
    )
    locked_patients: tuple[str, ...] = Field(
        default=(),
        title="Locked patients",
        description="Never read by this run; the reference validation patients by default rule",
    )
    lock_reference: bool = Field(
        default=True,
        title="Lock the ten reference patients",
        description="Keep the ten validation patients of the reference split out of the run",
    )
    validation_share: float = Field(
        default=0.1, ge=0, lt=1, title="Validation share", description="Share of patients"
    )
    phantoms: int = Field(
        default=0, ge=0, title="Phantoms", description="Synthetic patients mixed in"
    )

    # model ------------------------------------------------------------------------------------
    name: str = Field(
        default="model", pattern=r"^[A-Za-z0-9._-]+$", title="Name", description="Of the bundle"
    )
    base: Path | None = Field(
        default=None, title="Base model", description="Bundle that a fine-tuning run starts from"
    )
    recipe: Literal["native", "reference"] = Field(
        default="native", title="Preprocessing", description="Recipe that the bundle will carry"
    )
    features: int = Field(
        default=16, ge=2, le=128, title="Features", description="Of the first U-Net level"
    )

    minimum_size_vox: int = Field(
        default=0,
        ge=0,
        title="Minimum size",
        description="Smaller islands are removed from masks (voxels); a base model's own wins",
    )

    # optimisation -----------------------------------------------------------------------------
    epochs: int = Field(default=20, ge=1, title="Epochs", description="Passes over the data")
    steps_per_epoch: int | None = Field(
        default=None, ge=1, title="Steps an epoch", description="All slices once if left out"
    )
    batch_size: int = Field(default=16, ge=1, title="Batch size", description="Slices a step")
    learning_rate: float = Field(
        default=2e-3, gt=0, title="Learning rate", description="Peak of the one-cycle schedule"
    )
    weight_decay: float = Field(
        default=1e-2, ge=0, title="Weight decay", description="Of AdamW; not on norms and biases"
    )
    ema: float = Field(
        default=0.998, ge=0, lt=1, title="Weight averaging", description="EMA decay; 0 is off"
    )
    freeze_norm: bool = Field(
        default=False,
        title="Freeze batch-norm statistics",
        description="Keep the base model's statistics while fine-tuning",
    )
    loss: str = Field(
        default="bce:0.5+dice:0.5", title="Loss", description="Names and weights, e.g. bce:1+dice:1"
    )
    lesion_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Lesion share",
        description="Share of a batch drawn from slices with a lesion",
    )

    keep: Literal["best", "last"] = Field(
        default="best",
        title="Keep",
        description="Which epoch becomes the model: best on the validation patients, or the last",
    )

    # augmentation -----------------------------------------------------------------------------
    crop: int = Field(
        default=192, ge=32, multiple_of=16, title="Crop", description="Training window in pixels"
    )
    augment: bool = Field(default=True, title="Augment", description="Random changes of slices")
    missing_all: float = Field(
        default=0.15,
        ge=0,
        le=1,
        title="All channels FLAIR",
        description="Share of slices in which FLAIR replaces both other modalities",
    )
    missing_post: float = Field(
        default=0.10,
        ge=0,
        le=1,
        title="Post-contrast missing",
        description="Share of slices in which FLAIR replaces the post-contrast channel",
    )

    # running ----------------------------------------------------------------------------------
    seed: int = Field(default=42, ge=0, title="Seed", description="Of every random draw")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="auto, cpu, mps, cuda or cuda:N",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", title="Precision", description="Arithmetic; auto asks the hardware"
    )
    compile: bool = Field(
        default=False,
        title="Compile",
        description="torch.compile: slower to start, faster to run; needs a C++ compiler",
    )
    threads: int | None = Field(
        default=None, ge=1, title="CPU threads", description="All cores if left out"
    )


def load_config(path: Path, **changes: Any) -> RunConfig:
    """Read a config from TOML or JSON; `changes` win.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value does not fit; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"Cannot read the config {path}: {error.strerror}.", "Check the path."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"The config {path} is not valid {path.suffix[1:].upper() or 'TOML'}: {error}.",
            "Mend the line named.",
        ) from error
    return parse_config({**raw, **changes}, source=str(path))


def parse_config(raw: dict[str, Any], *, source: str = "the command line") -> RunConfig:
    """Validate a mapping; every fault is named with its key.

    Raises
    ------
    ConfigError
        If a key is unknown or a value does not fit.
    """
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (given: {e['input']!r})"
            for e in error.errors()
        )
        known = ", ".join(RunConfig.model_fields)
        raise ConfigError(
            f"The config from {source} does not fit. {faults}.", f"Known keys: {known}."
        ) from error
