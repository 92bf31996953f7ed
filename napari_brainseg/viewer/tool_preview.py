"""The layer that shows what the tool in hand would do. It never touches the correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.viewer.preview_picture import PREVIEW_NAME, PreviewPicture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Box
    from napari_brainseg.viewer.layers import CaseLayers

__all__ = ["ToolPreview"]


class ToolPreview:
    """Draws previews, one at a time. Main thread only.

    Parameters
    ----------
    layers : CaseLayers
        Has the layer, which is made with the first preview.
    """

    def __init__(self, layers: CaseLayers) -> None:
        self._layers = layers
        self._labels: NDArray[np.uint8] | None = None
        self._box: Box | None = None

    @property
    def picture(self) -> PreviewPicture | None:
        """What is on show."""
        if self._labels is None or self._box is None:
            return None
        return PreviewPicture(self._box, self._labels[self._box])

    def show(self, picture: PreviewPicture, shape: tuple[int, int, int]) -> None:
        """Show a picture on a grid of this shape (Z, Y, X) in place of the one before."""
        labels = self._labels
        if labels is None or labels.shape != shape:
            self._labels = labels = np.zeros(shape, np.uint8)
        elif self._box is not None:
            labels[self._box] = 0
        labels[picture.box] = picture.labels
        self._box = picture.box
        self._layers.overlays.want(PREVIEW_NAME, on=True)
        self._layers.show_overlay(PREVIEW_NAME, labels)

    def clear(self) -> None:
        """Show nothing."""
        if self._labels is not None and self._box is not None:
            self._labels[self._box] = 0
        self._box = None
        # Hidden, not emptied: assigning data to a layer costs ten times as much.
        self._layers.overlays.want(PREVIEW_NAME, on=False)

    def forget(self) -> None:
        """Let go of the memory too: another case is on show."""
        self.clear()
        self._labels = None
