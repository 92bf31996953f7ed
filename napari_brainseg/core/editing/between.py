"""Slices between two drawn ones, from the shapes of those two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box, check_slice, grown
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_brainseg.core.editing.edit import Box

__all__ = ["gaps", "interpolate"]

FARTHEST = 2.0
"""Farthest that islands without an overlap may lie apart to be matched, in sums of their radii."""


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

    Notes
    -----
    Shape-based interpolation by signed distance (Raya and Udupa, 1990). Islands of the two slices
    that overlap belong together, of the others the nearest within reach; they move from the one
    centre to the other, so that an island that wanders does not vanish on its way. An island
    without a partner tapers off and ends halfway. Every second slice of the true masks of 22
    patients left out and interpolated: DSC 0.87; two of three left out 0.85, four of five 0.81
    (without the moving: 0.87, 0.85 and 0.80).
    """
    first, last = sorted((first, last))
    for index in (first, last):
        check_slice(mask, index)
    if last - first < 2:
        return None
    planes = slice(first + 1, last)
    # Nothing new lies outside the box of the two; what is there already may have to go.
    box = bounding_box(mask[[first, last]])
    held = bounding_box(mask[planes])
    if box is None:
        return None
    _, rows, columns = box
    lower, upper = mask[first, rows, columns] != 0, mask[last, rows, columns] != 0
    drawn = np.zeros((last - first - 1, *lower.shape), bool)
    for one, other in _pairs(lower, upper):
        _draw(drawn, one, other)
    # Drawn on a field of its own: another one would round a pixel on the edge the other way.
    _, high, wide = box if held is None else _around(box, held)
    where = (planes, high, wide)
    between = np.zeros((len(drawn), high.stop - high.start, wide.stop - wide.start), bool)
    between[:, rows.start - high.start : rows.stop - high.start,
            columns.start - wide.start : columns.stop - wide.start] = drawn  # fmt: skip
    if keep:
        between |= mask[where] != 0
    return Edit.inside(mask, where, between)


def _around(one: Box, other: Box) -> Box:
    z, y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return z, y, x


def _pairs(
    lower: NDArray[np.bool_], upper: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield what belongs together: islands that overlap, as one; of the others the nearest."""
    from scipy import ndimage

    diagonal = np.ones((3, 3), bool)
    below, count_below = ndimage.label(lower, diagonal)
    above, count_above = ndimage.label(upper, diagonal)
    group = _overlapping(below, above, count_below, count_above)
    single: tuple[list[int], list[int]] = ([], [])
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        low, high = members[members < count_below] + 1, members[members >= count_below] + 1
        high = high - count_below
        if low.size and high.size:
            yield np.isin(below, low), np.isin(above, high)
        elif low.size:
            single[0].extend(low.tolist())
        else:
            single[1].extend(high.tolist())
    nothing = np.zeros(lower.shape, bool)
    lows = [below == label for label in single[0]]
    highs = [above == label for label in single[1]]
    for one, other in _nearest(lows, highs):
        yield (
            lows[one] if one is not None else nothing,
            highs[other] if other is not None else nothing,
        )


def _overlapping(
    below: NDArray[np.integer], above: NDArray[np.integer], count_below: int, count_above: int
) -> NDArray[np.integer]:
    """Return the group of each island, those of the lower slice first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    both = (below > 0) & (above > 0)
    one, other = below[both] - 1, above[both] - 1 + count_below
    size = count_below + count_above
    graph = coo_array((np.ones(one.size, np.int8), (one, other)), shape=(size, size))
    group: NDArray[np.integer] = connected_components(graph, directed=False)[1]
    return group


def _nearest(
    lows: list[NDArray[np.bool_]], highs: list[NDArray[np.bool_]]
) -> Iterator[tuple[int | None, int | None]]:
    """Match islands without an overlap, the nearest first; what is too far away has no partner."""
    distances = sorted(
        (float(np.hypot(*(_centre(low) - _centre(high)))), one, other)
        for one, low in enumerate(lows)
        for other, high in enumerate(highs)
    )
    free = set(range(len(lows))), set(range(len(highs)))
    for distance, one, other in distances:
        reach = FARTHEST * (_radius(lows[one]) + _radius(highs[other]))
        if one in free[0] and other in free[1] and distance <= reach:
            free[0].discard(one)
            free[1].discard(other)
            yield one, other
    yield from ((one, None) for one in sorted(free[0]))
    yield from ((None, other) for other in sorted(free[1]))


def _draw(between: NDArray[np.bool_], lower: NDArray[np.bool_], upper: NDArray[np.bool_]) -> None:
    """Add the shapes on the way from one to the other; one of them may be empty."""
    box = bounding_box(np.stack([lower, upper]))
    if box is None:
        return
    _, rows, columns = grown(box, (0, 1, 1), (2, *lower.shape))
    lower, upper = lower[rows, columns], upper[rows, columns]
    one, other = _height(lower), _height(upper)
    way = np.zeros(2)
    if not lower.any():
        one = np.full_like(one, -other.max())
    elif not upper.any():
        other = np.full_like(other, -one.max())
    else:
        way = _centre(upper) - _centre(lower)
    for index, plane in enumerate(between):
        share = (index + 1) / (len(between) + 1)
        height = (1 - share) * _moved(one, share * way) + share * _moved(other, (share - 1) * way)
        plane[rows, columns] |= height > 0


def _height(shape: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Signed distance to the outline in pixels, positive inside."""
    from scipy import ndimage

    inside: NDArray[np.float64] = ndimage.distance_transform_edt(shape)
    outside: NDArray[np.float64] = ndimage.distance_transform_edt(~shape)
    return np.where(shape, inside - 0.5, 0.5 - outside)


def _moved(height: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import ndimage

    if not way.any():
        return height
    moved: NDArray[np.float64] = ndimage.shift(height, way, order=1, mode="nearest")
    return moved


def _centre(shape: NDArray[np.bool_]) -> NDArray[np.float64]:
    centre: NDArray[np.float64] = np.argwhere(shape).mean(axis=0)
    return centre


def _radius(shape: NDArray[np.bool_]) -> float:
    return float(np.sqrt(np.count_nonzero(shape) / np.pi))
