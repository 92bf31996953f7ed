"""Lasso and polygon on the canvas: the mouse and keys that draw them, and their path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QEvent, QObject, QPointF, QRect, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from napari_brainseg.viewer import colours
from napari_brainseg.viewer.region_drawing import LASSO, MASK, POLYGON
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QPaintEvent

    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.region_drawing import RegionDrawing

__all__ = ["Places", "RegionPath"]

_ROOM = 8
"""Pixels around the path, for its line and corners."""
_CORNER = 3.0
_SHADE = QColor(0, 0, 0, 190)
_CUT = "#FFFFFF"
_OTHER = "#F0E442"


class Places(Protocol):
    """Where a voxel lies on the canvas, and the other way round; the crosshair knows it."""

    def to_canvas(self, y: float, x: float) -> QPointF:
        """Where a voxel of the slice on show lies on the canvas."""

    def to_voxel(self, point: QPointF) -> tuple[float, float]:
        """(y, x) in voxels at a point of the canvas."""


class RegionPath(QWidget):
    """Draws the path over the canvas, and takes the left button while a region is to be drawn.

    The right button keeps window and level; while Space is held the left one moves the picture.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the parent.
    viewer : napari.Viewer
        The window.
    view : CaseView
        Which slice is shown.
    regions : RegionDrawing
        What is drawn.
    places : Places
        Knows how the picture lies on the canvas, e.g. `CanvasCrosshair`.
    """

    def __init__(
        self,
        canvas: QWidget,
        viewer: Viewer,
        view: CaseView,
        regions: RegionDrawing,
        places: Places,
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._viewer, self._view = canvas, viewer, view
        self._regions, self._places = regions, places
        self._has_pencil = False
        self._held: set[Qt.Key] = set()
        self._drawing = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.hide()
        self._ties = ties = Subscriptions(self)
        ties.add(regions.changed, self._on_changed)
        ties.add_napari(viewer.scene.camera.events.zoom, self.follow)
        ties.add_napari(viewer.scene.camera.events.center, self.follow)
        ties.add_napari(viewer.dims.events.current_step, self.follow)
        ties.add_napari(viewer.dims.events.ndisplay, self.follow)
        self._on_changed()

    def follow(self) -> None:
        """Lie where the path is; hidden while there is none on the slice on show."""
        regions = self._regions
        points = regions.path
        here = regions.slice_index == self._view.slice_index and self._is_flat
        if not points or not here:
            self.hide()
            return
        outline = QPolygonF([self._places.to_canvas(y, x) for y, x in points])
        room = outline.boundingRect().toAlignedRect().adjusted(-_ROOM, -_ROOM, _ROOM, _ROOM)
        self.setGeometry(room.intersected(QRect(self._canvas.rect())))
        self.setVisible(not self.geometry().isEmpty())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the path with a dark rim, legible on any grey."""
        regions = self._regions
        offset = QPointF(self.pos())
        points = [self._places.to_canvas(y, x) - offset for y, x in regions.path]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(_CUT if regions.cuts_now else colours.CORRECTION)
        if regions.purpose != MASK:
            colour = QColor(_OTHER)
        dash = Qt.PenStyle.DashLine if regions.cuts_now else Qt.PenStyle.SolidLine
        for pen in (QPen(_SHADE, 4.0), QPen(colour, 1.8, dash)):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(points))
        if len(points) > 2:
            painter.setPen(QPen(colour, 1.0, Qt.PenStyle.DotLine))
            painter.drawLine(points[-1], points[0])
        if regions.kind == POLYGON:
            painter.setPen(QPen(_SHADE, 1.0))
            painter.setBrush(colour)
            for point in points[: len(regions.points)]:
                painter.drawEllipse(point, _CORNER, _CORNER)
        painter.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take what draws; all else goes to napari."""
        if watched is not self._canvas:
            return False
        if isinstance(event, QKeyEvent):
            return self._on_key(event)
        if not isinstance(event, QMouseEvent) or not self._is_flat:
            return False
        if event.type() == QEvent.Type.MouseMove:
            return self._on_move(event)
        if event.button() != Qt.MouseButton.LeftButton:
            return False
        if event.type() == QEvent.Type.MouseButtonRelease:
            was, self._drawing = self._drawing, False
            if was:
                self._regions.release(self._voxel(event))
            return was
        return self._on_press(event)

    @property
    def _is_flat(self) -> bool:
        return bool(self._viewer.dims.ndisplay == 2)

    def _on_press(self, event: QMouseEvent) -> bool:
        if Qt.Key.Key_Space in self._held:
            return False
        self._drawing = True
        self._canvas.setFocus()
        regions = self._regions
        twice = event.type() == QEvent.Type.MouseButtonDblClick
        if twice and regions.kind == POLYGON and regions.is_drawing:
            # Its first click has set the last corner.
            regions.close()
        else:
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            regions.press(self._view.slice_index, self._voxel(event), turned=shift)
        return True

    def _on_move(self, event: QMouseEvent) -> bool:
        if self._drawing and not event.buttons() & Qt.MouseButton.LeftButton:
            # The release went to another window.
            self._drawing = False
            if self._regions.kind == LASSO:
                self._regions.cancel()
        if self._regions.is_drawing and self._regions.slice_index == self._view.slice_index:
            self._regions.move(self._voxel(event))
        return self._drawing

    def _on_key(self, event: QKeyEvent) -> bool:
        key, kind = Qt.Key(event.key()), event.type()
        if key == Qt.Key.Key_Space:
            if kind == QEvent.Type.KeyPress:
                self._held.add(key)
            elif kind == QEvent.Type.KeyRelease and not event.isAutoRepeat():
                self._held.discard(key)
            return False
        regions = self._regions
        acts = {
            Qt.Key.Key_Return: regions.close,
            Qt.Key.Key_Enter: regions.close,
            Qt.Key.Key_Backspace: regions.back,
            Qt.Key.Key_Escape: self._escape,
        }
        taken = key in acts and (regions.is_drawing or self._is_errand(key))
        if not taken or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        if kind == QEvent.Type.KeyPress:
            acts[key]()
        # Menus must not have it either.
        event.accept()
        return True

    def _is_errand(self, key: Qt.Key) -> bool:
        """Whether a region is asked for by another tool, which Esc ends."""
        return key == Qt.Key.Key_Escape and self._regions.purpose != MASK

    def _escape(self) -> None:
        if not self._regions.cancel() and self._regions.purpose != MASK:
            self._regions.put_away()

    def _on_changed(self) -> None:
        has_pencil = self._regions.kind is not None
        if has_pencil != self._has_pencil:
            self._has_pencil = has_pencil
            self._drawing = False
            self._held.clear()
            if has_pencil:
                # The last one that is installed is asked first: before crosshair and camera.
                self._canvas.installEventFilter(self)
                self._canvas.setFocus()
            else:
                self._canvas.removeEventFilter(self)
        self.follow()

    def _voxel(self, event: QMouseEvent) -> tuple[float, float]:
        return self._places.to_voxel(QPointF(event.pos()))
