"""Where the values of measurements stand: beside what they belong to, and where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QFont, QFontMetricsF, QPainterPath, QPolygonF

from napari_brainseg.session.measurements import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_brainseg.widgets.measure_figures import Figure

__all__ = ["lay_out", "text_font"]

_POINTS = 9.0
_PAD, _GAP = 4.0, 8.0
_SAMPLES = 5
"""Points of each line in sight that a text may stand beside."""
_OVER_TEXT, _OUTSIDE, _OVER_LINE = 8, 3, 1
"""How bad it is to stand over another text, beyond the edge of the room, over a line."""


def text_font(font: QFont) -> QFont:
    """Font of the values, whatever the widget has."""
    own = QFont(font)
    own.setPointSizeF(_POINTS)
    return own


def lay_out(
    figures: Iterable[Figure], font: QFont, room: QRectF, taken: Sequence[QRectF] = ()
) -> list[Figure]:
    """Give each text its place: near what is in sight of its figure, over no other text.

    Parameters
    ----------
    figures : iterable of Figure
        Their `plate` is set; `None` where nothing of them is in the room.
    font : QFont
        Of the texts.
    room : QRectF
        Where texts may stand.
    taken : sequence of QRectF
        Where other things are written.

    Returns
    -------
    list of Figure
        Those of which something is in sight.
    """
    metrics = QFontMetricsF(font)
    seen = [(figure, _in_sight(figure, room)) for figure in figures]
    seen = [(figure, points) for figure, points in seen if points]
    lines = {id(figure): _line(figure) for figure, _points in seen}
    plates = list(taken)
    for figure, points in seen:
        figure.plate = None
        if not figure.text:
            continue
        rows = figure.text.split("\n")
        width = max(metrics.horizontalAdvance(row) for row in rows) + 2 * _PAD
        height = metrics.height() * len(rows) + 2
        found: list[tuple[int, int, QRectF]] = []
        for rank, at in enumerate(_places(figure, points, width, height)):
            plate = _moved_in(QRectF(at.x(), at.y(), width, height), room)
            cost = _OVER_TEXT * any(plate.intersects(other) for other in plates)
            cost += _OUTSIDE * (plate.topLeft() != at)
            cost += _OVER_LINE * sum(line.intersects(plate) for line in lines.values())
            found.append((cost, rank, plate))
        figure.plate = min(found, key=lambda entry: entry[:2])[2]
        plates.append(figure.plate)
    return [figure for figure, _points in seen]


def _places(
    figure: Figure, points: Sequence[QPointF], width: float, height: float
) -> list[QPointF]:
    """Return upper left corners of a text, the best first: beyond the ends, then at the middle."""
    box = QPolygonF(points).boundingRect()
    if figure.kind is Kind.RULER:
        last = low = high = max(points, key=lambda p: (p.x(), p.y()))
        first = min(points, key=lambda p: (p.x(), p.y()))
    else:
        last, first = QPointF(box.right(), box.center().y()), QPointF(box.left(), box.center().y())
        low, high = QPointF(box.center().x(), box.bottom()), QPointF(box.center().x(), box.top())
    middle = points[len(points) // 2]
    return [
        QPointF(last.x() + _GAP, last.y() - height / 2),
        QPointF(low.x() - width / 2, low.y() + _GAP),
        QPointF(high.x() - width / 2, high.y() - _GAP - height),
        QPointF(first.x() - _GAP - width, first.y() - height / 2),
        QPointF(middle.x() + _GAP, middle.y() + _GAP),
        QPointF(middle.x() + _GAP, middle.y() - _GAP - height),
        QPointF(middle.x() - _GAP - width, middle.y() + _GAP),
        QPointF(middle.x() - _GAP - width, middle.y() - _GAP - height),
    ]


def _in_sight(figure: Figure, room: QRectF) -> list[QPointF]:
    """Return points along those parts of the lines of a figure that lie in a room."""
    ends = list(figure.points[1:])
    if figure.kind is Kind.AREA and figure.closed:
        ends.append(figure.points[0])
    if not ends:
        return [point for point in figure.points if room.contains(point)]
    found = []
    for start, end in zip(figure.points, ends, strict=False):
        first, last = _part_within(start, end, room)
        if first <= last:
            shares = (first + (last - first) * n / (_SAMPLES - 1) for n in range(_SAMPLES))
            found += [start + (end - start) * share for share in shares]
    return found


def _part_within(start: QPointF, end: QPointF, room: QRectF) -> tuple[float, float]:
    """Return from which to which share of its length a line lies in a rectangle.

    Y.-D. Liang and B. A. Barsky, A new concept and method for line clipping, ACM Transactions on
    Graphics 3 (1984), doi:10.1145/357332.357333. The first is greater than the last where no part
    of it does.
    """
    first, last = 0.0, 1.0
    along = end - start
    for step, room_left in (
        (-along.x(), start.x() - room.left()),
        (along.x(), room.right() - start.x()),
        (-along.y(), start.y() - room.top()),
        (along.y(), room.bottom() - start.y()),
    ):
        if step == 0:
            if room_left < 0:
                return 1.0, 0.0
        elif step < 0:
            first = max(first, room_left / step)
        else:
            last = min(last, room_left / step)
    return first, last


def _line(figure: Figure) -> QPainterPath:
    path = QPainterPath()
    path.addPolygon(QPolygonF(figure.points))
    return path


def _moved_in(plate: QRectF, room: QRectF) -> QRectF:
    left = min(max(plate.left(), room.left()), room.right() - plate.width())
    top = min(max(plate.top(), room.top()), room.bottom() - plate.height())
    return QRectF(left, top, plate.width(), plate.height())
