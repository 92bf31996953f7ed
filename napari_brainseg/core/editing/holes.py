"""Holes in a mask, filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.editing.boxes import bounding_box, check_slice
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    import numpy as np
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
    from scipy import ndimage

    if slice_index is None:
        box = bounding_box(mask)
        if box is None:
            return None
        return Edit.inside(mask, box, ndimage.binary_fill_holes(mask[box] != 0))
    check_slice(mask, slice_index)
    box = bounding_box(mask[slice_index : slice_index + 1])
    if box is None:
        return None
    box = (slice(slice_index, slice_index + 1), *box[1:])
    filled = ndimage.binary_fill_holes(mask[box][0] != 0)
    return Edit.inside(mask, box, filled[None])
