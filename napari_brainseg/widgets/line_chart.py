"""A small chart of lines: axes with numbers, a legend, crisp in both themes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QPaintEvent, QResizeEvent

__all__ = ["Line", "LineChart", "ticks"]

_ROWS = 7
"""Height of the drawing, in lines of text."""
_SAMPLE = 1.4
"""Length of a line in the legend, in heights of text."""
_GAP = 4.0
_FEW = 40
"""Up to so many points are marked each."""


@dataclass(frozen=True)
class Line:
    """One line, or a level over the whole width where it has one value and no `xs`.

    Without a name it is not in the legend.
    """

    name: str
    colour: str
    xs: Sequence[float]
    ys: Sequence[float]
    dashed: bool = False
    marked: bool = False

    @property
    def is_level(self) -> bool:
        """Whether it runs over the whole width."""
        return not self.xs and len(self.ys) == 1


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> tuple[float, ...]:
    """Round numbers within a range: steps of 1, 2 or 5 times a power of ten, at most `most`.

    Parameters
    ----------
    low, high : float
        The range, ends included.
    most : int
        At most so many.
    whole : bool
        Only whole numbers.
    """
    span = high - low
    if not span > 0 or most < 1:
        return (low,)
    size = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = max(size * factor, 1.0) if whole else size * factor
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return tuple(round(n * step, 12) for n in range(first, last + 1))
    return (low,)


class LineChart(QWidget):
    """Draws lines over a common range.

    Parameters
    ----------
    least_span : float
        The vertical axis never shows less than this: noise must not look like news.
    floor, ceiling : float or None
        What values cannot pass.

    Attributes
    ----------
    y_range : tuple of float
        The vertical range, from the values.
    """

    def __init__(
        self,
        *,
        least_span: float = 0.02,
        floor: float | None = None,
        ceiling: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._least_span = least_span
        self._bounds = (floor, ceiling)
        self._lines: tuple[Line, ...] = ()
        self._x_range = (0.0, 1.0)
        self.y_range = self._fitting_range()
        self._ink = QColor("#d0d0d0")
        self._tip: Callable[[float], str] | None = None
        self._plot = QRectF()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn."""
        return self._lines

    def y_ticks(self) -> tuple[float, ...]:
        """Numbers on the vertical axis."""
        return ticks(*self.y_range, 5)

    def set_ink(self, colour: str) -> None:
        """Colour of axes, numbers and names."""
        self._ink = QColor(colour)
        self.update()

    def set_tip(self, tip: Callable[[float], str]) -> None:
        """Tell something under the pointer, by its position on the horizontal axis."""
        self._tip = tip

    def show_lines(self, lines: Sequence[Line], x_range: tuple[float, float]) -> None:
        """Draw other lines."""
        legend = [line.name for line in self._lines] != [line.name for line in lines]
        self._lines = tuple(lines)
        self._x_range = x_range
        self.y_range = self._fitting_range()
        if legend:
            self._fit()
        self.update()

    def sizeHint(self) -> QSize:
        """Wide as the dock, high enough to read a change of a tenth of the range."""
        metrics = QFontMetricsF(self._small())
        return QSize(240, math.ceil(metrics.lineSpacing() * (_ROWS + 1.5) + self._legend_height()))

    def minimumSizeHint(self) -> QSize:
        """As high as it likes; its width gives way."""
        return QSize(120, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the legend wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of the font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def event(self, event: QEvent) -> bool:
        """Tell the figures under the pointer."""
        if event.type() == QEvent.Type.ToolTip and self._tip is not None:
            left, right = self._x_range
            if self._plot.contains(QPointF(event.pos())):
                share = (event.pos().x() - self._plot.left()) / max(self._plot.width(), 1)
                QToolTip.showText(event.globalPos(), self._tip(left + share * (right - left)), self)
            else:
                QToolTip.hideText()
            return True
        return bool(super().event(event))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw everything."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small())
        metrics = QFontMetricsF(painter.font())
        top = self._legend_height() + metrics.height() / 2
        numbers = self.y_ticks()
        texts = _texts(numbers)
        margin = max((metrics.horizontalAdvance(text) for text in texts), default=0) + 2 * _GAP
        self._plot = QRectF(
            margin, top, self.width() - margin - metrics.averageCharWidth(),
            self.height() - top - metrics.height() - _GAP,
        )  # fmt: skip
        self._draw_legend(painter, metrics)
        self._draw_axes(painter, metrics, list(zip(numbers, texts, strict=True)))
        painter.setClipRect(self._plot.adjusted(-_GAP, -_GAP, _GAP, _GAP))
        for line in self._lines:
            self._draw_line(painter, line)
        painter.end()

    def _small(self) -> QFont:
        font = QFont(self.font())
        if font.pointSizeF() > 0:
            font.setPointSizeF(max(font.pointSizeF() * 0.9, 7.0))
        return font

    def _fitting_range(self) -> tuple[float, float]:
        values = [y for line in self._lines for y in line.ys if math.isfinite(y)]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        pad = max((high - low) * 0.08, (self._least_span - (high - low)) / 2, 1e-9)
        low, high = low - pad, high + pad
        floor, ceiling = self._bounds
        if floor is not None and low < floor:
            low, high = floor, max(high, floor + self._least_span)
        if ceiling is not None and high > ceiling:
            low, high = min(low, ceiling - self._least_span), ceiling
        return low, high

    def _fit(self) -> None:
        self.updateGeometry()
        self.setFixedHeight(self.sizeHint().height())

    def _places(self, metrics: QFontMetricsF) -> list[tuple[Line, QPointF]]:
        """Where each name of the legend begins; it wraps."""
        places, x, y = [], 0.0, 0.0
        sample = _SAMPLE * metrics.height() + _GAP
        for line in self._lines:
            if not line.name:
                continue
            wide = sample + metrics.horizontalAdvance(line.name)
            if x > 0 and x + wide > self.width():
                x, y = 0.0, y + metrics.lineSpacing()
            places.append((line, QPointF(x, y)))
            x += wide + 2 * _GAP
        return places

    def _legend_height(self) -> float:
        metrics = QFontMetricsF(self._small())
        places = self._places(metrics)
        return places[-1][1].y() + metrics.lineSpacing() if places else 0.0

    def _draw_legend(self, painter: QPainter, metrics: QFontMetricsF) -> None:
        sample = _SAMPLE * metrics.height()
        for line, place in self._places(metrics):
            middle = place.y() + metrics.height() / 2
            painter.setPen(_pen(line))
            painter.drawLine(QPointF(place.x(), middle), QPointF(place.x() + sample, middle))
            if line.marked:
                _mark(painter, line, QPointF(place.x() + sample / 2, middle))
            painter.setPen(self._ink)
            left = place.x() + sample + _GAP
            painter.drawText(QPointF(left, place.y() + metrics.ascent()), line.name)

    def _draw_axes(
        self, painter: QPainter, metrics: QFontMetricsF, numbers: list[tuple[float, str]]
    ) -> None:
        faint = QColor(self._ink)
        faint.setAlphaF(0.18)
        plot = self._plot
        for value, text in numbers:
            y = self._point(0.0, value).y()
            painter.setPen(QPen(faint, 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            painter.setPen(self._ink)
            wide = metrics.horizontalAdvance(text)
            painter.drawText(QPointF(plot.left() - _GAP - wide, y + metrics.ascent() / 2 - 1), text)
        painter.setPen(QPen(self._ink, 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        most = max(int(plot.width() / (metrics.averageCharWidth() * 6)), 2)
        for value in ticks(*self._x_range, most, whole=True):
            x = self._point(value, 0.0).x()
            text = f"{value:g}"
            painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + _GAP / 2))
            wide = metrics.horizontalAdvance(text)
            left = min(max(x - wide / 2, plot.left() - _GAP), self.width() - wide)
            painter.drawText(QPointF(left, plot.bottom() + _GAP / 2 + metrics.ascent()), text)

    def _draw_line(self, painter: QPainter, line: Line) -> None:
        painter.setPen(_pen(line))
        if line.is_level:
            y = self._point(0.0, line.ys[0]).y()
            painter.drawLine(QPointF(self._plot.left(), y), QPointF(self._plot.right(), y))
            return
        known = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(y)]
        points = [self._point(x, y) for x, y in _thinned(known, int(self._plot.width() / 2))]
        painter.drawPolyline(QPolygonF(points))
        if (line.marked and len(points) <= _FEW) or len(points) == 1:
            for point in points:
                _mark(painter, line, point)

    def _point(self, x: float, y: float) -> QPointF:
        left, right = self._x_range
        low, high = self.y_range
        plot = self._plot
        return QPointF(
            plot.left() + (x - left) / max(right - left, 1e-9) * plot.width(),
            plot.bottom() - (y - low) / max(high - low, 1e-9) * plot.height(),
        )


def _texts(numbers: Sequence[float]) -> list[str]:
    """Numbers with as many decimals as tell them apart."""
    step = min((b - a for a, b in pairwise(numbers)), default=0.1)
    decimals = max(0, math.ceil(-math.log10(step) - 1e-9)) if step > 0 else 2
    return [f"{number:.{decimals}f}" for number in numbers]


def _thinned(points: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Means of neighbours, where there are more points than can be told apart."""
    size = math.ceil(len(points) / max(most, 1))
    if size <= 1:
        return points
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [
        (sum(x for x, _y in group) / len(group), sum(y for _x, y in group) / len(group))
        for group in groups
    ]


def _pen(line: Line) -> QPen:
    pen = QPen(QColor(line.colour), 1.4 if line.dashed else 2.0)
    pen.setStyle(Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


def _mark(painter: QPainter, line: Line, point: QPointF) -> None:
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(line.colour))
    painter.drawEllipse(point, 3.2, 3.2)
    painter.restore()
