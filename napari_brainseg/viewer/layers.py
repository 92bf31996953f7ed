"""The layers that show a case: images and overlays, reused from case to case.

Removing and adding layers costs ten times what assigning their data costs, and leaks memory. So
layers stay in the viewer and get other data.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_brainseg.viewer.layer_metadata import give_units, layer_metadata, layer_space
from napari_brainseg.viewer.modality_layers import AXES, ModalityLayers
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    MASKS,
    OVERLAYS,
    PREDICTION_NAME,
    PREVIEW_NAME,
    STACK,
    TRUTH_NAME,
    OverlayLayers,
)
from napari_brainseg.viewer.spacing import canvas_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from napari.layers import Image, Labels, Layer
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Modality, Study

__all__ = ["AXES", "CORRECTION_NAME", "PREDICTION_NAME", "TRUTH_NAME", "CaseLayers"]


class CaseLayers:
    """The layers of one viewer that show the open case.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they live.

    Attributes
    ----------
    images : ModalityLayers
        The modalities.
    overlays : OverlayLayers
        What lies on them.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.images = ModalityLayers(viewer)
        self._joined: list[Layer] = []
        self.overlays = OverlayLayers(viewer)
        self._shape = (1, 1, 1)
        self._scale = (1.0, 1.0, 1.0)

    @property
    def truth(self) -> Labels | None:
        """The read-only ground truth, `None` if the case has none."""
        return self._mask(TRUTH_NAME)

    @property
    def prediction(self) -> Labels | None:
        """The read-only prediction, `None` before there is one."""
        return self._mask(PREDICTION_NAME)

    @property
    def correction(self) -> Labels | None:
        """The writable layer, `None` while nothing is corrected."""
        return self._mask(CORRECTION_NAME)

    def image(self, modality: Modality) -> Image | None:
        """Return the layer of a modality, `None` if it is not shown."""
        return self.images.layer(modality)

    def missing(self, study: Study) -> list[Callable[[], None]]:
        """Acts that make the layers which the viewer lacks for a study, hidden and empty.

        Each takes napari about a tenth of a second, so that a window may do something else
        between them. `show_study` makes what is still missing.
        """
        shape = study.image.grid_shape
        acts: list[Callable[[], None]] = [
            partial(self.images.make, modality, index, shape)
            for index, modality in enumerate(study.image.modalities)
            if self.image(modality) is None
        ]
        return acts + [
            partial(self.overlays.make, name, shape, _scale_of(study))
            for name in OVERLAYS
            if self.overlays.layer(name) is None
            and (name in MASKS or self.overlays.is_wanted(name))
        ]

    def unmade(self) -> list[Callable[[], None]]:
        """Acts that make layers which are not shown now but may be asked for; see `missing`."""
        return [
            partial(self._make_unseen, name) for name in STACK if self.overlays.layer(name) is None
        ]

    def show_study(
        self,
        study: Study,
        prediction: NDArray[np.uint8] | None = None,
        correction: NDArray[np.uint8] | None = None,
        *,
        windows: dict[Modality, tuple[float, float]] | None = None,
        difference: NDArray[np.uint8] | None = None,
        doubt: NDArray[np.float32] | None = None,
    ) -> None:
        """Show another patient: images, ground truth, and the overlays (Z, Y, X) that there are.

        Parameters
        ----------
        windows : dict, optional
            Modality to (low, high); automatic where it has none.
        """
        self.reveal_masks()
        for make in self.missing(study):
            make()
        self._shape = study.image.grid_shape
        self._scale = _scale_of(study)
        for layer in self._joined:
            if layer in self._viewer.layers and tuple(layer.scale) != self._scale:
                layer.scale = self._scale
        with self._order_kept():
            self.images.show_study(study, windows)
            self.show_overlay(TRUTH_NAME, None if study.truth is None else study.truth.data)
            self.show_overlay(PREDICTION_NAME, prediction)
            self.show_overlay(CORRECTION_NAME, correction)
            for name, data in zip(OVERLAYS[:2], (doubt, difference), strict=True):
                self.show_overlay(name, data)
            self.show_overlay(PREVIEW_NAME, None)
        if self._viewer.dims.axis_labels != AXES:
            self._viewer.dims.axis_labels = AXES
        self._describe(study)
        if self.correction is not None:
            self._viewer.layers.selection.active = self.correction

    def show_prediction(self, mask: NDArray[np.uint8] | None) -> None:
        """Show a predicted mask, shape (Z, Y, X), read-only; `None` parks the layer."""
        self.show_overlay(PREDICTION_NAME, mask)

    def show_correction(self, data: NDArray[np.uint8] | None) -> None:
        """Let the brush write into `data`, shape (Z, Y, X), itself and not a copy."""
        self.show_overlay(CORRECTION_NAME, data)
        if self.correction is not None:
            self._viewer.layers.selection.active = self.correction

    def show_overlay(self, name: str, data: NDArray[Any] | None) -> None:
        """Show the data of one overlay, shape (Z, Y, X); `None` parks its layer."""
        with self._order_kept():
            self.overlays.set_data(name, data, self._shape, self._scale)

    def join(self, layer: Layer) -> None:
        """Let a layer that others draw lie on the grid of the case, also while it is not seen.

        napari counts the slices of all layers: one that is left on the grid of the case before
        would make other steps of them.
        """
        self._joined = [known for known in self._joined if known in self._viewer.layers]
        self._joined.append(layer)

    def clear(self) -> None:
        """Remove all layers of this class; the user's own stay."""
        self.reveal_masks()
        self.images.clear()
        self.overlays.clear()

    def hide_masks(self) -> None:
        """Hide all overlays until `reveal_masks`; those hidden by the user stay hidden."""
        self.overlays.hidden = True

    def reveal_masks(self) -> None:
        """Show again what `hide_masks` hid."""
        self.overlays.hidden = False

    def _describe(self, study: Study) -> None:
        """Tell napari, and plugins that save a layer, where its voxels lie and whose they are."""
        for modality in self.images.known:
            layer = self.images.layer(modality)
            if layer is not None:
                layer.metadata = layer_metadata(study, modality)
        facts = layer_metadata(study)
        for name in STACK:
            layer = self.overlays.layer(name)
            if layer is not None:
                layer.metadata = facts
        give_units(self._viewer, layer_space(study)["units"])

    def _mask(self, name: str) -> Labels | None:
        found: Labels | None = self.overlays.shown(name)
        return found

    def _make_unseen(self, name: str) -> None:
        # It may have been asked for in the meantime.
        if self.overlays.layer(name) is None:
            with self._order_kept():
                self.overlays.make(name, self._shape, self._scale)

    @contextmanager
    def _order_kept(self) -> Iterator[None]:
        layers = self._viewer.layers
        active = layers.selection.active
        yield
        self.overlays.order()
        if active is not None and active in layers and layers.selection.active is not active:
            layers.selection.active = active


def _scale_of(study: Study) -> tuple[float, float, float]:
    return canvas_scale(study.image.geometry)
