"""Device, arithmetic and processes of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric import Fabric

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from napari_brainseg.core.protocol import RunConfig

__all__ = ["build_fabric", "precision_of"]


def build_fabric(config: RunConfig) -> Fabric:
    """Set up device, precision and, under ``torchrun`` or ``fabric run``, the process group.

    Raises
    ------
    ConfigError
        If the device is not there, or the batch cannot be shared out evenly.
    """
    kind, _, index = config.device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError("The config asks for CUDA, and no CUDA GPU was found.",
                          "Choose device auto or cpu.")  # fmt: skip
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else (
            "mps" if torch.backends.mps.is_available() else "cpu"
        )  # fmt: skip
    world = int(os.environ.get("WORLD_SIZE", "1"))
    parts = world * config.accumulation
    if config.batch_size % parts:
        raise ConfigError(
            f"A batch of {config.batch_size} slices cannot be cut into {parts} equal parts "
            f"({world} processes x accumulation {config.accumulation}).",
            f"Make batch_size a multiple of {parts}.",
        )
    settings: dict[str, Any] = {"precision": precision_of(config, kind)}
    if world > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        settings |= {"strategy": "ddp", "devices": here, "num_nodes": max(1, world // here)}
    else:
        settings |= {"devices": [int(index)] if index else 1}
    if os.environ.get("LT_CLI_USED") == "1":  # `fabric run` has set these itself
        settings = {"precision": settings["precision"]}
    else:
        settings["accelerator"] = kind
    fabric = Fabric(**settings)
    fabric.launch()
    return fabric


def precision_of(config: RunConfig, kind: str) -> str:
    """Fabric's name of the arithmetic; ``auto`` takes bf16 where the hardware computes in it."""
    named = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}.get(config.precision)
    if named is not None:
        return named
    if kind == "cuda":
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
        )
    if kind == "cpu" and torch.cpu._is_avx512_bf16_supported():  # noqa: SLF001 (no public query)
        return "bf16-mixed"
    return "32-true"
