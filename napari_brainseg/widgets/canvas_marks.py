"""Orientation and scale over the axial picture, where the files carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QPointF, QRect, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from qtpy.QtWidgets import QLabel, QWidget

from napari_brainseg.viewer.orientation import edge_letters, scene_letters
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.viewer import Viewer
    from qtpy.QtGui import QPaintEvent

    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["CanvasMarks", "ScaleBar"]

TOP, BOTTOM, LEFT, RIGHT = EDGES = ("top", "bottom", "left", "right")
_PLATE = "color: {}; background: rgba(0, 0, 0, 180); padding: 1px 4px; font-size: {}pt;"
_LETTER, _NOTE = _PLATE.format("#f0f0f0", 9), _PLATE.format("#c4c9d0", 8)
_MARGIN = 8
_BARS_MM = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5)
_SHARE = 0.22
"""Of the canvas's height that the scale bar takes at the most."""
_LEAST_PX = 24


class CanvasMarks(QObject):
    """Letters in the middle of the four edges, and a scale bar at the left one.

    They never catch the mouse. In 3D the letters turn with the picture, and there is no bar. Where
    the files carry no orientation, that is said; without spacing there is no bar.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the parent of all of them.
    viewer : napari.Viewer
        Its camera tells the scale.
    view : CaseView
        Whose case is shown.
    parent : QObject
        They go with it.

    Attributes
    ----------
    letters : dict of str to QLabel
        By edge: ``top``, ``bottom``, ``left``, ``right``.
    note : QLabel
        Says that the orientation is unknown.
    bar : ScaleBar
    """

    def __init__(self, canvas: QWidget, viewer: Viewer, view: CaseView, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas, self._viewer, self._view = canvas, viewer, view
        self._wanted = True
        self._others: tuple[QWidget, ...] = ()
        self.letters = {edge: _label(canvas, _LETTER) for edge in EDGES}
        self.note = _label(canvas, _NOTE)
        self.note.setText(self.tr("orientation unknown"))
        self.bar = ScaleBar(canvas)
        if parent is not canvas:
            for widget in (*self.letters.values(), self.note, self.bar):
                parent.destroyed.connect(widget.deleteLater)
        self.ties = Subscriptions(self)
        self.ties.add_napari(viewer.scene.camera.events.zoom, self._scale)
        self.ties.add_napari(viewer.scene.camera.events.angles, self._turn)
        canvas.destroyed.connect(self.ties.close)

    @property
    def texts(self) -> dict[str, str]:
        """What is read at the edges now, by edge; an edge without a letter is left out."""
        return {e: label.text() for e, label in self.letters.items() if not label.isHidden()}

    def show_for(self, *, wanted: bool, others: Iterable[QWidget]) -> None:
        """Follow the case on show.

        Parameters
        ----------
        wanted : bool
            Whether the user wants annotations.
        others : iterable of QWidget
            What else lies over the canvas, not to be written over.
        """
        self._wanted, self._others = wanted, tuple(others)
        case = self._view.case
        shown = wanted and case is not None
        letters = None if case is None else self._letters(case.study.image.geometry)
        for edge, text in zip(EDGES, letters or ("",) * 4, strict=True):
            label = self.letters[edge]
            label.setText(text)
            label.setVisible(shown and bool(text))
        self.note.setVisible(shown and letters is None)
        self.place()

    def place(self) -> None:
        """Lie at the edges, beside what else lies there."""
        middle = self._canvas.rect().center()
        for edge, label in (*self.letters.items(), (BOTTOM, self.note)):
            if label.isHidden():
                continue
            label.adjustSize()
            place = QRect(0, 0, label.width(), label.height())
            place.moveCenter(middle)
            if edge == TOP:
                place.moveTop(_MARGIN)
            elif edge == BOTTOM:
                place.moveBottom(self._canvas.height() - _MARGIN)
            elif edge == LEFT:
                place.moveLeft(_MARGIN)
            else:
                place.moveRight(self._canvas.width() - _MARGIN)
            label.move(self._beside(place, edge).topLeft())
        self._scale()

    def _letters(self, geometry: Geometry) -> tuple[str, str, str, str] | None:
        if self._viewer.dims.ndisplay == 2:
            return edge_letters(geometry, Plane.AXIAL)
        camera = self._viewer.scene.camera
        return scene_letters(geometry, camera.view_direction, camera.up_direction)

    def _turn(self) -> None:
        if self._viewer.dims.ndisplay == 3:
            self.show_for(wanted=self._wanted, others=self._others)

    def _beside(self, place: QRect, edge: str) -> QRect:
        for other in self._others:
            if not other.isHidden() and other.geometry().intersects(place):
                if edge == TOP:
                    place.moveTop(other.geometry().bottom() + _MARGIN)
                elif edge == BOTTOM:
                    place.moveBottom(other.geometry().top() - _MARGIN)
        return place

    def _scale(self) -> None:
        """Let the bar be as long as the picture says."""
        case, height = self._view.case, self._canvas.height()
        known = case is not None and case.study.image.geometry.spacing_mm is not None
        zoom = float(self._viewer.scene.camera.zoom)
        fitting = [
            mm for mm in _BARS_MM if _LEAST_PX <= mm * zoom <= max(_SHARE * height, _LEAST_PX)
        ]
        flat = self._viewer.dims.ndisplay == 2
        if not (known and self._wanted and flat and fitting):
            self.bar.hide()
            return
        self.bar.set_length(fitting[0], fitting[0] * zoom)
        # Below the letter of that edge, where the canvas is mostly wider than the picture.
        top = height // 2 + 2 * _MARGIN + self.letters[LEFT].height() // 2
        place = QRect(_MARGIN, top, self.bar.width(), self.bar.height())
        covered = any(
            not other.isHidden() and other.geometry().intersects(place) for other in self._others
        )
        self.bar.move(place.topLeft())
        self.bar.setVisible(not covered and place.bottom() < height)


class ScaleBar(QWidget):
    """An upright line of so many millimetres.

    Attributes
    ----------
    mm : float
        Its length in millimetres.
    pixels : float
        Its length on the screen.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.mm, self.pixels = 0.0, 0.0
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        font = QFont(self.font())
        font.setPointSizeF(9.0)
        self.setFont(font)
        self.hide()

    @property
    def text(self) -> str:
        """What stands beside the line."""
        return self.tr("{n} mm").format(n=f"{self.mm:g}")

    def set_length(self, mm: float, pixels: float) -> None:
        """Be `mm` long, which are so many pixels now."""
        if (mm, pixels) != (self.mm, self.pixels):
            self.mm, self.pixels = mm, pixels
            width = QFontMetricsF(self.font()).horizontalAdvance(self.text) + 26
            self.resize(round(width), int(pixels) + 5)
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the line, its ends, and its length in words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top, bottom, left = 2.0, 2.0 + self.pixels, 6.0
        ends = [
            (QPointF(left, top), QPointF(left, bottom)),
            (QPointF(left - 4, top), QPointF(left + 4, top)),
            (QPointF(left - 4, bottom), QPointF(left + 4, bottom)),
        ]
        for colour, width in ((QColor(0, 0, 0, 170), 3.6), (QColor("#f0f0f0"), 1.6)):
            pen = QPen(colour, width)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            for first, last in ends:
                painter.drawLine(first, last)
        metrics = QFontMetricsF(self.font())
        plate = QRectF(14, 0, metrics.horizontalAdvance(self.text) + 8, metrics.height() + 2)
        plate.moveTop((top + bottom - plate.height()) / 2)
        painter.fillRect(plate, QColor(0, 0, 0, 130))
        painter.setPen(QColor("#f0f0f0"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self.text)
        painter.end()


def _label(canvas: QWidget, style: str) -> QLabel:
    label = QLabel(canvas)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setStyleSheet(style)
    label.hide()
    return label
