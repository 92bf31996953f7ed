"""The layers that show a case: modalities and three masks, reused from case to case.

Removing and adding layers costs ten times what assigning their data costs, and leaks memory. So
layers stay in the viewer and get other data; a mask that a case does not have is parked: empty,
hidden, read-only.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer import colours
from napari_brainseg.viewer.contrast import contrast_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Layer
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["AXES", "CORRECTION_NAME", "PREDICTION_NAME", "TRUTH_NAME", "CaseLayers"]

TRUTH_NAME = "Ground truth"
PREDICTION_NAME = "Prediction"
CORRECTION_NAME = "Correction"
BRUSH_SIZE = 8
"""Diameter of the brush in voxels when a correction is first shown."""

AXES = ("slice", "y", "x")
"""What the axes of a volume are called beside the slider."""
_MASKS = {
    # Colour and width of the outline; later ones lie on top.
    TRUTH_NAME: (colours.TRUTH, 1),
    PREDICTION_NAME: (colours.PREDICTION, 1),
    CORRECTION_NAME: (colours.CORRECTION, 1),
}


class CaseLayers:
    """The layers of one viewer that show the open case.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they live.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._images: dict[Modality, Image] = {}
        self._masks: dict[str, Labels] = {}
        self._parked: dict[str, bool] = {}
        self._hidden: list[Layer] = []
        self._new_images: set[Modality] = set()
        self._shape = (1, 1, 1)
        self._scale = (1.0, 1.0, 1.0)

    @property
    def truth(self) -> Labels | None:
        """The read-only ground truth, `None` if the case has none."""
        return self._shown(TRUTH_NAME)

    @property
    def prediction(self) -> Labels | None:
        """The read-only prediction, `None` before there is one."""
        return self._shown(PREDICTION_NAME)

    @property
    def correction(self) -> Labels | None:
        """The writable layer, `None` while nothing is corrected."""
        return self._shown(CORRECTION_NAME)

    def image(self, modality: Modality) -> Image | None:
        """Return the layer of a modality, `None` if it is not shown."""
        layer = self._images.get(modality)
        return layer if layer is not None and layer in self._viewer.layers else None

    def missing(self, study: Study) -> list[Callable[[], None]]:
        """Acts that make the layers which the viewer lacks for a study, hidden and empty.

        Each takes napari about a tenth of a second, so that a window may do something else
        between them. `show_study` makes what is still missing.
        """
        shape = study.image.grid_shape
        acts: list[Callable[[], None]] = [
            partial(self._make_image, modality, index, shape)
            for index, modality in enumerate(study.image.modalities)
            if self.image(modality) is None
        ]
        acts += [partial(self._make_mask, name, shape) for name in _MASKS if not self._has(name)]
        return acts

    def show_study(
        self,
        study: Study,
        prediction: NDArray[np.uint8] | None = None,
        correction: NDArray[np.uint8] | None = None,
    ) -> None:
        """Show another patient: images, ground truth, and the masks (Z, Y, X) that there are."""
        self.reveal_masks()
        for make in self.missing(study):
            make()
        self._shape = study.image.grid_shape
        self._scale = study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
        with self._order_kept():
            for modality in study.image.modalities:
                self._show_image(study, modality)
            for gone in set(self._images) - set(study.image.modalities):
                self._remove(self._images.pop(gone))
            self._set_mask(TRUTH_NAME, None if study.truth is None else study.truth.data)
            self._set_mask(PREDICTION_NAME, prediction)
            self._set_mask(CORRECTION_NAME, correction)
        if self._viewer.dims.axis_labels != AXES:
            self._viewer.dims.axis_labels = AXES
        if self.correction is not None:
            self._viewer.layers.selection.active = self.correction

    def show_prediction(self, mask: NDArray[np.uint8] | None) -> None:
        """Show a predicted mask, shape (Z, Y, X), read-only; `None` parks the layer."""
        self._set_mask(PREDICTION_NAME, mask)

    def show_correction(self, data: NDArray[np.uint8] | None) -> None:
        """Let the brush write into `data`, shape (Z, Y, X), itself and not a copy."""
        self._set_mask(CORRECTION_NAME, data)
        if self.correction is not None:
            self._viewer.layers.selection.active = self.correction

    def clear(self) -> None:
        """Remove all layers of this class; the user's own stay."""
        self.reveal_masks()
        for layer in self._all():
            self._remove(layer)
        self._images.clear()
        self._masks.clear()
        self._parked.clear()

    def hide_masks(self) -> None:
        """Hide all masks until `reveal_masks`; those hidden by the user stay hidden."""
        if not self._hidden:
            shown = [self.truth, self.prediction, self.correction]
            self._hidden = [layer for layer in shown if layer is not None and layer.visible]
            for layer in self._hidden:
                layer.visible = False

    def reveal_masks(self) -> None:
        """Show again what `hide_masks` hid."""
        for layer in self._hidden:
            layer.visible = True
        self._hidden = []

    def _has(self, name: str) -> bool:
        layer = self._masks.get(name)
        return layer is not None and layer in self._viewer.layers

    def _shown(self, name: str) -> Labels | None:
        return self._masks[name] if self._has(name) and name not in self._parked else None

    def _all(self) -> list[Layer]:
        known: list[Layer] = [*self._images.values(), *self._masks.values()]
        return [layer for layer in known if layer in self._viewer.layers]

    def _remove(self, layer: Layer) -> None:
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    @contextmanager
    def _order_kept(self) -> Iterator[None]:
        layers = self._viewer.layers
        active = layers.selection.active
        yield
        # Masks stay above what the user added, the correction on top.
        wanted = [m for name in _MASKS if (m := self._masks.get(name)) is not None and m in layers]
        if list(layers)[len(layers) - len(wanted) :] != wanted:
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))
        if active is not None and active in layers:
            layers.selection.active = active

    def _make_image(self, modality: Modality, index: int, shape: tuple[int, int, int]) -> None:
        if self._viewer.dims.ndim < len(shape):
            # Both at once: a slider that is there before its name leaves no room for it.
            self._viewer.dims.update({"ndim": len(shape), "axis_labels": AXES})
        layer = Image(
            np.broadcast_to(np.uint8(0), shape), name=str(modality), colormap="gray", visible=False
        )
        _lock(layer)
        # Below all masks, whatever the user added since.
        self._viewer.layers.insert(min(index, len(self._viewer.layers)), layer)
        self._images[modality] = layer
        self._new_images.add(modality)

    def _show_image(self, study: Study, modality: Modality) -> None:
        layer = self._images[modality]
        volume = study.image.channel(modality)
        limits = contrast_limits(volume)
        layer.data = volume
        layer.name = f"{modality} (missing)" if modality in study.missing_modalities else modality
        top = max(float(volume.max()), limits[1])
        layer.contrast_limits_range = (min(float(volume.min()), 0.0), top)
        layer.contrast_limits = limits
        self._place(layer)
        if modality in self._new_images:
            self._new_images.discard(modality)
            layer.visible = modality is Modality.FLAIR

    def _make_mask(self, name: str, shape: tuple[int, int, int]) -> None:
        colour, width = _MASKS[name]
        layer = Labels(
            _nothing(shape),
            name=name,
            opacity=1.0,
            visible=False,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", 1: colour}
            ),
        )
        layer.contour = width
        layer.selected_label = 1
        layer.brush_size = BRUSH_SIZE
        # napari's own undo writes wrong voxels once data was assigned; ours is in the session.
        layer._history_limit = 0  # noqa: SLF001
        layer._reset_history()  # noqa: SLF001
        layer.events.selected_label.connect(lambda: _keep_binary(layer))
        layer.events.editable.connect(lambda: _keep_read_only(layer))
        layer.editable = False
        _lock(layer)
        self._masks[name] = layer
        self._parked[name] = True
        self._viewer.add_layer(layer)

    def _set_mask(self, name: str, mask: NDArray[np.uint8] | None) -> None:
        layer = self._masks[name]
        writable = name == CORRECTION_NAME and mask is not None
        if mask is None:
            if name in self._parked and layer.data.shape == self._shape:
                self._place(layer)
                return
            layer.data = _nothing(self._shape)
            self._parked.setdefault(name, layer.visible)
            layer.visible = False
        else:
            layer.data = mask if writable else _read_only(mask)
        self._place(layer)
        layer._reset_history()  # noqa: SLF001 -- napari offers no public way, see NAPARI.md
        layer.editable = writable
        if mask is not None and name in self._parked:
            layer.visible = self._parked.pop(name)

    def _place(self, layer: Layer) -> None:
        # Setting it, even to what it is, makes napari work out all extents again.
        if tuple(layer.scale) != self._scale:
            layer.scale = self._scale


def _lock(layer: Layer) -> None:
    if hasattr(layer, "locked"):  # napari 0.9: cannot be deleted from the layer list
        layer.locked = True


def _nothing(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    # Takes no memory: every voxel is the same zero.
    return np.broadcast_to(np.uint8(0), shape)


def _read_only(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    view = mask.view()
    view.flags.writeable = False
    return view


def _keep_read_only(layer: Labels) -> None:
    # Assigning data makes every layer editable again; the array knows better.
    data: Any = layer.data
    if layer.editable and not data.flags.writeable:
        layer.editable = False


def _keep_binary(layer: Labels) -> None:
    # "New label" and the spin box would paint with a label that no mask knows.
    if layer.selected_label not in (0, 1):
        layer.selected_label = 1
