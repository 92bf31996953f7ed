"""How the open case is shown: modality, window, masks, threshold; kept from case to case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from psygnal import Signal

from napari_brainseg.viewer.case_masks import CaseMasks
from napari_brainseg.viewer.kept_settings import KeptSettings
from napari_brainseg.viewer.live_threshold import LEAST, MOST
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    OVERLAYS,
    PREDICTION_NAME,
    TRUTH_NAME,
)
from napari_brainseg.viewer.threshold_control import ThresholdControl
from napari_brainseg.viewer.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.history import Stroke
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.viewer.difference import Counts
    from napari_brainseg.viewer.layers import CaseLayers
    from napari_brainseg.viewer.live_threshold import Delivery

__all__ = [
    "CORRECTION_NAME",
    "DIFFERENCE_NAME",
    "DOUBT_NAME",
    "LEAST",
    "MOST",
    "OVERLAYS",
    "PREDICTION_NAME",
    "TRUTH_NAME",
    "Display",
]

LEAST_OPACITY = 0.05
WIDEST_OUTLINE = 8
"""Voxels."""


class Display:
    """How the open case is shown. Main thread only; `CaseView` has one and feeds it.

    Parameters
    ----------
    layers : CaseLayers
        What it acts on.
    preferences : Preferences, optional
        Where settings come from and go to; without them they last as long as the window.
    delivery_of : callable, optional
        Tells of a model version how it makes its mask; called in a thread.

    Attributes
    ----------
    slice_index : callable
        Gives the index of the slice on show.
    """

    changed = Signal(str)
    """What changed.

    ``"modality"``: another one is on show. ``"window"``: of any modality. ``"mode"``: composite or
    inverted. ``"masks"``: an overlay came, went, was shown or hidden, or looks otherwise.
    ``"threshold"``: the threshold, and with it the prediction on show. ``"case"``: all of it.
    Strokes are not told here; the case does that by `corrected`.
    """

    def __init__(
        self,
        layers: CaseLayers,
        preferences: Preferences | None = None,
        delivery_of: Callable[[str], Delivery] | None = None,
    ) -> None:
        self._layers, self._overlays, self._images = layers, layers.overlays, layers.images
        self._kept = KeptSettings(preferences)
        values = self._kept.values
        self._composite, self._inverted = values.colour_composite, values.inverted
        self._fill, self._width, self._opacity = values.fill, values.outline_width, values.opacity
        self._masks: CaseMasks | None = None
        self._windows = Windows(layers.images, values.windows)
        self._threshold = ThresholdControl(self._on_threshold, delivery_of)
        self.slice_index: Callable[[], int] = _first
        for name in OVERLAYS:
            if name in values.shown:
                self._overlays.want(name, values.shown[name])
        self._images.set_colours(composite=self._composite, inverted=self._inverted)
        self._overlays.set_style(self._width, self._fill, self._opacity)
        self._overlays.toggled.connect(self._on_toggled)
        self._overlays.hidden_changed.connect(self._on_hidden)
        self._images.toggled.connect(self._on_modality_toggled)

    # modality ---------------------------------------------------------------------------------

    @property
    def modality(self) -> Modality:
        """The one on show; in a study without it FLAIR stands in."""
        return self._images.on_show

    @modality.setter
    def modality(self, modality: Modality) -> None:
        if modality is not self.modality or self._composite:
            self._images.choose(modality)
            if self._composite:
                self.composite = False
            self.changed.emit("modality")

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of the study, the missing ones too."""
        return self._images.known

    def is_missing(self, modality: Modality) -> bool:
        """Whether the study lacks a modality: it is blank, or a copy of FLAIR stands for it."""
        return modality not in self.modalities or modality in self._images.missing

    def is_ct(self, modality: Modality) -> bool:
        """Whether what is shown as a modality is CT, told by its Hounsfield units."""
        tissue = self._images.tissue(modality)
        return tissue is not None and tissue.hounsfield

    def next_modality(self) -> None:
        """Show the next modality that the study has."""
        there = [m for m in self.modalities if not self.is_missing(m)]
        if there:
            now = there.index(self.modality) if self.modality in there else -1
            self.modality = there[(now + 1) % len(there)]

    @property
    def composite(self) -> bool:
        """Whether all three are shown at once: pre-contrast red, FLAIR green, post blue."""
        return self._composite

    @composite.setter
    def composite(self, on: bool) -> None:
        if on != self._composite:
            self._composite = on
            self._recolour(colour_composite=on)

    @property
    def inverted(self) -> bool:
        """Whether dark tissue is shown white; no matter in the composite."""
        return self._inverted

    @inverted.setter
    def inverted(self, on: bool) -> None:
        if on != self._inverted:
            self._inverted = on
            self._recolour(inverted=on)

    # window and level -------------------------------------------------------------------------

    def window(self, modality: Modality | None = None) -> tuple[float, float]:
        """Return (low, high) in intensities of a modality, by default of the one on show."""
        return self._windows.get(modality or self.modality)

    def set_window(self, modality: Modality, low: float, high: float) -> None:
        """Show a modality under another window; it is clamped, and remembered."""
        self._windows.set(modality, (low, high))
        self._note_windows()

    def presets(self) -> dict[str, tuple[float, float]]:
        """Windows by name for the modality on show, from percentiles of its tissue."""
        return self._windows.presets(self.modality)

    def apply_preset(self, name: str) -> None:
        """Show the modality on show, or all of the composite, under a window by its name.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        for modality in self._on_show():
            self._windows.set(modality, self._windows.presets(modality)[name])
        self._note_windows()

    def auto(self) -> None:
        """Fit the window to the tissue of the slice on show."""
        for modality in self._on_show():
            self._windows.fit(modality, self.slice_index())
        self._note_windows()

    def reset(self) -> None:
        """Go back to the automatic window of the whole volume, for all patients."""
        for modality in self._on_show():
            self._windows.reset(modality)
        self._note_windows()

    def start_window_drag(self) -> bool:
        """Begin a drag from the windows as they are; whether there is anything to drag."""
        return self._windows.start_drag(self._on_show())

    def drag_window(self, right: float, down: float) -> None:
        """Follow a drag: right widens, down darkens; both as shares since its start."""
        self._windows.drag(right, down)
        self._note_windows()

    # overlays ---------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether the case has an overlay."""
        return self._masks is not None and self._masks.has(name)

    def is_shown(self, name: str) -> bool:
        """Whether the case has an overlay and it is chosen; hiding for a moment plays no part."""
        return self._overlays.is_wanted(name) and self.has(name)

    def show(self, name: str, on: bool) -> None:
        """Show an overlay, or don't, in this case and in those that follow."""
        if on != self._overlays.is_wanted(name):
            self._overlays.want(name, on)
            self._fill_in(name)
            self._note_shown()

    @property
    def fill(self) -> bool:
        """Whether masks are filled, transparently, instead of outlined."""
        return self._fill

    @fill.setter
    def fill(self, on: bool) -> None:
        if on != self._fill:
            self._fill = on
            self._restyle(fill=on)

    @property
    def outline_width(self) -> int:
        """Width of outlines in voxels, 1 to 8."""
        return self._width

    @outline_width.setter
    def outline_width(self, width: int) -> None:
        width = min(max(int(width), 1), WIDEST_OUTLINE)
        if width != self._width:
            self._width = width
            self._restyle(outline_width=width)

    @property
    def opacity(self) -> float:
        """Opacity of all overlays, 0.05 to 1."""
        return self._opacity

    @opacity.setter
    def opacity(self, opacity: float) -> None:
        opacity = min(max(float(opacity), LEAST_OPACITY), 1.0)
        if opacity != self._opacity:
            self._opacity = opacity
            self._restyle(opacity=opacity)

    @property
    def masks_hidden(self) -> bool:
        """Whether all overlays are hidden for a moment."""
        return self._overlays.hidden

    def hide_masks(self) -> None:
        """Hide all overlays until `reveal_masks`."""
        self._overlays.hidden = True

    def reveal_masks(self) -> None:
        """Show again what `hide_masks` hid."""
        self._overlays.hidden = False

    @property
    def suspended(self) -> bool:
        """Whether something else than layers shows the overlays, such as surfaces in 3D."""
        return self._overlays.suspended

    @suspended.setter
    def suspended(self, on: bool) -> None:
        self._overlays.suspended = on

    def mask(self, name: str) -> NDArray[np.uint8] | None:
        """Return what is on show, (Z, Y, X), of truth, prediction, correction or difference.

        The prediction is that of the slider's threshold. Copy it for a worker: it changes in
        place. The difference has the labels of `viewer.difference`.
        """
        return None if self._masks is None else self._masks.mask(name)

    @property
    def doubt(self) -> NDArray[np.float32] | None:
        """Uncertainty of the prediction in bits, (Z, Y, X)."""
        return None if self._masks is None else self._masks.doubt

    @property
    def difference_of(self) -> Literal["correction", "prediction"] | None:
        """What is compared with the truth, `None` where one of them lacks."""
        return None if self._masks is None else self._masks.difference_of

    def difference_counts(self, slice_index: int | None = None) -> Counts | None:
        """Voxels that agree and differ in a slice, by default in the one on show."""
        if self._masks is None:
            return None
        return self._masks.counts(self.slice_index() if slice_index is None else slice_index)

    # threshold --------------------------------------------------------------------------------

    @property
    def threshold(self) -> float:
        """Probability from which on a voxel is shown as lesion."""
        return self._threshold.value

    @property
    def delivered_threshold(self) -> float:
        """The one that the model delivered its mask with."""
        return self._threshold.delivered

    @property
    def is_settled(self) -> bool:
        """Whether islands and holes of the prediction on show are seen to."""
        return self._threshold.is_settled

    def set_threshold(self, value: float) -> None:
        """Show the prediction under another threshold, 0.01 to 0.99; the case keeps its own.

        Postprocessing follows when the slider rests.
        """
        self._threshold.set(value)

    def reset_threshold(self) -> None:
        """Show the prediction as the model delivered it."""
        self._threshold.set(None)

    # fed by the case view ---------------------------------------------------------------------

    def enter(self, case: Case) -> None:
        """Show another case: its images, masks and what goes with them."""
        self.leave()
        self._masks = masks = CaseMasks(case)
        study = case.study
        self._layers.show_study(
            study,
            masks.mask(PREDICTION_NAME),
            masks.mask(CORRECTION_NAME),
            windows=self._windows.enter(study),
            difference=self._wanted_data(DIFFERENCE_NAME),
            doubt=self._wanted_data(DOUBT_NAME),
        )
        self._threshold.take(masks.live, study)
        self.changed.emit("case")

    def leave(self) -> None:
        """Let go of the case; the layers still show it."""
        self._masks = None
        self._threshold.take(None, None)
        self._windows.leave()

    def clear(self) -> None:
        """Remove the layers: no case is open any more."""
        self.leave()
        self._layers.clear()
        self.changed.emit("case")

    def close(self) -> None:
        """Save what was not saved yet; the window is going."""
        self.leave()
        self._kept.close()

    def take_prediction(self) -> None:
        """Follow the prediction of the case, at the threshold it was delivered with."""
        masks = self._masks
        if masks is not None:
            masks.take_prediction()
            self._layers.show_prediction(masks.mask(PREDICTION_NAME))
            self._threshold.take(masks.live, masks.case.study)
            self._fill_in(DIFFERENCE_NAME)
            self._fill_in(DOUBT_NAME)
            self.changed.emit("masks")

    def take_correction(self) -> None:
        """Follow the correction of the case, which began or was set aside."""
        masks = self._masks
        if masks is not None:
            masks.take_correction()
            self._layers.show_correction(masks.mask(CORRECTION_NAME))
            self._fill_in(DIFFERENCE_NAME)
            self.changed.emit("masks")

    def note_stroke(self, stroke: Stroke) -> None:
        """Bring the difference up to date in the slices of a stroke."""
        masks = self._masks
        if masks is not None:
            _, height, width = masks.case.shape
            slices = np.unique(stroke.indices // (height * width)).tolist()
            if masks.note_change("correction", slices):
                self._overlays.redraw(DIFFERENCE_NAME)

    # inside -----------------------------------------------------------------------------------

    def _on_show(self) -> tuple[Modality, ...]:
        return self.modalities if self._composite else (self.modality,)

    def _wanted_data(self, name: str) -> NDArray[Any] | None:
        # Made only where somebody looks at it.
        masks = self._masks
        if masks is None or not (masks.has(name) and self._overlays.is_wanted(name)):
            return None
        return masks.doubt if name == DOUBT_NAME else masks.difference

    def _fill_in(self, name: str) -> None:
        if name in (DIFFERENCE_NAME, DOUBT_NAME):
            self._layers.show_overlay(name, self._wanted_data(name))

    def _on_threshold(self, is_other: bool) -> None:
        masks = self._masks
        if masks is None:
            return
        if is_other:
            self._layers.show_prediction(masks.mask(PREDICTION_NAME))
        else:
            self._overlays.redraw(PREDICTION_NAME)
        if masks.note_change("prediction"):
            self._overlays.redraw(DIFFERENCE_NAME)
        self.changed.emit("threshold")

    def _on_toggled(self, name: str) -> None:
        self._fill_in(name)
        self._note_shown()

    def _on_hidden(self) -> None:
        self.changed.emit("masks")

    def _on_modality_toggled(self) -> None:
        self.changed.emit("modality")

    def _note_shown(self) -> None:
        self._kept.remember(shown={name: self._overlays.is_wanted(name) for name in OVERLAYS})
        self.changed.emit("masks")

    def _note_windows(self) -> None:
        self._kept.remember(windows=self._windows.shares)
        self.changed.emit("window")

    def _recolour(self, **change: bool) -> None:
        self._images.set_colours(composite=self._composite, inverted=self._inverted)
        self._kept.remember(**change)
        self.changed.emit("mode")

    def _restyle(self, **change: Any) -> None:
        self._overlays.set_style(self._width, self._fill, self._opacity)
        self._kept.remember(**change)
        self.changed.emit("masks")


def _first() -> int:
    return 0
