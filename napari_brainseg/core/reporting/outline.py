"""The inner outline of a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inner_outline"]


def inner_outline(mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Find lesion pixels with background among their eight neighbours.

    Pixels beyond the picture's edge do not count as background, as in the published program: a
    lesion that the edge cuts off stays open there.

    Parameters
    ----------
    mask : ndarray, shape (..., Y, X)
        What is not 0 is lesion.

    Returns
    -------
    ndarray of bool, same shape
    """
    from scipy import ndimage

    lesion = mask != 0
    around = np.ones((1,) * (mask.ndim - 2) + (3, 3), dtype=bool)
    outline: NDArray[np.bool_] = lesion & ~ndimage.binary_erosion(lesion, around, border_value=1)
    return outline
