"""The image layers: one for each modality, one of them on show, or all three as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.assign import assign
from napari_brainseg.viewer.contrast import Tissue, tissue_of
from napari_brainseg.viewer.layer_metadata import take_units
from napari_brainseg.viewer.overlay_layers import lock
from napari_brainseg.viewer.spacing import canvas_scale
from napari_brainseg.viewer.thumbnails import rest_unseen
from napari_brainseg.viewer.window_level import clamped

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_brainseg.core.imaging import Study

__all__ = ["AXES", "ModalityLayers"]

AXES = ("slice", "y", "x")
"""What the axes of a volume are called beside the slider."""
FIRST = Modality.FLAIR
"""On show in a new window."""
COLOURS = {Modality.PRE: "red", Modality.FLAIR: "green", Modality.POST: "blue"}
"""Of the composite, as kaggle_3m stores its files."""


class ModalityLayers:
    """Images of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they live.

    Attributes
    ----------
    missing : tuple of Modality
        Those that the study lacks: blank, or a copy of FLAIR.
    """

    toggled = Signal()
    """The user chose another modality in the layer list."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layers: dict[Modality, Image] = {}
        self._tissue: dict[Modality, Tissue] = {}
        self._measured: Study | None = None
        self._wanted = FIRST
        self._busy = False
        self._colormap = ("gray", False)
        self.missing: tuple[Modality, ...] = ()

    @property
    def known(self) -> tuple[Modality, ...]:
        """The modalities that have a layer, in the order of the study."""
        return tuple(self._layers)

    def layer(self, modality: Modality) -> Image | None:
        """Return the layer of a modality, `None` if there is none."""
        layer = self._layers.get(modality)
        return layer if layer is not None and layer in self._viewer.layers else None

    def tissue(self, modality: Modality) -> Tissue | None:
        """Return what was measured of a modality of this study, `None` without one."""
        return self._tissue.get(modality)

    @property
    def on_show(self) -> Modality:
        """The modality on show: the one wanted; else FLAIR, else the first that there is."""
        usable = [m for m in self._layers if m not in self.missing]
        if self._wanted in usable or not usable:
            return self._wanted
        return FIRST if FIRST in usable else usable[0]

    def choose(self, modality: Modality) -> None:
        """Show another modality, in this study and in those that follow."""
        self._wanted = modality
        self.apply()

    def set_colours(self, *, composite: bool, inverted: bool) -> None:
        """Show all three as red, green and blue at once; or one in grey, or in inverted grey."""
        self._colormap = ("gray_r" if inverted else "gray", composite)
        self.apply()

    def make(self, modality: Modality, index: int, shape: tuple[int, int, int]) -> None:
        """Make a layer: hidden and empty, below all others but those of lower index."""
        if self._viewer.dims.ndim < len(shape):
            # Both at once: a slider that is there before its name leaves no room for it.
            self._viewer.dims.update({"ndim": len(shape), "axis_labels": AXES})
        layer = Image(
            np.broadcast_to(np.uint8(0), shape), name=str(modality), colormap="gray", visible=False
        )
        lock(layer)
        take_units(self._viewer, layer)
        rest_unseen(self._viewer, layer)
        layer.events.visible.connect(self._on_visible)
        self._viewer.layers.insert(min(index, len(self._viewer.layers)), layer)
        self._layers[modality] = layer

    def measure(self, study: Study) -> None:
        """Work out where the tissue of a study lies, before it is shown."""
        self._measured = study
        self._tissue = {m: tissue_of(study.shown(m)) for m in study.image.modalities}

    def show_study(
        self, study: Study, windows: dict[Modality, tuple[float, float]] | None = None
    ) -> None:
        """Show the images of another study under given windows, or automatic ones."""
        scale = canvas_scale(study.image.geometry)
        self.missing = study.missing_modalities
        for gone in set(self._layers) - set(study.image.modalities):
            self._remove(self._layers.pop(gone))
        if self._measured is not study:
            self.measure(study)
        for modality in study.image.modalities:
            layer, tissue = self._layers[modality], self._tissue[modality]
            assign(layer, study.shown(modality))
            name = f"{modality} (missing)" if modality in self.missing else str(modality)
            if layer.name != name:
                layer.name = name
            layer.contrast_limits_range = tissue.room
            layer.contrast_limits = clamped((windows or {}).get(modality, tissue.auto), tissue.room)
            if tuple(layer.scale) != scale:
                # Setting it, even to what it is, makes napari work out all extents again.
                layer.scale = scale
        self.apply()

    def window(self, modality: Modality) -> tuple[float, float]:
        """Return (low, high) of a modality in intensities; (0, 1) without one."""
        layer = self.layer(modality)
        return (0.0, 1.0) if layer is None else tuple(map(float, layer.contrast_limits))  # type: ignore[return-value]

    def set_window(self, modality: Modality, window: tuple[float, float]) -> None:
        """Show a modality under another window, as far as its room allows."""
        layer, tissue = self.layer(modality), self.tissue(modality)
        if layer is not None and tissue is not None:
            layer.contrast_limits = clamped(window, tissue.room)

    def clear(self) -> None:
        """Remove the layers."""
        for layer in self._layers.values():
            self._remove(layer)
        self._layers.clear()
        self._tissue, self._measured = {}, None
        self.missing = ()

    def apply(self) -> None:
        """Show and colour the layers as chosen."""
        grey, composite = self._colormap
        shown = self.on_show
        self._busy = True
        try:
            # First what appears, then what goes: no moment without a picture.
            for modality in sorted(self._layers, key=lambda m: m is not shown):
                layer = self._layers[modality]
                colour = COLOURS[modality] if composite else grey
                blending = "additive" if composite else "translucent_no_depth"
                if layer.colormap.name != colour:
                    layer.colormap = colour
                if layer.blending != blending:
                    layer.blending = blending
                on = composite or modality is shown
                if layer.visible != on:
                    layer.visible = on
        finally:
            self._busy = False

    def _remove(self, layer: Image) -> None:
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _on_visible(self) -> None:
        visible = [m for m, layer in self._layers.items() if layer.visible]
        if self._busy or self._colormap[1] or len(visible) != 1 or visible[0] is self.on_show:
            return
        self._wanted = visible[0]
        self.toggled.emit()
