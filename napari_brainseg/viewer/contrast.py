"""Contrast limits under which tissue is seen well at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["contrast_limits"]

_STEP = 3  # every third voxel along each axis: the percentiles differ by less than a grey level
_LOW, _HIGH = 1.0, 99.7


def contrast_limits(volume: NDArray[Any]) -> tuple[float, float]:
    """Window from air to bright tissue.

    Background (zero and below) is left out, because it fills most of a skull-stripped volume.

    Parameters
    ----------
    volume : ndarray, shape (Z, Y, X)
        Intensities of one modality.

    Returns
    -------
    tuple of float
        (low, high) with low < high. Low is 0 where the darkest tissue is in the lower quarter.
    """
    sample = volume[::_STEP, ::_STEP, ::_STEP]
    tissue = sample[sample > 0]
    if tissue.size == 0:
        return (0.0, 1.0)
    low, high = (float(v) for v in np.percentile(tissue, (_LOW, _HIGH)))
    if low <= high / 4:
        low = 0.0
    return (low, high) if high > low else (0.0, max(high, 1.0))
