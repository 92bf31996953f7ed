"""How measurements look: thin lines with a dark rim, ends to take hold of, the value beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPen, QPolygonF

from napari_brainseg.session.measurements import Kind

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter

__all__ = ["COLOUR", "Figure"]

COLOUR = "#F0E442"
"""Yellow of the Okabe-Ito palette; no mask has it."""
MANY_CORNERS = 16
"""An outline with more corners was drawn by hand: it has no ends to take hold of."""
_SHADE = QColor(0, 0, 0, 190)
_PLATE = QColor(0, 0, 0, 150)
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
        Where the text stands; `measure_layout` finds a place.
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


def _ticks(first: QPointF, last: QPointF) -> tuple[QPointF, QPointF, QPointF, QPointF]:
    """Return the ends of the short lines across both ends of a ruler."""
    along = last - first
    length = max((along.x() ** 2 + along.y() ** 2) ** 0.5, 1e-6)
    across = QPointF(-along.y(), along.x()) * (_TICK / length)
    return first - across, first + across, last - across, last + across
