"""A point a case, in the order in which they were begun: what correcting it cost."""

from __future__ import annotations

from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_brainseg.widgets.effort_words import (
    Figure,
    figure_text,
    figure_title,
    start_of,
    start_text,
    value,
)
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_brainseg.session.effort import EffortRow
    from napari_brainseg.widgets.effort_words import Mark, Start

__all__ = ["EffortPlot"]

_HEIGHT = 170
_TICKS = 8
_IN_MINUTES = 120.0
"""Seconds from which on a plot counts in minutes."""


class EffortPlot(QWidget):
    """Cases by their running number, with the median of each model version and its changes.

    pyqtgraph takes a quarter of a second to import: `preload` belongs in a worker.

    Attributes
    ----------
    points : dict
        What is plotted: start to heights, in the unit of the axis.
    places : dict
        Start to running numbers of its cases, from 1.
    changes : list of float
        Where another version made the predictions from the next case on.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.points: dict[Start, list[float]] = {}
        self.places: dict[Start, list[int]] = {}
        self.changes: list[float] = []
        self._plot: Any = None
        self._ink = "#d0d0d0"
        self.caption = QLabel(wordWrap=True)
        self.caption.setMinimumWidth(1)
        set_role(self.caption, "hint")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.caption)

    @staticmethod
    def preload() -> None:
        """Import pyqtgraph."""
        import pyqtgraph  # noqa: F401

    def set_ink(self, colour: str) -> None:
        """Colour of axes and text, from the theme."""
        self._ink = colour
        if self._plot is not None:
            self._colour_axes()

    def draw(
        self,
        rows: Sequence[EffortRow],
        figure: Figure,
        signs: Mapping[Start, Mark],
        name: Callable[[str], str],
    ) -> None:
        """Plot one figure of some cases; `name` gives what a patient is called on the screen."""
        import pyqtgraph

        if self._plot is None:
            self._make()
        is_time = figure in (Figure.SECONDS, Figure.READING)
        highest = max((value(row, figure) for row in rows), default=0.0)
        in_minutes = is_time and highest >= _IN_MINUTES
        scale = 1 / 60 if in_minutes else 1.0
        self.caption.setText(self._caption(figure, is_time=is_time, in_minutes=in_minutes))
        self._plot.clear()
        self.points = {start: [] for start in signs}
        self.places = {start: [] for start in signs}
        for place, row in enumerate(rows, 1):
            self.points[start_of(row)].append(value(row, figure) * scale)
            self.places[start_of(row)].append(place)
        self.changes = _changes(rows)
        for place in self.changes:
            pen = pyqtgraph.mkPen(self._ink, width=1, dash=[3, 3])
            self._plot.addItem(pyqtgraph.InfiniteLine(place, angle=90, pen=pen), ignoreBounds=True)
        for start, sign in signs.items():
            group = [row for row in rows if start_of(row) == start]
            if group:
                self._draw_group(start, sign, group, figure, name)
        self._plot.getAxis("bottom").setTicks(_ticks(len(rows)))
        self._plot.setXRange(0.5, len(rows) + 0.5, padding=0.0)
        self._plot.setYRange(0, max(highest * scale, 1e-3) * 1.08, padding=0.0)

    def _draw_group(
        self,
        start: Start,
        sign: Mark,
        group: Sequence[EffortRow],
        figure: Figure,
        name: Callable[[str], str],
    ) -> None:
        import pyqtgraph

        places, heights = self.places[start], self.points[start]
        level = median(heights)
        # Below the points, as long as its version was worked with.
        self._plot.plot(
            [places[0] - 0.45, places[-1] + 0.45], [level, level],
            pen=pyqtgraph.mkPen(sign.colour, width=2),
        )  # fmt: skip
        scatter = pyqtgraph.ScatterPlotItem(
            x=places, y=heights, symbol=sign.shape, size=9, brush=sign.colour,
            pen=pyqtgraph.mkPen(self._ink, width=0.6), hoverable=True, hoverSize=12, tip=None,
            data=[f"{name(r.patient)}, {_day(r.created)}\n{start_text(start)}\n"
                  f"{figure_title(figure)}: {figure_text(figure, value(r, figure))}"
                  for r in group],
        )  # fmt: skip
        scatter.sigHovered.connect(self._on_hover)
        self._plot.addItem(scatter)

    def _make(self) -> None:
        import pyqtgraph

        plot = pyqtgraph.PlotWidget(background=None)
        plot.setFixedHeight(_HEIGHT)
        plot.setMenuEnabled(False)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.getAxis("left").setWidth(42)
        plot.getAxis("left").enableAutoSIPrefix(False)
        plot.getAxis("left").setStyle(maxTickLevel=0)
        plot.getAxis("bottom").enableAutoSIPrefix(False)
        plot.showGrid(y=True, alpha=0.15)
        self._plot = plot
        self._layout.addWidget(plot)
        self._colour_axes()

    def _colour_axes(self) -> None:
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(self._ink)
            axis.setTextPen(self._ink)

    def _on_hover(self, _scatter: Any, points: Any, _event: Any) -> None:
        self._plot.setToolTip(points[0].data() if len(points) else "")

    def _caption(self, figure: Figure, *, is_time: bool, in_minutes: bool) -> str:
        if not is_time:
            text = self.tr("{figure} of each case, in the order begun.")
        elif in_minutes:
            text = self.tr("{figure} of each case in minutes, in the order begun.")
        else:
            text = self.tr("{figure} of each case in seconds, in the order begun.")
        lines = self.tr("Line: median of the version; dashed: another version came into use.")
        return f"{text.format(figure=figure_title(figure))} {lines}"


def _changes(rows: Sequence[EffortRow]) -> list[float]:
    """Places between two cases whose predictions are of different versions."""
    found, last = [], None
    for place, row in enumerate(rows, 1):
        if row.base != "prediction":
            continue
        if last is not None and row.model_version != last:
            found.append(place - 0.5)
        last = row.model_version
    return found


def _ticks(cases: int) -> list[list[tuple[int, str]]]:
    """Choose running numbers that fit below a narrow plot: the first one, and whole steps."""
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if cases / n <= _TICKS)
    return [
        [(place, str(place)) for place in range(1, cases + 1) if place == 1 or place % step == 0]
    ]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")
