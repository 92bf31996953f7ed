"""What is shown and how: modality, window, overlays, threshold; one compact block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
)

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.display import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    LEAST,
    LEAST_OPACITY,
    MOST,
    PREDICTION_NAME,
    TRUTH_NAME,
    WIDEST_OUTLINE,
)
from napari_brainseg.viewer.shortcuts import key_text, keys_changed
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.mask_icons import GAP, mask_icon
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.window_menu import WindowMenu

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.display import Display

__all__ = ["ShowPanel"]

_PERCENT = 100


class ShowPanel(QFrame):
    """Switches and sliders of the display.

    Parameters
    ----------
    display : Display
        Which it follows and changes.

    Attributes
    ----------
    modalities : dict of Modality to QToolButton
    overlays : dict of str to QToolButton
        By name of the layer.
    composite, fill, reset_threshold : QToolButton
    window_button : QToolButton
        With a menu of presets.
    opacity, threshold : QSlider
        In percent.
    outline : QSlider
        In voxels.
    """

    def __init__(self, display: Display, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "panel")
        self._display = display
        self._ties = Subscriptions(self)
        self._icon_side = max(9, round(0.62 * self.fontMetrics().height()))
        self.modalities: dict[Modality, QToolButton] = {}
        self.overlays: dict[str, QToolButton] = {}
        self._hints: dict[QWidget, tuple[str, str]] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 5, 6, 6)
        layout.setSpacing(3)
        for row in (
            self._modality_row(),
            self._mask_row(),
            self._comparison_row(),
            self._opacity_row(),
            self._threshold_row(),
        ):
            layout.addLayout(row)
        self._ties.add(display.changed, self._on_changed)
        self._ties.add(keys_changed, self._write_hints)
        self.refresh()

    def refresh(self) -> None:
        """Follow the display in everything."""
        self._show_modality()
        self._show_masks()
        self._show_threshold()
        self._write_hints()

    # rows -------------------------------------------------------------------------------------

    def _modality_row(self) -> QHBoxLayout:
        row = _row()
        for modality, text, key in (
            (Modality.PRE, self.tr("Pre"), "show_pre"),
            (Modality.FLAIR, self.tr("FLAIR"), "show_flair"),
            (Modality.POST, self.tr("Post"), "show_post"),
        ):
            button = self._button(text, "", key)
            button.clicked.connect(lambda _on, modality=modality: self._choose(modality))
            self.modalities[modality] = button
            row.addWidget(button)
        self.composite = self._button(
            self.tr("Colour"),
            self.tr("All three at once: pre-contrast red, FLAIR green, post-contrast blue"),
            "composite",
        )
        self.composite.clicked.connect(self._set_composite)
        row.addWidget(self.composite)
        self.window_button = QToolButton(text=self.tr("W/L"))
        self.window_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        set_role(self.window_button, "menu")
        self.window_button.setMenu(WindowMenu(self._display, self.window_button))
        self._hints[self.window_button] = (
            self.tr(
                "Window and level, also by dragging with the right mouse button: sideways for "
                "the width, up and down for the level"
            ),
            "next_preset",
        )
        row.addWidget(self.window_button)
        return row

    def _mask_row(self) -> QHBoxLayout:
        row = _row()
        self._add_overlay(
            row, TRUTH_NAME, self.tr("Truth"), self.tr("Ground truth"), "toggle_truth"
        )
        self._add_overlay(
            row,
            PREDICTION_NAME,
            self.tr("Prediction"),
            self.tr("Prediction of the model"),
            "toggle_prediction",
        )
        self._add_overlay(
            row, CORRECTION_NAME, self.tr("Mine"), self.tr("Your correction"), "toggle_correction"
        )
        return row

    def _comparison_row(self) -> QHBoxLayout:
        row = _row()
        self._add_overlay(row, DIFFERENCE_NAME, self.tr("Difference"), "", "toggle_difference")
        self._add_overlay(
            row,
            DOUBT_NAME,
            self.tr("Doubt"),
            self.tr("Uncertainty of the model: the stronger the colour, the less it is sure"),
            "toggle_doubt",
        )
        self.fill = self._button(
            self.tr("Fill"), self.tr("Fill masks instead of outlining them"), "fill"
        )
        self.fill.clicked.connect(lambda on: setattr(self._display, "fill", on))
        row.addWidget(self.fill)
        return row

    def _opacity_row(self) -> QHBoxLayout:
        row = _row()
        self.opacity = _slider(round(LEAST_OPACITY * _PERCENT), _PERCENT)
        self.opacity.valueChanged.connect(
            lambda percent: setattr(self._display, "opacity", percent / _PERCENT)
        )
        self._hints[self.opacity] = (
            self.tr("Opacity of everything on the picture"),
            "next_opacity",
        )
        self.outline = _slider(1, WIDEST_OUTLINE)
        self.outline.setPageStep(1)
        self.outline.valueChanged.connect(
            lambda width: setattr(self._display, "outline_width", width)
        )
        self._hints[self.outline] = (self.tr("Width of outlines in voxels"), "")
        self._outline_text = QLabel()
        self._outline_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("0"))
        row.addWidget(_label(self.tr("Opacity")))
        row.addWidget(self.opacity, 1)
        row.addWidget(_label(self.tr("Outline")))
        row.addWidget(self.outline, 1)
        row.addWidget(self._outline_text)
        return row

    def _threshold_row(self) -> QHBoxLayout:
        row = _row()
        self.threshold = _slider(round(LEAST * _PERCENT), round(MOST * _PERCENT))
        self.threshold.valueChanged.connect(
            lambda percent: self._display.set_threshold(percent / _PERCENT)
        )
        self._threshold_text = QLabel()
        self._threshold_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("0.00"))
        self.reset_threshold = QToolButton(text=self.tr("Reset"))
        self.reset_threshold.clicked.connect(lambda: self._display.reset_threshold())
        row.addWidget(_label(self.tr("Threshold")))
        row.addWidget(self.threshold, 1)
        row.addWidget(self._threshold_text)
        row.addWidget(self.reset_threshold)
        return row

    def _button(self, text: str, hint: str, key: str) -> QToolButton:
        button = QToolButton(text=text, checkable=True)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._hints[button] = (hint, key)
        return button

    def _add_overlay(self, row: QHBoxLayout, name: str, text: str, hint: str, key: str) -> None:
        button = self._button(text, hint, key)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIcon(mask_icon(name, self._icon_side))
        button.setIconSize(QSize(self._icon_side + GAP, self._icon_side))
        button.clicked.connect(lambda on: self._display.show(name, on))
        self.overlays[name] = button
        row.addWidget(button)

    # from the display -------------------------------------------------------------------------

    def _on_changed(self, what: str) -> None:
        if what == "case":
            self.refresh()
        elif what in ("modality", "mode"):
            self._show_modality()
        elif what == "masks":
            self._show_masks()
            self._show_threshold()
        elif what == "threshold":
            self._show_threshold()

    def _show_modality(self) -> None:
        display = self._display
        there = bool(display.modalities)
        for modality, button in self.modalities.items():
            missing = display.is_missing(modality)
            button.setEnabled(there and not missing)
            button.setChecked(not display.composite and there and modality is display.modality)
            text = (
                self.tr("This study has no {modality} images")
                if missing and there
                else "{modality}"
            )
            self._hint(button, text.format(modality=modality))
        self.composite.setEnabled(there)
        self.composite.setChecked(there and display.composite)
        self.window_button.setEnabled(there)

    def _show_masks(self) -> None:
        display = self._display
        for name, button in self.overlays.items():
            button.setEnabled(display.has(name))
            button.setChecked(display.is_shown(name))
        self._hint(self.overlays[DIFFERENCE_NAME], self._difference_hint())
        _quietly(self.fill, "setChecked", display.fill)
        _quietly(self.opacity, "setValue", round(display.opacity * _PERCENT))
        _quietly(self.outline, "setValue", display.outline_width)
        self.outline.setEnabled(not display.fill)
        self._outline_text.setText(str(display.outline_width))

    def _show_threshold(self) -> None:
        display = self._display
        there = display.has(PREDICTION_NAME)
        self.threshold.setEnabled(there)
        _quietly(self.threshold, "setValue", round(display.threshold * _PERCENT))
        self._threshold_text.setText(f"{display.threshold:.2f}" if there else "–")
        self.reset_threshold.setEnabled(there and display.threshold != display.delivered_threshold)
        model = self.tr("The model's own is {value}.").format(
            value=f"{display.delivered_threshold:.2f}"
        )
        self._hint(
            self.threshold,
            self.tr("Probability from which on a voxel is shown as lesion.") + " " + model,
        )
        self._hint(self.reset_threshold, self.tr("Show the prediction as the model gave it"))

    def _difference_hint(self) -> str:
        of = self._display.difference_of
        if of is None:
            return self.tr("Difference from the ground truth; this case has nothing to compare")
        what = (
            self.tr("Where your correction differs from the truth")
            if of == "correction"
            else self.tr("Where the prediction differs from the truth")
        )
        colours = self.tr("vermilion: too much, blue: missed, white: right")
        return f"{what}; {colours}"

    # tooltips ---------------------------------------------------------------------------------

    def _hint(self, widget: QWidget, text: str) -> None:
        before = self._hints.get(widget, ("", ""))
        keys = {self.threshold: "threshold_up", self.reset_threshold: "threshold_reset"}
        self._hints[widget] = (text, before[1] or keys.get(widget, ""))
        self._write_hint(widget)

    def _write_hints(self) -> None:
        for widget in self._hints:
            self._write_hint(widget)

    def _write_hint(self, widget: QWidget) -> None:
        text, action = self._hints[widget]
        keys = key_text(action) if action else ""
        if action == "threshold_up":
            keys = " ".join(filter(None, (key_text("threshold_down"), keys)))
        whole = self.tr("{text} ({keys})").format(text=text, keys=keys) if keys else text
        if widget.toolTip() != whole:
            widget.setToolTip(whole)

    # to the display ---------------------------------------------------------------------------

    def _choose(self, modality: Modality) -> None:
        self._display.modality = modality
        self._show_modality()

    def _set_composite(self, on: bool) -> None:
        self._display.composite = on
        self._show_modality()


def _row() -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(3)
    return row


def _label(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "hint")
    return label


def _slider(least: int, most: int) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(least, most)
    slider.setMinimumWidth(40)
    return slider


def _quietly(widget: Any, setter: str, value: Any) -> None:
    """Set a value without telling the display, which has it already."""
    widget.blockSignals(True)
    getattr(widget, setter)(value)
    widget.blockSignals(False)
