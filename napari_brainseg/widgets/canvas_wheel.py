"""The wheel over the canvas: slices, or size and depth of the brush that is in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QWheelEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.brushes import Brushes

__all__ = ["CanvasWheel"]

_NOTCH = 120
"""What Qt reports for one notch; touchpads send less, more often."""
_PLAIN = Qt.KeyboardModifier.NoModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_CTRL = Qt.KeyboardModifier.ControlModifier


class CanvasWheel(QObject):
    """Turns the slices by the wheel, towards the user to the next one, as reading stations do.

    While a brush is in hand the wheel changes its size, with Shift its depth; with Ctrl it turns
    the slices even then. While Space is held, in 3D and without a case it is napari's and zooms.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the parent.
    viewer : napari.Viewer
        Tells whether slices or 3D are shown.
    brushes : Brushes
        What is in hand.
    step : callable
        Goes so many slices on.
    has_case : callable
        Tells whether there are slices of a case to turn.
    """

    def __init__(
        self,
        canvas: QWidget,
        viewer: Viewer,
        brushes: Brushes,
        step: Callable[[int], object],
        has_case: Callable[[], bool],
    ) -> None:
        super().__init__(canvas)
        self._viewer, self._brushes = viewer, brushes
        self._step, self._has_case = step, has_case
        self._turned = 0
        self._zooms = False
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the wheel from the camera, unless Space is held."""
        if isinstance(event, QWheelEvent):
            return self._on_wheel(event)
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self._zooms = event.type() != QEvent.Type.KeyRelease
        elif event.type() == QEvent.Type.FocusOut:
            self._zooms = False
        return False

    def _on_wheel(self, event: QWheelEvent) -> bool:
        keys = event.modifiers()
        use = self._use_of(keys)
        if use is None or event.buttons() != Qt.MouseButton.NoButton:
            self._turned = 0
            return False
        # Some systems turn the wheel sideways while Shift is held.
        turn = event.angleDelta().y() or event.angleDelta().x()
        if turn * self._turned < 0:
            self._turned = 0
        self._turned += turn
        notches = int(self._turned / _NOTCH)
        self._turned -= notches * _NOTCH
        if notches:
            use(notches)
        return True

    def _use_of(self, keys: Qt.KeyboardModifier) -> Callable[[int], object] | None:
        """Choose what notches away from the user do; `None` where the wheel is napari's."""
        if self._zooms or self._viewer.dims.ndisplay != 2 or not self._has_case():
            return None
        if self._brushes.has_brush and keys == _PLAIN:
            return self._brushes.resize
        if self._brushes.has_brush and keys == _SHIFT:
            return self._deepen
        return self._turn_slices if keys in (_PLAIN, _CTRL) else None

    def _deepen(self, notches: int) -> None:
        self._brushes.depth += notches

    def _turn_slices(self, notches: int) -> None:
        self._step(-notches)
