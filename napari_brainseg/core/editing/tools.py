"""The tools by name, as the history, the manifest and the effort table write them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Tool"]


class Tool(StrEnum):
    """What a stroke was made with."""

    BRUSH = "brush"
    ERASER = "eraser"
    THRESHOLD_BRUSH = "threshold brush"
    ADAPTIVE_BRUSH = "adaptive brush"
    POLYGON = "polygon"
    LASSO = "lasso"
    FILL = "fill"
    FILL_HOLES = "fill holes"
    FLOOD_FILL = "flood fill"
    GROW_FROM_SEEDS = "grow from seeds"
    INTERPOLATE = "interpolate"
    COPY_SLICE = "copy slice"
    KEEP_LARGEST = "keep largest"
    REMOVE_SMALL = "remove small"
    REMOVE_ISLAND = "remove island"
    SMOOTH = "smooth"
    DILATE = "dilate"
    ERODE = "erode"
    SNAP_TO_PROBABILITY = "snap to probability"
    TAKE_PREDICTION = "take prediction"
    TAKE_TRUTH = "take truth"
    CLEAR_SLICE = "clear slice"
    IMPORT = "import"
    OTHER = "other"
