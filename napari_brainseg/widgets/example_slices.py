"""Slices of locked patients, before and now: what the run changes, to the eye."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QPaintEvent, QResizeEvent

    from napari_brainseg.core.protocol import ExampleSaved
    from napari_brainseg.widgets.run_state import ExamplePair

__all__ = ["ExampleSlices"]

_MOST = 2
_GAP = 4
_LARGE = 420
"""Pixels of the picture under the pointer."""
_BESIDE = 64
"""Letters of width from which two patients stand side by side."""


class ExampleSlices(QWidget):
    """Pictures in pairs, for a few patients.

    Attributes
    ----------
    pairs : tuple of ExamplePair
        What is shown.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pairs: tuple[ExamplePair, ...] = ()
        self.caption = hint_label(
            self.tr("DSC of locked patients. Green: reference, orange: model.")
        )
        self.views = tuple(_PairView() for _ in range(_MOST))
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2 * _GAP)
        self._columns = 0
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.caption)
        layout.addLayout(self._grid)
        self._arrange()
        self.hide()

    def show_pairs(self, pairs: Sequence[ExamplePair], name: Callable[[str], str]) -> None:
        """Show the first pairs; `name` gives what a patient is called on the screen."""
        self.pairs = tuple(pairs[:_MOST])
        for number, view in enumerate(self.views):
            if number < len(self.pairs):
                view.show_pair(self.pairs[number], name)
            view.setVisible(number < len(self.pairs))
        self.setVisible(bool(self.pairs))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put two patients side by side where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        wide = self.width() > _BESIDE * self.fontMetrics().averageCharWidth()
        columns = 2 if wide else 1
        if columns != self._columns:
            self._columns = columns
            for number, view in enumerate(self.views):
                self._grid.addWidget(view, number // columns, number % columns)


class _PairView(QWidget):
    """Before and now of one patient, with their DSC below."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = (_Picture(), _Picture())
        self.figures = (QLabel(wordWrap=True), QLabel(wordWrap=True))
        self.patient = hint_label()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(_GAP)
        layout.setVerticalSpacing(1)
        for column in (0, 1):
            layout.addWidget(self.pictures[column], 0, column)
            self.figures[column].setMinimumWidth(1)
            layout.addWidget(self.figures[column], 1, column)
            layout.setColumnStretch(column, 1)
        layout.addWidget(self.patient, 2, 0, 1, 2)

    def show_pair(self, pair: ExamplePair, name: Callable[[str], str]) -> None:
        """Show a pair; pictures that are shown already are not read again."""
        self.patient.setText(
            self.tr("{patient}, slice {n}").format(
                patient=name(pair.before.patient), n=pair.before.slice_index + 1
            )
        )
        self._show(0, pair.before, self.tr("before"))
        if pair.now is None:
            self.pictures[1].clear()
            self.figures[1].setText(self.tr("now: to come"))
        else:
            self._show(1, pair.now, self.tr("epoch {i}").format(i=pair.now.epoch))

    def _show(self, column: int, example: ExampleSaved, when: str) -> None:
        text = self.tr("{when}: {dsc}").format(when=when, dsc=numbers.dsc(example.dsc))
        self.figures[column].setText(text)
        self.pictures[column].show_file(example.path, text)


class _Picture(QWidget):
    """One picture, as large as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.path = ""
        self._image = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show, e.g. because the file is gone."""
        return bool(self._image.isNull())

    def clear(self) -> None:
        """Show nothing."""
        self.path, self._image = "", QImage()
        self.setToolTip("")
        self.update()

    def show_file(self, path: str, text: str) -> None:
        """Read and show a picture of 256 x 256 or so, which takes a millisecond."""
        if path != self.path or self._image.isNull():
            self.path, self._image = path, QImage(path)
            self.update()
        # Large under the pointer: a lesion of a few millimetres is lost in a thumbnail.
        self.setToolTip(
            "" if self._image.isNull()
            else f'<img src="{html.escape(path, quote=True)}" width="{_LARGE}"/>'
        )  # fmt: skip
        self.setAccessibleName(text)

    def sizeHint(self) -> QSize:
        """Be a thumbnail where nothing gives more room."""
        side = 7 * self.fontMetrics().lineSpacing()
        return QSize(side, side)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stay square, up to a fair size."""
        super().resizeEvent(event)
        self.setFixedHeight(min(self.width(), 15 * self.fontMetrics().lineSpacing()))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw it, centred."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area = QRectF(self.rect())
        if not self._image.isNull():
            painter.fillRect(area, QColor(0, 0, 0))
            size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRectF(0, 0, size.width(), size.height())
            place.moveCenter(area.center())
            painter.drawImage(place, self._image)
        painter.end()
