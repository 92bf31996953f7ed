"""Smooth surface of a mask.

Slices are far apart and pixels close, so a surface through the voxels shows steps. The signed
distance to the mask's edge changes smoothly between slices; its zero level is the surface (Raya
and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 9(1), 1990).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MaskSurface", "mask_surface"]

_SIGMA = 1.2  # voxels of the zoomed grid; takes away what is left of the steps
_STEP = 2  # the surface is smooth by then: half as many triangles along each axis lose nothing
_MARGIN = 3  # voxels around the lesion
_MOST_VOXELS = 3_000_000  # of the zoomed grid: 24 MB, half a second


@dataclass(frozen=True, slots=True, eq=False)
class MaskSurface:
    """A triangle mesh.

    Parameters
    ----------
    vertices_mm : ndarray of float32, shape (V, 3)
        (z, y, x) in millimetres from the centre of the first voxel.
    faces : ndarray of int32, shape (F, 3)
        Indices of vertices.
    normals : ndarray of float32, shape (V, 3)
        Of length 1, (z, y, x), pointing outwards.
    """

    vertices_mm: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]


def mask_surface(
    mask: NDArray[np.generic], spacing_mm: tuple[float, float, float]
) -> MaskSurface | None:
    """Make the smooth surface of a mask.

    Takes a part of a second for a large lesion: belongs in a worker.

    Parameters
    ----------
    mask : ndarray, shape (Z, Y, X)
        What is not 0 is inside.
    spacing_mm : tuple of float
        Distance between voxel centres along (z, y, x).

    Returns
    -------
    MaskSurface or None
        ``None`` if nothing is inside.
    """
    from scipy import ndimage
    from skimage.measure import marching_cubes

    inside = mask != 0
    box = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if box[0].size == 0:
        return None
    start = np.array([b[0] for b in box])
    part = inside[tuple(slice(int(b[0]), int(b[-1]) + 1) for b in box)]
    part = np.pad(part, _MARGIN)
    spacing = np.array(spacing_mm, float)
    distance = ndimage.distance_transform_edt(part, spacing) - ndimage.distance_transform_edt(
        ~part, spacing
    )
    fine = float(spacing.min())
    voxels = float(np.prod(np.array(part.shape) * spacing / fine))
    fine *= max(1.0, (voxels / _MOST_VOXELS) ** (1 / 3))
    smooth = ndimage.zoom(distance.astype(np.float32), spacing / fine, order=1, grid_mode=False)
    smooth = ndimage.gaussian_filter(smooth, _SIGMA)
    level = 0.0
    if smooth.max() <= 0:
        # Smaller than the smoothing: a speck must still be seen.
        level = float(smooth.max()) - fine / 2
    step = _STEP if min(smooth.shape) > 8 * _STEP else 1
    vertices, faces, _, _ = marching_cubes(smooth, level, step_size=step)
    # Zooming keeps the first and the last sample where they are.
    reach = (np.array(part.shape) - 1) / np.maximum(np.array(smooth.shape) - 1, 1)
    voxel = vertices * reach - _MARGIN + start
    placed = (voxel * spacing).astype(np.float32)
    return MaskSurface(placed, faces.astype(np.int32), _normals(placed, faces))


def _normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    if np.einsum("ij,ij->", a, across) < 0:
        across = -across
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(lengths, np.finfo(np.float32).tiny)
