"""What is in hand, in words on the canvas: tool, size, depth, window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QRect, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_brainseg.viewer.brushes import (
    ADAPTIVE,
    BRUSH,
    ERASER,
    FILL,
    SEEDS,
    THRESHOLD,
)
from napari_brainseg.viewer.region_drawing import LASSO, MASK, POLYGON
from napari_brainseg.viewer.seed_scribbles import FOREGROUND
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.brushes import Brushes

__all__ = ["BrushBadge"]

_PLATE = (
    "color: #ffffff; background: rgba(0, 0, 0, 200); border: 1px solid rgba(255, 255, 255, 110);"
    " border-radius: 3px; padding: 2px 8px; font-size: 9pt;"
)
_MARGIN = 8


class BrushBadge(QLabel):
    """A line in the middle of the canvas's upper edge, between the annotations or under them.

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
        self._canvas, self._viewer, self._brushes = canvas, viewer, brushes
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet(_PLATE)
        # After the annotations in the corners have found their places.
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._place)
        canvas.installEventFilter(self)
        self._ties = ties = Subscriptions(self)
        ties.add(brushes.changed, lambda _what: self.refresh())
        ties.add(brushes.regions.changed, self.refresh)
        if brushes.seeds is not None:
            ties.add(brushes.seeds.changed, self.refresh)
        ties.add_napari(viewer.dims.events.ndisplay, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow what is in hand."""
        text = self._words() if self._viewer.dims.ndisplay == 2 else ""
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

    def _place(self) -> None:
        self.adjustSize()
        left, top = (self._canvas.width() - self.width()) // 2, _MARGIN
        place = QRect(left, top, self.width(), self.height())
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        for other in self._canvas.findChildren(QLabel, options=direct):
            near = other.geometry().adjusted(-_MARGIN, 0, _MARGIN, 0)
            if other is not self and not other.isHidden() and near.intersects(place):
                # No room between the corners: under them.
                place.moveTop(max(place.top(), other.geometry().bottom() + _MARGIN))
        self.move(place.topLeft())
        self.raise_()

    def _words(self) -> str:
        brushes = self._brushes
        tool = brushes.tool
        if brushes.regions.kind is not None:
            return self._region_words(tool)
        if tool == SEEDS and brushes.seeds is not None:
            marked = (
                self.tr("lesion") if brushes.seeds.label == FOREGROUND else self.tr("background")
            )
            return self.tr("Seeds {size} · {marked}").format(size=brushes.size, marked=marked)
        names = {
            BRUSH: self.tr("Brush {size}"),
            ERASER: self.tr("Eraser {size}"),
            THRESHOLD: self.tr("Threshold brush {size}"),
            ADAPTIVE: self.tr("Adaptive brush {size}"),
        }
        by_napari = {FILL: self.tr("Fill · 2D"), POLYGON: self.tr("Polygon · 2D")}
        if tool in by_napari:
            return by_napari[tool]
        if tool not in names:
            return ""
        parts = [names[tool].format(size=brushes.size), self._depth_words()]
        if tool == THRESHOLD:
            window = brushes.window
            parts.append(
                self.tr("like where you press")
                if window is None
                else self.tr("{low}–{high}").format(low=f"{window[0]:g}", high=f"{window[1]:g}")
            )
        if tool == ADAPTIVE:
            parts.append(self.tr("tolerance {n} %").format(n=f"{100 * brushes.tolerance:.0f}"))
        return " · ".join(parts)

    def _region_words(self, kind: str) -> str:
        regions = self._brushes.regions
        if regions.purpose != MASK:
            words = (
                self.tr("Draw around the region") if kind == LASSO else self.tr("Click around it")
            )
            return self.tr("{words} · Esc cancels").format(words=words)
        name = self.tr("Lasso") if kind == LASSO else self.tr("Polygon")
        act = self.tr("cuts") if regions.cuts_now else self.tr("adds")
        return f"{name} · {act} · {self._depth_words()}"

    def _depth_words(self) -> str:
        depth = self._brushes.depth
        if depth == 0:
            return self.tr("2D")
        if depth == 1:
            return self.tr("±1 slice")
        return self.tr("±{n} slices").format(n=depth)
