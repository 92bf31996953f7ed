"""The wheel over the canvas: size and depth of the brush that is in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QWheelEvent

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.brushes import Brushes

__all__ = ["BrushWheel"]

_NOTCH = 120
"""What Qt reports for one notch; touchpads send less, more often."""


class BrushWheel(QObject):
    """Takes the wheel while a brush is in hand: plain for its size, with Shift for its depth.

    With Ctrl it turns the slices as ever. Under any other tool, and while Space is held, it zooms.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the parent.
    viewer : napari.Viewer
        Tells whether slices or 3D are shown.
    brushes : Brushes
        What is in hand.
    """

    def __init__(self, canvas: QWidget, viewer: Viewer, brushes: Brushes) -> None:
        super().__init__(canvas)
        self._viewer, self._brushes = viewer, brushes
        self._turned = 0
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the wheel from the camera while a brush has it."""
        if event.type() != QEvent.Type.Wheel or not isinstance(event, QWheelEvent):
            return False
        keys = event.modifiers()
        deeper = keys == Qt.KeyboardModifier.ShiftModifier
        if not deeper and keys != Qt.KeyboardModifier.NoModifier:
            return False
        if self._viewer.dims.ndisplay != 2 or not self._brushes.has_brush:
            self._turned = 0
            return False
        # Some systems turn the wheel sideways while Shift is held.
        turn = event.angleDelta().y() or event.angleDelta().x()
        if turn * self._turned < 0:
            self._turned = 0
        self._turned += turn
        notches = int(self._turned / _NOTCH)
        self._turned -= notches * _NOTCH
        if deeper:
            self._brushes.depth += notches
        else:
            self._brushes.resize(notches)
        return True
