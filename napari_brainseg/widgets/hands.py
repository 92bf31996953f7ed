"""A user's hands on the window: clicks, keys and brush strokes as real Qt events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QCheckBox

from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

__all__ = ["Hands", "TourError", "stroke_path"]

BETWEEN_MOVES_S = 0.015
"""vispy drops moves that follow within 10 ms."""


class TourError(BrainSegError):
    """A step did not come to its end."""


class Hands:
    """A user's hands: clicks widgets, paints on the canvas, waits for what comes of it.

    Parameters
    ----------
    viewer : napari.Viewer
        A window that is shown.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._canvas: QWidget = viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        self._held = Qt.KeyboardModifier.NoModifier

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Let the window live until `condition` holds.

        Raises
        ------
        TourError
            If it does not within `seconds`.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TourError(f"Waited {seconds:.0f} s in vain for: {what}.")
            QApplication.processEvents()
            time.sleep(0.005)
        self.rest(0.05)

    def rest(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def click(self, button: QWidget) -> None:
        """Click a button with the left mouse button.

        Raises
        ------
        TourError
            If it cannot be clicked.
        """
        if not (button.isVisible() and button.isEnabled()):
            text = getattr(button, "text", lambda: "?")()
            raise TourError(f"The button '{text}' cannot be clicked now.")
        at = QPoint()  # its middle
        if isinstance(button, QCheckBox):
            # Wider than its text, a tick box does not hear clicks in its middle.
            at = QPoint(button.height() // 2, button.height() // 2)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        self.rest(0.05)

    def type(self, widget: QWidget, text: str) -> None:
        """Type into a field and press Enter."""
        QTest.keyClicks(widget, text)
        QTest.keyClick(widget, Qt.Key.Key_Return)
        self.rest(0.05)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier) -> None:
        """Press a key on the canvas."""
        QTest.keyClick(self._canvas, key, modifier)
        self.rest(0.1)

    def stroke(self, path: Sequence[tuple[float, float]]) -> None:
        """Draw along voxel positions (y, x) of the slice on show, left button held."""
        points = [self._on_canvas(y, x) for y, x in path]
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self._mouse(QEvent.Type.MouseMove, points[0], none, none)
        self._mouse(QEvent.Type.MouseButtonPress, points[0], left, left)
        for point in points[1:]:
            self._mouse(QEvent.Type.MouseMove, point, none, left)
        self._mouse(QEvent.Type.MouseButtonRelease, points[-1], left, none)
        self.rest(0.1)

    def held_stroke(self, path: Sequence[tuple[float, float]], held: Qt.KeyboardModifier) -> None:
        """Draw as `stroke` does, with a key such as Shift held down."""
        self._held = held
        try:
            self.stroke(path)
        finally:
            self._held = Qt.KeyboardModifier.NoModifier

    def right_drag(self, way: QPoint) -> None:
        """Drag from the middle of the canvas by `way`, in pixels, right button held."""
        right, none = Qt.MouseButton.RightButton, Qt.MouseButton.NoButton
        start = QPointF(self._canvas.rect().center())
        self._mouse(QEvent.Type.MouseButtonPress, start, right, right)
        for share in (0.3, 0.6, 1.0):
            at = QPointF(start.x() + share * way.x(), start.y() + share * way.y())
            self._mouse(QEvent.Type.MouseMove, at, none, right)
        self._mouse(QEvent.Type.MouseButtonRelease, at, right, none)
        self.rest(0.1)

    def picture(self, path: Path) -> None:
        """Save what the screen shows."""
        self.rest(0.3)
        screen = QApplication.primaryScreen()
        if screen is None or not screen.grabWindow(0).save(str(path)):
            raise TourError(f"The screenshot {path} could not be saved.")

    def _on_canvas(self, y: float, x: float) -> QPointF:
        camera = (
            self._viewer.scene.camera if hasattr(self._viewer, "scene") else self._viewer.camera
        )
        centre = camera.center
        scale = self._viewer.layers[0].scale
        return QPointF(
            self._canvas.width() / 2 + (x * scale[-1] - centre[-1]) * camera.zoom,
            self._canvas.height() / 2 + (y * scale[-2] - centre[-2]) * camera.zoom,
        )

    def _mouse(self, kind: Any, at: QPointF, button: Any, buttons: Any) -> None:
        everywhere = QPointF(self._canvas.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, everywhere, button, buttons, self._held)
        QApplication.sendEvent(self._canvas, event)
        QApplication.processEvents()
        time.sleep(BETWEEN_MOVES_S)


def stroke_path(region: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Path (y, x) down the middle of a region of a slice (Y, X), for a brush to follow.

    Rows of the largest connected part, each at the mean of its columns.
    """
    from scipy import ndimage

    labels, count = ndimage.label(region)
    if count == 0:
        return []
    sizes = np.bincount(labels.ravel())[1:]
    part = labels == 1 + int(sizes.argmax())
    rows = np.flatnonzero(part.any(axis=1))
    return [(float(y), float(np.flatnonzero(part[y]).mean())) for y in rows]
