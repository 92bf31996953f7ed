"""How measurements look: thin lines with a dark rim, ends to take hold of, the value beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainterPath, QPen, QPolygonF

from napari_brainseg.session.measurements import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QPainter

__all__ = ["COLOUR", "Figure", "laid_out", "text_font"]

COLOUR = "#F0E442"
"""Yellow of the Okabe-Ito palette; no mask has it."""
MANY_CORNERS = 16
"""An outline with more corners was drawn by hand: it has no ends to take hold of."""
_SHADE = QColor(0, 0, 0, 190)
_PLATE = QColor(0, 0, 0, 150)
_POINTS = 9.0
_PAD, _GAP = 4.0, 8.0
_HANDLE, _TICK = 3.5, 5.0
_ROOM = 8.0


@dataclass(slots=True)
class Figure:
    """A ruler or an area on a widget, in its pixels.

    Parameters
    ----------
    kind : Kind
        Which.
    points : tuple of QPointF
        Its points.
    text : str
        Beside it; may have two lines.
    closed : bool
        Whether the last point is joined to the first.
    chosen : bool
        Whether Delete takes it away.
    id : int or None
        Of the measurement; `None` while it is being drawn.
    plate : QRectF
        Where the text stands; `laid_out` finds a place.
    """

    kind: Kind
    points: tuple[QPointF, ...]
    text: str
    closed: bool = True
    chosen: bool = False
    id: int | None = None
    plate: QRectF | None = None

    @property
    def has_handles(self) -> bool:
        """Whether its points can be taken hold of."""
        return self.id is not None and len(self.points) <= MANY_CORNERS

    @property
    def room(self) -> QRectF:
        """What it covers, text and line width included."""
        box = QPolygonF(self.points).boundingRect().adjusted(-_ROOM, -_ROOM, _ROOM, _ROOM)
        return box if self.plate is None else box.united(self.plate)

    def draw(self, painter: QPainter) -> None:
        """Draw its lines."""
        colour = QColor(COLOUR)
        line = QPolygonF(self.points)
        if self.kind is Kind.AREA and self.closed:
            line.append(self.points[0])
        width = 2.0 if self.chosen else 1.3
        for pen in (QPen(_SHADE, width + 2.2), QPen(colour, width)):
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(line)
            if self.kind is Kind.RULER and len(self.points) == 2:
                painter.drawLines(*_ticks(*self.points))
        if self.kind is Kind.AREA and not self.closed and len(self.points) > 2:
            painter.setPen(QPen(colour, 1.0, Qt.PenStyle.DotLine))
            painter.drawLine(self.points[-1], self.points[0])
        if self.chosen and self.has_handles:
            painter.setPen(QPen(_SHADE, 1.0))
            painter.setBrush(colour)
            for point in self.points:
                painter.drawEllipse(point, _HANDLE, _HANDLE)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def write(self, painter: QPainter) -> None:
        """Write its value, after the lines of all."""
        if self.plate is not None and self.text:
            painter.fillRect(self.plate, _PLATE)
            painter.setPen(QColor(COLOUR))
            painter.drawText(self.plate, Qt.AlignmentFlag.AlignCenter, self.text)


def laid_out(figures: Iterable[Figure], font: QFont, room: QRectF) -> list[Figure]:
    """Find a place for each text: beside its figure, within a room, and not over another text."""
    metrics = QFontMetricsF(font)
    done: list[Figure] = []
    drawn = list(figures)
    for figure in drawn:
        if figure.text and figure.points:
            rows = figure.text.split("\n")
            width = max(metrics.horizontalAdvance(row) for row in rows) + 2 * _PAD
            height = metrics.height() * len(rows) + 2
            plates = [other.plate for other in done if other.plate is not None]
            lines = [_outline(other) for other in drawn if other is not figure]
            figure.plate = _free_place(figure, width, height, room, plates, lines)
        done.append(figure)
    return done


def text_font(font: QFont) -> QFont:
    """Font of the values, whatever the widget has."""
    own = QFont(font)
    own.setPointSizeF(_POINTS)
    return own


def _free_place(
    figure: Figure,
    width: float,
    height: float,
    room: QRectF,
    taken: list[QRectF],
    lines: list[QPainterPath],
) -> QRectF:
    """Find the first place beside a figure that is in the room and free; else squeeze it in."""
    tried = [QRectF(at.x(), at.y(), width, height) for at in _places(figure, width, height)]
    fitting = [
        plate
        for plate in tried
        if room.contains(plate) and not any(plate.intersects(other) for other in taken)
    ]
    for plate in fitting:
        if not any(line.intersects(plate) for line in lines):
            return plate
    if fitting:
        return fitting[0]
    plate = tried[0]
    plate.moveLeft(min(max(plate.left(), room.left()), room.right() - width))
    plate.moveTop(min(max(plate.top(), room.top()), room.bottom() - height))
    for other in taken:
        if plate.intersects(other):
            plate.moveTop(other.bottom() + 2)
    return plate


def _outline(figure: Figure) -> QPainterPath:
    path = QPainterPath()
    path.addPolygon(QPolygonF(figure.points))
    return path


def _places(figure: Figure, width: float, height: float) -> list[QPointF]:
    """Return upper left corners of a text: to the right, below, above and to the left."""
    if figure.kind is Kind.RULER:
        # Beyond its ends, first that which lies farther to the right.
        last = max(figure.points, key=lambda p: (p.x(), p.y()))
        first = min(figure.points, key=lambda p: (p.x(), p.y()))
    else:
        box = QPolygonF(figure.points).boundingRect()
        last = QPointF(box.right(), box.center().y())
        first = QPointF(box.left(), box.center().y())
    box = QPolygonF(figure.points).boundingRect()
    middle = box.center().x() - width / 2
    return [
        QPointF(last.x() + _GAP, last.y() - height / 2),
        QPointF(middle, box.bottom() + _GAP),
        QPointF(middle, box.top() - _GAP - height),
        QPointF(first.x() - _GAP - width, first.y() - height / 2),
    ]


def _ticks(first: QPointF, last: QPointF) -> tuple[QPointF, QPointF, QPointF, QPointF]:
    """Return the ends of the short lines across both ends of a ruler."""
    along = last - first
    length = max((along.x() ** 2 + along.y() ** 2) ** 0.5, 1e-6)
    across = QPointF(-along.y(), along.x()) * (_TICK / length)
    return first - across, first + across, last - across, last + across
