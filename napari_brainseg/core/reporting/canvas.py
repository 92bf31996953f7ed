"""What every chart shares: a Matplotlib figure without pyplot, colours, and PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "TRAIN",
    "VALIDATION",
    "new_figure",
    "png_bytes",
    "quiet_axes",
    "style_of",
]

DOTS_PER_INCH = 100
TRAIN = "#1f77b4"
VALIDATION = "#d95f02"
COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#5c5c5c",
)  # fmt: skip
"""Told apart by colour-blind readers too (Okabe and Ito, jfly.uni-koeln.de/color)."""
DASHES = ("-", "--", ":", "-.")


def new_figure(width_px: int, height_px: int) -> Figure:
    """Make an empty figure that belongs to nobody: no window, no global state.

    Parameters
    ----------
    width_px, height_px : int
        Size of the picture in pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width_px / DOTS_PER_INCH, height_px / DOTS_PER_INCH),
        dpi=DOTS_PER_INCH,
        layout="constrained",
        facecolor="white",
    )
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Draw a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def quiet_axes(axes: Axes) -> None:
    """Leave out what says nothing: upper and right frame; a faint grid stays."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)


def style_of(number: int) -> tuple[str, str]:
    """Colour and dashes of the line with a number; 32 lines differ."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
