"""Holes in a mask, filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box, check_slice
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fill_holes"]


def fill_holes(mask: NDArray[np.uint8], slice_index: int | None = None) -> Edit | None:
    """Fill the background that the lesion closes in.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    slice_index : int, optional
        Fill the holes of this slice only, taken as a picture (0-based). Left out: cavities of the
        volume, closed in from above and below as well. Background reaches out over faces, not
        over corners.

    Raises
    ------
    DataError
        If there is no such slice.
    """
    if slice_index is None:
        box = bounding_box(mask)
        return None if box is None else Edit.inside(mask, box, _filled(mask[box] != 0))
    check_slice(mask, slice_index)
    box = bounding_box(mask[slice_index : slice_index + 1])
    if box is None:
        return None
    box = (slice(slice_index, slice_index + 1), *box[1:])
    return Edit.inside(mask, box, _filled(mask[box][0] != 0)[None])


def _filled(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what does not reach the border; several times as fast as `binary_fill_holes`."""
    from scipy import ndimage

    labels, count = ndimage.label(~part)
    inside = np.ones(count + 1, bool)
    inside[0] = False
    for axis in range(part.ndim):
        for end in (0, -1):
            inside[np.take(labels, end, axis)] = False
    filled: NDArray[np.bool_] = part | inside[labels]
    return filled
