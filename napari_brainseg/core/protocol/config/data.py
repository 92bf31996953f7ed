"""Settings of a run: patients, protocol, preparation, sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

__all__ = ["DataFields"]


class DataFields(BaseModel):
    """What is trained on, and what is measured with."""

    data: tuple[Path, ...] = Field(
        default=(), title="Data", description="Folders of patients in kaggle_3m layout"
    )
    corrections: Path | None = Field(
        default=None,
        title="Corrections",
        description="A training set exported from the viewer; its masks win over the originals",
    )
    protocol: Literal["free", "reference", "clean", "k-fold", "hold-out"] = Field(
        default="free",
        title="Protocol",
        description="How patients are split and the model is chosen; free leaves it to the rest",
    )
    folds: int = Field(default=5, ge=2, title="Folds", description="Of the k-fold protocol")
    fold: int = Field(
        default=1, ge=1, title="Fold", description="Which of the folds validates, from 1"
    )
    train_patients: tuple[str, ...] | None = Field(
        default=None, title="Training patients", description="By name; all others if left out"
    )
    validation_patients: tuple[str, ...] | None = Field(
        default=None,
        title="Validation patients",
        description="By name; drawn by patient with the seed if left out",
    )
    test_patients: tuple[str, ...] = Field(
        default=(),
        title="Test patients",
        description="Measured once, by the finished model; nothing is chosen on them",
    )
    locked_patients: tuple[str, ...] = Field(
        default=(),
        title="Locked patients",
        description="Never trained on or validated with",
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
    recipe: Literal["native", "reference"] = Field(
        default="native", title="Preprocessing", description="Recipe that the bundle will carry"
    )
    bias_correction: bool = Field(
        default=False,
        title="Bias-field correction",
        description="Even out slow changes of brightness before scaling (N4; needs SimpleITK)",
    )
    skull_stripping: bool = Field(
        default=False,
        title="Skull stripping",
        description="Blank what is not brain before scaling",
    )
    context_slices: Literal[1, 3, 5] = Field(
        default=1,
        title="Slices of context",
        description="Slices the network sees at once, the middle one being segmented",
    )
    sampling: Literal["lesion-balanced", "uniform", "reference"] = Field(
        default="lesion-balanced",
        title="Sampling",
        description="How slices are drawn; reference: patient, then slice by lesion area",
    )
    lesion_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Lesion share",
        description="Share of a batch drawn from slices with a lesion (lesion-balanced)",
    )
    drop_empty_slices: bool = Field(
        default=False,
        title="Drop empty slices",
        description="Train on slices with a lesion only",
    )
    drop_lesion_free_patients: bool = Field(
        default=False,
        title="Drop lesion-free patients",
        description="Leave patients without a lesion out of training",
    )
    cache: Path | None = Field(
        default=None,
        title="Cache",
        description="Folder of prepared patients; the user's cache folder if left out",
    )

    @field_validator("context_slices", mode="before")
    @classmethod
    def _from_flag(cls, value: Any) -> Any:
        """Take ``"3"`` as the command line gives it: a literal number takes no text."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value
