"""Tools of the history as people call them."""

from __future__ import annotations

from qtpy.QtCore import QCoreApplication

__all__ = ["tool_word"]


def tool_word(tool: str) -> str:
    """Name of a tool by its id (`core.editing.Tool`), in sentence case.

    An id that a later version wrote is shown as it is.
    """
    tr = QCoreApplication.translate
    words = {
        "brush": tr("Tool", "Brush"),
        "eraser": tr("Tool", "Eraser"),
        "threshold brush": tr("Tool", "Threshold brush"),
        "adaptive brush": tr("Tool", "Adaptive brush"),
        "polygon": tr("Tool", "Polygon"),
        "lasso": tr("Tool", "Lasso"),
        "fill": tr("Tool", "Fill"),
        "fill holes": tr("Tool", "Fill holes"),
        "flood fill": tr("Tool", "Flood fill"),
        "grow from seeds": tr("Tool", "Grow from seeds"),
        "interpolate": tr("Tool", "Interpolate"),
        "copy slice": tr("Tool", "Copy slice"),
        "keep largest": tr("Tool", "Keep largest"),
        "remove small": tr("Tool", "Remove small"),
        "remove island": tr("Tool", "Remove island"),
        "smooth": tr("Tool", "Smooth"),
        "dilate": tr("Tool", "Dilate"),
        "erode": tr("Tool", "Erode"),
        "snap to probability": tr("Tool", "Snap to probability"),
        "take prediction": tr("Tool", "Take prediction"),
        "take truth": tr("Tool", "Take ground truth"),
        "clear slice": tr("Tool", "Clear slice"),
        "import": tr("Tool", "Mask from a file"),
        "other": tr("Tool", "Other change"),
    }
    return words.get(tool, tool.capitalize())
