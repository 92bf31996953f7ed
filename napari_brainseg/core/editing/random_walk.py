"""The random walker: how likely a walk from a voxel meets the lesion's scribbles first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["random_walk"]

LEAST_WEIGHT = 1e-4
"""Of an edge, however steep: every voxel stays connected."""
TOLERANCE = 1e-3
"""Of the residual, relative; the outline has settled long before."""
MOST_ROUNDS = 400


def random_walk(
    image: NDArray[np.float32],
    labels: NDArray[np.int8],
    *,
    beta: float,
    through: float,
    tick: Callable[[float], None],
) -> NDArray[np.float32]:
    """Solve for the walk.

    Parameters
    ----------
    image : ndarray of float32, shape (C, Z, Y, X)
        Channels of unit spread.
    labels : ndarray of int8, shape (Z, Y, X)
        1 lesion, 2 background, 0 to be found.
    beta : float
        How much a difference between neighbours hinders the walk.
    through : float
        Weight of steps along z, against those in the slice.
    tick : callable
        Gets the share done, each round; may raise.

    Returns
    -------
    ndarray of float32, shape (Z, Y, X)
        Likelihood of lesion, 0 to 1.

    Notes
    -----
    Grady, "Random walks for image segmentation", TPAMI 2006: the Dirichlet problem on the graph
    Laplacian, here by conjugate gradients with a Jacobi preconditioner. `skimage.segmentation.
    random_walker` solves the same, but cannot be stopped nor tell how far it is.
    """
    from scipy import sparse
    from scipy.sparse.linalg import cg

    free = labels.reshape(-1) == 0
    held = (labels.reshape(-1) == 1).astype(np.float64)
    if not free.any():
        return np.asarray(labels == 1, np.float32)
    one, other, weight = _edges(image, beta, through)
    size = labels.size
    graph = sparse.coo_array((weight, (one, other)), shape=(size, size)).tocsr()
    graph = graph + graph.T
    degree: NDArray[np.float64] = np.asarray(graph.sum(axis=1)).reshape(-1)
    inner = sparse.diags_array(degree[free]) - graph[free][:, free]
    pull = graph[free] @ held
    jacobi = sparse.diags_array(1 / degree[free])
    rounds = 0

    def count(_: NDArray[np.float64]) -> None:
        nonlocal rounds
        rounds += 1
        tick(rounds / MOST_ROUNDS)

    found, _ = cg(inner, pull, rtol=TOLERANCE, maxiter=MOST_ROUNDS, M=jacobi, callback=count)
    held[free] = found
    return np.asarray(held, np.float32).reshape(labels.shape)


def _edges(
    image: NDArray[np.float32], beta: float, through: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    shape = image.shape[1:]
    numbers = np.arange(np.prod(shape)).reshape(shape)
    ones, others, weights = [], [], []
    steps = [np.square(np.diff(image, axis=axis + 1)).sum(axis=0) for axis in range(3)]
    usual = float(np.mean(np.concatenate([s.reshape(-1) for s in steps[1:]]))) or 1.0
    for axis, step in enumerate(steps):
        weight = np.exp(-beta * step / usual) + LEAST_WEIGHT
        if axis == 0:
            weight *= through
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        ones.append(numbers[tuple(first)].reshape(-1))
        others.append(numbers[tuple(second)].reshape(-1))
        weights.append(weight.reshape(-1).astype(np.float64))
    return np.concatenate(ones), np.concatenate(others), np.concatenate(weights)
