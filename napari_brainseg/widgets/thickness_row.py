"""How far apart slices are drawn, where it comes from, and a field to set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QToolButton, QWidget

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_brainseg.viewer.views import Views

__all__ = ["ThicknessRow"]

_BUTTONS = 30
"""Pixels that napari's two buttons take of the text's room."""
_MARGIN, _SPACING = 4, 6
LEAST_MM, MOST_MM, STEP_MM = 0.5, 20.0, 0.5


class ThicknessRow(QWidget):
    """Slice thickness of the case on show.

    Parameters
    ----------
    views : Views
        Whose spacing it shows and sets.
    """

    def __init__(self, views: Views, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views = views
        self.label = QLabel(self.tr("Slice thickness"))
        self.field = QDoubleSpinBox()
        self.field.setDecimals(1)
        self.field.setRange(LEAST_MM, MOST_MM)
        self.field.setSingleStep(STEP_MM)
        self.field.setSuffix(self.tr(" mm"))
        # Not at each digit: 25 would pass by 2.
        self.field.setKeyboardTracking(False)
        # Turning the wheel over it must not change what was meant to scroll.
        self.field.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        text = self.fontMetrics().horizontalAdvance(self.tr("20.0 mm"))
        # napari's style sheet sets a width of its own, which cuts the unit off.
        self.field.setStyleSheet(f"QDoubleSpinBox {{ min-width: {text + _BUTTONS}px; }}")
        self.origin = QLabel()
        set_role(self.origin, "hint")
        self.back = QToolButton(text="↺")
        self.back.setToolTip(self.tr("Assume it from the number of slices again"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(_MARGIN, 0, _MARGIN, 2)
        layout.setSpacing(_SPACING)
        for widget in (self.label, self.field, self.origin, self.back):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.field.valueChanged.connect(self._on_value)
        self.field.editingFinished.connect(self.field.clearFocus)
        self.back.clicked.connect(lambda: self._views.set_thickness(None))
        self._ties = Subscriptions(self)
        self._ties.add(views.spacing_changed, self.refresh)
        self._ties.add(views.case_view.shown, self.refresh)
        self.refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say it shorter where there is little room."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        whole, short = self.tr("Slice thickness"), self.tr("Slices")
        room = self.width() - 2 * _MARGIN
        for other in (self.field, self.origin, self.back):
            if not other.isHidden():
                room -= max(other.sizeHint().width(), other.minimumSizeHint().width()) + _SPACING
        fits = self.label.fontMetrics().horizontalAdvance(whole) <= room
        self.label.setText(whole if fits else short)

    def refresh(self) -> None:
        """Follow the case and the setting."""
        spacing = self._views.spacing
        self.setEnabled(spacing is not None)
        if spacing is None:
            return
        with QSignalBlocker(self.field):
            self.field.setValue(spacing.thickness_mm)
        self.field.setReadOnly(spacing.is_known)
        self.field.setEnabled(not spacing.is_known)
        self.back.setVisible(spacing.origin == "set")
        if spacing.origin == "assumed":
            self.origin.setText(self.tr("(assumed)"))
            tip = self.tr(
                "The files carry no spacing: assumed from the number of slices. "
                "Only for drawing; volumes and distances never use it."
            )
        elif spacing.origin == "set":
            self.origin.setText(self.tr("(set)"))
            tip = self.tr("Only for drawing; volumes and distances never use it.")
        else:
            self.origin.setText(self.tr("(from the files)"))
            tip = self.tr("From the files.")
        for widget in (self.label, self.field, self.origin):
            widget.setToolTip(tip)
        self._fit()

    def _on_value(self, value: float) -> None:
        self._views.set_thickness(value)
