"""From another source: the probability at a threshold of one's own, or a whole other mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box, check_same_grid, check_slice, whole
from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.editing.islands import island_at, island_of
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["snap", "take"]


def snap(
    mask: NDArray[np.uint8],
    probability: NDArray[np.floating],
    threshold: float,
    region: NDArray[np.bool_],
    slices: range,
) -> Edit | None:
    """Let a region hold the prediction at another threshold.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    probability : ndarray of float, shape (Z, Y, X)
        Lesion probability.
    threshold : float
        Voxels at or above it are lesion, from 0 to 1.
    region : ndarray of bool, shape (Y, X) or (Z, Y, X)
        Where; a picture holds for each of the slices.
    slices : range
        Indices along z, 0-based; those beyond the volume are passed over.

    Raises
    ------
    DataError
        If the probability or the region lies on another grid.
    """
    check_same_grid(mask, probability, "probability")
    if region.shape not in (mask.shape, mask.shape[1:]):
        raise DataError(
            f"The region has shape {region.shape}, the mask {mask.shape} (z, y, x).",
            "Draw the region again on the open patient.",
        )
    first, last = max(0, slices.start), min(len(mask), slices.stop)
    if first >= last:
        return None
    planes = slice(first, last)
    where = region[planes] if region.ndim == 3 else region[None]
    inner = bounding_box(where)
    if inner is None:
        return None
    where = where[inner]
    z = slice(first + inner[0].start, first + inner[0].stop) if region.ndim == 3 else planes
    box = (z, inner[1], inner[2])
    return Edit.inside(mask, box, np.where(where, probability[box] >= threshold, mask[box] != 0))


def take(
    mask: NDArray[np.uint8],
    source: NDArray[np.generic],
    *,
    slice_index: int | None = None,
    point: Sequence[int] | None = None,
) -> Edit | None:
    """Take another mask over: a slice, an island, or all of it.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    source : ndarray, shape (Z, Y, X)
        The other mask, such as the prediction or the truth.
    slice_index : int, optional
        Only this slice (0-based), as it is in the source.
    point : (int, int, int), optional
        Only the island under this voxel. If the source has one there, it takes the place of all
        islands of the mask that it touches or would hang together with; if only the mask has
        one, that is replaced by what the source holds under it. With `slice_index`: within that
        slice.

    Raises
    ------
    DataError
        If the source lies on another grid, or there is no such slice.
    """
    check_same_grid(mask, source, "mask to take from")
    if slice_index is not None:
        check_slice(mask, slice_index)
        planes = slice(slice_index, slice_index + 1)
        inner = None if point is None else (point[0] - slice_index, *point[1:])
        edit = take(mask[planes], source[planes], point=inner)
        return None if edit is None else Edit((planes, *edit.box[1:]), edit.values)
    if point is None:
        return Edit.inside(mask, whole(mask.shape), source)
    other = (source != 0).view(np.uint8)
    found = island_of(other, point)
    if found is None:
        if not island_at(mask, point):
            return None
        found = island_of(mask, point)
        if found is None:
            return None
        box, island = found
        return Edit.inside(mask, box, np.where(island, other[box], mask[box]))
    box, island = found
    return Edit.inside(mask, whole(mask.shape), _exchanged(mask, box, island))


def _exchanged(
    mask: NDArray[np.uint8], box: tuple[slice, slice, slice], island: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    from scipy import ndimage

    after: NDArray[np.bool_] = mask != 0
    after[box] |= island
    # Labelled with the new island in, so that what would only hang on to it goes as well.
    labels, _ = ndimage.label(after)
    after &= labels != labels[box][island][0]
    after[box] |= island
    return after
