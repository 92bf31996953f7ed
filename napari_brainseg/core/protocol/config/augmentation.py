"""Settings of a run: windows and random changes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["AugmentationFields"]


class AugmentationFields(BaseModel):
    """What is done to a slice before the network sees it."""

    crop: int = Field(
        default=192, ge=32, multiple_of=16, title="Crop", description="Training window in pixels"
    )
    augmentation: Literal["none", "reference", "standard", "strong"] = Field(
        default="standard",
        title="Augmentation",
        description="Random changes of slices; strong adds elastic, gamma and bias field",
    )
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
