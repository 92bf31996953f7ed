"""Where a tool is to act, and on what: all that the view knows and the case does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Modality

__all__ = ["DrawnRegion", "Place", "Seeds"]


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRegion:
    """A region that was drawn on a slice.

    Parameters
    ----------
    slice_index : int
        Index along z, 0-based.
    inside : ndarray of bool, shape (Y, X)
        What it encloses. Never written.
    """

    slice_index: int
    inside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """Scribbles that tell lesion from what is not.

    Parameters
    ----------
    foreground, background : ndarray of bool, shape (Z, Y, X)
        A copy: the next scribble must not reach into a run.
    """

    foreground: NDArray[np.bool_]
    background: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a tool is to act.

    Parameters
    ----------
    slice_index : int
        The slice on show, index along z, 0-based.
    point : (int, int, int) or None
        Voxel (z, y, x) under the mouse or the last click.
    region : DrawnRegion or None
        Drawn last.
    seeds : Seeds or None
        Scribbles, both kinds.
    modality : Modality or None
        The one on show, whose intensities flood fill follows; FLAIR where nothing is said.
    prediction : ndarray of uint8, shape (Z, Y, X), or None
        The prediction as it is on show, where its threshold was moved.
    threshold : float or None
        The threshold it is shown at.
    """

    slice_index: int = 0
    point: tuple[int, int, int] | None = None
    region: DrawnRegion | None = None
    seeds: Seeds | None = None
    modality: Modality | None = None
    prediction: NDArray[np.uint8] | None = None
    threshold: float | None = None
