"""Which way a plane's edges point in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.viewer.planes import Plane

__all__ = ["edge_letters"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Towards lower and higher values of patient coordinates (x, y, z) in LPS."""
_HALF_WIND = float(np.tan(np.deg2rad(22.5)))
"""A direction has a second letter from here on: halfway between, say, A and AS at 45°."""


def edge_letters(geometry: Geometry, plane: Plane) -> tuple[str, str, str, str] | None:
    """Letters for the edges towards lower and higher rows, lower and higher columns.

    Parameters
    ----------
    geometry : Geometry
        Of the volume.
    plane : Plane
        Which way the plane lies.

    Returns
    -------
    tuple of str or None
        Of L, R, A, P, S, I; where an axis lies oblique, two or three of them, that of the nearest
        direction first, as in DICOM's Patient Orientation (PS3.3, C.7.6.1.1.1). `None` where the
        orientation is not known: nothing is made up.
    """
    if geometry.affine_lps is None:
        return None
    affine = np.array(geometry.affine_lps, float)
    if not np.isfinite(affine).all():
        return None
    letters: list[str] = []
    for axis in (plane.rows, plane.columns):
        direction = affine[:3, axis]
        if not direction.any():
            return None
        letters += [_towards(-direction), _towards(direction)]
    return letters[0], letters[1], letters[2], letters[3]


def _towards(direction: NDArray[np.float64]) -> str:
    """Letters of a direction in LPS: one within 22.5° of an axis, else those that it lies among."""
    parts = np.abs(direction)
    order = np.argsort(-parts, kind="stable")
    named = [row for row in order if parts[row] >= _HALF_WIND * parts[order[0]]]
    return "".join(_LETTERS[row][int(direction[row] > 0)] for row in named)
