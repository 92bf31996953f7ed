"""What is written over a plane: title, orientation where it is known, scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["PlaneTexts"]

_INK = QColor("#e8e8e8")
_PLATE = QColor(0, 0, 0, 200)
_MARGIN, _PAD = 6, 4  # pixels
_POINTS = 9.0
_BARS_MM = (100.0, 50.0, 20.0, 10.0, 5.0)


@dataclass(frozen=True, slots=True)
class PlaneTexts:
    """Texts over a plane.

    Parameters
    ----------
    title, note : str
        Upper left and upper right corner; the note only where there is room.
    letters : tuple of str, optional
        For the edges of low rows, high rows, low columns, high columns.
    up_text : str
        In the lower left corner, where there are no letters.
    bar : bool
        Draw a scale bar: the plane's spacing is in mm, and known.
    """

    title: str = ""
    note: str = ""
    letters: tuple[str, str, str, str] | None = None
    up_text: str = ""
    bar: bool = False

    def draw(
        self, painter: QPainter, widget: QWidget, *, rows_up: bool, pixels_a_unit: float
    ) -> None:
        """Write them over a widget.

        Parameters
        ----------
        painter : QPainter
            Of the widget.
        widget : QWidget
            Its size and font count.
        rows_up : bool
            The first row is at the bottom.
        pixels_a_unit : float
            For the scale bar: pixels a millimetre.
        """
        font = QFont(widget.font())
        font.setPointSizeF(_POINTS)
        painter.setFont(font)
        pen = _Pen(painter, QFontMetricsF(font))
        width, height = widget.width(), widget.height()
        end = pen.write(self.title, _MARGIN, _MARGIN)
        left = width - _MARGIN - pen.width(self.note)
        if self.note and left > end + _MARGIN:
            pen.write(self.note, left, _MARGIN)
        low = height - _MARGIN - pen.height
        if self.letters is not None:
            first, last, low_column, high_column = self.letters
            top, bottom = (last, first) if rows_up else (first, last)
            pen.write(top, (width - pen.width(top)) / 2, _MARGIN)
            pen.write(bottom, (width - pen.width(bottom)) / 2, low)
            middle = (height - pen.height) / 2
            pen.write(low_column, _MARGIN, middle)
            pen.write(high_column, width - _MARGIN - pen.width(high_column), middle)
        elif self.up_text:
            pen.write(self.up_text, _MARGIN, low)
        fitting = [mm for mm in _BARS_MM if mm * pixels_a_unit < width / 3]
        if self.bar and fitting:
            pen.bar(fitting[0], fitting[0] * pixels_a_unit, width, height)


class _Pen:
    """Writes on dark plates, so that text is read on bright tissue."""

    def __init__(self, painter: QPainter, metrics: QFontMetricsF) -> None:
        self._painter = painter
        self._metrics = metrics
        self.height = metrics.height() + 2

    def width(self, text: str) -> float:
        return float(self._metrics.horizontalAdvance(text)) + 2 * _PAD

    def write(self, text: str, left: float, top: float) -> float:
        """Write text; return where its right edge lies."""
        if not text:
            return left
        box = QRectF(left, top, self.width(text), self.height)
        self._painter.fillRect(box, _PLATE)
        self._painter.setPen(_INK)
        self._painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        return float(box.right())

    def bar(self, mm: float, length: float, width: int, height: int) -> None:
        right, bottom = width - _MARGIN - 2, height - _MARGIN - 2
        pen = QPen(_INK, 2)
        # A square cap would make it longer than it says.
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._painter.setPen(pen)
        self._painter.drawLine(QPointF(right - length, bottom), QPointF(right, bottom))
        text = QCoreApplication.translate("PlaneTexts", "{n} mm").format(n=f"{mm:.0f}")
        self.write(text, right - (length + self.width(text)) / 2, bottom - self.height - 4)
