"""The crosshair on napari's canvas, and clicks on the canvas that move it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QPointF, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QFrame

from napari_brainseg.viewer.views import LINKED, SIDE_BY_SIDE
from napari_brainseg.widgets.plane_view import CROSSHAIR, GAP
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.views import Views

__all__ = ["CanvasCrosshair"]

_ALPHA = 160
_STILL = 4  # pixels that a mouse may move between press and release of a click


class CanvasCrosshair(QObject):
    """Four thin widgets over the canvas: moving them redraws nothing of napari's.

    Shift and the left button, or the middle button, move the crosshair under any tool; a plain
    click does where no tool is in the hand.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    views : Views
        Where the crosshair is.
    canvas : QWidget
        Widget of the picture.
    """

    def __init__(self, viewer: Viewer, views: Views, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._viewer, self._views, self._canvas = viewer, views, canvas
        self.lines = tuple(_line(canvas) for _ in range(4))
        self._dragging = False
        self._pressed_at: QPointF | None = None
        canvas.installEventFilter(self)
        self._ties = ties = Subscriptions(self)
        ties.add(views.crosshair_moved, lambda _position: self.place())
        ties.add(views.changed, lambda _mode: self.place())
        ties.add(views.case_view.shown, self.place)
        camera = viewer.scene.camera
        ties.add_napari(camera.events.center, self.place)
        ties.add_napari(camera.events.zoom, self.place)
        self.place()

    @property
    def is_shown(self) -> bool:
        """Whether the crosshair is on the canvas."""
        return self._views.case is not None and self._views.mode in (LINKED, SIDE_BY_SIDE)

    def place(self) -> None:
        """Put the lines where the crosshair is."""
        shown = self.is_shown
        if shown:
            _, y, x = self._views.crosshair
            at = self.to_canvas(y, x)
            across, down = round(at.x()), round(at.y())
            width, height = self._canvas.width(), self._canvas.height()
            left, right, up, low = self.lines
            left.setGeometry(0, down, max(0, min(across - GAP, width)), 1)
            right.setGeometry(max(0, across + GAP), down, max(0, width - across - GAP), 1)
            up.setGeometry(across, 0, 1, max(0, min(down - GAP, height)))
            low.setGeometry(across, max(0, down + GAP), 1, max(0, height - down - GAP))
        for line in self.lines:
            if line.isHidden() == shown:
                line.setVisible(shown)

    def come_to_mouse(self) -> None:
        """Move the crosshair to where the mouse points on the canvas; for a key."""
        at = self._canvas.mapFromGlobal(QCursor.pos())
        if self.is_shown and self._canvas.rect().contains(at):
            self._point_at(QPointF(at))

    def to_canvas(self, y: float, x: float) -> QPointF:
        """Where a voxel of the slice on show lies on the canvas."""
        along_y, along_x, zoom, centre_y, centre_x = self._placing()
        return QPointF(
            self._canvas.width() / 2 + (x * along_x - centre_x) * zoom,
            self._canvas.height() / 2 + (y * along_y - centre_y) * zoom,
        )

    def to_voxel(self, point: QPointF) -> tuple[float, float]:
        """(y, x) in voxels at a point of the canvas."""
        along_y, along_x, zoom, centre_y, centre_x = self._placing()
        return (
            ((point.y() - self._canvas.height() / 2) / zoom + centre_y) / along_y,
            ((point.x() - self._canvas.width() / 2) / zoom + centre_x) / along_x,
        )

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the clicks that are meant for the crosshair; all others go to napari."""
        kind = event.type()
        if kind == QEvent.Type.Resize:
            self.place()
        elif not self.is_shown:
            return False
        elif kind == QEvent.Type.MouseButtonPress:
            return self._on_press(event)
        elif kind == QEvent.Type.MouseMove and self._dragging:
            self._point(event)
            return True
        elif kind == QEvent.Type.MouseButtonRelease:
            return self._on_release(event)
        return False

    def _on_press(self, event: QEvent) -> bool:
        left = event.button() == Qt.MouseButton.LeftButton
        shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if (left and shift) or event.button() == Qt.MouseButton.MiddleButton:
            self._dragging = True
            self._point(event)
            return True
        plain = left and event.modifiers() == Qt.KeyboardModifier.NoModifier
        self._pressed_at = QPointF(event.pos()) if plain else None
        return False

    def _on_release(self, event: QEvent) -> bool:
        pressed_at, self._pressed_at = self._pressed_at, None
        if self._dragging:
            self._dragging = False
            return True
        if pressed_at is not None and self._hand_is_empty():
            moved = QPointF(event.pos()) - pressed_at
            if moved.manhattanLength() <= _STILL:
                self._point(event)
        return False

    def _point(self, event: QEvent) -> None:
        self._point_at(QPointF(event.pos()))

    def _point_at(self, point: QPointF) -> None:
        y, x = self.to_voxel(point)
        self._views.crosshair = (self._views.crosshair[0], round(y), round(x))

    def _hand_is_empty(self) -> bool:
        active = self._viewer.layers.selection.active
        return active is None or str(getattr(active, "mode", "pan_zoom")) == "pan_zoom"

    def _placing(self) -> tuple[float, float, float, float, float]:
        camera, case = self._viewer.scene.camera, self._views.case
        spacing = None if case is None else case.study.image.geometry.spacing_mm
        _, along_y, along_x = spacing or (1.0, 1.0, 1.0)
        _, centre_y, centre_x = camera.center
        return along_y, along_x, float(camera.zoom), float(centre_y), float(centre_x)


def _line(canvas: QWidget) -> QFrame:
    line = QFrame(canvas)
    line.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    red, green, blue = (int(CROSSHAIR[i : i + 2], 16) for i in (1, 3, 5))
    line.setStyleSheet(f"background: rgba({red}, {green}, {blue}, {_ALPHA});")
    line.hide()
    return line
