"""What a brush covers in a plane: a disc drawn from place to place, and what grows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.editing.adaptive import ADAPTIVE_TOLERANCE, adaptive
from napari_brainseg.core.editing.footprint import Footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ADAPTIVE_TOLERANCE", "Footprint", "adaptive", "capsule", "within"]


def capsule(
    shape_yx: Sequence[int],
    start_yx: Sequence[float],
    stop_yx: Sequence[float],
    diameter: float,
) -> Footprint | None:
    """Return what a round brush covers on its way between two places.

    Parameters
    ----------
    shape_yx : (int, int)
        Rows and columns of the plane.
    start_yx, stop_yx : (float, float)
        Where the brush was and where it is, in pixels; the same place gives a disc.
    diameter : float
        Of the brush, in pixels; taken as a whole number, at least 1. Places settle on pixel
        centres for an odd one and on corners for an even one, so that the disc is as wide as
        that, and the same wherever it is set down.

    Returns
    -------
    Footprint or None
        `None` where the brush does not touch the plane.
    """
    width = max(1, round(diameter))
    offset = 0.0 if width % 2 else 0.5
    start, stop = (np.floor(np.asarray(p, float) - offset + 0.5) + offset
                   for p in (start_yx, stop_yx))  # fmt: skip
    radius = width / 2
    low = np.ceil(np.minimum(start, stop) - radius).astype(int)
    high = np.floor(np.maximum(start, stop) + radius).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, np.asarray(shape_yx))
    if (low >= high).any():
        return None
    rows = np.arange(low[0], high[0])[:, None] - start[0]
    columns = np.arange(low[1], high[1])[None] - start[1]
    way = stop - start
    length = float(way @ way)
    along = np.clip((rows * way[0] + columns * way[1]) / length, 0, 1) if length else 0.0
    inside = (rows - along * way[0]) ** 2 + (columns - along * way[1]) ** 2 <= radius**2 + 1e-9
    if not inside.any():
        return None
    return Footprint(slice(*map(int, (low[0], high[0]))), slice(*map(int, (low[1], high[1]))),
                     inside)  # fmt: skip


def within(image_plane: NDArray[Any], footprint: Footprint, low: float, high: float) -> Footprint:
    """Return the pixels of a footprint whose intensity lies in a window, ends included.

    Parameters
    ----------
    image_plane : ndarray, shape (Y, X)
        The modality on show.
    footprint : Footprint
        What the brush covers.
    low, high : float
        The window, in intensities of the image.
    """
    part = image_plane[footprint.box]
    inside = footprint.inside & (part >= low) & (part <= high)
    return Footprint(footprint.rows, footprint.columns, inside)
