"""What a brush covers in a plane: a disc drawn from place to place, and what grows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ADAPTIVE_TOLERANCE", "Footprint", "adaptive", "capsule", "within"]

ADAPTIVE_TOLERANCE = 2.5
"""Default of `adaptive`."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Pixels of a plane under a brush.

    Parameters
    ----------
    rows, columns : slice
        The part of the plane, half-open, inside the plane.
    inside : ndarray of bool, shape (rows, columns)
        Which pixels of that part.
    """

    rows: slice
    columns: slice
    inside: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns, to index a plane with."""
        return self.rows, self.columns


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


def adaptive(
    image_plane: NDArray[Any], footprint: Footprint, *, tolerance: float = ADAPTIVE_TOLERANCE
) -> Footprint:
    """Grow a footprint to the edge of the like region that it lies in.

    Parameters
    ----------
    image_plane : ndarray, shape (Y, X)
        The modality on show.
    footprint : Footprint
        What the brush covered.
    tolerance : float
        How unlike the intensities under the brush a pixel may be, in their standard deviations.

    Returns
    -------
    Footprint
        The region; at least what is like the middle of the brush.
    """
    from scipy import ndimage

    across = min(footprint.inside.shape)
    margin = max(8, 2 * across)
    rows = slice(max(0, footprint.rows.start - margin), footprint.rows.stop + margin)
    columns = slice(max(0, footprint.columns.start - margin), footprint.columns.stop + margin)
    part = np.asarray(image_plane[rows, columns], np.float32)
    seed = np.zeros(part.shape, bool)
    top, left = footprint.rows.start - rows.start, footprint.columns.start - columns.start
    height, width = footprint.inside.shape
    seed[top : top + height, left : left + width] = footprint.inside
    calm = ndimage.gaussian_filter(part, 1)
    under = calm[seed]
    centre = float(np.median(under))
    spread = max(1.4826 * float(np.median(np.abs(under - centre))), 0.02 * float(np.ptp(part)))
    like = np.abs(calm - centre) <= tolerance * spread
    labels, _ = ndimage.label(like)
    hit = np.unique(labels[seed & like])
    region = np.isin(labels, hit[hit > 0])
    region = ndimage.binary_fill_holes(ndimage.binary_opening(region)) | (seed & like)
    return Footprint(
        slice(rows.start, rows.start + part.shape[0]),
        slice(columns.start, columns.start + part.shape[1]),
        np.asarray(region, bool),
    )
