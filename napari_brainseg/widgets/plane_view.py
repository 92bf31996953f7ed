"""One plane through the volume, drawn with Qt: light enough to follow the mouse and the brush."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_brainseg.widgets.plane_texts import PlaneTexts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from napari_brainseg.viewer.plane_pictures import Outline, PlanePicture

__all__ = ["CROSSHAIR", "GAP", "PlaneView"]

CROSSHAIR = "#F0E442"
"""Yellow of the Okabe-Ito palette; no mask has it."""
GAP = 9
"""Pixels around the crosshair's centre that its lines leave free."""
_LINE_OPACITY = 0.75
_WHEEL_STEP = 120  # eighths of a degree a notch
_DASHES = (5.0, 3.0)  # in widths of the pen


class PlaneView(QWidget):
    """Draws one plane and says where the mouse points.

    Positions are (row, column) in voxels of the plane; the centre of the first voxel is (0, 0).

    Parameters
    ----------
    rows_up : bool
        Draw the first row at the bottom.
    """

    pointed = Signal(float, float)
    """The mouse was pressed or dragged at (row, column)."""
    hovered = Signal(float, float)
    """The mouse is over (row, column)."""
    scrolled = Signal(int)
    """The wheel was turned by so many steps; away from the user is positive."""
    chosen = Signal()
    """Double click."""
    placed = Signal()
    """Voxels lie elsewhere on the widget than before, or another plane is shown."""

    def __init__(self, parent: QWidget | None = None, *, rows_up: bool = False) -> None:
        super().__init__(parent)
        self._rows_up = rows_up
        self._picture: PlanePicture | None = None
        self._spacing = (1.0, 1.0)
        self._crosshair: tuple[float, float] | None = None
        self._look: tuple[tuple[float, float], float] | None = None
        self._texts = PlaneTexts()
        self._drawn: QPixmap | None = None
        self._turned = 0
        self._pressed = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(80, 60)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    # what is shown ----------------------------------------------------------------------------

    @property
    def picture(self) -> PlanePicture | None:
        """What is drawn."""
        return self._picture

    @property
    def crosshair(self) -> tuple[float, float] | None:
        """(row, column) of the crosshair."""
        return self._crosshair

    @property
    def title(self) -> str:
        """Text in the upper left corner."""
        return self._texts.title

    def show_picture(self, picture: PlanePicture | None, spacing: tuple[float, float]) -> None:
        """Draw another picture; `spacing` is the distance between (rows, columns), any unit."""
        self._picture, self._spacing = picture, spacing
        self._draw_again()
        self.placed.emit()

    def set_crosshair(self, position: tuple[float, float] | None) -> None:
        """Move the crosshair; `None` hides it."""
        if position != self._crosshair:
            self._crosshair = position
            self.update()

    def set_texts(self, texts: PlaneTexts) -> None:
        """Set what is written over the plane."""
        if texts != self._texts:
            self._texts = texts
            self.update()

    def look_at(self, look: tuple[tuple[float, float], float] | None) -> None:
        """Show a part: ((row, column) in the middle, units of `spacing` that must fit); or all."""
        if look != self._look:
            self._look = look
            self._draw_again()
            self.placed.emit()

    # where things lie -------------------------------------------------------------------------

    def to_widget(self, row: float, column: float) -> QPointF:
        """Where a position of the plane lies in this widget."""
        scale, left, top = self._placing()
        rows = self._shape()[0]
        down = rows - 1 - row if self._rows_up else row
        return QPointF(
            left + (column + 0.5) * self._spacing[1] * scale,
            top + (down + 0.5) * self._spacing[0] * scale,
        )

    def to_plane(self, point: QPointF) -> tuple[float, float]:
        """(row, column) at a point of this widget; it may lie outside the picture."""
        scale, left, top = self._placing()
        down = (point.y() - top) / (self._spacing[0] * scale) - 0.5
        row = self._shape()[0] - 1 - down if self._rows_up else down
        return row, (point.x() - left) / (self._spacing[1] * scale) - 0.5

    def _shape(self) -> tuple[int, int]:
        if self._picture is None:
            return 1, 1
        rows, columns = self._picture.image.shape[:2]
        return rows, columns

    def _placing(self) -> tuple[float, float, float]:
        """Pixels a unit of spacing, and where the picture's left and upper edges lie."""
        rows, columns = self._shape()
        height, width = rows * self._spacing[0], columns * self._spacing[1]
        if self._look is None:
            scale = min(self.width() / width, self.height() / height)
            return scale, (self.width() - width * scale) / 2, (self.height() - height * scale) / 2
        (row, column), reach = self._look
        scale = min(self.width(), self.height()) / reach
        down = rows - 1 - row if self._rows_up else row
        return (
            scale,
            self.width() / 2 - (column + 0.5) * self._spacing[1] * scale,
            self.height() / 2 - (down + 0.5) * self._spacing[0] * scale,
        )

    # Qt ---------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """Ask for a square; the layout decides."""
        return QSize(320, 320)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw in the new size."""
        self._drawn = None
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the crosshair."""
        if event.button() == Qt.MouseButton.LeftButton and self._picture is not None:
            self._pressed = True
            self.pointed.emit(*self.to_plane(QPointF(event.pos())))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the crosshair, and say where the mouse is."""
        if self._picture is None:
            return
        place = self.to_plane(QPointF(event.pos()))
        if self._pressed:
            self.pointed.emit(*place)
        self.hovered.emit(*place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the crosshair be."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Choose this plane."""
        self.chosen.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Count whole steps; a touchpad sends parts of them."""
        self._turned += event.angleDelta().y()
        steps = int(self._turned / _WHEEL_STEP)
        if steps:
            self._turned -= steps * _WHEEL_STEP
            self.scrolled.emit(steps)
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the plane from what was kept, and what moves on top of it."""
        if self._drawn is None:
            self._drawn = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        if self._picture is not None:
            self._draw_crosshair(painter)
            scale = self._placing()[0]
            self._texts.draw(painter, self, rows_up=self._rows_up, pixels_a_unit=scale)
        painter.end()

    def _draw_again(self) -> None:
        self._drawn = None
        self.update()

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        drawn = QPixmap(self.size() * ratio)
        drawn.setDevicePixelRatio(ratio)
        drawn.fill(Qt.GlobalColor.black)
        picture = self._picture
        if picture is None:
            return drawn
        painter = QPainter(drawn)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        scale, left, top = self._placing()
        rows, columns = self._shape()
        place = QRectF(
            left, top, columns * self._spacing[1] * scale, rows * self._spacing[0] * scale
        )
        painter.drawImage(place, _image(picture.image[::-1] if self._rows_up else picture.image))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(picture.opacity)
        for outline in picture.outlines:
            self._draw_outline(painter, outline, picture.width)
        painter.end()
        return drawn

    def _draw_outline(self, painter: QPainter, outline: Outline, width: int) -> None:
        pen = QPen(QColor(outline.colour), width * (2.0 if outline.thick else 1.4))
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        if outline.dashed:
            pen.setDashPattern(_DASHES)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        start, down, right = (self.to_widget(*p) for p in ((0, 0), (1, 0), (0, 1)))
        step = np.array([down.y() - start.y(), right.x() - start.x()])
        for path in outline.paths:
            points = path * step + (start.y(), start.x())
            painter.drawPolyline(QPolygonF([QPointF(x, y) for y, x in points.tolist()]))

    def _draw_crosshair(self, painter: QPainter) -> None:
        if self._crosshair is None:
            return
        centre = self.to_widget(*self._crosshair)
        colour = QColor(CROSSHAIR)
        colour.setAlphaF(_LINE_OPACITY)
        painter.setPen(QPen(colour, 1))
        x, y = round(centre.x()), round(centre.y())
        painter.drawLine(0, y, x - GAP, y)
        painter.drawLine(x + GAP, y, self.width(), y)
        painter.drawLine(x, 0, x, y - GAP)
        painter.drawLine(x, y + GAP, x, self.height())


def _image(picture: NDArray[np.uint8]) -> QImage:
    data: Any = np.ascontiguousarray(picture)
    rows, columns = data.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if data.ndim == 2 else QImage.Format.Format_RGB888
    image = QImage(data.data, columns, rows, data.strides[0], kind)
    image.kept = data  # Qt does not own the memory; it must live as long as the image
    return image
