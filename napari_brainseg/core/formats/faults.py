"""A patient that cannot be read, among others that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging import DataError

__all__ = ["Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A patient that cannot be read, and why."""

    path: Path
    error: DataError
