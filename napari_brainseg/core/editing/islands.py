"""Islands of a mask: what hangs together over the faces of voxels, in three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box
from napari_brainseg.core.editing.edit import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.editing.edit import Box

__all__ = [
    "island_at",
    "island_of",
    "island_sizes",
    "keep_largest",
    "remove_island",
    "remove_smaller",
]


def island_sizes(mask: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return the voxels of each island of a mask (Z, Y, X), the largest first."""
    found = _labelled(mask)
    return () if found is None else tuple(sorted(map(int, found[2][1:]), reverse=True))


def island_at(mask: NDArray[np.uint8], zyx: Sequence[int]) -> bool:
    """Return whether a voxel lies on the grid of a mask (Z, Y, X) and in one of its islands."""
    return _is_on_grid(mask, zyx) and bool(mask[tuple(zyx)])


def island_of(mask: NDArray[np.uint8], zyx: Sequence[int]) -> tuple[Box, NDArray[np.bool_]] | None:
    """Return the island that holds a voxel.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    zyx : (int, int, int)
        The voxel.

    Returns
    -------
    (box, ndarray of bool) or None
        A box that holds the island, and the island in it; `None` where there is none.
    """
    if not island_at(mask, zyx):
        return None
    found = _labelled(mask)
    if found is None:
        return None
    box, labels, _ = found
    inner = tuple(int(at) - side.start for at, side in zip(zyx, box, strict=True))
    return box, labels == labels[inner]


def keep_largest(mask: NDArray[np.uint8]) -> Edit | None:
    """Remove all islands of a mask (Z, Y, X) but the largest; of equal ones the first stays."""
    found = _labelled(mask)
    if found is None:
        return None
    box, labels, sizes = found
    return Edit.inside(mask, box, labels == 1 + int(sizes[1:].argmax()))


def remove_smaller(mask: NDArray[np.uint8], voxels: int) -> Edit | None:
    """Remove the islands of a mask (Z, Y, X) that have fewer than so many voxels."""
    found = _labelled(mask)
    if found is None:
        return None
    box, labels, sizes = found
    stays = sizes >= voxels
    stays[0] = False
    return Edit.inside(mask, box, stays[labels])


def remove_island(mask: NDArray[np.uint8], zyx: Sequence[int]) -> Edit | None:
    """Remove the island of a mask (Z, Y, X) that holds a voxel; `None` where there is none."""
    found = island_of(mask, zyx)
    if found is None:
        return None
    box, island = found
    return Edit.inside(mask, box, (mask[box] != 0) & ~island)


def _labelled(
    mask: NDArray[np.uint8],
) -> tuple[Box, NDArray[np.integer], NDArray[np.integer]] | None:
    """Box, labels in it from 1, and voxels of each label from 0."""
    from scipy import ndimage

    box = bounding_box(mask)
    if box is None:
        return None
    labels, _ = ndimage.label(mask[box] != 0)
    return box, labels, np.bincount(labels.reshape(-1))


def _is_on_grid(mask: NDArray[np.uint8], zyx: Sequence[int]) -> bool:
    return all(0 <= at < size for at, size in zip(zyx, mask.shape, strict=True))
