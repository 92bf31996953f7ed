"""Which way an axis of a volume points in the patient, where the files say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging.orientation import Affine

__all__ = ["axis_letters"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Towards lower and higher values of patient coordinates (x, y, z) in LPS."""
_HALF_WIND = float(np.tan(np.deg2rad(22.5)))
"""A direction has a second letter from here on: halfway between, say, A and AS at 45°."""


def axis_letters(affine_lps: Affine | None, axis: int) -> tuple[str, str] | None:
    """Letters of the patient's sides at the low and the high end of an axis.

    The one rule of window, pictures and reports: one letter within 22.5° of a side, else those
    that the axis lies among, that of the nearest first, as in DICOM's Patient Orientation (PS3.3,
    C.7.6.1.1.1).

    Parameters
    ----------
    affine_lps : Affine or None
        From voxel index (z, y, x, 1) to LPS in millimetres.
    axis : int
        0 to 2 for z, y, x.

    Returns
    -------
    tuple of str or None
        Each one to three of L, R, A, P, I, S; ``None`` where the orientation is unknown: nothing
        is made up.
    """
    if affine_lps is None:
        return None
    affine = np.array(affine_lps, float)
    direction = affine[:3, axis]
    if not np.isfinite(affine).all() or not direction.any():
        return None
    return _towards(-direction), _towards(direction)


def _towards(direction: NDArray[np.float64]) -> str:
    parts = np.abs(direction)
    order = np.argsort(-parts, kind="stable")
    named = [row for row in order if parts[row] >= _HALF_WIND * parts[order[0]]]
    return "".join(_LETTERS[row][int(direction[row] > 0)] for row in named)
