"""Which way an axis of a volume points in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_brainseg.core.imaging.orientation import Affine

__all__ = ["axis_letters"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Towards lower and higher values of patient coordinates (x, y, z) in LPS."""
_OBLIQUE = 0.8
"""Least cosine between an axis and the direction that it is named after."""


def axis_letters(affine_lps: Affine | None, axis: int) -> tuple[str, str] | None:
    """Letters of the patient's sides at the low and the high end of an axis.

    Parameters
    ----------
    affine_lps : Affine or None
        From voxel index (z, y, x, 1) to LPS in millimetres.
    axis : int
        0 to 2 for z, y, x.

    Returns
    -------
    tuple of str or None
        Two of L, R, A, P, I, S; ``None`` where the orientation is unknown or so oblique that a
        letter would mislead.
    """
    if affine_lps is None:
        return None
    direction = np.array(affine_lps, float)[:3, axis]
    length = float(np.linalg.norm(direction))
    main = int(np.abs(direction).argmax())
    if length == 0 or abs(direction[main]) < _OBLIQUE * length:
        return None
    low, high = _LETTERS[main]
    return (low, high) if direction[main] > 0 else (high, low)
