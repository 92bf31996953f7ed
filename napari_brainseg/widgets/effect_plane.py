"""A plane of an effect review: zoomed and moved with the mouse, in step with its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, Qt, Signal

from napari_brainseg.widgets.canvas_filter import WHOLE_ROOM_PX
from napari_brainseg.widgets.plane_view import PlaneView

if TYPE_CHECKING:
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent, QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.effect_scene import Look

__all__ = ["EffectPlane"]

_NOTCH = 120  # eighths of a degree
_STEP = 1.15
"""How much larger everything gets with a notch of the wheel."""
_LEAST_REACH = 8.0
"""Voxels in sight at the largest."""


class EffectPlane(PlaneView):
    """Left button moves, right button sets window and level, a double click shows all.

    Parameters
    ----------
    zooms : bool
        The wheel zooms, as on the canvas; it goes through the slices otherwise, as in the planes
        beside it.
    """

    looked = Signal(object)
    """`Look` that was chosen, `None` for the whole picture."""
    hovered = Signal(object)
    """(row, column) under the mouse, `None` when it left."""
    window_drag_began = Signal()
    window_dragged = Signal(float, float)
    """Right and down, as shares of the room of a window."""

    def __init__(self, parent: QWidget | None = None, *, zooms: bool = False) -> None:
        super().__init__(parent)
        self._zooms = zooms
        self._from: QPointF | None = None
        self._look_before: Look = ((0.0, 0.0), 1.0)
        self._window_from: QPointF | None = None
        self.setMouseTracking(True)

    @property
    def look(self) -> Look:
        """The part that is shown now, whether it was chosen or fits."""
        if self._look is not None:
            return self._look
        rows, columns = self._shape()
        return ((rows - 1) / 2, (columns - 1) / 2), self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the mouse, or go through the slices."""
        if not self._zooms:
            super().wheelEvent(event)
            return
        if self._picture is not None:
            place = event.position() if hasattr(event, "position") else QPointF(event.pos())
            self._zoom(_STEP ** (event.angleDelta().y() / _NOTCH), place)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to move the picture, or its window."""
        if self._picture is None:
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self._from, self._look_before = QPointF(event.pos()), self.look
        elif event.button() == Qt.MouseButton.RightButton:
            self._window_from = QPointF(event.pos())
            self.window_drag_began.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse."""
        place = QPointF(event.pos())
        if self._window_from is not None:
            way = place - self._window_from
            self.window_dragged.emit(way.x() / WHOLE_ROOM_PX, way.y() / WHOLE_ROOM_PX)
        elif self._from is not None:
            way, scale = place - self._from, self._placing()[0]
            (row, column), reach = self._look_before
            row -= way.y() / (scale * self._spacing[0])
            column -= way.x() / (scale * self._spacing[1])
            self.looked.emit(((row, column), reach))
        elif self._picture is not None:
            self.hovered.emit(self.to_plane(place))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._from = None
        elif event.button() == Qt.MouseButton.RightButton:
            self._window_from = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole picture."""
        event.accept()
        self._from = None
        self.looked.emit(None)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is pointed at any more."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def _fit(self) -> float:
        """Units of spacing in the shorter side of this widget when the whole picture fits."""
        rows, columns = self._shape()
        scale = min(
            self.width() / (columns * self._spacing[1]), self.height() / (rows * self._spacing[0])
        )
        return min(self.width(), self.height()) / scale

    def _zoom(self, factor: float, place: QPointF) -> None:
        (row, column), reach = self.look
        least = _LEAST_REACH * min(self._spacing)
        wanted = max(reach / factor, least)
        if wanted >= self._fit():
            self.looked.emit(None)
            return
        at_row, at_column = self.to_plane(place)
        share = wanted / reach
        middle = at_row + (row - at_row) * share, at_column + (column - at_column) * share
        self.looked.emit((middle, wanted))
