"""A number that is set by a slider and by typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from napari_brainseg.session.tool_specs import Kind

if TYPE_CHECKING:
    from napari_brainseg.session.tool_specs import Parameter

__all__ = ["ValueRow"]


class ValueRow(QWidget):
    """Slider and field for a parameter of a tool.

    Parameters
    ----------
    parameter : Parameter
        A number. Shares are shown in per cent, slices counted from 1.
    """

    changed = Signal(object)
    """The value, as the tool takes it."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameter = parameter
        self._factor = 100.0 if parameter.kind is Kind.SHARE else 1.0
        self._shift = 1.0 if parameter.kind is Kind.SLICE else 0.0
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMinimumWidth(40)
        self.slider.setRange(0, round((parameter.high - parameter.low) / parameter.step))
        self.slider.valueChanged.connect(self._on_slider)
        self.field = QDoubleSpinBox()
        self.field.setDecimals(_decimals(parameter.step * self._factor))
        self.field.setRange(self._shown(parameter.low), self._shown(parameter.high))
        self.field.setSingleStep(parameter.step * self._factor)
        self.field.setKeyboardTracking(False)
        # The slider beside it is for steps.
        self.field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        unit = "%" if parameter.kind is Kind.SHARE else parameter.unit
        if unit:
            self.field.setSuffix(f" {unit if unit != 'voxels' else 'vox'}")
        self.field.valueChanged.connect(self._on_field)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.field)
        self.setFocusProxy(self.field)

    @property
    def value(self) -> float:
        """As the tool takes it."""
        return float((self.field.value() - self._shift) / self._factor)

    def show_value(self, value: float) -> None:
        """Show a value without telling of it."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.field):
            self.field.setValue(self._shown(value))
            self.slider.setValue(round((value - self._parameter.low) / self._parameter.step))

    def _shown(self, value: float) -> float:
        return value * self._factor + self._shift

    def _on_slider(self, step: int) -> None:
        value = self._parameter.low + step * self._parameter.step
        self.show_value(value)
        self.changed.emit(value)

    def _on_field(self, _shown: float) -> None:
        value = self.value
        self.show_value(value)
        self.changed.emit(value)


def _decimals(step: float) -> int:
    return next((n for n in range(4) if abs(step * 10**n - round(step * 10**n)) < 1e-9), 4)
