"""Processor, memory and GPU over the time of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.canvas import COLOURS, new_figure, png_bytes, quiet_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["resources_chart"]

HOUR_S, MINUTE_S = 3600.0, 60.0
MOST_POINTS = 240
"""Longer series are averaged: thousands of samples would blacken the picture."""
HEADROOM = 1.12


def resources_chart(
    seconds: Sequence[float],
    *,
    cpu_percent: Sequence[float | None],
    memory_mb: Sequence[float | None],
    gpu_percent: Sequence[float | None] = (),
    gpu_memory_mb: Sequence[float | None] = (),
) -> bytes:
    """Draw load on the left and memory on the right.

    Parameters
    ----------
    seconds : sequence of float
        Since the run began, one a sample, ascending.
    cpu_percent : sequence of float or None
        100 is one core at full load.
    memory_mb : sequence of float or None
        Resident memory of the run, MiB.
    gpu_percent, gpu_memory_mb : sequence of float or None
        Left out of the picture where nothing was measured.

    Returns
    -------
    bytes
        PNG of 1200 x 380 pixels.

    Raises
    ------
    ValueError
        If there are no samples.
    """
    if not len(seconds):
        raise ValueError("There are no samples of resources to draw.")
    unit, name = (HOUR_S, "hours") if seconds[-1] > 2 * HOUR_S else (
        (MINUTE_S, "minutes") if seconds[-1] > 2 * MINUTE_S else (1.0, "seconds")
    )  # fmt: skip
    times = np.asarray(seconds, dtype=float) / unit
    figure = new_figure(1200, 380)
    left, right = figure.subplots(1, 2)
    _line(left, times, cpu_percent, "processor (100 = one core)", COLOURS[0])
    _line(left, times, gpu_percent, "GPU", COLOURS[2])
    _line(right, times, memory_mb, "memory", COLOURS[0])
    _line(right, times, gpu_memory_mb, "GPU memory", COLOURS[2])
    for axes, title in ((left, "Load in percent"), (right, "Memory in MiB")):
        quiet_axes(axes)
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xlabel(f"{name} since the start")
        if axes.lines:
            axes.set_ylim(0, max(float(axes.get_ylim()[1]), 1.0) * HEADROOM)
            axes.legend(loc="lower right", fontsize=9)
    return png_bytes(figure)


def _line(
    axes: Axes,
    times: NDArray[np.float64],
    values: Sequence[float | None],
    label: str,
    color: str,
) -> None:
    known = [(t, v) for t, v in zip(times, values, strict=False) if v is not None]
    if not known:
        return
    pieces = np.array_split(np.array(known), min(len(known), MOST_POINTS))
    points = np.array([piece.mean(axis=0) for piece in pieces])
    marker = "o" if len(points) == 1 else ""
    axes.plot(points[:, 0], points[:, 1], label=label, color=color, linewidth=1.4, marker=marker)
