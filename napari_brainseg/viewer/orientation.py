"""Which way a plane's edges point in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.viewer.planes import Plane

__all__ = ["edge_letters"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Towards lower and higher values of patient coordinates (x, y, z) in LPS."""
_OBLIQUE = 0.8
"""Least cosine between an axis and the direction that it is named after."""


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
        Of L, R, A, P, S, I; `None` where the orientation is not known: nothing is made up.
    """
    if geometry.affine_lps is None:
        return None
    affine = np.array(geometry.affine_lps, float)
    letters: list[str] = []
    for axis in (plane.rows, plane.columns):
        direction = affine[:3, axis]
        length = float(np.linalg.norm(direction))
        main = int(np.abs(direction).argmax())
        if length == 0 or abs(direction[main]) < _OBLIQUE * length:
            return None
        low, high = _LETTERS[main]
        letters += [low, high] if direction[main] > 0 else [high, low]
    return letters[0], letters[1], letters[2], letters[3]
