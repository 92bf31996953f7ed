"""Live curves of a run: loss, and DSC of training and locked patients with the base's level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_brainseg.viewer import colours
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.line_chart import Line, LineChart
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.run_curves import RunCurves

if TYPE_CHECKING:
    from napari_brainseg.widgets.run_curves import Series

__all__ = ["Curves"]

_TRAINING = "#8C929C"
_LEAST_DSC = 0.02
_LEAST_LOSS = 0.01


class Curves(QWidget):
    """Two charts above each other; each is seen once there is something in it.

    Attributes
    ----------
    loss_chart, dsc_chart : LineChart
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = RunCurves()
        self.dsc_title = _title(self.tr("DSC by epoch"))
        self.dsc_chart = LineChart(least_span=_LEAST_DSC, floor=0.0, ceiling=1.0)
        self.dsc_chart.set_tip(self._dsc_tip)
        self.loss_title = _title(self.tr("Training loss by epoch"))
        self.loss_chart = LineChart(least_span=_LEAST_LOSS, floor=0.0)
        self.loss_chart.set_tip(self._loss_tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (self.dsc_title, self.dsc_chart, self.loss_title, self.loss_chart):
            layout.addWidget(widget)
        self.dsc_chart.setAccessibleName(self.dsc_title.text())
        self.loss_chart.setAccessibleName(self.loss_title.text())
        self.show_curves(self._shown)

    def set_ink(self, colour: str) -> None:
        """Colour of axes and text, from the theme."""
        for chart in (self.dsc_chart, self.loss_chart):
            chart.set_ink(colour)

    def show_curves(self, curves: RunCurves, locked: int | None = None) -> None:
        """Draw the curves of a run.

        Parameters
        ----------
        curves : RunCurves
        locked : int, optional
            How many locked patients the DSC is a mean of.
        """
        self._shown = curves
        x_range = (0.0, float(max(curves.last_epoch, 1)))
        dsc, loss = self._dsc_lines(curves, locked), self._loss_lines(curves)
        self.dsc_chart.show_lines(dsc, x_range)
        self.loss_chart.show_lines(loss, x_range)
        for lines, widgets in (
            (dsc, (self.dsc_title, self.dsc_chart)),
            (loss, (self.loss_title, self.loss_chart)),
        ):
            for widget in widgets:
                widget.setVisible(bool(lines))

    def _dsc_lines(self, curves: RunCurves, locked: int | None) -> list[Line]:
        lines = []
        if curves.train_dsc[0]:
            lines.append(Line(self.tr("training"), _TRAINING, *curves.train_dsc, marked=True))
        if curves.locked_dsc[0]:
            name = (
                self.tr("locked patients")
                if locked is None
                else self.tr("1 locked patient")
                if locked == 1
                else self.tr("{n} locked patients").format(n=locked)
            )
            lines.append(Line(name, colours.PREDICTION, *curves.locked_dsc, marked=True))
        if curves.base_dsc is not None:
            name = self.tr("base {dsc}").format(dsc=numbers.dsc(curves.base_dsc))
            lines.append(Line(name, _TRAINING, (), (curves.base_dsc,), dashed=True))
        return lines

    def _loss_lines(self, curves: RunCurves) -> list[Line]:
        if not curves.loss[0]:
            return []
        return [Line("", _TRAINING, *curves.loss)]

    def _dsc_tip(self, x: float) -> str:
        epoch = round(x)
        lines = [self.tr("Epoch {i}").format(i=epoch)]
        for name, series in (
            (self.tr("training"), self._shown.train_dsc),
            (self.tr("locked patients"), self._shown.locked_dsc),
        ):
            value = _at(series, epoch)
            if value is not None:
                lines.append(f"{name}: {numbers.dsc(value)}")
        return "\n".join(lines)

    def _loss_tip(self, x: float) -> str:
        value = _nearest(self._shown.loss, x)
        return "" if value is None else self.tr("Loss {value}").format(value=f"{value:.3g}")


def _title(text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setMinimumWidth(1)
    set_role(label, "hint")
    return label


def _at(series: Series, epoch: int) -> float | None:
    found = (y for x, y in zip(*series, strict=True) if round(x) == epoch and math.isfinite(y))
    return next(found, None)


def _nearest(series: Series, x: float) -> float | None:
    if not series[0]:
        return None
    place = min(range(len(series[0])), key=lambda i: abs(series[0][i] - x))
    return series[1][place]
