"""What a person prefers, kept for all studies and windows: one JSON file a user.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import platformdirs
from psygnal import Signal
from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["PreferenceValues", "Preferences", "Window"]

_log = logging.getLogger(__name__)


class Window(BaseModel):
    """Window and level of one modality, as shares of the tissue's range (0 darkest, 1 brightest).

    Shares, because the intensities of two patients do not mean the same.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    low: float = 0.0
    high: float = 1.0


class PreferenceValues(BaseModel):
    """All preferences with their defaults."""

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    outline_width: int = Field(1, ge=1, le=8)
    """Voxels."""
    fill: bool = False
    """Masks filled instead of outlined."""
    opacity: float = Field(1.0, ge=0.05, le=1.0)
    """Of masks."""
    shown: dict[str, bool] = Field(default_factory=dict)
    """Layer name to whether it is shown."""
    inverted: bool = False
    """Dark tissue white."""
    windows: dict[str, Window] = Field(default_factory=dict)
    """Modality to its window and level; the automatic one where there is none."""
    colour_composite: bool = False
    view: str = "axial"
    slice_thickness_mm: float | None = Field(None, gt=0.0, le=50.0)
    """Where the files carry none; `None`: assumed from the number of slices."""
    show_volume: bool = False
    """The dim volume behind the surface in 3D."""
    hide_identifiers: bool = False
    """Patients by number instead of name."""
    annotations: bool = True
    """Text in the picture's corners."""
    strategy: str = "worklist"
    """Which case comes next; see `session.ordering`."""
    blind_share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of cases that are read without the prediction."""
    predict_on_open: bool = True
    least_island_vox: int = Field(50, ge=0, le=10_000)
    """Smaller islands are pointed out before a case is signed off; 0: none are.

    In the ground truth of 98 patients of kaggle_3m no island beside another is smaller than 78
    voxels (256 by 256 a slice).
    """
    prefetch: bool = True
    """Load and predict the neighbours ahead."""
    prefetch_mb: int = Field(1024, ge=64)
    """Most memory for studies and predictions loaded ahead."""
    worklist_columns: list[str] | None = None
    worklist_wide: bool = False


class Preferences:
    """Preferences of the user, saved at each change.

    Parameters
    ----------
    path : Path, optional
        The JSON file; by default in the user's data folder.
    """

    changed = Signal(str)
    """Name of the preference that changed."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path if path is not None else _default_path()
        self._lock = threading.RLock()
        self._values = _read(self._path)

    @property
    def values(self) -> PreferenceValues:
        """A copy of all preferences."""
        with self._lock:
            return self._values.model_copy(deep=True)

    def get(self, name: str) -> Any:
        """Return one preference; `AttributeError` if there is none of that name."""
        with self._lock:
            return getattr(self._values, name)

    def set(self, **changes: Any) -> None:
        """Change preferences and save them.

        Raises
        ------
        ValueError
            If a value is out of range or a name unknown.
        """
        changed = []
        with self._lock:
            for name, value in changes.items():
                if name not in PreferenceValues.model_fields:
                    raise ValueError(f"There is no preference {name!r}.")
                if getattr(self._values, name) != value:
                    setattr(self._values, name, value)
                    changed.append(name)
            if changed:
                self._save()
        for name in changed:
            self.changed.emit(name)

    def _save(self) -> None:
        staging = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            staging.write_text(self._values.model_dump_json(indent=1), encoding="utf-8")
            staging.replace(self._path)
        except OSError as error:
            # They hold for this window; a full disk must not stop a reading.
            _log.warning("The preferences %s cannot be saved: %s", self._path, error)


def _default_path() -> Path:
    return Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False)) / "preferences.json"


def _read(path: Path) -> PreferenceValues:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PreferenceValues()
    except (OSError, ValueError) as error:
        _log.warning("The preferences %s cannot be read: %s", path, error)
        return PreferenceValues()
    values = PreferenceValues()
    for name, value in found.items() if isinstance(found, dict) else ():
        try:
            setattr(values, name, value)
        except (ValidationError, ValueError):
            _log.warning("Preference %s = %r in %s is not usable", name, value, path)
    return values
