"""Slices of a patient side by side: how much the new version marks more, and how much less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_brainseg.viewer.effect_pictures import GAINED, LOST
from napari_brainseg.widgets.numbers import voxels

if TYPE_CHECKING:
    from qtpy.QtGui import QHelpEvent, QMouseEvent, QPaintEvent, QWheelEvent

    from napari_brainseg.viewer.effect_scene import EffectScene

__all__ = ["EffectStrip"]

_GROUND, _LINE, _HERE = QColor("#16181c"), QColor("#3a3f47"), QColor("#e8e8e8")
_QUIET = QColor("#a9afb9")
_POINTS = 8.0
_LEAST_BAR = 2.0  # pixels: one voxel is to be seen
_PAD = 4


class EffectStrip(QWidget):
    """One column a slice: gained voxels upwards, lost ones downwards; a click goes there.

    Parameters
    ----------
    scene : EffectScene
        What is on show. Its owner calls `refresh` when it changes.
    """

    chosen = Signal(int)
    """Index of a slice, 0-based."""

    def __init__(self, scene: EffectScene, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = scene
        self._turned = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Slices that differ"))

    def sizeHint(self) -> QSize:
        """Three lines of text high."""
        return QSize(200, 3 * self.fontMetrics().height() + 2 * _PAD)

    def refresh(self) -> None:
        """Draw again."""
        self.update()

    def slice_at(self, x: float) -> int:
        """Index of the slice at a place, the first or last one beside the strip."""
        count = max(self._scene.count, 1)
        return min(max(int((x - _PAD) / self._width() * count), 0), count - 1)

    def event(self, event: QEvent) -> bool:
        """Tell the voxels of the slice under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            self._tell(event)
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to a slice."""
        if event.button() == Qt.MouseButton.LeftButton and self._scene.count:
            self.chosen.emit(self.slice_at(event.pos().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go through the slices."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._scene.count:
            self.chosen.emit(self.slice_at(event.pos().x()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Go through the slices by whole notches."""
        self._turned += event.angleDelta().y()
        steps = int(self._turned / 120)
        if steps:
            self._turned -= steps * 120
            self.chosen.emit(self._scene.slice_index - steps)
        event.accept()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw bars, the slice on show, and the first and last number."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), _GROUND)
        picture, count = self._scene.picture, self._scene.count
        if picture is None or not count:
            return
        middle = self.height() / 2
        column = self._width() / count
        most = max(int(picture.gained.max()), int(picture.lost.max()), 1)
        reach = middle - _PAD
        painter.setPen(QPen(_LINE, 1))
        painter.drawLine(_PAD, round(middle), self.width() - _PAD, round(middle))
        for z in range(count):
            left = _PAD + z * column
            wide = max(column - 1.0, 1.0)
            for found, colour, up in (
                (picture.gained[z], GAINED, True),
                (picture.lost[z], LOST, False),
            ):
                if found:
                    high = max(reach * int(found) / most, _LEAST_BAR)
                    top = middle - high if up else middle + 1
                    painter.fillRect(QRectF(left, top, wide, high), QColor(colour))
        here = QRectF(
            _PAD + self._scene.slice_index * column - 0.5,
            1.5,
            max(column, 3.0),
            self.height() - 3.0,
        )
        painter.setPen(QPen(_HERE, 1))
        painter.drawRect(here)
        self._write(painter)

    def _write(self, painter: QPainter) -> None:
        font = QFont(self.font())
        font.setPointSizeF(_POINTS)
        painter.setFont(font)
        painter.setPen(_QUIET)
        room = QRectF(self.rect()).adjusted(_PAD + 2, 2, -_PAD, -2)
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft, self.tr("more voxels"))
        low = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
        painter.drawText(room, low, self.tr("fewer"))

    def _width(self) -> float:
        return float(max(self.width() - 2 * _PAD, 1))

    def _tell(self, event: QHelpEvent) -> None:
        picture = self._scene.picture
        if picture is None:
            self.setToolTip("")
            return
        z = self.slice_at(event.pos().x())
        self.setToolTip(
            self.tr("Slice {z}: {gained} voxels more, {lost} fewer than the version in use").format(
                z=z + 1, gained=voxels(int(picture.gained[z])), lost=voxels(int(picture.lost[z]))
            )
        )
