"""Which mask has which colour, and whether it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_brainseg.viewer import colours
from napari_brainseg.viewer.case_view import HIDE_KEY
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["Legend", "outline_icon"]

_SIDE = 11  # pixels


class Legend(QWidget):
    """Three switches: ground truth, prediction, correction.

    Parameters
    ----------
    view : CaseView
        Whose layers are shown and hidden.
    """

    def __init__(self, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._ties = Subscriptions(self)
        self._watched: set[int] = set()
        hint = self.tr("Show the outline. Hold {key} to hide all outlines.").format(key=HIDE_KEY)
        self.truth = self._box(self.tr("Truth"), colours.TRUTH, hint)
        self.prediction = self._box(self.tr("Prediction"), colours.PREDICTION, hint)
        self.correction = self._box(self.tr("Mine"), colours.CORRECTION, hint)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for box in (self.truth, self.prediction, self.correction):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            layout.addWidget(box)
        self._ties.add(view.shown, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the layers."""
        for box, layer in self._pairs():
            box.blockSignals(True)
            box.setEnabled(layer is not None)
            box.setChecked(layer is not None and layer.visible)
            box.blockSignals(False)
            if layer is not None and id(layer) not in self._watched:
                self._watched.add(id(layer))
                self._ties.add_napari(layer.events.visible, self.refresh)

    def _pairs(self) -> tuple[tuple[QToolButton, Labels | None], ...]:
        layers = self._view.layers
        return (
            (self.truth, layers.truth),
            (self.prediction, layers.prediction),
            (self.correction, layers.correction),
        )

    def _box(self, text: str, colour: str, hint: str) -> QToolButton:
        box = QToolButton(text=text, checkable=True)
        box.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        box.setIcon(outline_icon(colour))
        box.setIconSize(QSize(_SIDE, _SIDE))
        box.setToolTip(hint)
        box.toggled.connect(lambda on, box=box: self._toggle(box, on))
        return box

    def _toggle(self, box: QToolButton, on: bool) -> None:
        for mine, layer in self._pairs():
            if mine is box and layer is not None:
                layer.visible = on


def outline_icon(colour: str) -> QIcon:
    """Small outlined square in a mask's colour."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(QPen(QColor(colour), 2))
    painter.drawRect(1, 1, _SIDE - 3, _SIDE - 3)
    painter.end()
    return QIcon(pixmap)
