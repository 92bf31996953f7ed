"""Slices between two drawn ones, from the shapes of those two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box, check_slice, grown
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["gaps", "interpolate"]


def gaps(mask: NDArray[np.uint8]) -> tuple[tuple[int, int], ...]:
    """Return the drawn slices on either side of each run of empty ones.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.

    Returns
    -------
    tuple of (int, int)
        Pairs (first, last) along z, in ascending order: both are drawn, all between are empty.
    """
    drawn = np.flatnonzero(mask.any(axis=(1, 2)))
    pairs = zip(drawn[:-1].tolist(), drawn[1:].tolist(), strict=True)
    return tuple((first, last) for first, last in pairs if last - first > 1)


def interpolate(
    mask: NDArray[np.uint8], first: int, last: int, *, keep: bool = False
) -> Edit | None:
    """Fill the slices between two drawn ones with shapes on the way from one to the other.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    first, last : int
        The two slices, 0-based, in either order; they stay as they are.
    keep : bool
        Keep what the slices between hold already, and add to it. By default they hold nothing
        but the new shapes afterwards.

    Returns
    -------
    Edit or None
        `None` where nothing would change, so also if the two are neighbours or both empty.

    Raises
    ------
    DataError
        If there is no such slice.
    """
    first, last = sorted((first, last))
    for index in (first, last):
        check_slice(mask, index)
    if last - first < 2:
        return None
    planes = slice(first + 1, last)
    lower, upper = mask[first] != 0, mask[last] != 0
    if not lower.any() and not upper.any():
        return None
    between = np.zeros((last - first - 1, *lower.shape), bool)
    for one, other in _pairs(lower, upper):
        _draw(between, one, other)
    if keep:
        between |= mask[planes] != 0
    return Edit.inside(mask, (planes, slice(0, mask.shape[1]), slice(0, mask.shape[2])), between)


def _pairs(
    lower: NDArray[np.bool_], upper: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield what belongs together: islands that overlap, as one; the rest by nearness."""
    yield lower, upper


def _draw(between: NDArray[np.bool_], lower: NDArray[np.bool_], upper: NDArray[np.bool_]) -> None:
    box = bounding_box(np.stack([lower, upper]))
    if box is None:
        return
    _, rows, columns = grown(box, (0, 1, 1), (2, *lower.shape))
    one, other = _height(lower[rows, columns]), _height(upper[rows, columns])
    for index, plane in enumerate(between):
        share = (index + 1) / (len(between) + 1)
        plane[rows, columns] |= (1 - share) * one + share * other > 0


def _height(shape: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Signed distance to the outline in pixels, positive inside."""
    from scipy import ndimage

    if not shape.any():
        return np.full(shape.shape, -1.0)
    inside: NDArray[np.float64] = ndimage.distance_transform_edt(shape)
    outside: NDArray[np.float64] = ndimage.distance_transform_edt(~shape)
    return np.where(shape, inside - 0.5, 0.5 - outside)
