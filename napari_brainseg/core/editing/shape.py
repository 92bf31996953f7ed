"""The shape of a mask: smoother, wider, narrower; by voxels or by millimetres."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_brainseg.core.editing.boxes import bounding_box, check_slice, grown
from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_brainseg.core.editing.edit import Spacing

__all__ = ["Unit", "dilate", "erode", "smooth"]

Unit = Literal["voxels", "mm"]
"""What a radius is measured in."""


def dilate(
    mask: NDArray[np.uint8],
    radius: float,
    *,
    unit: Unit = "voxels",
    spacing: Spacing | None = None,
    slice_index: int | None = None,
) -> Edit | None:
    """Add all voxels whose centre lies within a radius of the lesion.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    radius : float
        Not negative; 0 changes nothing.
    unit : {"voxels", "mm"}
        Of the radius. Millimetres follow the spacing, so thick slices are reached later.
    spacing : (float, float, float), optional
        Size of a voxel along z, y and x in millimetres.
    slice_index : int, optional
        Only this slice (0-based), within the slice.

    Raises
    ------
    DataError
        If there is no such slice, the radius is negative, or it is in millimetres and the
        spacing is not known.

    """

    def widened(part: NDArray[np.bool_], sampling: tuple[float, ...]) -> NDArray[np.bool_]:
        return _near(part, radius, sampling)

    return _reshaped(mask, radius, unit, spacing, slice_index, widened)


def erode(
    mask: NDArray[np.uint8],
    radius: float,
    *,
    unit: Unit = "voxels",
    spacing: Spacing | None = None,
    slice_index: int | None = None,
) -> Edit | None:
    """Remove all lesion voxels that have background within a radius.

    What lies beyond the volume is not background: a lesion that is cut by the border is not
    eaten from there. Parameters and errors are those of `dilate`.
    """

    def narrowed(part: NDArray[np.bool_], sampling: tuple[float, ...]) -> NDArray[np.bool_]:
        return ~_near(~part, radius, sampling)

    return _reshaped(mask, radius, unit, spacing, slice_index, narrowed)


def smooth(
    mask: NDArray[np.uint8],
    radius: float,
    *,
    unit: Unit = "voxels",
    spacing: Spacing | None = None,
    slice_index: int | None = None,
) -> Edit | None:
    """Round the outline off; details smaller than the radius vanish.

    The mask is blurred, and as many voxels are kept as it had: those where the blurred mask is
    highest. So the volume stays, up to voxels of equal height.

    Parameters and errors are those of `dilate`. In voxels, a volume of thick slices is smoothed
    as far along z as in the plane, which is farther than it should be: take millimetres, or slice
    by slice (predictions of the ten reference patients, radius 3: the volume stays to the voxel,
    DSC 0.908 becomes 0.893 in the volume, 0.907 slice by slice).

    Notes
    -----
    Gaussian of standard deviation radius / 2. A threshold of one half instead shrinks whatever
    bulges: Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
    """

    def rounded(part: NDArray[np.bool_], sampling: tuple[float, ...]) -> NDArray[np.bool_]:
        from scipy import ndimage

        sigma = [radius / 2 / step for step in sampling]
        height: NDArray[np.float32] = ndimage.gaussian_filter(
            part.astype(np.float32), sigma, mode="nearest"
        )
        voxels = int(np.count_nonzero(part))
        last = height.size - voxels
        level = np.partition(height, last, axis=None)[last].item()
        above: NDArray[np.bool_] = height >= level
        return above

    return _reshaped(mask, radius, unit, spacing, slice_index, rounded)


_ROUNDING = 1e-6
"""A distance that is the radius, but for rounding, is within it."""
_MOST_SHIFTS = 400
"""With more of them the distance transform is the faster way."""


def _near(part: NDArray[np.bool_], radius: float, sampling: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return all within a radius of what is set, on the same grid of two or three axes."""
    reach = [math.floor((radius + _ROUNDING) / step) for step in sampling]
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach[:-1]), indexing="ij"), -1)
    offsets = offsets.reshape(-1, len(reach) - 1)
    left = (radius + _ROUNDING) ** 2 - ((offsets * sampling[:-1]) ** 2).sum(axis=1)
    offsets, left = offsets[left >= 0], left[left >= 0]
    if len(offsets) > _MOST_SHIFTS:
        return _near_by_distance(part, radius, sampling)
    # A ball is a stack of rods along the last axis: each distinct rod is drawn once.
    lengths = np.floor(np.sqrt(left) / sampling[-1]).astype(int)
    near, rod = np.zeros_like(part), part.copy()
    drawn = 0
    for length in np.unique(lengths):
        for by in range(drawn + 1, int(length) + 1):
            _or_shifted(rod, part, (0,) * len(reach[:-1]) + (by,))
            _or_shifted(rod, part, (0,) * len(reach[:-1]) + (-by,))
        drawn = int(length)
        for offset in offsets[lengths == length]:
            _or_shifted(near, rod, (*map(int, offset), 0))
    return near


def _or_shifted(target: NDArray[np.bool_], source: NDArray[np.bool_], by: tuple[int, ...]) -> None:
    """Add to the target what the source holds, moved; what leaves the grid is lost."""
    if any(abs(step) >= size for step, size in zip(by, source.shape, strict=True)):
        return
    to = tuple(slice(max(0, step), min(0, step) or None) for step in by)
    of = tuple(slice(max(0, -step), min(0, -step) or None) for step in by)
    target[to] |= source[of]


def _near_by_distance(
    part: NDArray[np.bool_], radius: float, sampling: tuple[float, ...]
) -> NDArray[np.bool_]:
    from scipy import ndimage

    if not part.any():
        return part
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~part, sampling=sampling)
    return distance <= radius + _ROUNDING


def _reshaped(
    mask: NDArray[np.uint8],
    radius: float,
    unit: Unit,
    spacing: Spacing | None,
    slice_index: int | None,
    change: Callable[[NDArray[np.bool_], tuple[float, ...]], NDArray[np.bool_]],
) -> Edit | None:
    sampling = _sampling(radius, unit, spacing)
    if slice_index is not None:
        check_slice(mask, slice_index)
        planes = slice(slice_index, slice_index + 1)
        # Far enough that no other slice could ever be reached.
        sampling = (math.inf, *sampling[1:])
        edit = _changed(mask[planes], radius, sampling, change)
        return None if edit is None else Edit((planes, *edit.box[1:]), edit.values)
    return _changed(mask, radius, sampling, change)


def _changed(
    mask: NDArray[np.uint8],
    radius: float,
    sampling: tuple[float, float, float],
    change: Callable[[NDArray[np.bool_], tuple[float, ...]], NDArray[np.bool_]],
) -> Edit | None:
    tight = bounding_box(mask)
    if tight is None or radius == 0:
        return None
    reach = [1 + math.floor(radius / step) for step in sampling]
    box = grown(tight, reach, mask.shape)
    part = mask[box] != 0
    if math.isinf(sampling[0]):
        return Edit.inside(mask, box, change(part[0], sampling[1:])[None])
    return Edit.inside(mask, box, change(part, sampling))


def _sampling(radius: float, unit: Unit, spacing: Spacing | None) -> tuple[float, float, float]:
    if not (radius >= 0 and math.isfinite(radius)):
        raise DataError(f"A radius of {radius} {unit} makes no sense.", "Give 0 or more.")
    if unit == "voxels":
        return 1.0, 1.0, 1.0
    if spacing is None:
        raise DataError(
            f"A radius of {radius} mm cannot be kept: these images do not say how large a "
            "voxel is.",
            "Give the radius in voxels.",
        )
    return spacing
