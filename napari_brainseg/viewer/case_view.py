"""The open case in the viewer: keeps layers and editing in step with the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.viewer.editing import StrokeEditor
from napari_brainseg.viewer.layers import CaseLayers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["HIDE_KEY", "CaseView", "fullest_slice"]

HIDE_KEY = "H"
"""Held down, it hides all masks."""
_CAPTION_SIZE = 10  # points


class CaseView:
    """Shows the desk's case in a viewer. All methods belong on the main thread.

    Parameters
    ----------
    viewer : napari.Viewer
        Where to show it.
    desk : Desk
        What to show. Its workers' signals arrive here on the main thread.

    Attributes
    ----------
    layers : CaseLayers
        The layers shown.
    editor : StrokeEditor
        Painting, undo and redo.
    """

    shown = Signal()
    """Layers came, went or show another case; emitted on the main thread."""

    def __init__(self, viewer: Viewer, desk: Desk) -> None:
        self._viewer = viewer
        self._desk = desk
        self._case: Case | None = None
        self._grid: tuple[int, int, int] | None = None
        self.layers = CaseLayers(viewer)
        self.editor = StrokeEditor(viewer)
        viewer.bind_key(HIDE_KEY, self._hold_to_hide, overwrite=True)
        viewer.dims.events.current_step.connect(self._caption)
        desk.opened.connect(self._on_opened, thread="main")
        desk.closed.connect(self._on_closed, thread="main")
        if desk.case is not None:
            self._show(desk.case)

    @property
    def case(self) -> Case | None:
        """The case that is shown."""
        return self._case

    def close(self) -> None:
        """Stop following the desk."""
        self._desk.opened.disconnect(self._on_opened)
        self._desk.closed.disconnect(self._on_closed)
        self._viewer.dims.events.current_step.disconnect(self._caption)
        self._leave()

    def go_to(self, slice_index: int) -> None:
        """Show a slice by its index along z, 0-based."""
        self._viewer.dims.set_current_step(0, slice_index)

    def make_active(self, layer: Labels) -> None:
        """Let the tools act on a layer."""
        self._viewer.layers.selection.active = layer

    def _on_opened(self, case: Case) -> None:
        # A second patient may have been chosen while the news of the first was on its way.
        if case is self._desk.case:
            self.editor.when_idle(lambda: self._show(case))

    def _on_closed(self) -> None:
        self.editor.when_idle(self._clear)

    def _show(self, case: Case) -> None:
        self._leave()
        self._case = case
        self.layers.show_study(case.study)
        case.prediction_changed.connect(self._on_prediction, thread="main")
        case.correction_started.connect(self._on_correction, thread="main")
        case.correction_discarded.connect(self._on_correction, thread="main")
        if self._grid != case.shape:
            self._grid = case.shape
            self._viewer.reset_view()
        self._on_prediction()
        self._on_correction()
        mask = case.truth if case.correction is None else case.correction.data
        self.go_to(fullest_slice(mask, case.shape))
        self._caption()
        self.shown.emit()

    def _clear(self) -> None:
        self._leave()
        self._grid = None
        self.layers.clear()
        self._viewer.text_overlay.visible = False
        self.shown.emit()

    def _leave(self) -> None:
        case, self._case = self._case, None
        self.editor.edit(None, None)
        if case is not None:
            case.prediction_changed.disconnect(self._on_prediction)
            case.correction_started.disconnect(self._on_correction)
            case.correction_discarded.disconnect(self._on_correction)

    def _on_prediction(self, _prediction: Any = None) -> None:
        self.editor.when_idle(self._show_prediction)

    def _on_correction(self, _correction: Any = None) -> None:
        self.editor.when_idle(self._show_correction)

    def _show_prediction(self) -> None:
        if self._case is not None:
            prediction = self._case.prediction
            self.layers.show_prediction(None if prediction is None else prediction.mask)
            for layer in (self.layers.truth, self.layers.prediction):
                if layer is not None:
                    self.editor.bind_keys(layer)
            self.shown.emit()

    def _show_correction(self) -> None:
        if self._case is None:
            return
        correction = self._case.correction
        # The old tie must be cut before the layer gets other data.
        self.editor.edit(None, None)
        self.layers.show_correction(None if correction is None else correction.data)
        if correction is not None:
            self.editor.edit(self.layers.correction, correction)
        self.shown.emit()

    def _caption(self, _event: Any = None) -> None:
        if self._case is None:
            return
        numbers = self._case.study.slice_numbers
        index = min(int(self._viewer.dims.current_step[0]), len(numbers) - 1)
        overlay = self._viewer.text_overlay
        overlay.position = "top_left"
        overlay.font_size = _CAPTION_SIZE
        overlay.text = f"{self._case.patient}   slice {index + 1} of {len(numbers)}"
        overlay.visible = True

    def _hold_to_hide(self, _viewer: Viewer) -> Iterator[None]:
        self.layers.hide_masks()
        yield
        self.layers.reveal_masks()


def fullest_slice(mask: NDArray[np.uint8] | None, shape: tuple[int, int, int]) -> int:
    """Index of the slice with most lesion voxels; the middle one where there is no lesion."""
    if mask is not None:
        areas = np.count_nonzero(mask, axis=(1, 2))
        if areas.any():
            return int(areas.argmax())
    return shape[0] // 2
