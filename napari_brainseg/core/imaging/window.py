"""Where tissue lies among the intensities of a volume, and the windows that show it well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CT_PRESETS", "PRESETS", "Tissue", "contrast_limits", "tissue_of"]

PRESETS = ("Brain", "Bright lesion", "Soft", "Whole range")
"""Names of the windows that `Tissue.presets` gives for MR."""
CT_PRESETS = {
    "Brain": (0.0, 80.0),
    "Stroke": (20.0, 60.0),
    "Subdural": (-25.0, 175.0),
    "Bone": (-800.0, 2000.0),
}
"""Usual windows of a head CT, (low, high) in Hounsfield units."""
_AIR = (-1100.0, -900.0)
_AIR_SHARE, _BRAIN_SHARE = 0.05, 0.02
"""CT has at least so much air and so much between 0 and 100 Hounsfield units."""
_STEP = 3  # every third voxel along each axis: the percentiles differ by less than a grey level
_LOW, _MEDIAN, _HIGH, _TOP = 1.0, 50.0, 99.7, 99.95
_SIGNED_SHARE = 0.05
"""With more voxels below zero than this share, zero is an intensity like any other."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """Percentiles of one modality of one patient, background left out.

    Parameters
    ----------
    low, high : float
        From dark to bright tissue (1st and 99.7th percentile); low < high.
    median, top : float
        The median, and the very brightest (99.95th percentile).
    least, most : float
        Lowest and highest intensity of the whole volume, zero included; least < most.
    hounsfield : bool
        Whether intensities are Hounsfield units; `low` to `high` is the brain window then.
    """

    low: float
    median: float
    high: float
    top: float
    least: float
    most: float
    hounsfield: bool = False

    @property
    def auto(self) -> tuple[float, float]:
        """Window under which tissue is seen well at once.

        It starts at 0 where the darkest tissue is in the lower quarter.
        """
        return (0.0 if 0.0 <= self.low <= self.high / 4 else self.low, self.high)

    @property
    def room(self) -> tuple[float, float]:
        """How far a window may reach: half the span beyond all intensities on both sides."""
        half = 0.0 if self.hounsfield else (self.most - self.least) / 2
        return self.least - half, self.most + half

    def presets(self) -> dict[str, tuple[float, float]]:
        """Windows by name, those of `PRESETS`; of CT the usual ones of a head."""
        if self.hounsfield:
            return {**CT_PRESETS, PRESETS[-1]: (self.least, self.most)}
        low, high = self.auto
        quarter = (high - low) / 4
        top = max(self.top, self.high)
        windows = (
            (low, high),
            (self.median, top if top > self.median else self.median + 2 * quarter),
            # Not into the dark: a grey background hides the edge of the head.
            (max(low - quarter, self.least), high + 2 * quarter),
            (self.least, self.most),
        )
        return dict(zip(PRESETS, windows, strict=True))

    def shares(self, window: tuple[float, float]) -> tuple[float, float]:
        """Return a window as shares of the tissue's range, 0 at `low` and 1 at `high`."""
        span = self.high - self.low
        return (window[0] - self.low) / span, (window[1] - self.low) / span

    def window(self, shares: tuple[float, float]) -> tuple[float, float]:
        """Return the window that has these shares of the tissue's range."""
        span = self.high - self.low
        return self.low + shares[0] * span, self.low + shares[1] * span


def tissue_of(volume: NDArray[Any]) -> Tissue:
    """Measure a volume or a slice, shape (Z, Y, X) or (Y, X).

    Background is left out of the percentiles, because it fills most of a skull-stripped volume:
    zero and below; of a volume with many values below zero (standardised, or Hounsfield units)
    its lowest value. Values that are not finite do not count. A volume with air at -1000 and
    soft tissue above 0 is in Hounsfield units: its window is that of the brain, not percentiles.
    """
    step = _STEP if volume.ndim == 3 else 1
    sample = volume[(slice(None, None, step),) * volume.ndim]
    if volume.dtype.kind == "f":
        finite = volume[np.isfinite(volume)] if not np.isfinite(volume).all() else volume
        sample = sample[np.isfinite(sample)]
    else:
        finite = volume
    if finite.size == 0:
        return Tissue(0.0, 0.5, 1.0, 1.0, 0.0, 1.0)
    least, most = min(float(finite.min()), 0.0), float(finite.max())
    is_signed = least < 0 and np.count_nonzero(sample < 0) > _SIGNED_SHARE * sample.size
    tissue = sample[sample > (least if is_signed else 0)]
    if tissue.size == 0:
        return Tissue(0.0, 0.5, 1.0, 1.0, least, max(most, 1.0))
    if is_signed and _is_hounsfield(sample):
        low, high = CT_PRESETS["Brain"]
        # A slice of air and brain alone must leave room for the windows of bone.
        least, most = min(least, -1024.0), max(most, CT_PRESETS["Bone"][1])
        return Tissue(low, (low + high) / 2, high, high, least, most, hounsfield=True)
    low, median, high, top = (float(v) for v in np.percentile(tissue, (_LOW, _MEDIAN, _HIGH, _TOP)))
    if high <= low:
        low, high = min(low, 0.0), max(high, 1.0)
    return Tissue(low, median, high, max(top, high), least, max(most, high))


def _is_hounsfield(sample: NDArray[Any]) -> bool:
    air = np.count_nonzero((sample >= _AIR[0]) & (sample <= _AIR[1]))
    brain = np.count_nonzero((sample > 0) & (sample < 100))
    return bool(air > _AIR_SHARE * sample.size and brain > _BRAIN_SHARE * sample.size)


def contrast_limits(volume: NDArray[Any]) -> tuple[float, float]:
    """Window from air to bright tissue.

    Parameters
    ----------
    volume : ndarray, shape (Z, Y, X)
        Intensities of one modality.

    Returns
    -------
    tuple of float
        (low, high) with low < high; see `Tissue.auto`.
    """
    return tissue_of(volume).auto
