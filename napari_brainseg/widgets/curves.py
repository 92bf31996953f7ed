"""Live curves of a run: loss, and DSC on the validation patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_brainseg.core.protocol import EpochFinished, RunStarted, StepFinished
from napari_brainseg.viewer import colours
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from napari_brainseg.core.protocol import Event

__all__ = ["Curves", "epochs_done"]

_HEIGHT = 120
_STEPS_KEPT = 2000
_QUIET = "#999999"
_TURN_MS = 30


def epochs_done(event: RunStarted) -> int:
    """Whole epochs that a resumed run has behind it; the event counts from 1."""
    return max(event.first_epoch - 1, 0)


class Curves(QWidget):
    """Two plots above each other; each is seen once there is something in it.

    pyqtgraph takes a quarter of a second to import and a plot a twentieth to make: `preload`
    belongs in a worker, and `prepare` is called in a quiet moment before the first run.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._loss: _Plot | None = None
        self._dsc: _Plot | None = None
        self._ink = "#d0d0d0"
        self.clear()

    @staticmethod
    def preload() -> None:
        """Import pyqtgraph."""
        import pyqtgraph  # noqa: F401

    @property
    def loss(self) -> tuple[list[float], list[float]]:
        """Epochs and training loss, as plotted."""
        return self._steps

    @property
    def dsc(self) -> tuple[list[float], list[float]]:
        """Epochs and mean DSC on the validation patients, as plotted."""
        return self._epochs

    def clear(self) -> None:
        """Forget the run."""
        self._steps: tuple[list[float], list[float]] = ([], [])
        self._epochs: tuple[list[float], list[float]] = ([], [])
        self._parent_dsc: float | None = None
        self._range = (0, 1)
        for plot in (self._loss, self._dsc):
            if plot is not None:
                plot.hide()

    def prepare(self) -> None:
        """Make the plots, one a turn of the window."""
        QTimer.singleShot(_TURN_MS, self._loss_plot)
        QTimer.singleShot(2 * _TURN_MS, self._dsc_plot)

    def set_ink(self, colour: str) -> None:
        """Colour of axes and text, from the theme."""
        self._ink = colour
        for plot in (self._loss, self._dsc):
            if plot is not None:
                plot.set_ink(colour)

    def add(self, event: Event) -> None:
        """Take an event of the trainer in."""
        if isinstance(event, RunStarted):
            self.clear()
            done = epochs_done(event)
            self._range = (done, event.epochs)
            self._parent_dsc = event.parent_validation_dsc
            if self._parent_dsc is not None:
                # The model in use is where the curve of the new one begins.
                self._epochs[0].append(float(done))
                self._epochs[1].append(self._parent_dsc)
                self._draw_dsc()
        elif isinstance(event, StepFinished):
            self._steps[0].append(event.epoch - 1 + event.step / max(event.steps_per_epoch, 1))
            self._steps[1].append(event.loss)
            if len(self._steps[0]) > _STEPS_KEPT:
                self._steps = (self._steps[0][::2], self._steps[1][::2])
            self._loss_plot().draw(self._steps, self._range)
        elif isinstance(event, EpochFinished) and event.validation_dsc is not None:
            self._epochs[0].append(float(event.epoch))
            self._epochs[1].append(event.validation_dsc)
            self._draw_dsc()

    def _draw_dsc(self) -> None:
        self._dsc_plot().draw(self._epochs, self._range, self._parent_dsc)

    def _loss_plot(self) -> _Plot:
        if self._loss is None:
            self._loss = _Plot(self.tr("Training loss by epoch"), _QUIET, self._ink)
            self._layout.insertWidget(0, self._loss)
        return self._loss

    def _dsc_plot(self) -> _Plot:
        if self._dsc is None:
            title = self.tr("DSC on the validation patients (dashed: model in use)")
            self._dsc = _Plot(title, colours.PREDICTION, self._ink, dots=True, most=1.0)
            self._layout.addWidget(self._dsc)
        return self._dsc


class _Plot(QWidget):
    """One curve with its caption."""

    def __init__(
        self, title: str, colour: str, ink: str, *, dots: bool = False, most: float | None = None
    ) -> None:
        import pyqtgraph

        super().__init__()
        caption = QLabel(title, wordWrap=True)
        set_role(caption, "hint")
        self._plot = pyqtgraph.PlotWidget(background=None)
        self._plot.setFixedHeight(_HEIGHT)
        self._plot.setMenuEnabled(False)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.getAxis("left").setWidth(38)
        if most is not None:
            self._plot.setLimits(yMin=0, yMax=most)
        marks = {"symbol": "o", "symbolSize": 6, "symbolBrush": colour, "symbolPen": None}
        pen = pyqtgraph.mkPen(colour, width=2)
        self._curve = self._plot.plot(pen=pen, **(marks if dots else {}))
        dashes = pyqtgraph.mkPen(_QUIET, width=1, dash=[4, 3])
        self._level = pyqtgraph.InfiniteLine(angle=0, pen=dashes)
        self._plot.addItem(self._level, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(caption)
        layout.addWidget(self._plot)
        self.set_ink(ink)
        self.hide()

    def draw(
        self,
        points: tuple[list[float], list[float]],
        x_range: tuple[float, float],
        level: float | None = None,
    ) -> None:
        """Show a curve, and a dashed level where there is one."""
        self._curve.setData(*points)
        self._plot.setXRange(*x_range, padding=0.02)
        self._level.setVisible(level is not None)
        if level is not None:
            self._level.setValue(level)
        self.show()

    def set_ink(self, colour: str) -> None:
        """Colour of axes and numbers."""
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(colour)
            axis.setTextPen(colour)
