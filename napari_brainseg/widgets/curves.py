"""Live curves of a run: loss, and DSC on the validation patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_brainseg.core.protocol import EpochFinished, RunStarted, StepFinished
from napari_brainseg.viewer import colours
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from napari_brainseg.core.protocol import Event

__all__ = ["Curves", "epochs_done"]

_HEIGHT = 120
_STEPS_KEPT = 2000
_BEFORE = "#999999"


def epochs_done(event: RunStarted) -> int:
    """Whole epochs that a resumed run has behind it; the event counts from 1."""
    return max(event.first_epoch - 1, 0)


class Curves(QWidget):
    """Two plots above each other, made when the first event comes.

    pyqtgraph takes a quarter of a second to import: not before somebody looks at the Models tab.
    """

    @staticmethod
    def preload() -> None:
        """Import pyqtgraph; a worker does it, so that the first curve does not hold the window."""
        import pyqtgraph  # noqa: F401

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._loss: Any = None
        self._dsc: Any = None
        self._start: Any = None
        self._plots: tuple[Any, ...] = ()
        self._ink = "#d0d0d0"
        self.clear()

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
        self._draw()

    def set_ink(self, colour: str) -> None:
        """Colour of axes and text, from the theme."""
        self._ink = colour
        for plot in self.findChildren(QWidget, "curve"):
            self._paint_axes(plot)

    def add(self, event: Event) -> None:
        """Take an event of the trainer in."""
        if isinstance(event, RunStarted):
            self.clear()
            self._parent_dsc = event.parent_validation_dsc
            done = epochs_done(event)
            self._range = (done, event.epochs)
            if self._parent_dsc is not None:
                # The model in use is where the curve of the new one begins.
                self._epochs[0].append(float(done))
                self._epochs[1].append(self._parent_dsc)
        elif isinstance(event, StepFinished):
            self._steps[0].append(event.epoch - 1 + event.step / max(event.steps_per_epoch, 1))
            self._steps[1].append(event.loss)
            if len(self._steps[0]) > _STEPS_KEPT:
                self._steps = (self._steps[0][::2], self._steps[1][::2])
        elif isinstance(event, EpochFinished) and event.validation_dsc is not None:
            self._epochs[0].append(float(event.epoch))
            self._epochs[1].append(event.validation_dsc)
        else:
            return
        self._draw()

    def _draw(self) -> None:
        if self._loss is None:
            if not self._steps[0] and not self._epochs[0]:
                return
            self._build()
        self._loss.setData(*self._steps)
        self._dsc.setData(*self._epochs)
        for plot in self._plots:
            plot.setXRange(*self._range, padding=0.02)
        self._start.setVisible(self._parent_dsc is not None)
        if self._parent_dsc is not None:
            self._start.setValue(self._parent_dsc)

    def _build(self) -> None:
        import pyqtgraph

        loss = self._plot(self.tr("Training loss by epoch"))
        dsc = self._plot(self.tr("DSC on the validation patients (dashed: model in use)"))
        self._plots = (loss, dsc)
        dsc.setLimits(yMin=0, yMax=1)
        self._loss = loss.plot(pen=pyqtgraph.mkPen(_BEFORE, width=2))
        self._dsc = dsc.plot(
            pen=pyqtgraph.mkPen(colours.PREDICTION, width=2),
            symbol="o",
            symbolSize=6,
            symbolBrush=colours.PREDICTION,
            symbolPen=None,
        )
        dashes = pyqtgraph.mkPen(_BEFORE, width=1, dash=[4, 3])
        self._start = pyqtgraph.InfiniteLine(angle=0, pen=dashes)
        dsc.addItem(self._start, ignoreBounds=True)

    def _plot(self, title: str) -> Any:
        import pyqtgraph

        caption = QLabel(title, wordWrap=True)
        set_role(caption, "hint")
        plot = pyqtgraph.PlotWidget(background=None)
        plot.setObjectName("curve")
        plot.setFixedHeight(_HEIGHT)
        plot.setMenuEnabled(False)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.getAxis("left").setWidth(38)
        self._paint_axes(plot)
        self._layout.addWidget(caption)
        self._layout.addWidget(plot)
        return plot

    def _paint_axes(self, plot: Any) -> None:
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setPen(self._ink)
            axis.setTextPen(self._ink)
