"""Live figures of the correction, after every stroke."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_brainseg.viewer import colours
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.work_time import work_time

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.session.meter import Meter

__all__ = ["MeterView"]

_NONE = "–"
_PENDING = "…"
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_BAR, _NAME, _DSC, _DISTANCE, _MARK, _VOLUME = range(6)
_WIDEST = {_DSC: "0.000", _DISTANCE: "000.0", _MARK: _PENDING, _VOLUME: "000\u2009000"}
"""Columns keep the width of these, so that nothing moves while figures change."""


class MeterView(QWidget):
    """How the correction compares with ground truth and prediction, and what it took.

    Attributes
    ----------
    dsc_truth, dsc_prediction, hd95_truth, hd95_prediction : QLabel
    volume, volume_truth, volume_prediction : QLabel
    changed : QLabel
        Voxels added and removed.
    effort : QLabel
        Strokes and time.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._revision = 0
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(5)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(_NAME, 1)
        self._heads: dict[int, QLabel] = {}
        for column, text in (
            (_DSC, self.tr("DSC") + "\n"),
            (_DISTANCE, ""),
            (_VOLUME, ""),
        ):
            head = QLabel(text, alignment=_RIGHT)
            set_role(head, "column")
            self._grid.addWidget(head, 0, column)
            self._heads[column] = head
        self._heads[_DSC].setToolTip(self.tr("Dice similarity coefficient with your mask"))
        self._rows: dict[int, list[QWidget]] = {}
        self._row(1, self.tr("Ground truth"), colours.TRUTH)
        self._row(2, self.tr("Prediction"), colours.PREDICTION)
        self._row(3, self.tr("Correction"), colours.CORRECTION)
        self.dsc_truth, self.dsc_prediction = self._figure(1, _DSC), self._figure(2, _DSC)
        self.hd95_truth = self._figure(1, _DISTANCE)
        self.hd95_prediction = self._figure(2, _DISTANCE)
        self._marks = {
            self.hd95_truth: self._figure(1, _MARK),
            self.hd95_prediction: self._figure(2, _MARK),
        }
        self.volume_truth = self._figure(1, _VOLUME)
        self.volume_prediction = self._figure(2, _VOLUME)
        self.volume = self._figure(3, _VOLUME)
        self.changed = QLabel(alignment=_RIGHT)
        set_role(self.changed, "cell")
        self.changed.setToolTip(
            self.tr("Voxels added to and removed from the mask that you started with")
        )
        changed_name = QLabel(self.tr("Changed voxels"))
        set_role(changed_name, "column")
        self._grid.addWidget(changed_name, 4, _NAME, 1, 2)
        self._grid.addWidget(self.changed, 4, _DISTANCE, 1, 3)
        self.effort = QLabel()
        set_role(self.effort, "column")
        self.effort.setToolTip(self.tr("Strokes in force, and time of editing without the pauses"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(3)
        layout.addLayout(self._grid)
        layout.addWidget(self.effort)

    def show_meter(self, meter: Meter) -> None:
        """Show the figures; those of an earlier stroke that come late are dropped."""
        if 0 < meter.revision < self._revision:
            return
        self._revision = meter.revision
        self._show_heads(meter)
        self._show_row(1, meter.truth_vox)
        self._show_row(2, meter.prediction_vox)
        self.dsc_truth.setText(numbers.dsc(meter.dsc_truth))
        self.dsc_prediction.setText(numbers.dsc(meter.dsc_prediction))
        current = meter.hd95_is_current
        self._show_distance(self.hd95_truth, meter.hd95_truth, current)
        self._show_distance(self.hd95_prediction, meter.hd95_prediction, current)
        self._show_volume(self.volume, meter.volume_vox, meter.volume_ml)
        for label, vox, ml in (
            (self.volume_truth, meter.truth_vox, meter.truth_ml),
            (self.volume_prediction, meter.prediction_vox, meter.prediction_ml),
        ):
            self._show_volume(label, vox, ml, meter)
        self.changed.setText(
            f"+{numbers.voxels(meter.added_vox)}  −{numbers.voxels(meter.removed_vox)}"
        )
        self.effort.setText(self._effort(meter))

    def showEvent(self, event: QShowEvent) -> None:
        """Keep room for the widest figures in the font of the theme."""
        super().showEvent(event)
        self._reserve()

    def _row(self, row: int, text: str, colour: str) -> None:
        bar = QLabel()
        bar.setFixedWidth(3)
        bar.setStyleSheet(f"background: {colour};")
        name = QLabel(text)
        set_role(name, "column")
        self._grid.addWidget(bar, row, _BAR)
        self._grid.addWidget(name, row, _NAME)
        self._rows[row] = [bar, name]

    def _figure(self, row: int, column: int) -> QLabel:
        label = QLabel(alignment=_RIGHT)
        set_role(label, "column" if column == _MARK else "cell")
        self._grid.addWidget(label, row, column)
        self._rows[row].append(label)
        return label

    def _reserve(self) -> None:
        for column, text in _WIDEST.items():
            label = self._grid.itemAtPosition(1, column).widget()
            label.ensurePolished()
            width = label.fontMetrics().horizontalAdvance(text)
            self._grid.setColumnMinimumWidth(column, width)

    def _show_heads(self, meter: Meter) -> None:
        in_mm = meter.hd95_unit == "mm"
        self._heads[_DISTANCE].setText(self.tr("HD95\nmm") if in_mm else self.tr("HD95\nvoxels"))
        self._heads[_DISTANCE].setToolTip(
            self.tr("95 % Hausdorff distance to your mask, in mm")
            if in_mm
            else self.tr(
                "95 % Hausdorff distance to your mask, in voxels: the spacing is not known, and "
                "a step between slices counts like one within them"
            )
        )
        in_ml = meter.volume_ml is not None
        self._heads[_VOLUME].setText(self.tr("Volume\nml") if in_ml else self.tr("Volume\nvoxels"))

    def _show_row(self, row: int, voxels: int | None) -> None:
        for widget in self._rows[row]:
            widget.setVisible(voxels is not None)

    def _show_distance(self, label: QLabel, value: float | None, is_current: bool) -> None:
        pending = not is_current
        if value is None:
            label.setText("" if pending else _NONE)
        else:
            label.setText(_NONE if math.isnan(value) else f"{value:.1f}")
        self._marks[label].setText(_PENDING if pending else "")
        if pending:
            label.setToolTip(self.tr("Being measured"))
        elif value is not None and math.isnan(value):
            label.setToolTip(self.tr("One of the two masks is empty: there is no distance"))
        else:
            label.setToolTip("")
        label.setEnabled(not pending)

    def _show_volume(
        self, label: QLabel, voxels: int | None, ml: float | None, mine: Meter | None = None
    ) -> None:
        if voxels is None:
            return
        label.setText(numbers.voxels(voxels) if ml is None else f"{ml:.1f}")
        tip = self.tr("{n} voxels").format(n=numbers.voxels(voxels))
        if mine is not None:
            step = mine.volume_vox - voxels
            tip += "\n" + self.tr("Your mask has {n} voxels {more}").format(
                n=numbers.voxels(abs(step)), more=self.tr("more") if step >= 0 else self.tr("fewer")
            )
        label.setToolTip(tip)

    def _effort(self, meter: Meter) -> str:
        strokes = (
            self.tr("1 stroke")
            if meter.strokes == 1
            else self.tr("{n} strokes").format(n=numbers.voxels(meter.strokes))
        )
        return self.tr("{strokes}, {time}").format(strokes=strokes, time=work_time(meter.seconds))
