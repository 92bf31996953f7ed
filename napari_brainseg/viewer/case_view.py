"""The open case in the viewer: keeps layers and editing in step with the desk."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.viewer.display import Display
from napari_brainseg.viewer.editing import StrokeEditor
from napari_brainseg.viewer.layers import (
    CORRECTION_NAME,
    PREDICTION_NAME,
    TRUTH_NAME,
    CaseLayers,
)
from napari_brainseg.viewer.live_threshold import delivery_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.desk import Desk

__all__ = ["CaseView", "fullest_slice"]


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
    display : Display
        How they are shown.
    editor : StrokeEditor
        Painting, undo and redo.
    turn : callable
        Runs an act; a window puts one here that lets other events pass first.
    """

    shown = Signal()
    """Layers came, went or show another case; emitted on the main thread."""

    def __init__(self, viewer: Viewer, desk: Desk) -> None:
        self._viewer = viewer
        self._desk = desk
        self._case: Case | None = None
        self._grid: tuple[int, int, int] | None = None
        self._settled = False
        self.turn: Callable[[Callable[[], None]], None] = _at_once
        self._landed: int | None = None
        self._correction: Correction | None = None
        self.layers = CaseLayers(viewer)
        self.display = Display(
            self.layers,
            getattr(desk, "preferences", None),
            lambda version: delivery_of(desk.registry, version),
        )
        self.display.slice_index = lambda: self.slice_index
        self.editor = StrokeEditor(viewer)
        viewer.dims.events.current_step.connect(self._on_step)
        desk.opened.connect(self._on_opened, thread="main")
        desk.closed.connect(self._on_closed, thread="main")
        if desk.case is not None:
            self._show(desk.case)

    @property
    def case(self) -> Case | None:
        """The case that is shown."""
        return self._case

    @property
    def slice_index(self) -> int:
        """Index of the slice that is shown, 0-based."""
        last = 0 if self._case is None else self._case.shape[0] - 1
        return min(int(self._viewer.dims.current_step[0]), last)

    def close(self) -> None:
        """Stop following the desk."""
        self._desk.opened.disconnect(self._on_opened)
        self._desk.closed.disconnect(self._on_closed)
        self._viewer.dims.events.current_step.disconnect(self._on_step)
        self._leave()
        self.display.close()

    def go_to(self, slice_index: int) -> None:
        """Show a slice by its index along z, 0-based."""
        self._viewer.dims.set_current_step(0, slice_index)

    def make_active(self, layer: Labels) -> None:
        """Let the tools act on a layer."""
        self._viewer.layers.selection.active = layer

    def _on_opened(self, case: Case) -> None:
        # A second patient may have been chosen while the news of the first was on its way.
        if case is self._desk.case:
            self._make_ready(case, self.layers.missing(case.study))

    def _make_ready(self, case: Case, acts: list[Callable[[], None]]) -> None:
        if case is not self._desk.case:
            return
        if not acts:
            self.editor.when_idle(lambda: self._show(case))
            return
        acts[0]()
        self.turn(lambda: self._make_ready(case, acts[1:]))

    def _on_closed(self) -> None:
        self.editor.when_idle(self._clear)

    def _show(self, case: Case) -> None:
        if case is not self._desk.case:
            return
        self._leave()
        self._case = case
        case.prediction_changed.connect(self._on_prediction, thread="main")
        case.correction_started.connect(self._on_correction, thread="main")
        case.correction_discarded.connect(self._on_correction, thread="main")
        correction = case.correction
        self.display.enter(case)
        for layer in (self.layers.truth, self.layers.prediction):
            if layer is not None:
                self.editor.bind_keys(layer)
        if correction is not None:
            self._edit(correction)
        if self._grid != case.shape:
            self._grid = case.shape
            self._viewer.reset_view()
        self._land(case)
        self.shown.emit()
        self._make_rest(self.layers.unmade())

    def _make_rest(self, acts: list[Callable[[], None]]) -> None:
        """Make what is only seen on demand, so that it is there at once when it is asked for."""
        if acts and self._case is not None:
            acts[0]()
            self.turn(lambda: self._make_rest(acts[1:]))
        elif not self._settled:
            self._settled = True
            # The layers are there to stay as well, see `workbench.attach`.
            gc.freeze()

    def _clear(self) -> None:
        self._leave()
        self._grid = None
        self.display.clear()
        self.shown.emit()

    def _leave(self) -> None:
        case, self._case = self._case, None
        self._edit(None)
        if case is not None:
            case.prediction_changed.disconnect(self._on_prediction)
            case.correction_started.disconnect(self._on_correction)
            case.correction_discarded.disconnect(self._on_correction)

    def _edit(self, correction: Correction | None) -> None:
        before, self._correction = self._correction, correction
        if before is not None:
            for signal in (before.committed, before.undone, before.redone):
                signal.disconnect(self.display.note_stroke)
        if correction is None:
            self.editor.edit(None, None)
            return
        self.editor.edit(self.layers.correction, correction)
        for signal in (correction.committed, correction.undone, correction.redone):
            signal.connect(self.display.note_stroke, thread="main")

    def _on_prediction(self, _prediction: Any = None) -> None:
        self.editor.when_idle(self._show_prediction)

    def _on_correction(self, _correction: Any = None) -> None:
        self.editor.when_idle(self._show_correction)

    def _show_prediction(self) -> None:
        if self._case is None:
            return
        self.display.take_prediction()
        if self.layers.prediction is not None:
            self.editor.bind_keys(self.layers.prediction)
        if self._landed is not None and self._case.correction is None:
            # She has not moved since the case was opened: what the model found is of interest.
            self._land(self._case)
        self.shown.emit()

    def _show_correction(self) -> None:
        if self._case is None:
            return
        # The old tie must be cut before the layer gets other data.
        self._edit(None)
        self.display.take_correction()
        if self._case.correction is not None:
            self._edit(self._case.correction)
        self.shown.emit()

    def _land(self, case: Case) -> None:
        """Go to the slice with the largest lesion of what is the best guess at hand."""
        masks = (self.display.mask(n) for n in (CORRECTION_NAME, PREDICTION_NAME, TRUTH_NAME))
        best = next((m for m in masks if m is not None and m.any()), None)
        self.go_to(fullest_slice(best, case.shape))
        self._landed = self.slice_index

    def _on_step(self, _event: Any = None) -> None:
        self._landed = None


def _at_once(act: Callable[[], None]) -> None:
    act()


def fullest_slice(mask: NDArray[np.uint8] | None, shape: tuple[int, int, int]) -> int:
    """Index of the slice with most lesion voxels; the middle one where there is no lesion."""
    if mask is not None:
        areas = np.count_nonzero(mask, axis=(1, 2))
        if areas.any():
            return int(areas.argmax())
    return shape[0] // 2
