"""Scribbles for growing from seeds: foreground and background, in a layer of their own.

They are not part of the correction and not in its history; another case begins without any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.viewer.assign import assign
from napari_brainseg.viewer.layer_metadata import take_units
from napari_brainseg.viewer.spacing import canvas_scale
from napari_brainseg.viewer.thumbnails import rest_unseen

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.viewer.case_view import CaseView

__all__ = [
    "BACKGROUND",
    "BACKGROUND_COLOUR",
    "FOREGROUND",
    "FOREGROUND_COLOUR",
    "SEEDS_NAME",
    "SeedScribbles",
]

SEEDS_NAME = "Seeds"
FOREGROUND, BACKGROUND = 1, 2
"""Labels of the layer."""
FOREGROUND_COLOUR, BACKGROUND_COLOUR = "#F0E442", "#CC79A7"
"""Yellow and reddish purple (Okabe-Ito): no mask has them."""
_SIZE = 4
_OPACITY = 0.8


class SeedScribbles:
    """Scribbles on the case that is shown. Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer lives; it is made when scribbles are first wanted.
    view : CaseView
        Whose case they are for.
    """

    changed = Signal()
    """Painted, cleared, shown or hidden, or another label is in hand."""

    def __init__(self, viewer: Viewer, view: CaseView) -> None:
        self._viewer, self._view = viewer, view
        self._layer: Labels | None = None
        self._case: Any = None
        view.shown.connect(self._follow)
        self._follow()

    @property
    def layer(self) -> Labels | None:
        """The layer, `None` before scribbles were first wanted."""
        layer = self._layer
        return layer if layer is not None and layer in self._viewer.layers else None

    @property
    def is_shown(self) -> bool:
        """Whether the scribbles are seen."""
        return self.layer is not None and bool(self.layer.visible)

    @property
    def foreground(self) -> NDArray[np.bool_]:
        """Voxels marked as lesion, (Z, Y, X); a copy, for a worker."""
        return self._marked(FOREGROUND)

    @property
    def background(self) -> NDArray[np.bool_]:
        """Voxels marked as not lesion, (Z, Y, X); a copy, for a worker."""
        return self._marked(BACKGROUND)

    @property
    def label(self) -> int:
        """What is painted: `FOREGROUND` or `BACKGROUND`."""
        layer = self.layer
        return FOREGROUND if layer is None else int(layer.selected_label)

    @label.setter
    def label(self, label: int) -> None:
        if self.layer is not None:
            self.layer.selected_label = label

    def take(self, label: int = FOREGROUND) -> None:
        """Show the layer and take its brush; nothing while no case is open."""
        if self._case is None:
            return
        layer = self.layer or self._make()
        layer.visible = True
        layer.editable = True
        layer.selected_label = label
        self._view.make_active(layer)
        layer.mode = "paint"
        self.changed.emit()

    def toggle(self) -> None:
        """Paint the other one of foreground and background."""
        self.label = BACKGROUND if self.label == FOREGROUND else FOREGROUND

    def hide(self) -> None:
        """Hide the scribbles and give the correction the hand back."""
        layer = self.layer
        if layer is None:
            return
        layer.mode = "pan_zoom"
        layer.visible = False
        correction = self._view.layers.correction
        if correction is not None and self._viewer.layers.selection.active is layer:
            self._view.make_active(correction)
        self.changed.emit()

    def clear(self) -> None:
        """Wipe the scribbles."""
        layer = self.layer
        if layer is not None and self._case is not None:
            layer.data = np.zeros(self._case.shape, np.uint8)
            _forget(layer)
            self.changed.emit()

    def close(self) -> None:
        """Stop following."""
        self._view.shown.disconnect(self._follow)

    def _marked(self, label: int) -> NDArray[np.bool_]:
        layer = self.layer
        if layer is None:
            return np.zeros((0, 0, 0) if self._case is None else self._case.shape, np.bool_)
        marked: NDArray[np.bool_] = np.asarray(layer.data) == label
        return marked

    def _follow(self) -> None:
        case = self._view.case
        if case is self._case:
            return
        self._case = case
        layer = self.layer
        if layer is None:
            return
        self.hide()
        # Takes no memory until it is wanted again.
        shape = (1, 1, 1) if case is None else case.shape
        assign(layer, np.broadcast_to(np.zeros((), np.uint8), shape))
        layer.scale = self._scale()
        _forget(layer)
        self.changed.emit()

    def _scale(self) -> tuple[float, float, float]:
        return canvas_scale(None if self._case is None else self._case.study.image.geometry)

    def _make(self) -> Labels:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        layer = Labels(
            np.zeros(self._case.shape, np.uint8),
            name=SEEDS_NAME,
            scale=self._scale(),
            opacity=_OPACITY,
            visible=False,
            colormap=DirectLabelColormap(
                color_dict={
                    None: "transparent",
                    0: "transparent",
                    FOREGROUND: FOREGROUND_COLOUR,
                    BACKGROUND: BACKGROUND_COLOUR,
                }
            ),
        )
        layer.brush_size = _SIZE
        # Its own undo would act on arrays that are gone; Ctrl+Z is the correction's everywhere.
        layer._history_limit = 0  # noqa: SLF001
        self._view.editor.bind_keys(layer)
        rest_unseen(self._viewer, layer)
        layer.events.paint.connect(lambda _event: self.changed.emit())
        layer.events.selected_label.connect(self._keep_known)
        self._layer = layer
        take_units(self._viewer, layer)
        self._viewer.layers.append(layer)
        self._view.layers.join(layer)
        _forget(layer)
        return layer

    def _keep_known(self, _event: Any = None) -> None:
        layer = self.layer
        if layer is None:
            return
        if layer.selected_label not in (0, FOREGROUND, BACKGROUND):
            layer.selected_label = FOREGROUND
        self.changed.emit()


def _forget(layer: Any) -> None:
    layer._reset_history()  # noqa: SLF001 -- no public way, see NAPARI.md
