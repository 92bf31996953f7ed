"""Boxes of a grid: tight around what is set, wider by a margin, cut at the border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.editing.edit import Box

__all__ = ["bounding_box", "check_same_grid", "check_slice", "grown", "whole"]


def whole(shape: Sequence[int]) -> Box:
    """Return the box that holds a whole grid of shape (Z, Y, X)."""
    z, y, x = shape
    return slice(0, z), slice(0, y), slice(0, x)


def bounding_box(mask: NDArray[np.generic]) -> Box | None:
    """Return the smallest box that holds a mask (Z, Y, X); `None` for an empty one."""
    hit = mask != 0
    planes = np.flatnonzero(hit.any(axis=(1, 2)))
    if planes.size == 0:
        return None
    z = slice(int(planes[0]), int(planes[-1]) + 1)
    flat = hit[z].any(axis=0)
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    return (
        z,
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )


def grown(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """Return a box widened by voxels along z, y and x, as far as the grid goes."""
    z, y, x = (
        slice(max(0, side.start - by), min(size, side.stop + by))
        for side, by, size in zip(box, margin, shape, strict=True)
    )
    return z, y, x


def check_slice(mask: NDArray[np.generic], index: int) -> None:
    """Raise `DataError` unless a mask (Z, Y, X) has the slice of that index (0-based)."""
    if not 0 <= index < len(mask):
        raise DataError(
            f"There is no slice {index + 1}: the volume has {len(mask)}.",
            f"Choose a slice from 1 to {len(mask)}.",
        )


def check_same_grid(mask: NDArray[np.generic], other: NDArray[np.generic], what: str) -> None:
    """Raise `DataError` unless another volume lies on the grid of the mask."""
    if mask.shape != other.shape:
        raise DataError(
            f"The {what} has shape {other.shape}, the mask {mask.shape} (z, y, x).",
            "Open the patient again, so that both come from the same images.",
        )
