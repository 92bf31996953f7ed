"""The layers that lie on the anatomy: three masks, their difference from the truth, the doubt.

Each is made once and gets other data from case to case. One that a case does not have is parked:
empty, hidden, read-only.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap, DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from psygnal import Signal

from napari_brainseg.viewer import colours, difference
from napari_brainseg.viewer.assign import assign
from napari_brainseg.viewer.layer_metadata import take_units
from napari_brainseg.viewer.preview_picture import PREVIEW_COLOURS, PREVIEW_NAME
from napari_brainseg.viewer.thumbnails import rest_unseen

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

__all__ = [
    "CORRECTION_NAME",
    "DIFFERENCE_COLOURS",
    "DIFFERENCE_NAME",
    "DOUBT_NAME",
    "OVERLAYS",
    "PREDICTION_NAME",
    "PREVIEW_NAME",
    "STACK",
    "TRUTH_NAME",
    "OverlayLayers",
    "doubt_opacity",
    "lock",
    "redraw",
]

TRUTH_NAME = "Ground truth"
PREDICTION_NAME = "Prediction"
CORRECTION_NAME = "Correction"
DIFFERENCE_NAME = "Difference"
DOUBT_NAME = "Doubt"
OVERLAYS = (DOUBT_NAME, DIFFERENCE_NAME, TRUTH_NAME, PREDICTION_NAME, CORRECTION_NAME)
"""From the lowest to the one on top."""
STACK = (*OVERLAYS[:-1], PREVIEW_NAME, OVERLAYS[-1])
"""With what is there for a moment only: the preview of a tool, under the outline it is about."""
MASKS = {
    TRUTH_NAME: colours.TRUTH,
    PREDICTION_NAME: colours.PREDICTION,
    CORRECTION_NAME: colours.CORRECTION,
}
BRUSH_SIZE = 8
"""Diameter of the brush in voxels when a correction is first shown."""
FILL_OPACITY = 0.35
"""Of filled masks: the anatomy is seen through them."""
DIFFERENCE_COLOURS = {
    difference.TRUE_POSITIVE: (colours.TRUE_POSITIVE, 0.18),
    difference.FALSE_POSITIVE: (colours.FALSE_POSITIVE, 0.55),
    difference.FALSE_NEGATIVE: (colours.FALSE_NEGATIVE, 0.65),
}
"""Label to colour and opacity."""
_DOUBT_OPACITY = 0.85
_SURE = 0.3
"""Bits up to which nothing is drawn: most of a head is never quite sure."""
_STEPS = 128


class OverlayLayers:
    """Masks, difference and doubt of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they live.
    """

    toggled = Signal(str)
    """Name of an overlay that the user showed or hid in the layer list."""
    hidden_changed = Signal()
    """All are hidden for a moment, or shown again."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layers: dict[str, Labels | Image] = {}
        self._there: set[str] = set()
        self._wanted = {name: name in MASKS for name in STACK}
        self._hidden = False
        self._suspended = False
        self._busy = False
        self._style = (1, False, 1.0)

    def layer(self, name: str) -> Labels | Image | None:
        """Return a layer whether it is parked or not; `None` before it is first needed."""
        found = self._layers.get(name)
        return found if found is not None and found in self._viewer.layers else None

    def shown(self, name: str) -> Any:
        """Return the layer of an overlay that the case has, `None` otherwise."""
        return self.layer(name) if name in self._there else None

    def has(self, name: str) -> bool:
        """Whether there is data for an overlay."""
        return name in self._there

    def is_wanted(self, name: str) -> bool:
        """Whether an overlay is shown where a case has it."""
        return self._wanted[name]

    def want(self, name: str, on: bool) -> None:
        """Show an overlay where a case has it, or don't."""
        self._wanted[name] = on
        self._apply(name)

    @property
    def hidden(self) -> bool:
        """Whether all are hidden for a moment."""
        return self._hidden

    @hidden.setter
    def hidden(self, on: bool) -> None:
        if on != self._hidden:
            self._hidden = on
            self._apply_all()
            self.hidden_changed.emit()

    @property
    def suspended(self) -> bool:
        """Whether another view, e.g. surfaces in 3D, shows the masks instead of these layers."""
        return self._suspended

    @suspended.setter
    def suspended(self, on: bool) -> None:
        self._suspended = on
        self._apply_all()

    def set_style(self, width: int, fill: bool, opacity: float) -> None:
        """Set width of outlines in voxels, or fill; and the opacity (0 to 1) of all."""
        self._style = (width, fill, opacity)
        for name in self._layers:
            self._dress(name)

    def make(
        self, name: str, shape: tuple[int, int, int], scale: tuple[float, float, float]
    ) -> None:
        """Make a layer: hidden, empty and read-only."""
        # With its scale from the start: another one would move the slider for a moment.
        layer = (_make_doubt if name == DOUBT_NAME else partial(_make_labels, name))(shape, scale)
        layer.events.visible.connect(lambda: self._on_visible(name, layer))
        lock(layer)
        rest_unseen(self._viewer, layer)
        self._layers[name] = layer
        self._there.discard(name)
        self._dress(name)
        take_units(self._viewer, layer)
        self._viewer.layers.insert(self._place_of(name), layer)

    def set_data(
        self,
        name: str,
        data: NDArray[Any] | None,
        shape: tuple[int, int, int],
        scale: tuple[float, float, float],
    ) -> None:
        """Show other data, (Z, Y, X); `None` parks the layer on a grid of this shape.

        Parameters
        ----------
        name : str
            Only the correction is writable, and written in place.
        data : ndarray or None
            uint8 labels; float32 for the doubt.
        shape : tuple of int
            Grid of the case.
        scale : tuple of float
            Spacing in mm.
        """
        layer = self.layer(name)
        if layer is None:
            if data is None or not self._wanted[name]:
                return
            self.make(name, shape, scale)
            layer = self._layers[name]
        if data is None:
            self._there.discard(name)
            self._apply(name)
            if layer.data.shape != shape or layer.data.strides != (0, 0, 0):
                assign(layer, _nothing(shape, layer.data.dtype))
        elif name == CORRECTION_NAME:
            assign(layer, data)
        elif layer.data.base is data:
            if layer.visible:
                redraw(layer)
        else:
            assign(layer, _read_only(data))
        if tuple(layer.scale) != scale:
            # Setting it, even to what it is, makes napari work out all extents again.
            layer.scale = scale
        if isinstance(layer, Labels):
            layer._reset_history()  # noqa: SLF001 -- no public way, see NAPARI.md
            # One that another window corrects is read-only, like the other masks.
            writable = data is not None and data.flags.writeable
            layer.editable = name == CORRECTION_NAME and writable
        if data is not None:
            self._there.add(name)
            self._apply(name)

    def redraw(self, name: str) -> None:
        """Show what changed in place."""
        layer: Any = self.shown(name)
        if layer is not None and layer.visible:
            redraw(layer)

    def order(self) -> None:
        """Put the overlays on top of whatever the user added, the correction on top."""
        layers = self._viewer.layers
        wanted = [m for name in STACK if (m := self.layer(name)) is not None]
        if list(layers)[len(layers) - len(wanted) :] != wanted:
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))

    def clear(self) -> None:
        """Remove the layers."""
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers.clear()
        self._there.clear()

    def _place_of(self, name: str) -> int:
        above = STACK[STACK.index(name) + 1 :]
        layers = self._viewer.layers
        places = [layers.index(m) for other in above if (m := self.layer(other)) is not None]
        return min(places, default=len(layers))

    def _apply_all(self) -> None:
        for name in self._layers:
            self._apply(name)

    def _apply(self, name: str) -> None:
        layer = self.layer(name)
        if layer is None:
            return
        blocked = self._hidden or self._suspended or name not in self._there
        on = self._wanted[name] and not blocked
        if layer.visible != on:
            self._busy = True
            layer.visible = on
            self._busy = False

    def _on_visible(self, name: str, layer: Labels | Image) -> None:
        if self._busy or self._layers.get(name) is not layer:
            return
        if not (self._hidden or self._suspended) and name in self._there:
            self._wanted[name] = bool(layer.visible)
            self.toggled.emit(name)

    def _dress(self, name: str) -> None:
        width, fill, opacity = self._style
        layer = self._layers[name]
        if name == PREVIEW_NAME:
            return  # it is to be seen however faint the masks are
        if name in MASKS:
            contour = 0 if fill else width
            if layer.contour != contour:
                layer.contour = contour
            opacity *= FILL_OPACITY if fill else 1.0
        if layer.opacity != opacity:
            layer.opacity = opacity


def lock(layer: Any) -> None:
    """Keep a layer from being deleted in the layer list (napari 0.9)."""
    if hasattr(layer, "locked"):
        layer.locked = True


def redraw(layer: Any) -> None:
    """Show what was written into a layer's array, without working out what did not change."""
    layer.refresh(thumbnail=False, extent=False, highlight=False)


def doubt_opacity(bits: NDArray[Any]) -> NDArray[Any]:
    """Opacity (0 to 1) with which uncertainty in bits is drawn, same shape."""
    opacity: NDArray[Any] = np.clip((bits - _SURE) / (1.0 - _SURE), 0.0, 1.0) * _DOUBT_OPACITY
    return opacity


def _make_labels(
    name: str, shape: tuple[int, int, int], scale: tuple[float, float, float]
) -> Labels:
    known: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    if name == DIFFERENCE_NAME:
        known |= {k: _with_alpha(*colour) for k, colour in DIFFERENCE_COLOURS.items()}
    elif name == PREVIEW_NAME:
        known |= {k: _with_alpha(*colour) for k, colour in PREVIEW_COLOURS.items()}
    else:
        known[1] = MASKS[name]
    layer = Labels(
        _nothing(shape, np.uint8),
        name=name,
        scale=scale,
        opacity=1.0,
        visible=False,
        colormap=DirectLabelColormap(color_dict=known),
    )
    layer.selected_label = 1
    layer.brush_size = BRUSH_SIZE
    # napari's own undo writes wrong voxels once data was assigned; ours is in the session.
    layer._history_limit = 0  # noqa: SLF001
    layer._reset_history()  # noqa: SLF001
    layer.events.selected_label.connect(lambda: _keep_binary(layer))
    layer.events.editable.connect(lambda: _keep_read_only(layer))
    layer.editable = False
    return layer


def _make_doubt(shape: tuple[int, int, int], scale: tuple[float, float, float]) -> Image:
    rgba = np.repeat(transform_color(colours.DOUBT), _STEPS, axis=0)
    rgba[:, 3] = doubt_opacity(np.linspace(0.0, 1.0, _STEPS))
    return Image(
        _nothing(shape, np.float32),
        name=DOUBT_NAME,
        scale=scale,
        colormap=Colormap(rgba, name="brainseg doubt"),
        contrast_limits=(0.0, 1.0),
        blending="translucent_no_depth",
        visible=False,
    )


def _with_alpha(colour: str, alpha: float) -> NDArray[np.float32]:
    rgba: NDArray[np.float32] = transform_color(colour)[0].copy()
    rgba[3] = alpha
    return rgba


def _nothing(shape: tuple[int, int, int], dtype: Any) -> NDArray[Any]:
    # Takes no memory: every voxel is the same zero.
    return np.broadcast_to(np.zeros((), dtype), shape)


def _read_only(mask: NDArray[Any]) -> NDArray[Any]:
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
