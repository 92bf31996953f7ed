"""The part of a picture that holds the head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEAD_MARGIN_PX", "head_extent"]

HEAD_MARGIN_PX = 4
DARK = 8
"""Grey values up to this are background."""


def head_extent(
    brightest: NDArray[Any], *lesions: NDArray[np.generic], dark: int = DARK
) -> tuple[slice, slice]:
    """Rows and columns that hold anything, with a margin.

    Parameters
    ----------
    brightest : ndarray, shape (Y, X)
        Brightest grey value (0 to 255) of each pixel over all slices.
    *lesions : ndarray, shape (Y, X)
        Where a mask has lesion in any slice.
    dark : int
        Grey values up to this are background: more than the noise of air reaches.

    Returns
    -------
    tuple of slice
        All rows and columns where there is nothing.
    """
    lit = brightest > dark
    for lesion in lesions:
        lit = lit | (lesion != 0)
    if not lit.any():
        return slice(None), slice(None)
    spans = []
    for across in (1, 0):
        hits = np.flatnonzero(lit.any(axis=across))
        first = max(0, int(hits[0]) - HEAD_MARGIN_PX)
        spans.append(slice(first, int(hits[-1]) + 1 + HEAD_MARGIN_PX))
    return spans[0], spans[1]
