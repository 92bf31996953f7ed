"""GrowCut: scribbles conquer their neighbours, the less willingly the more unlike those are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["growcut"]

MOST_ROUNDS = 12
WEAKEST = 1e-3
"""Strength that is left after the steepest step."""


def growcut(
    image: NDArray[np.float32],
    labels: NDArray[np.int8],
    *,
    tick: Callable[[float], None],
) -> NDArray[np.float32]:
    """Let scribbles compete for the voxels between them.

    Parameters
    ----------
    image : ndarray of float32, shape (C, Z, Y, X)
        Channels of unit spread.
    labels : ndarray of int8, shape (Z, Y, X)
        1 lesion, 2 background, 0 to be found.
    tick : callable
        Gets the share done, often; may raise.

    Returns
    -------
    ndarray of float32, shape (Z, Y, X)
        How strongly the lesion holds a voxel against the background, 0 to 1; above 0.5 it won.

    Notes
    -----
    Vezhnevets and Konouchine, "GrowCut", Graphicon 2005: a voxel is taken over from its neighbour
    if the neighbour's strength times 1 - |difference| / (largest difference) beats its own. Where
    that ends, the strength of a voxel is the largest product along any path from a scribble, so
    it is found as a shortest path, in the logarithm, by sweeps along the axes (as Zhu et al.,
    "An effective interactive medical image segmentation method using fast GrowCut", 2014, do by
    Dijkstra's algorithm). Neighbours over faces only.
    """
    costs = _costs(image)
    away = np.full((2, *labels.shape), np.inf, np.float32)
    away[0][labels == 1] = 0
    away[1][labels == 2] = 0
    for round_ in range(MOST_ROUNDS):
        before = away.copy()
        for axis, cost in enumerate(costs):
            _sweep(np.moveaxis(away, axis + 1, 0), np.moveaxis(cost, axis, 0))
            tick((round_ + (axis + 1) / 3) / MOST_ROUNDS)
        if np.array_equal(before, away):
            break
    lesion, rest = np.exp(-away)
    held: NDArray[np.float32] = lesion / np.maximum(lesion + rest, np.finfo(np.float32).tiny)
    return held


def _costs(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    steps = [np.sqrt(np.square(np.diff(image, axis=axis)).sum(axis=0)) for axis in (1, 2, 3)]
    steepest = max((float(step.max()) for step in steps if step.size), default=0.0) or 1.0
    return [-np.log(np.maximum(1 - step / steepest, WEAKEST)) for step in steps]


def _sweep(away: NDArray[np.float32], cost: NDArray[np.float32]) -> None:
    """Go along the first axis and back; both are views with that axis in front."""
    for index in range(1, len(away)):
        np.minimum(away[index], away[index - 1] + cost[index - 1], out=away[index])
    for index in range(len(away) - 2, -1, -1):
        np.minimum(away[index], away[index + 1] + cost[index], out=away[index])
