"""Outlines drawn by hand: whether they cross themselves, and mending their ends; numpy only.

Outlines are (row, column) in voxels of a plane, shape (N, 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["crosses_itself", "trim_ends"]

_LONGEST_TAIL = 0.25
"""Share of a line drawn by hand that may stick out where it was closed."""


def crosses_itself(outline: ArrayLike) -> bool:
    """Whether a closed outline (row, column), shape (N, 2), crosses or touches itself."""
    corners = _without_repeats(np.asarray(outline, float).reshape(-1, 2))
    count = len(corners)
    if count < 4:
        return False
    first, second = _pairs(count)
    # The last edge ends where the first begins.
    apart = ~((first == 0) & (second == count - 1))
    first, second = first[apart], second[apart]
    after = np.roll(corners, -1, axis=0)
    return bool(_meet(corners[first], after[first], corners[second], after[second]).any())


def trim_ends(path: ArrayLike) -> NDArray[np.float64]:
    """Cut off the ends of a line drawn round something by hand, where they cross each other.

    Whoever closes an outline by hand passes its beginning by a little. What crosses itself
    otherwise stays as it is, for `area` to refuse.

    Parameters
    ----------
    path : array_like, shape (N, 2)
        (row, column).

    Returns
    -------
    ndarray of float64, shape (M, 2)
    """
    points = _without_repeats(np.asarray(path, float).reshape(-1, 2))
    if len(points) < 4:
        return points
    first, second = _pairs(len(points) - 1)
    starts, ends = points[:-1], points[1:]
    met = _meet(starts[first], ends[first], starts[second], ends[second])
    if not met.any():
        return points
    first, second = first[met], second[met]
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(ends - starts, axis=1))])
    tails = way[first] + way[-1] - way[second + 1]
    best = int(tails.argmin())
    if tails[best] > _LONGEST_TAIL * way[-1]:
        return points
    i, j = int(first[best]), int(second[best])
    crossing = _crossing(starts[i], ends[i], starts[j], ends[j])
    return _without_repeats(np.vstack([crossing, points[i + 1 : j + 1]]))


def _without_repeats(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points that lie where the one before does, the last one joined to the first."""
    if len(points) < 2:
        return points
    return points[(np.abs(points - np.roll(points, 1, axis=0)) > 1e-9).any(axis=1)]


def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of pieces of a line that do not follow upon each other."""
    first, second = np.triu_indices(count, 2)
    return first, second


def _meet(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether the pieces from a to b and from c to d have a point in common, each shape (N, 2)."""
    sides = [_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)]
    across = (sides[0] * sides[1] <= 0) & (sides[2] * sides[3] <= 0)
    # On one straight line they meet only where their boxes do.
    low, high = np.minimum(a, b), np.maximum(a, b)
    boxes = ((np.minimum(c, d) <= high) & (np.maximum(c, d) >= low)).all(axis=1)
    met: NDArray[np.bool_] = across & boxes
    return met


def _side(
    a: NDArray[np.float64], b: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sign of the side of the line from a to b on which a point lies."""
    ab, ap = b - a, point - a
    side: NDArray[np.float64] = np.sign(ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0])
    return side


def _crossing(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
) -> NDArray[np.float64]:
    along, across = b - a, d - c
    denominator = along[0] * across[1] - along[1] * across[0]
    if denominator == 0:
        return c
    share = ((c - a)[0] * across[1] - (c - a)[1] * across[0]) / denominator
    point: NDArray[np.float64] = a + share * along
    return point
