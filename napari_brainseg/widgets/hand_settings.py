"""How the tool of the hand works: size, slices, window, tolerance, adding or cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.viewer.brushes import ADAPTIVE, DEEPEST, THRESHOLD
from napari_brainseg.viewer.region_drawing import LASSO, POLYGON
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle

if TYPE_CHECKING:
    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["HandSettings"]

LARGEST_BY_SLIDER = 40
"""Larger ones by the wheel: a slider over all of them could not be aimed."""


class HandSettings(QWidget):
    """Size and depth of the brush, and a line for what only some tools have.

    Parameters
    ----------
    brushes : Brushes
        What is set.
    view : CaseView
        Knows the intensities there are.

    Attributes
    ----------
    size : QSlider
        Diameter in voxels.
    depth : QComboBox
        Slices above and below; 0 is written "2D".
    window : QWidget
        Window of the threshold brush, two ends.
    tolerance : QSlider
        Of the adaptive brush, in per cent.
    """

    def __init__(self, brushes: Brushes, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brushes, self._view = brushes, view
        self._ties = Subscriptions(self)
        self._size_text = QLabel()
        set_role(self._size_text, "hint")
        self.size = QSlider(Qt.Orientation.Horizontal)
        self.size.setMinimumWidth(40)
        self.size.setRange(1, LARGEST_BY_SLIDER)
        self.size.setToolTip(
            self.tr("Diameter of the brush in voxels ([ and ], or the wheel over the picture)")
        )
        self.size.valueChanged.connect(lambda size: setattr(brushes, "size", size))
        self.depth = QComboBox()
        self.depth.addItem(self.tr("2D"))
        self.depth.addItems([f"±{n}" for n in range(1, DEEPEST + 1)])
        self.depth.setMaxVisibleItems(11)
        self.depth.setToolTip(
            self.tr("Slices that a stroke paints above and below the one on show; 2D: only that")
        )
        self.depth.activated.connect(lambda depth: setattr(brushes, "depth", depth))
        first = QHBoxLayout()
        first.setSpacing(3)
        first.addWidget(self._size_text)
        first.addWidget(self.size, 1)
        first.addWidget(self.depth)
        self.window = self._window_row()
        self._tolerance_row = self._tolerances()
        self._cutting_row = self._add_or_cut()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(first)
        for row in (self.window, self._tolerance_row, self._cutting_row):
            layout.addWidget(row)
        self._throttle = Throttle(self.refresh, self)
        self._ties.add(brushes.changed, lambda _what: self._throttle.ask())
        self._ties.add(view.display.changed, self._on_display)
        self.refresh()

    def refresh(self) -> None:
        """Follow the brushes."""
        brushes, tool = self._brushes, self._brushes.tool
        with QSignalBlocker(self.size), QSignalBlocker(self.depth):
            self.size.setValue(min(brushes.size, LARGEST_BY_SLIDER))
            self.depth.setCurrentIndex(brushes.depth)
        self.size.setEnabled(brushes.has_brush)
        self._size_text.setText(self.tr("Size {n}").format(n=brushes.size))
        self.window.setVisible(tool == THRESHOLD)
        self._tolerance_row.setVisible(tool == ADAPTIVE)
        self._cutting_row.setVisible(tool in (LASSO, POLYGON))
        if tool == THRESHOLD:
            self._show_window()
        with QSignalBlocker(self.tolerance):
            self.tolerance.setValue(round(100 * brushes.tolerance))
        self._tolerance_text.setText(f"{round(100 * brushes.tolerance)} %")
        (self.cut if brushes.cutting else self.add).setChecked(True)

    # the threshold brush ----------------------------------------------------------------------

    def _window_row(self) -> QWidget:
        # A slider with two handles takes a library to load, which napari has loaded by now.
        from superqt import QRangeSlider

        row = QWidget()
        self.auto = QToolButton(text=self.tr("Auto"), checkable=True)
        self.auto.setToolTip(
            self.tr("Each stroke takes its window from what lies under its first voxels")
        )
        self.auto.clicked.connect(self._set_auto)
        self.range = QRangeSlider(Qt.Orientation.Horizontal)
        self.range.setMinimumWidth(60)
        self.range.setToolTip(self.tr("Intensities that are painted"))
        self.range.valueChanged.connect(self._set_window)
        self._range_text = QLabel()
        set_role(self._range_text, "hint")
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.auto)
        layout.addWidget(self.range, 1)
        layout.addWidget(self._range_text)
        return row

    def _set_auto(self, on: bool) -> None:
        low, high = self._limits()
        self._brushes.window = None if on else (round((low + high) / 2), round(high))
        self._show_window()

    def _set_window(self, window: Any) -> None:
        self._brushes.window = window
        self._show_window()

    def _show_window(self) -> None:
        window = self._brushes.window
        low, high = self._limits()
        self.auto.setChecked(window is None)
        self.range.setEnabled(window is not None)
        with QSignalBlocker(self.range):
            self.range.setRange(int(low), max(int(low) + 1, round(high)))
            ends = (low, high) if window is None else window
            self.range.setValue((round(ends[0]), round(ends[1])))
        self._range_text.setText(
            self.tr("where you press")
            if window is None
            else f"{window[0]:.0f}–{window[1]:.0f}"
        )  # fmt: skip

    def _limits(self) -> tuple[float, float]:
        layer = self._view.layers.image(self._view.display.modality)
        if layer is None:
            return 0.0, 255.0
        low, high = layer.contrast_limits_range
        return float(low), float(high)

    def _on_display(self, what: str) -> None:
        if what in ("modality", "case") and self._brushes.tool == THRESHOLD:
            self._throttle.ask()

    # the others -------------------------------------------------------------------------------

    def _tolerances(self) -> QWidget:
        row = QWidget()
        self.tolerance = QSlider(Qt.Orientation.Horizontal)
        self.tolerance.setRange(5, 100)
        self.tolerance.setMinimumWidth(40)
        self.tolerance.setToolTip(self.tr("How unlike the stroke a voxel may be"))
        self.tolerance.valueChanged.connect(
            lambda share: setattr(self._brushes, "tolerance", share / 100)
        )
        self._tolerance_text = QLabel()
        set_role(self._tolerance_text, "hint")
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(QLabel(self.tr("Tolerance")))
        layout.addWidget(self.tolerance, 1)
        layout.addWidget(self._tolerance_text)
        return row

    def _add_or_cut(self) -> QWidget:
        row = QWidget()
        self.add = QToolButton(text=self.tr("Add"), checkable=True)
        self.add.setToolTip(self.tr("What is inside becomes lesion"))
        self.cut = QToolButton(text=self.tr("Cut"), checkable=True)
        self.cut.setToolTip(self.tr("What is inside ceases to be lesion"))
        group = QButtonGroup(row)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for button, cuts in ((self.add, False), (self.cut, True)):
            button.clicked.connect(lambda _on, cuts=cuts: setattr(self._brushes, "cutting", cuts))
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            group.addButton(button)
            layout.addWidget(button)
        return row
