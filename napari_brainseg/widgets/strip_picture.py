"""The drawn part of the slice strip: paints, shows figures, jumps by mouse and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRect, QSize, Qt, QTimer
from qtpy.QtGui import QPainter, QPixmap
from qtpy.QtWidgets import QToolTip, QWidget

from napari_brainseg.widgets.strip_drawing import StripLayout, StripLook, draw_facts, draw_frame

if TYPE_CHECKING:
    from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPaintEvent, QWheelEvent

    from napari_brainseg.widgets.slice_strip import SliceStrip

__all__ = ["StripPicture"]

_SAY_MS = 2500


class StripPicture(QWidget):
    """The drawn part of a strip.

    Parameters
    ----------
    strip : SliceStrip
        What it shows, and who jumps.

    Attributes
    ----------
    said : str
        What is said for a moment; empty if nothing is.
    """

    def __init__(self, strip: SliceStrip) -> None:
        super().__init__(strip)
        self._strip = strip
        self._look: StripLook | None = None
        self._drawn: QPixmap | None = None
        self._layout: StripLayout | None = None
        self.said = ""
        self._silence = QTimer(self, singleShot=True, interval=_SAY_MS)
        self._silence.timeout.connect(lambda: self.say(""))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Slices"))
        font = self.font()
        font.setPointSizeF(8.0)
        self.setFont(font)

    def take_look(self, look: StripLook) -> None:
        """Take the colours of a theme."""
        self._look = look
        self.renew()

    def renew(self) -> None:
        """Draw all anew with the next repaint."""
        self._drawn = None
        self.update()

    def say(self, text: str) -> None:
        """Say something for a moment."""
        self.said = text
        if text:
            self._silence.start()
        self.update()

    def layout_now(self) -> StripLayout:
        """Where things lie at the present size."""
        count = 1 if self._strip.facts is None else len(self._strip.facts)
        layout = StripLayout.of(self.width(), self.height(), count, self.font())
        if layout != self._layout:
            self._layout, self._drawn = layout, None
        return layout

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw what changed, and the frame."""
        look, facts, layout = self._look, self._strip.facts, self.layout_now()
        if look is None:
            return
        painter = QPainter(self)
        painter.setFont(self.font())
        if facts is None:
            painter.fillRect(self.rect(), look.ground)
            painter.setPen(look.quiet)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._strip.notice)
            return
        ratio = self.devicePixelRatioF()
        if self._drawn is None or self._drawn.devicePixelRatioF() != ratio:
            self._drawn = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
            self._drawn.setDevicePixelRatio(ratio)
            self._drawn.fill(look.ground)
            draw_facts(self._drawn, facts, layout, look, self.font())
        painter.drawPixmap(0, 0, self._drawn)
        draw_frame(painter, layout, self._strip.slice_index, look)
        self._write(painter, self.said or self._strip.notice, look, layout)
        if self.hasFocus():
            painter.setPen(look.text)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _write(self, painter: QPainter, text: str, look: StripLook, layout: StripLayout) -> None:
        if not text:
            return
        metrics = painter.fontMetrics()
        size = QSize(metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
        place = QRect(self.width() - size.width() - 4, layout.top + 2, size.width(), size.height())
        painter.fillRect(place, look.ground)
        painter.setPen(look.text)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def event(self, event: QEvent) -> bool:
        """Show the figures of the slice below the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            self._show_tip(event)
            return True
        return bool(super().event(event))

    def _show_tip(self, event: QHelpEvent) -> None:
        if self._strip.facts is not None:
            index = self.layout_now().index_at(event.pos().x())
            QToolTip.showText(event.globalPos(), self._strip.describe(index), self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Jump to a slice."""
        self._follow_mouse(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse while it is held."""
        self._follow_mouse(event)

    def _follow_mouse(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._strip.facts is not None:
            index = self.layout_now().index_at(event.pos().x())
            if index != self._strip.slice_index:
                self._strip.go_to(index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll slice by slice."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        if turned:
            self._strip.step(-1 if turned > 0 else 1)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left, right, home and end, for those without a mouse."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.key() in steps:
            self._strip.step(steps[event.key()])
        elif event.key() == Qt.Key.Key_Home:
            self._strip.go_to(0)
        elif event.key() == Qt.Key.Key_End:
            self._strip.step(10**6)
        else:
            super().keyPressEvent(event)
