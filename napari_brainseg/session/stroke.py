"""One action of a correction: with its voxels, and as the list of actions shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Parameters", "Stroke", "StrokeRecord", "StrokeState", "VoxelEdit", "to_json"]

Parameters = Mapping[str, object]
"""How a tool was set; JSON can hold it."""

StrokeState = Literal["done", "undone", "discarded"]
"""In force; taken back and can be done again; taken back for good, or never in force."""


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """One change of the correction, by whatever tool.

    Parameters
    ----------
    number : int
        1 for the first stroke of the correction.
    slice_index : int
        Index along z (0-based) of the slice in which most voxels changed.
    indices : ndarray of int64, shape (N,)
        Flat indices (C order) of the changed voxels, ascending.
    before, after : ndarray of uint8, shape (N,)
        Values before and after the stroke, 0 or 1.
    seconds : float
        Editing time since the stroke before, pauses left out.
    tool : str
        Id of the tool, see `core.editing.Tool`.
    parameters : mapping
        How the tool was set.
    first_slice, last_slice : int
        Both are among the changed slices; `slice_index` if left out.
    """

    number: int
    slice_index: int
    indices: NDArray[np.int64]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    seconds: float
    tool: str = "other"
    parameters: Parameters = field(default_factory=dict)
    first_slice: int = -1
    last_slice: int = -1

    def __post_init__(self) -> None:
        for name in ("first_slice", "last_slice"):
            if getattr(self, name) < 0:
                object.__setattr__(self, name, self.slice_index)

    @property
    def added(self) -> int:
        """Voxels that became lesion."""
        return int(np.count_nonzero(self.after > self.before))

    @property
    def removed(self) -> int:
        """Voxels that ceased to be lesion."""
        return int(np.count_nonzero(self.before > self.after))


@dataclass(frozen=True, slots=True)
class StrokeRecord:
    """A stroke without its voxels.

    Parameters
    ----------
    number, tool, parameters, first_slice, last_slice, slice_index, added, removed, seconds
        As in `Stroke`.
    editor : str
        Who made it.
    created : float
        Unix time in seconds.
    state : {"done", "undone", "discarded"}
        Whether it is in force, can be done again, or neither.
    """

    number: int
    tool: str
    parameters: Parameters
    first_slice: int
    last_slice: int
    slice_index: int
    added: int
    removed: int
    seconds: float
    editor: str
    created: float
    state: StrokeState


@dataclass(frozen=True, slots=True, eq=False)
class VoxelEdit:
    """A change of single voxels, to be made on whatever the mask is by then.

    Unlike an `Edit`, which sets all of its box, it leaves the voxels between them alone.

    Parameters
    ----------
    indices : ndarray of int64, shape (N,)
        Flat indices (C order), ascending.
    values : ndarray of uint8, shape (N,)
        New values, 0 or 1.
    """

    indices: NDArray[np.int64]
    values: NDArray[np.uint8]


def to_json(parameters: Parameters) -> str:
    """Write parameters; numbers of numpy become plain ones, what is no JSON its words."""
    return json.dumps(dict(parameters), default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    # A stroke must not be lost for the sake of a parameter that nobody foresaw.
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
