"""How the slice strip is drawn: one column a slice, rows of figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QCoreApplication, QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPen, QPixmap, QPolygonF

from napari_brainseg.viewer import colours
from napari_brainseg.widgets.numbers import voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QFont

    from napari_brainseg.session.slice_facts import SliceFacts

__all__ = ["StripLayout", "StripLook", "draw_facts", "draw_frame", "number_place"]

DOUBT_FULL_BITS = 200.0
"""So much uncertainty in a slice fills its column, unless another slice has more."""
_BAND_SHARE = 0.11
_LEAST_BAND = 7
_GAP = 3
_EVERY = 10  # slices between two numbers
_BLANK = 4  # pixels left and right of a number


@dataclass(frozen=True, slots=True)
class StripLook:
    """Colours of a theme."""

    ground: QColor
    text: QColor
    quiet: QColor
    line: QColor


@dataclass(frozen=True, slots=True)
class StripLayout:
    """Where things lie in a strip of some size, in pixels that do not depend on the screen.

    Parameters
    ----------
    width, height : int
        Of the whole drawing.
    left : int
        Width of the rows' names.
    top : int
        Height of the line with slice numbers.
    count : int
        Slices.
    """

    width: int
    height: int
    left: int
    top: int
    count: int

    @classmethod
    def of(cls, width: int, height: int, count: int, font: QFont) -> StripLayout:
        """Lay out a strip for a font."""
        metrics = QFontMetrics(font)
        left = max(metrics.horizontalAdvance(text) for text in row_names()) + 12
        return cls(width, height, left, metrics.height(), max(count, 1))

    @property
    def column(self) -> float:
        """Width of a slice's column."""
        return max(self.width - self.left - 4, 1) / self.count

    @property
    def band(self) -> int:
        """Height of a row below the bars."""
        return max(_LEAST_BAND, round(self.height * _BAND_SHARE))

    @property
    def bars(self) -> QRectF:
        """Where lesion areas are drawn."""
        bottom = self.height - 3 * (self.band + _GAP) - 1
        return QRectF(self.left, self.top, self.column * self.count, max(bottom - self.top, 8))

    def row(self, number: int) -> QRectF:
        """Where the row below the bars with this number (0 to 2) is drawn."""
        y = self.bars.bottom() + _GAP + number * (self.band + _GAP)
        return QRectF(self.left, y, self.column * self.count, self.band)

    def x(self, index: int) -> float:
        """Left edge of a slice's column."""
        return self.left + index * self.column

    def index_at(self, x: float) -> int:
        """Slice whose column is nearest to a horizontal position."""
        return min(max(int((x - self.left) // self.column), 0), self.count - 1)


def row_names() -> tuple[str, str, str, str]:
    """Names of the bars and of the three rows below."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("SliceStrip", text)

    return tr("Lesion"), tr("Differs"), tr("Doubt"), tr("Seen")


def draw_facts(
    pixmap: QPixmap, facts: SliceFacts, layout: StripLayout, look: StripLook, font: QFont
) -> None:
    """Draw all that stays when another slice is shown."""
    painter = QPainter(pixmap)
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    _draw_names(painter, layout, look)
    _draw_grid(painter, layout, look)
    masks = (facts.truth, facts.prediction, facts.correction)
    top = max((int(m.max()) for m in masks if m is not None and m.size), default=0)
    painter.setPen(QPen(look.line))
    painter.drawLine(layout.bars.bottomLeft(), layout.bars.bottomRight())
    if top:
        _draw_areas(painter, facts, layout, top)
        painter.setPen(QPen(look.quiet))
        where = QRectF(4, layout.bars.top(), layout.left - 8, layout.bars.height())
        painter.drawText(where, Qt.AlignmentFlag.AlignTop, voxels(top))
    _draw_band(painter, layout, 0, _share(facts.disagreement), look.text, look)
    _draw_band(
        painter, layout, 1, _share(facts.uncertainty, DOUBT_FULL_BITS), QColor(colours.DOUBT), look
    )
    _draw_marks(painter, facts, layout, look)
    painter.end()


def draw_frame(painter: QPainter, layout: StripLayout, index: int, look: StripLook) -> None:
    """Frame the current slice, with its number above; and number some of the others."""
    width = max(layout.column, 5.0)
    x = layout.x(index) + (layout.column - width) / 2
    frame = QRectF(x, layout.top - 1, width, layout.height - layout.top)
    wash = QColor(look.text)
    wash.setAlpha(34)
    painter.fillRect(frame, wash)
    painter.setPen(QPen(look.text, 1.4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(frame)
    numbered, needed = _numbered(layout, painter)
    painter.setPen(QPen(look.quiet))
    for other in numbered:
        # None beside that of the current slice: 40 and 42 would read as 4042.
        if abs(other - index) * layout.column > needed:
            where = number_place(layout, other, needed)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter, str(other + 1))
    where = number_place(layout, index, needed)
    where.moveRight(min(where.right(), layout.width))
    plate = where.adjusted(2, 0, -2, 0)
    painter.fillRect(plate, look.text)
    painter.setPen(look.ground)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, str(index + 1))


def number_place(layout: StripLayout, index: int, width: float) -> QRectF:
    """Where the number of a slice is written: above it, and not beyond the strip's edge."""
    place = QRectF(0, 0, width, layout.top - 1)
    place.moveCenter(QPointF(layout.x(index) + layout.column / 2, place.center().y()))
    place.moveRight(min(place.right(), layout.width + _BLANK))
    return place


def _draw_names(painter: QPainter, layout: StripLayout, look: StripLook) -> None:
    painter.setPen(QPen(look.quiet))
    align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    name, *rows = row_names()
    half = layout.bars.height() / 2
    painter.drawText(QRectF(4, layout.bars.top() + half, layout.left, half), align, name)
    for number, text in enumerate(rows):
        row = layout.row(number).adjusted(4 - layout.left, -4, 0, 4)
        painter.drawText(row, align, text)


def _numbered(layout: StripLayout, painter: QPainter) -> tuple[list[int], int]:
    """Slices whose numbers are written, and the room that each number needs."""
    # Every tenth slice, or fewer where they would touch each other.
    needed = painter.fontMetrics().horizontalAdvance("000") + 2 * _BLANK
    every = _EVERY
    while every * layout.column < needed:
        every *= 2
    return [0, *range(every - 1, layout.count, every)], needed


def _draw_grid(painter: QPainter, layout: StripLayout, look: StripLook) -> None:
    painter.setPen(QPen(look.line))
    for index in _numbered(layout, painter)[0]:
        x = layout.x(index) + layout.column / 2
        painter.drawLine(QPointF(x, layout.top), QPointF(x, layout.height - 2))


def _draw_areas(painter: QPainter, facts: SliceFacts, layout: StripLayout, top: int) -> None:
    for areas, colour, brush, width, dashed in (
        (facts.truth, colours.TRUTH, Qt.BrushStyle.SolidPattern, 1.2, False),
        (facts.prediction, colours.PREDICTION, Qt.BrushStyle.BDiagPattern, 1.6, True),
        (facts.correction, colours.CORRECTION, Qt.BrushStyle.NoBrush, 2.2, False),
    ):
        if areas is None:
            continue
        fill = QColor(colour)
        fill.setAlpha(110 if brush == Qt.BrushStyle.SolidPattern else 200)
        for first, last in _runs(areas > 0):
            polygon = _steps(areas, first, last, layout, top)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QBrush(fill, brush))
            painter.drawPolygon(polygon)
            pen = QPen(QColor(colour), width)
            if dashed:
                pen.setDashPattern([3.0, 1.5])
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(polygon)


def _steps(
    areas: NDArray[np.int64], first: int, last: int, layout: StripLayout, top: int
) -> QPolygonF:
    # One pixel at the least: a lesion of few voxels must be seen beside a large one.
    bottom, height = layout.bars.bottom(), layout.bars.height() - 1
    points = [QPointF(layout.x(first), bottom)]
    for index in range(first, last):
        y = bottom - max(areas[index] / top * height, 1.5)
        points += [QPointF(layout.x(index), y), QPointF(layout.x(index + 1), y)]
    return QPolygonF([*points, QPointF(layout.x(last), bottom)])


def _draw_band(
    painter: QPainter,
    layout: StripLayout,
    number: int,
    shares: NDArray[np.float64] | None,
    colour: QColor,
    look: StripLook,
) -> None:
    row = layout.row(number)
    painter.setPen(QPen(look.line))
    painter.drawLine(row.bottomLeft(), row.bottomRight())
    if shares is None:
        return
    gap = 1.0 if layout.column >= 5 else 0.0
    for index in np.flatnonzero(shares > 0):
        height = max(float(shares[index]) * row.height(), 1.5)
        painter.fillRect(
            QRectF(layout.x(index), row.bottom() - height, layout.column - gap, height), colour
        )


def _draw_marks(painter: QPainter, facts: SliceFacts, layout: StripLayout, look: StripLook) -> None:
    row = layout.row(2)
    gap = 1.0 if layout.column >= 5 else 0.0
    middle = row.center().y()
    for index in range(layout.count):
        x = layout.x(index)
        if facts.seen[index]:
            painter.fillRect(QRectF(x, middle - 1, layout.column - gap, 3), look.quiet)
        if facts.edited[index]:
            centre, half = x + layout.column / 2, max(min(layout.column / 2, row.height() / 2), 3)
            painter.setPen(QPen(look.ground, 1))
            painter.setBrush(QColor(colours.CORRECTION))
            painter.drawPolygon(
                QPolygonF([QPointF(centre, row.top()), QPointF(centre + half, middle),
                           QPointF(centre, row.bottom()), QPointF(centre - half, middle)])
            )  # fmt: skip


def _share(
    figures: NDArray[np.int64] | NDArray[np.float64] | None, least_full: float = 1.0
) -> NDArray[np.float64] | None:
    """Heights from 0 to 1; the root, so that small figures are seen beside large ones."""
    if figures is None:
        return None
    shares: NDArray[np.float64] = np.sqrt(figures / max(float(figures.max()), least_full))
    return np.where(shares < 0.05, 0.0, shares) if least_full > 1 else shares


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
