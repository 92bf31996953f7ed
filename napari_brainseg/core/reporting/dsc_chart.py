"""The bar chart of DSC by patient, as the published program draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats import undated
from napari_brainseg.core.reporting.canvas import new_figure, png_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["dsc_chart", "short_name"]

WIDTH_PX, HEIGHT_PX = 1200, 800
COMFORTABLE_BARS = 40
"""With more, labels shrink, and the picture grows so that they stay legible."""
BAR_PX = 16
MOST_PX = 12_000


def short_name(patient: str) -> str:
    """Name on a chart: ``CS_4944`` for ``TCGA_CS_4944_20010208``."""
    return undated(patient).removeprefix("TCGA_")


def dsc_chart(
    scores: Mapping[str, float], *, axis: str = "Dice coefficient", note: str = ""
) -> bytes:
    """Draw horizontal bars, ascending from the bottom, with mean and median.

    Parameters
    ----------
    scores : mapping of str to float
        Patient to DSC, 0 to 1; at least one.
    axis : str
        What the x axis shows.
    note : str
        Written small in the upper left corner.

    Returns
    -------
    bytes
        PNG of 1200 x 800 pixels, higher for more than 40 patients: sky-blue bars, mean line tomato,
        median line forest green and dashed, so that both are seen where they coincide.

    Raises
    ------
    ValueError
        If there are no scores.
    """
    if not scores:
        raise ValueError("A chart of DSC needs at least one patient.")
    # equal scores in the order of names, so that the picture does not depend on the mapping's
    pairs = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    values = np.array([value for _, value in pairs])
    more = max(0, len(pairs) - COMFORTABLE_BARS)
    height = min(HEIGHT_PX + BAR_PX * more, MOST_PX)
    figure = new_figure(WIDTH_PX, height)
    axes = figure.add_subplot()
    places = np.arange(len(pairs))
    axes.barh(places, values, align="center", color="skyblue")
    # Points of 1/72 inch, at 100 pixels an inch; letters take two thirds of a bar's height.
    size = min(11.0, max(3.0, 0.48 * height / len(pairs)))
    names = [short_name(name) for name, _ in pairs]
    if len(set(names)) < len(names):
        # Several studies of one person: the date tells them apart.
        names = [name for name, _ in pairs]
    axes.set_yticks(places, names, fontsize=size)
    axes.set_ylim(-0.7, len(pairs) - 0.3)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.arange(0.0, 1.01, 0.1))
    axes.set_xlabel(axis)
    mean, median = float(values.mean()), float(np.median(values))
    axes.axvline(mean, color="tomato", linewidth=2, label=f"mean {mean:.3f}")
    label = f"median {median:.3f}"
    axes.axvline(median, color="forestgreen", linewidth=2, linestyle="--", label=label)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    if note:
        # A word of the layout, so that it gets room of its own.
        figure.suptitle(note, x=0.01, ha="left", fontsize=9, color="#555555")
    return png_bytes(figure)
