"""A form made from the titles, descriptions and bounds of `RunConfig`."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.widgets.fold import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

__all__ = ["ConfigForm"]

_MOST = 1_000_000
_DECIMALS = 6


class ConfigForm(QWidget):
    """Fields of a run: a few in front, the rest folded away.

    Parameters
    ----------
    front : tuple of str
        Fields in front.
    hidden : tuple of str
        Fields that the desk fills in.
    defaults : mapping
        Defaults that differ from those of `RunConfig`.
    """

    edited = Signal(str)
    """Name of a field that has another value."""

    def __init__(
        self,
        front: tuple[str, ...],
        hidden: tuple[str, ...],
        defaults: Mapping[str, Any],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._initial: dict[str, Any] = {}
        self.fields: dict[str, QWidget] = {}
        more = QWidget()
        above, below = QFormLayout(), QFormLayout(more)
        for form in (above, below):
            form.setContentsMargins(0, 0, 0, 0)
            form.setVerticalSpacing(3)
            form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        rest = [name for name in RunConfig.model_fields if name not in (*front, *hidden)]
        for names, form in ((front, above), (rest, below)):
            for name in names:
                self._add(form, name, defaults)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(above)
        self.more = Fold(self.tr("All settings"), more)
        layout.addWidget(self.more)

    def value(self, name: str) -> Any:
        """Value of a field as the config takes it."""
        widget = self.fields[name]
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, QComboBox):
            return widget.currentText()
        if isinstance(widget, QLineEdit):
            return widget.text().strip()
        if isinstance(widget, QSpinBox) and widget.specialValueText():
            # The lowest value stands for "left out".
            return None if widget.value() == widget.minimum() else widget.value()
        return widget.value()  # type: ignore[attr-defined]

    def set_value(self, name: str, value: Any) -> None:
        """Set a field to a value of its kind."""
        widget = self.fields[name]
        if isinstance(widget, QCheckBox):
            widget.setChecked(bool(value))
        elif isinstance(widget, QComboBox):
            widget.setCurrentText(str(value))
        elif isinstance(widget, QLineEdit):
            widget.setText("" if value is None else str(value))
        elif value is None:
            widget.setValue(widget.minimum())  # type: ignore[attr-defined]
        else:
            widget.setValue(value)  # type: ignore[attr-defined]

    def default(self, name: str) -> Any:
        """Value of a field that nobody changed."""
        return self._initial[name]

    def set_defaults(self, defaults: Mapping[str, Any]) -> None:
        """Take other defaults; fields that were changed keep their values."""
        for name, value in defaults.items():
            if name not in self.fields:
                continue
            was, before = self.value(name), self._initial[name]
            self.blockSignals(True)
            self.set_value(name, value)
            self._initial[name] = self.value(name)
            if was != before:
                self.set_value(name, was)
            self.blockSignals(False)

    def changes(self) -> dict[str, Any]:
        """Fields that differ from their default, ready for `Desk.start_fine_tuning`."""
        return {
            name: value
            for name in self.fields
            if (value := self.value(name)) != self._initial[name]
        }

    def _add(self, form: QFormLayout, name: str, defaults: Mapping[str, Any]) -> None:
        field = RunConfig.model_fields[name]
        widget = _widget_for(field, defaults.get(name, field.default), self.tr("automatic"))
        widget.setToolTip(f"{field.description} ({name})")
        widget.setAccessibleName(field.title or name)
        self.fields[name] = widget
        self._initial[name] = self.value(name)
        _changed(widget).connect(lambda *_value: self.edited.emit(name))
        if isinstance(widget, QCheckBox):
            widget.setText(field.title or name)
            form.addRow(widget)
        else:
            form.addRow(field.title or name, widget)


def _changed(widget: Any) -> Any:
    """Return the signal of a field that has another value."""
    if isinstance(widget, QCheckBox):
        return widget.toggled
    if isinstance(widget, QComboBox):
        return widget.currentTextChanged
    return widget.editingFinished if isinstance(widget, QLineEdit) else widget.valueChanged


def _widget_for(field: FieldInfo, value: Any, automatic: str) -> QWidget:
    kind, optional = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        combo = QComboBox()
        combo.addItems([str(choice) for choice in get_args(kind)])
        combo.setCurrentText(str(value))
        return combo
    if kind is bool:
        box = QCheckBox()
        box.setChecked(bool(value))
        return box
    if kind is int:
        return _integer(field, value, automatic if optional else "")
    if kind is float:
        return _real(field, float(value))
    return QLineEdit("" if value is None else str(value))


def _integer(field: FieldInfo, value: int | None, automatic: str) -> QSpinBox:
    low, high, step = _bounds(field, 1)
    box = QSpinBox()
    if automatic:
        box.setSpecialValueText(automatic)
        low -= 1
    box.setRange(int(low), int(high))
    box.setSingleStep(int(step))
    box.setValue(int(low) if value is None else value)
    return box


def _real(field: FieldInfo, value: float) -> QDoubleSpinBox:
    low, high, _step = _bounds(field, 10**-_DECIMALS)
    box = _ShortDoubleSpinBox()
    box.setDecimals(_DECIMALS)
    box.setRange(low, high)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setValue(value)
    return box


class _ShortDoubleSpinBox(QDoubleSpinBox):
    """Shows 0.0003 rather than 0.000300."""

    def textFromValue(self, value: float) -> str:
        text = super().textFromValue(value)
        point = self.locale().decimalPoint()
        return text.rstrip("0").rstrip(point) if point in text else text


def _bounds(field: FieldInfo, smallest: float) -> tuple[float, float, float]:
    low, high, step = -float(_MOST), float(_MOST), 1.0
    for mark in field.metadata:
        if isinstance(mark, Ge):
            low = float(mark.ge)  # type: ignore[arg-type]
        elif isinstance(mark, Gt):
            low = float(mark.gt) + smallest  # type: ignore[arg-type]
        elif isinstance(mark, Le):
            high = float(mark.le)  # type: ignore[arg-type]
        elif isinstance(mark, Lt):
            high = float(mark.lt) - smallest  # type: ignore[arg-type]
        elif isinstance(mark, MultipleOf):
            step = float(mark.multiple_of)  # type: ignore[arg-type]
    return low, high, step


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return (kinds[0] if len(kinds) == 1 else str), True
    return annotation, False
