"""Settings of a run: the network, and how masks are made of its probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

__all__ = ["ModelFields"]


class ModelFields(BaseModel):
    """What is trained."""

    name: str = Field(
        default="model", pattern=r"^[A-Za-z0-9._-]+$", title="Name", description="Of the bundle"
    )
    what: str = Field(default="", title="What", description="What this attempt is, for the report")
    why: str = Field(default="", title="Why", description="Why it is made, for the report")
    base: Path | None = Field(
        default=None, title="Base model", description="Bundle that a fine-tuning run starts from"
    )
    network: str = Field(
        default="unet", title="Network", description="By name; see `python -m training networks`"
    )
    features: int = Field(
        default=16, ge=2, le=128, title="Features", description="Of the first level"
    )
    network_options: dict[str, bool | int | float | str] = Field(
        default={},
        title="Network options",
        description="Options of the network, such as norm=instance or deep_supervision=true",
    )
    encoder_weights: Literal["imagenet"] | Path | None = Field(
        default=None,
        title="Encoder weights",
        description="File with pretrained weights of the encoder, or imagenet for those that an "
        "installed package carries; nothing is downloaded",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        title="Temperature",
        description="Logits are divided by it before the sigmoid: above 1, probabilities are less "
        "sure; losses do not see it; a base model's own wins",
    )
    threshold: float = Field(
        default=0.5, gt=0, lt=1, title="Threshold", description="Of the probability"
    )
    minimum_size_vox: int = Field(
        default=0,
        ge=0,
        title="Minimum size",
        description="Smaller islands are removed from masks (voxels); a base model's own wins",
    )
    spared_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Spared share",
        description="Islands under the minimum size stay if they are at least this share of it, "
        "and of the largest one; 0 is off",
    )
    largest_component: bool = Field(
        default=False, title="Largest component", description="Keep the largest island only"
    )
    fill_holes: bool = Field(
        default=False, title="Fill holes", description="Fill holes within each slice of a mask"
    )
    opening_vox: int = Field(
        default=0, ge=0, le=10, title="Opening", description="Radius in-plane (pixels); 0 is off"
    )
    closing_vox: int = Field(
        default=0, ge=0, le=10, title="Closing", description="Radius in-plane (pixels); 0 is off"
    )

    @field_validator("network_options", mode="before")
    @classmethod
    def _from_flags(cls, value: Any) -> Any:
        """Take ``["norm=instance"]`` as the command line gives it."""
        if not isinstance(value, (list, tuple)):
            return value
        options: dict[str, Any] = {}
        for part in value:
            key, sign, text = str(part).partition("=")
            if not sign:
                raise ValueError(f"'{part}' is no option; write name=value")
            options[key] = _literal(text)
        return options


def _literal(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
