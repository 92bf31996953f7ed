"""What lies in a run folder, as the viewer reads and writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.protocol.run_folder import CONFIG
from napari_brainseg.core.protocol.run_folder import can_resume as resumable

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["read_config", "resumable", "write_config"]


def write_config(run_dir: Path, config: RunConfig) -> None:
    """Write the config of a run.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    write_atomically(run_dir / CONFIG, config.model_dump_json(indent=2).encode() + b"\n")


def read_config(run_dir: Path) -> RunConfig:
    """Read the config of a run.

    Raises
    ------
    ConfigError
        If it is missing or does not fit.
    """
    return load_config(run_dir / CONFIG)
