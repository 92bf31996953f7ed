"""The tools a correction needs: brush, eraser, fill, size, undo and redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["Tools"]

LARGEST_BRUSH = 40


class Tools(QWidget):
    """Buttons for napari's own tools on the correction layer.

    Parameters
    ----------
    view : CaseView
        Has the layer and the history.
    """

    def __init__(self, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._ties = Subscriptions(self)
        self._watched: set[int] = set()
        self._modes: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        modes = QHBoxLayout()
        modes.setSpacing(3)
        for mode, text, hint in (
            ("paint", self.tr("Brush"), self.tr("Add to the mask (2 or P)")),
            ("erase", self.tr("Erase"), self.tr("Take from the mask (1 or E)")),
            ("fill", self.tr("Fill"), self.tr("Fill a hole, or with the eraser a region (4 or F)")),
            ("pan_zoom", self.tr("Move"), self.tr("Move and zoom the picture (6, or hold Space)")),
        ):
            button = QToolButton(text=text, toolTip=hint, checkable=True)
            button.clicked.connect(lambda _on, mode=mode: self.take(mode))
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            group.addButton(button)
            modes.addWidget(button)
            self._modes[mode] = button
        self.size = QSlider(Qt.Orientation.Horizontal)
        self.size.setMinimumWidth(40)
        self.size.setRange(1, LARGEST_BRUSH)
        self.size.setToolTip(self.tr("Diameter of the brush in voxels ([ and ])"))
        self.size.valueChanged.connect(self._set_size)
        self._size_text = QLabel()
        set_role(self._size_text, "hint")
        self.undo = QToolButton(text=self.tr("Undo"))
        self.undo.setToolTip(self.tr("Take the last stroke back, on whatever slice (Ctrl+Z)"))
        self.undo.clicked.connect(lambda: view.editor.undo())
        self.redo = QToolButton(text=self.tr("Redo"))
        self.redo.setToolTip(self.tr("Do the stroke again (Ctrl+Shift+Z)"))
        self.redo.clicked.connect(lambda: view.editor.redo())
        below = QHBoxLayout()
        below.setSpacing(3)
        below.addWidget(self._size_text)
        below.addWidget(self.size, 1)
        below.addWidget(self.undo)
        below.addWidget(self.redo)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(modes)
        layout.addLayout(below)
        self._ties.add(view.shown, self.refresh)
        self.refresh()

    def mode_button(self, mode: str) -> QToolButton:
        """Return the button of a napari mode: paint, erase, fill or pan_zoom."""
        return self._modes[mode]

    def refresh(self) -> None:
        """Follow the correction layer and its history."""
        layer = self._view.layers.correction
        case = self._view.case
        correction = None if case is None else case.correction
        self.setEnabled(layer is not None)
        self.undo.setEnabled(correction is not None and correction.can_undo)
        self.redo.setEnabled(correction is not None and correction.can_redo)
        if layer is None:
            return
        self._watch(layer)
        button = self._modes.get(str(layer.mode))
        if button is not None:
            button.setChecked(True)
        self.size.blockSignals(True)
        self.size.setValue(int(layer.brush_size))
        self.size.blockSignals(False)
        self._size_text.setText(self.tr("Size {n}").format(n=int(layer.brush_size)))

    def _watch(self, layer: Labels) -> None:
        if id(layer) not in self._watched:
            self._watched.add(id(layer))
            self._ties.add_napari(layer.events.mode, self.refresh)
            self._ties.add_napari(layer.events.brush_size, self.refresh)

    def take(self, mode: str) -> None:
        """Take a tool: paint, erase, fill or pan_zoom."""
        layer = self._view.layers.correction
        if layer is not None:
            self._view.make_active(layer)
            layer.mode = mode

    def _set_size(self, size: int) -> None:
        layer = self._view.layers.correction
        if layer is not None:
            layer.brush_size = size
