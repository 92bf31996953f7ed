"""Signs of the worklist, drawn: statuses differ in shape, not only in colour."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainterPath, QPen

from napari_brainseg.widgets.worklist_filter import Kind

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter

__all__ = ["Inks", "draw_sign", "inks"]


@dataclass(frozen=True, slots=True)
class Inks:
    """Colours of the worklist in one theme."""

    text: QColor
    quiet: QColor
    ground: QColor
    soft: QColor
    """Behind the open case and in the place of pictures that are not there."""
    selected: QColor
    line: QColor
    fault: QColor
    mark: QColor
    """Bar beside the open case."""


def inks(theme_id: str) -> Inks:
    """Colours in a napari theme."""
    theme = get_theme(theme_id)
    ground = QColor(theme.background.as_hex())
    dark = ground.lightness() < 128
    return Inks(
        text=QColor(theme.text.as_hex()),
        quiet=QColor("#a9afb9" if dark else "#55585f"),
        ground=ground,
        soft=QColor(theme.foreground.as_hex()),
        selected=QColor("#3b4a7a" if dark else "#c5d0f5"),
        line=QColor(theme.foreground.as_hex()),
        fault=QColor("#ff8787" if dark else "#c92a2a"),
        mark=QColor("#748ffc" if dark else "#3b5bdb"),
    )


def draw_sign(painter: QPainter, sign: str, box: QRectF, ink: QColor) -> None:
    """Draw a sign into a square.

    Parameters
    ----------
    painter : QPainter
        Where.
    sign : str
        A `Kind`: a ring is new, a wave in progress, a star corrected, a tick approved, a barred
        ring rejected, two rings wait for a second reader; a triangle is a fault, a cross vanished.
    box : QRectF
        The square.
    ink : QColor
        Its colour.
    """
    painter.save()
    pen = QPen(ink, max(1.2, box.width() / 7))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    edge = pen.widthF() / 2 + 0.5
    inner = box.adjusted(edge, edge, -edge, -edge)
    _SHAPES.get(sign, _ring)(painter, inner)
    painter.restore()


def _ring(painter: QPainter, box: QRectF) -> None:
    painter.drawEllipse(box)


def _wave(painter: QPainter, box: QRectF) -> None:
    middle, quarter, rise = box.center().y(), box.width() / 4, box.height() * 0.55
    path = QPainterPath(QPointF(box.left(), middle))
    path.quadTo(QPointF(box.left() + quarter, middle - rise), QPointF(box.center().x(), middle))
    path.quadTo(QPointF(box.right() - quarter, middle + rise), QPointF(box.right(), middle))
    painter.drawPath(path)


def _star(painter: QPainter, box: QRectF) -> None:
    middle, reach = box.center(), box.width() / 2
    for turn in (pi / 2, pi / 6, -pi / 6):
        arm = QPointF(cos(turn) * reach, sin(turn) * reach)
        painter.drawLine(middle - arm, middle + arm)


def _tick(painter: QPainter, box: QRectF) -> None:
    w, h = box.width(), box.height()
    path = QPainterPath(QPointF(box.left(), box.top() + 0.55 * h))
    path.lineTo(QPointF(box.left() + 0.36 * w, box.top() + 0.9 * h))
    path.lineTo(QPointF(box.right(), box.top() + 0.1 * h))
    painter.drawPath(path)


def _triangle(painter: QPainter, box: QRectF) -> None:
    path = QPainterPath(QPointF(box.center().x(), box.top()))
    path.lineTo(box.bottomRight())
    path.lineTo(box.bottomLeft())
    path.closeSubpath()
    painter.drawPath(path)
    x = box.center().x()
    painter.drawLine(
        QPointF(x, box.top() + 0.42 * box.height()), QPointF(x, box.top() + 0.68 * box.height())
    )


def _cross(painter: QPainter, box: QRectF) -> None:
    painter.drawLine(box.topLeft(), box.bottomRight())
    painter.drawLine(box.topRight(), box.bottomLeft())


def _barred(painter: QPainter, box: QRectF) -> None:
    painter.drawEllipse(box)
    reach = box.width() / 2 * cos(pi / 4)
    arm = QPointF(reach, reach)
    painter.drawLine(box.center() - arm, box.center() + arm)


def _two_rings(painter: QPainter, box: QRectF) -> None:
    side = box.width() * 0.62
    painter.drawEllipse(QRectF(box.left(), box.center().y() - side / 2, side, side))
    painter.drawEllipse(QRectF(box.right() - side, box.center().y() - side / 2, side, side))


_SHAPES = {
    Kind.NEW: _ring,
    Kind.IN_PROGRESS: _wave,
    Kind.CORRECTED: _star,
    Kind.SECOND_READER: _two_rings,
    Kind.APPROVED: _tick,
    Kind.REJECTED: _barred,
    Kind.FAULTS: _triangle,
    Kind.VANISHED: _cross,
}
