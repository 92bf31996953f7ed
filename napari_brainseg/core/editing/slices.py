"""Whole slices: copied to another, or cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import check_slice
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["clear_slice", "copy_slice"]


def copy_slice(mask: NDArray[np.uint8], source: int, target: int) -> Edit | None:
    """Let a slice hold what another one holds; what it held is gone.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    source, target : int
        Indices along z, 0-based.

    Raises
    ------
    DataError
        If there is no such slice.
    """
    check_slice(mask, source)
    check_slice(mask, target)
    return Edit.inside(mask, _plane(mask, target), mask[source : source + 1])


def clear_slice(mask: NDArray[np.uint8], z: int) -> Edit | None:
    """Empty the slice of index `z` (0-based) of a mask of shape (Z, Y, X).

    Raises
    ------
    DataError
        If there is no such slice.
    """
    check_slice(mask, z)
    return Edit.inside(mask, _plane(mask, z), np.zeros((1, *mask.shape[1:]), np.uint8))


def _plane(mask: NDArray[np.uint8], z: int) -> tuple[slice, slice, slice]:
    return slice(z, z + 1), slice(0, mask.shape[1]), slice(0, mask.shape[2])
