"""What the colours of an effect review mean, in one line."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_brainseg.viewer.effect_pictures import GAINED, LOST, REFERENCE_COLOURS, reference_name
from napari_brainseg.viewer.overlay_layers import CORRECTION_NAME

__all__ = ["EffectLegend"]

_NEUTRAL = "#8c8c8c"


class EffectLegend(QLabel):
    """Colours with their words; the last one says that nothing here is a diagnosis."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setContentsMargins(8, 0, 8, 4)

    def show_reference(self, is_correction: bool) -> None:
        """Name the mask that both versions are compared with."""
        name = reference_name(is_correction)
        reference = (
            self.tr("approved correction") if name == CORRECTION_NAME else self.tr("ground truth")
        )
        parts = (
            (GAINED, "■", self.tr("only new")),
            (LOST, "■", self.tr("only in use, dashed edge")),
            (_NEUTRAL, "▫", self.tr("both")),
            (REFERENCE_COLOURS[name], "━", reference),
            (LOST, "╌", self.tr("mask of a version")),
        )
        items = [
            f"<span style='color:{colour}'>{sign}</span>&nbsp;{text.replace(' ', '&nbsp;')}"
            for colour, sign, text in parts
        ]
        items.append(f"<b>{self.tr('not for diagnosis').replace(' ', '&nbsp;')}</b>")
        self.setText("&nbsp;&nbsp; ".join(items))
