"""Small pictures of how each overlay is drawn: its colour, and its kind of line."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPen, QPixmap

from napari_brainseg.viewer import colours
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    PREDICTION_NAME,
    TRUTH_NAME,
)

__all__ = ["GAP", "mask_icon"]

GAP = 4
"""Pixels left free at the right, between icon and text."""

_LINES = {
    TRUTH_NAME: (colours.TRUTH, Qt.PenStyle.SolidLine, 1.8),
    PREDICTION_NAME: (colours.PREDICTION, Qt.PenStyle.DashLine, 1.8),
    CORRECTION_NAME: (colours.CORRECTION, Qt.PenStyle.SolidLine, 3.0),
}
_SHARPNESS = 4  # pixels drawn for one shown: enough for any screen
_FADED = 0.35


def mask_icon(name: str, side: int) -> QIcon:
    """Icon of an overlay by its layer's name; faded where the case has none.

    Parameters
    ----------
    side : int
        In pixels of the user.
    """
    icon = QIcon(_picture(name, side, 1.0))
    icon.addPixmap(_picture(name, side, _FADED), QIcon.Mode.Disabled)
    return icon


def _picture(name: str, side: int, opacity: float) -> QPixmap:
    pixmap = QPixmap((side + GAP) * _SHARPNESS, side * _SHARPNESS)
    pixmap.setDevicePixelRatio(_SHARPNESS)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setOpacity(opacity)
    if name == DIFFERENCE_NAME:
        half = QRectF(0.5, 1.0, side / 2 - 0.5, side - 2.0)
        painter.fillRect(half, QColor(colours.FALSE_POSITIVE))
        painter.fillRect(half.translated(half.width(), 0), QColor(colours.FALSE_NEGATIVE))
    elif name == DOUBT_NAME:
        ramp = QLinearGradient(0.0, 0.0, float(side), 0.0)
        clear = QColor(colours.DOUBT)
        clear.setAlphaF(0.1)
        ramp.setColorAt(0.0, clear)
        ramp.setColorAt(1.0, QColor(colours.DOUBT))
        painter.fillRect(QRectF(0.5, 1.0, side - 1.0, side - 2.0), ramp)
    else:
        colour, style, width = _LINES[name]
        pen = QPen(QColor(colour), width, style)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if style is Qt.PenStyle.DashLine:
            pen.setDashPattern([1.6, 1.0])
        painter.setPen(pen)
        edge = width / 2 + 0.5
        painter.drawEllipse(QRectF(edge, edge, side - 2 * edge, side - 2 * edge))
    painter.end()
    return pixmap
