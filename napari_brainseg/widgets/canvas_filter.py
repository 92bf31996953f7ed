"""Window and level by the right mouse button, which neither zooms nor paints any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QMouseEvent

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtCore import QPointF
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.display import Display

__all__ = ["RightDrag"]

WHOLE_ROOM_PX = 500
"""So far a drag goes for all intensities there are; in pixels of the user, not of the screen."""
_MOUSE = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonRelease,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.MouseMove,
)


class RightDrag(QObject):
    """Takes the right button of a canvas: sideways for the width, up and down for the level.

    In 3D, and while no case is open, the button stays napari's.

    Parameters
    ----------
    canvas : QWidget
        The native canvas; a plane that is drawn otherwise will do as well. It is the parent.
    viewer : napari.Viewer
        Tells whether slices or 3D are shown.
    display : Display
        Has the windows.
    """

    def __init__(self, canvas: QWidget, viewer: Viewer, display: Display) -> None:
        super().__init__(canvas)
        self._viewer = viewer
        self._display = display
        self._start: QPointF | None = None
        self._pressed = False
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep what belongs to the right button from the canvas."""
        if event.type() not in _MOUSE or not isinstance(event, QMouseEvent):
            return False
        if event.button() == Qt.MouseButton.RightButton:
            return self._on_right(event)
        if self._start is None:
            return False
        if not event.buttons() & Qt.MouseButton.RightButton:
            # The release went to another window.
            self._pressed, self._start = False, None
            return False
        if event.type() == QEvent.Type.MouseMove:
            way = _place(event) - self._start
            self._display.drag_window(way.x() / WHOLE_ROOM_PX, way.y() / WHOLE_ROOM_PX)
        # Another button pressed meanwhile would paint along with the drag.
        return True

    def _on_right(self, event: QMouseEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonRelease:
            # A press that was let through, e.g. in 3D, needs its release.
            taken, self._pressed, self._start = self._pressed, False, None
            return taken
        if self._viewer.dims.ndisplay != 2 or not self._display.modalities:
            return False
        self._pressed = True
        painting = event.buttons() != Qt.MouseButton.RightButton
        if not painting and self._display.start_window_drag():
            self._start = _place(event)
        return True


def _place(event: Any) -> QPointF:
    # Qt 6 has another name for it.
    place: QPointF = event.position() if hasattr(event, "position") else event.localPos()
    return place
