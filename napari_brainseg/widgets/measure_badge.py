"""How to use the measuring tool in hand, in words on the canvas; and why something was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QRect, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_brainseg.session.measurements import Kind
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.viewer.measuring import Measuring

__all__ = ["MeasureBadge"]

_PLATE = (
    "color: #ffffff; background: rgba(0, 0, 0, 200); border: 1px solid rgba(255, 255, 255, 110);"
    " border-radius: 3px; padding: 2px 8px; font-size: 9pt;"
)
_MARGIN = 8


class MeasureBadge(QLabel):
    """A line in the middle of the canvas's upper edge, where the brush has its own.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the parent.
    measuring : Measuring
        What is in hand.
    """

    def __init__(self, canvas: QWidget, measuring: Measuring) -> None:
        super().__init__(canvas)
        self._canvas, self._measuring = canvas, measuring
        self._refusal = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet(_PLATE)
        # After the annotations in the corners have found their places.
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._place)
        canvas.installEventFilter(self)
        self._ties = ties = Subscriptions(self)
        ties.add(measuring.changed, self._on_changed)
        ties.add(measuring.refused, self._on_refused)
        ties.add(measuring.accepted, self._on_accepted)
        self.refresh()

    def refresh(self) -> None:
        """Follow what is in hand."""
        text = self._refusal or self._words()
        if text != self.text() or self.isHidden() == bool(text):
            self.setText(text)
            self.setVisible(bool(text))
            self._place()
            self._soon.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the middle."""
        if event.type() == QEvent.Type.Resize:
            self._soon.start()
        return False

    def _words(self) -> str:
        tool = self._measuring.tool
        if tool is Kind.RULER:
            return self.tr("Ruler · drag, or click at both ends · Esc ends")
        if tool is Kind.AREA:
            return self.tr("Area · drag around it, or click corners and double-click · Esc ends")
        return ""

    def _on_changed(self, what: str) -> None:
        if what == "tool":
            self._refusal = ""
            self.refresh()

    def _on_refused(self, error: BrainSegError) -> None:
        self._refusal = str(error)
        self.refresh()

    def _on_accepted(self) -> None:
        self._refusal = ""
        self.refresh()

    def _place(self) -> None:
        room = self._canvas.width() - 2 * _MARGIN
        self.setWordWrap(False)
        self.adjustSize()
        if self.width() > room > 0:
            self.setWordWrap(True)
            self.resize(room, self.heightForWidth(room))
        place = QRect((self._canvas.width() - self.width()) // 2, _MARGIN, *_size(self))
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        for other in self._canvas.findChildren(QLabel, options=direct):
            near = other.geometry().adjusted(-_MARGIN, 0, _MARGIN, 0)
            if other is not self and not other.isHidden() and near.intersects(place):
                # No room between the corners: under them.
                place.moveTop(max(place.top(), other.geometry().bottom() + _MARGIN))
        self.move(place.topLeft())
        self.raise_()


def _size(widget: QWidget) -> tuple[int, int]:
    return widget.width(), widget.height()
