"""Slices together with their neighbours in the stack, as channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["with_context"]


def with_context(
    slices: NDArray[np.float32], start: int, stop: int, context: int
) -> NDArray[np.float32]:
    """Take slices `start` to `stop` of a stack, each with its neighbours as further channels.

    Parameters
    ----------
    slices : ndarray of float32, shape (Z, C, Y, X)
        One patient's stack, as the recipe prepared it.
    start, stop : int
        The slices asked for, within 0 to Z.
    context : int
        Slices the network sees at once, odd: the middle one is the one being segmented. At the
        stack's ends the end slice is repeated.

    Returns
    -------
    ndarray of float32, shape (stop - start, C * context, Y, X)
        Channels in the order [all of slice z - k, ..., all of slice z, ..., all of slice z + k].
        A view where `context` is 1.
    """
    if context == 1:
        return slices[start:stop]
    reach = context // 2
    rows = np.arange(start, stop)[:, None] + np.arange(-reach, reach + 1)
    neighbours = slices[np.clip(rows, 0, len(slices) - 1)]
    stacked: NDArray[np.float32] = neighbours.reshape(stop - start, -1, *slices.shape[2:])
    return stacked
