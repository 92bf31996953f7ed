"""Reliability: how often a voxel given a probability is lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.canvas import COLOURS, new_figure, png_bytes, quiet_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["calibration_chart"]


def calibration_chart(
    confidence: Sequence[float | None],
    observed: Sequence[float | None],
    counts: Sequence[int],
    *,
    error: float | None = None,
    where: str = "",
) -> bytes:
    """Draw the reliability curve over the share of voxels in each bin.

    Parameters
    ----------
    confidence : sequence of float or None
        Mean predicted probability of each bin, ``None`` where it is empty.
    observed : sequence of float or None
        Share of its voxels that are lesion.
    counts : sequence of int
        Voxels in each bin.
    error : float, optional
        Expected calibration error, for the title.
    where : str
        Which voxels were counted, for the x axis.

    Returns
    -------
    bytes
        PNG of 600 x 600 pixels.
    """
    x = np.array([np.nan if v is None else v for v in confidence], dtype=float)
    y = np.array([np.nan if v is None else v for v in observed], dtype=float)
    amount = np.asarray(counts, dtype=float)
    full = np.isfinite(x) & np.isfinite(y) & (amount > 0)
    figure = new_figure(600, 600)
    upper, lower = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    upper.plot((0, 1), (0, 1), color="#6b7280", linestyle=":", label="perfect calibration")
    upper.plot(x[full], y[full], color=COLOURS[0], marker="o", linewidth=1.8, label="this model")
    upper.set_ylim(-0.02, 1.02)
    upper.set_ylabel("share that is lesion")
    title = "Calibration" if error is None else f"Calibration, expected error {error:.3f}"
    upper.set_title(title, fontsize=11, loc="left")
    upper.legend(loc="upper left", fontsize=9)
    width = 0.8 / max(len(amount), 1)
    shares = amount / max(amount.sum(), 1)
    places = (np.arange(len(amount)) + 0.5) / max(len(amount), 1)
    lower.bar(places, shares, width=width, color="skyblue")
    lower.set_ylabel("share of voxels")
    lower.set_xlabel("predicted probability" + (f" ({where})" if where else ""))
    lower.set_xlim(-0.02, 1.02)
    for axes in (upper, lower):
        quiet_axes(axes)
    return png_bytes(figure)
