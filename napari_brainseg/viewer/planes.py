"""Planes through a volume as numbers: grey or colour pictures, and outlines of masks as paths."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Plane", "as_rgb", "composite", "cut", "grey", "outline", "tint"]


class Plane(IntEnum):
    """The planes through a volume (Z, Y, X); the value is the axis that a plane lies across."""

    AXIAL = 0
    CORONAL = 1
    SAGITTAL = 2

    @property
    def rows(self) -> int:
        """Axis of the volume that runs along the rows of the plane."""
        return 1 if self is Plane.AXIAL else 0

    @property
    def columns(self) -> int:
        """Axis of the volume that runs along the columns of the plane."""
        return 1 if self is Plane.SAGITTAL else 2


def cut(volume: NDArray[Any], plane: Plane, index: int) -> NDArray[Any]:
    """Take a plane out of a volume (Z, Y, X): a view of shape (rows, columns), not a copy.

    An index beyond the volume gives the plane at its edge.
    """
    last = volume.shape[plane] - 1
    where: list[Any] = [slice(None)] * 3
    where[plane] = min(max(index, 0), last)
    view: NDArray[Any] = volume[tuple(where)]
    return view


def grey(
    plane: NDArray[Any], window: tuple[float, float], *, inverted: bool = False
) -> NDArray[np.uint8]:
    """Grey levels of a plane under a window.

    Parameters
    ----------
    plane : ndarray, shape (rows, columns)
        Intensities.
    window : tuple of float
        (low, high): shown black and white.
    inverted : bool
        Low white, high black.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
    """
    low, high = window
    reach = high - low if high > low else 1.0
    shown = np.clip((plane.astype(np.float32) - low) * (255.0 / reach), 0.0, 255.0)
    levels = shown.astype(np.uint8)
    return 255 - levels if inverted else levels


def composite(
    planes: Sequence[NDArray[Any]],
    windows: Sequence[tuple[float, float]],
    colours: Sequence[tuple[float, float, float]],
) -> NDArray[np.uint8]:
    """Add several modalities up, each in its colour.

    Parameters
    ----------
    planes : sequence of ndarray, shape (rows, columns)
        Intensities of the modalities.
    windows : sequence of tuple of float
        (low, high) of each.
    colours : sequence of tuple of float
        (red, green, blue) of each, 0 to 1, what its brightest voxel gets.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    total = np.zeros((*planes[0].shape, 3), np.float32)
    for plane, window, colour in zip(planes, windows, colours, strict=True):
        total += grey(plane, window)[..., None] * np.asarray(colour, np.float32)
    return np.minimum(total, 255.0).astype(np.uint8)


def as_rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with three channels, shape (rows, columns, 3); a new array."""
    if picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    return picture.copy()


def tint(picture: NDArray[np.uint8], opacity: NDArray[Any], colour: str) -> NDArray[np.uint8]:
    """Lay a colour over part of a picture, in place.

    Parameters
    ----------
    picture : ndarray of uint8, shape (rows, columns, 3)
        Changed in place.
    opacity : ndarray of float, shape (rows, columns)
        Of the colour, 0 to 1; what is next to nothing is left alone.
    colour : str
        ``#rrggbb``.
    """
    chosen = np.flatnonzero(opacity > 1 / 255)
    if chosen.size:
        pixels = picture.reshape(-1, 3)
        over = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
        under = pixels[chosen].astype(np.float32)
        share = opacity.reshape(-1)[chosen].astype(np.float32)[:, None]
        pixels[chosen] = (under + (over - under) * share).astype(np.uint8)
    return picture


def outline(mask: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """Trace the outline of a mask along the edges between voxels.

    Parameters
    ----------
    mask : ndarray, shape (rows, columns)
        What is not 0 is inside.

    Returns
    -------
    tuple of ndarray, shape (n, 2)
        Closed paths of (row, column) in voxels; the centre of the first voxel is (0, 0), so its
        outer corner is (-0.5, -0.5). Corners are cut by half a voxel.
    """
    inside = mask != 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return ()
    from contourpy import contour_generator

    top, left = int(rows[0]), int(columns[0])
    part = inside[top : rows[-1] + 1, left : columns[-1] + 1]
    # A rim of nothing closes what the edge of the picture cuts off.
    ring = np.zeros((part.shape[0] + 2, part.shape[1] + 2), np.float64)
    ring[1:-1, 1:-1] = part
    lines: Any = contour_generator(z=ring).lines(0.5)
    shift = np.array([top - 1.0, left - 1.0])
    return tuple(line[:, ::-1] + shift for line in lines)
