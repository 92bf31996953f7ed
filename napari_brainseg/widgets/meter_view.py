"""Live figures of the correction, after every stroke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_brainseg.viewer import colours
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from napari_brainseg.session.meter import Meter

__all__ = ["MeterView"]


class MeterView(QWidget):
    """DSC with ground truth and prediction, volume, and what was changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(1)
        self.dsc_truth = self._row(
            layout, 0, self.tr("DSC, truth"), colours.TRUTH,
            self.tr("Dice similarity coefficient of your mask and the ground truth"),
        )  # fmt: skip
        self.dsc_prediction = self._row(
            layout, 1, self.tr("DSC, prediction"), colours.PREDICTION,
            self.tr("Dice similarity coefficient of your mask and the prediction"),
        )  # fmt: skip
        self.volume = self._row(
            layout, 2, self.tr("Volume"), colours.CORRECTION, self.tr("Of your mask")
        )
        self.changed = self._row(
            layout, 3, self.tr("Changed voxels"), colours.CORRECTION,
            self.tr("Added to and removed from the mask you started with"),
        )  # fmt: skip

    def show_meter(self, meter: Meter) -> None:
        """Show the figures."""
        self.dsc_truth.setText(numbers.dsc(meter.dsc_truth))
        self.dsc_prediction.setText(numbers.dsc(meter.dsc_prediction))
        self.volume.setText(numbers.volume(meter.volume_vox, meter.volume_ml))
        self.volume.setToolTip(self.tr("{n} voxels").format(n=numbers.voxels(meter.volume_vox)))
        self.changed.setText(
            f"+{numbers.voxels(meter.added_vox)}  −{numbers.voxels(meter.removed_vox)}"
        )

    @staticmethod
    def _row(layout: QGridLayout, row: int, text: str, colour: str, hint: str) -> QLabel:
        bar = QLabel()
        bar.setFixedWidth(3)
        bar.setStyleSheet(f"background: {colour};")
        name, value = QLabel(text), QLabel("–")
        set_role(name, "hint")
        set_role(value, "figure")
        name.setToolTip(hint)
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, widget in enumerate((bar, name, value)):
            layout.addWidget(widget, row, column)
        layout.setColumnStretch(1, 1)
        return value
