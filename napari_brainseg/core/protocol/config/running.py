"""Settings of a run: seed, devices, arithmetic."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["RunningFields"]


class RunningFields(BaseModel):
    """What it runs on."""

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
    gradient_checkpointing: bool = Field(
        default=False,
        title="Gradient checkpointing",
        description="Compute activations again in the backward pass: less memory, more time",
    )
    compile: bool = Field(
        default=False,
        title="Compile",
        description="torch.compile: slower to start, faster to run; needs a C++ compiler",
    )
    threads: int | None = Field(
        default=None, ge=1, title="CPU threads", description="All cores if left out"
    )
