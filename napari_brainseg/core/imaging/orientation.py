"""From the order in which files store voxels to the one in which a radiologist reads them.

Upright here means: axes (z, y, x) with z from inferior to superior, y from anterior to posterior
and x from the patient's right to the left. Drawn row by row that is the radiological convention:
the nose up, the patient's right on the left of the screen. Only axes are exchanged and turned
round; no voxel is interpolated, so that a mask can always be brought back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AS_STORED", "Affine", "Reorientation", "spacing_of", "upright"]

Affine = tuple[tuple[float, ...], ...]
"""4x4 matrix from voxel index (three axes, 1) to LPS coordinates in millimetres."""

_LEAST = 1e-6
"""Columns shorter than this many millimetres are no direction."""


@dataclass(frozen=True, slots=True)
class Reorientation:
    """Exchange of axes and directions between the stored order and the upright one.

    Parameters
    ----------
    axes : tuple of int, length 3
        For each upright axis (z, y, x) the stored axis that it is, 0 to 2.
    flips : tuple of bool, length 3
        For each upright axis whether it runs against the stored one.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def __post_init__(self) -> None:
        if sorted(self.axes) != [0, 1, 2]:
            raise DataError(f"{self.axes} is no order of three axes.")

    @property
    def is_identity(self) -> bool:
        """Whether the stored order is the upright one."""
        return self.axes == (0, 1, 2) and not any(self.flips)

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """View a stored array (..., a, b, c) upright, (..., z, y, x); nothing is copied."""
        lead = stored.ndim - 3
        turned = stored.transpose(*range(lead), *(lead + axis for axis in self.axes))
        z, y, x = _steps(self.flips)
        view: NDArray[Any] = turned[..., z, y, x]
        return view

    def undo(self, upright: NDArray[Any]) -> NDArray[Any]:
        """View an upright array (..., z, y, x) in the stored order; nothing is copied."""
        lead = upright.ndim - 3
        z, y, x = _steps(self.flips)
        back = upright[..., z, y, x]
        view: NDArray[Any] = back.transpose(
            *range(lead), *(lead + self.axes.index(axis) for axis in range(3))
        )
        return view


AS_STORED = Reorientation()
"""Leaves everything as it is."""


def upright(affine_lps: Affine, shape: tuple[int, int, int]) -> tuple[Reorientation, Affine]:
    """Find the upright order nearest to how a volume is stored.

    Parameters
    ----------
    affine_lps : Affine
        From stored index (a, b, c, 1) to LPS in millimetres.
    shape : tuple of int, length 3
        Of the stored array.

    Returns
    -------
    reorientation : Reorientation
        Oblique volumes get the order of the nearest axes.
    affine_lps : Affine
        From upright index (z, y, x, 1) to LPS: the same voxels at the same places.

    Raises
    ------
    DataError
        If the matrix is not finite, or its axes do not span space.
    """
    from itertools import permutations

    matrix = np.array(affine_lps, float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise DataError(
            f"The orientation of the volume is not a finite 4x4 matrix: {matrix.tolist()}.",
            "Export the volume again, or correct its header.",
        )
    columns = matrix[:3, :3]
    lengths = np.linalg.norm(columns, axis=0)
    if lengths.min() < _LEAST or abs(np.linalg.det(columns / np.maximum(lengths, _LEAST))) < 1e-3:
        raise DataError(
            f"The axes of the volume do not span space: {columns.tolist()}.",
            "Export the volume again, or correct its header.",
        )
    cosines = columns / lengths
    # LPS rows x, y, z; upright axes are z, y, x.
    along = (2, 1, 0)
    axes = max(
        permutations(range(3)),
        key=lambda order: sum(
            abs(cosines[row, axis]) for row, axis in zip(along, order, strict=True)
        ),
    )
    flips = tuple(bool(cosines[row, axis] < 0) for row, axis in zip(along, axes, strict=True))
    found = Reorientation((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    result = np.eye(4)
    origin = matrix[:3, 3].copy()
    for target, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        step = columns[:, axis]
        if flip:
            origin += step * (shape[axis] - 1)
            step = -step
        result[:3, target] = step
    result[:3, 3] = origin
    # Adding zero turns -0.0 into 0.0: the same volume has the same matrix however it was stored.
    return found, tuple(tuple(float(v) + 0.0 for v in row) for row in result)


def spacing_of(affine_lps: Affine) -> tuple[float, float, float]:
    """Distances between voxel centres along the three axes of a matrix, in millimetres."""
    a, b, c = np.linalg.norm(np.array(affine_lps, float)[:3, :3], axis=0)
    return float(a), float(b), float(c)


def _steps(flips: tuple[bool, bool, bool]) -> list[slice]:
    return [slice(None, None, -1 if flip else 1) for flip in flips]
