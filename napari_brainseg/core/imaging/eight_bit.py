"""Intensities of any range as the eight bits that kaggle_3m has, for networks and tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EightBit", "eight_bit"]

_LARGE = 1e37
"""Differences beyond this leave single precision."""
_LARGEST, _SMALL = 1e300, 1e-30
_SAMPLES = 2_000_000
_COUNTED = 1 << 17
"""Whole numbers of a smaller span are counted; also how many at a time."""
_TOP_QUANTILE = 0.999
_HEADROOM = 2.0
"""The brightest voxel counts up to this multiple of the 99.9th percentile.

In kaggle_3m the brightest voxel is 255 and the 99.9th percentile lies between 115 and 190 (twelve
patients, each channel): a single spike beyond that would darken everything else.
"""


@dataclass(frozen=True, slots=True)
class EightBit:
    """Line from intensities to eight bits: `low` becomes 0, `high` 255, rounded and clipped.

    Parameters
    ----------
    low, high : float
        In the unit of the intensities; low < high.
    """

    low: float
    high: float

    def encode(self, volume: NDArray[Any]) -> NDArray[np.uint8]:
        """Bring intensities to uint8, same shape."""
        reach = self.high - self.low
        # Damaged headers and some maps hold values that single precision cannot.
        is_wide = volume.dtype == np.float64 or reach > _LARGE
        kind = np.float64 if is_wide else np.float32
        scaled: NDArray[Any] = volume.astype(kind)
        np.clip(scaled, kind(self.low), kind(self.high), out=scaled)
        scaled -= kind(self.low)
        scaled *= kind(255.0 / reach)
        np.rint(scaled, out=scaled)
        return scaled.astype(np.uint8)

    def decode(self, volume: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Bring uint8 back to intensities, as far as eight bits tell."""
        step = np.float32((self.high - self.low) / 255.0)
        return volume.astype(np.float32) * step + np.float32(self.low)


def eight_bit(volume: NDArray[Any]) -> EightBit:
    """Find the line that brings a volume to eight bits.

    It runs from the lowest intensity to the highest, but not further than twice the way to the
    99.9th percentile, so that a bright artefact does not darken the brain. What is uint8 already
    stays as it is.

    Parameters
    ----------
    volume : ndarray
        Intensities of one modality, any real dtype; values that are not finite do not count.

    Returns
    -------
    EightBit
    """
    if volume.dtype == np.uint8:
        return EightBit(0.0, 255.0)
    flat = volume.reshape(-1) if volume.flags.c_contiguous else volume.ravel()
    if volume.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return EightBit(0.0, 1.0)
    low, high = float(flat.min()), float(flat.max())
    low, high = max(low, -_LARGEST), min(high, _LARGEST)
    sample = flat[:: max(1, flat.size // _SAMPLES)]
    if volume.dtype.kind in "iu":
        # In their own dtype: as floats the sample would take more room than many a volume.
        top = float(_ranked(sample, round(_TOP_QUANTILE * (sample.size - 1))))
    else:
        kind = np.float64 if max(-low, high) > _LARGE else np.float32
        top = float(np.quantile(np.clip(sample, low, high).astype(kind), _TOP_QUANTILE))
    if top > low:
        high = min(high, low + _HEADROOM * (top - low))
    # Noise of rounding around one value, or differences too small to divide by, are no contrast.
    is_flat = high - low <= max(abs(low) * 1e-12, _SMALL)
    return EightBit(low, low + max(1.0, abs(low)) if is_flat else high)


def _ranked(sample: NDArray[Any], rank: int) -> int:
    """Find the whole number of a rank; counting is some six times as fast as partitioning."""
    low, high = int(sample.min()), int(sample.max())
    if high - low >= _COUNTED:
        return int(np.partition(sample, rank)[rank])
    counts = np.zeros(high - low + 1, np.int64)
    for start in range(0, sample.size, _COUNTED):
        part = sample[start : start + _COUNTED].astype(np.int64)
        counts += np.bincount(part - low, minlength=counts.size)
    return low + int(np.searchsorted(np.cumsum(counts), rank, side="right"))
