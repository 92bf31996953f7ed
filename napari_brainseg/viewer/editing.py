"""From the hand to the session: every stroke is committed, undo and redo come from its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.viewer.brush_stroke import BRUSH, ERASER, BrushSettings, BrushStroke
from napari_brainseg.viewer.paint_modes import PaintModes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.history import Stroke

__all__ = ["REDO_KEY", "UNDO_KEY", "StrokeEditor"]

UNDO_KEY = "Control-Z"
REDO_KEY = "Control-Shift-Z"


class StrokeEditor:
    """Ties a correction to the layer that shows it.

    Parameters
    ----------
    viewer : napari.Viewer
        Its Ctrl+Z works whatever layer is active.

    Attributes
    ----------
    settings : callable
        Gives the `BrushSettings` of a stroke that begins; a plain brush by default.
    turn : callable
        Runs an act later, after other events; at once by default.
    hush : callable
        Gets True when a brush's stroke begins and False at its end, for a window to leave out
        meanwhile what nobody looks at.
    """

    failed = Signal(object)
    """A `BrainSegError`: a stroke was not saved. The paint stays; the next stroke tries again."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._modes: PaintModes | None = None
        self._correction: Correction | None = None
        self._later: list[Callable[[], None]] = []
        self.settings: Callable[[], BrushSettings] = BrushSettings
        self.turn: Callable[[Callable[[], None]], None] = _at_once
        self.hush: Callable[[bool], object] = bool
        viewer.bind_key(UNDO_KEY, lambda _viewer: self.undo(), overwrite=True)
        viewer.bind_key(REDO_KEY, lambda _viewer: self.redo(), overwrite=True)

    @property
    def is_painting(self) -> bool:
        """Whether a stroke is under way."""
        return self._modes is not None and self._modes.is_painting

    @property
    def stroke(self) -> BrushStroke | None:
        """The stroke of a brush that is under way."""
        return None if self._modes is None else self._modes.stroke

    def edit(self, layer: Labels | None, correction: Correction | None) -> None:
        """Commit what is painted on `layer` to `correction`; `None` stops editing."""
        if layer is not self._layer:
            self._let_go()
            self._layer = layer
            if layer is not None:
                self._take(layer)
        self._correction = correction

    def bind_keys(self, layer: Labels) -> None:
        """Let Ctrl+Z on any of our layers undo strokes; napari's own undo lives on all of them."""
        layer.bind_key(UNDO_KEY, lambda _layer: self.undo(), overwrite=True)
        layer.bind_key(REDO_KEY, lambda _layer: self.redo(), overwrite=True)

    def when_idle(self, act: Callable[[], None]) -> None:
        """Run `act` now, or at the end of the stroke under way.

        Data assigned in the middle of a stroke would mix the old with the new.
        """
        if self.is_painting:
            self._later.append(act)
        else:
            act()

    def apply(self, edit: Edit, tool: str, parameters: Mapping[str, object]) -> Stroke | None:
        """Make the change of a tool: one action of the history, drawn at once.

        Returns
        -------
        Stroke or None
            `None` while a stroke is under way, where nothing is edited, and where it failed
            (see `failed`).
        """
        self._settle()
        if self._correction is None or self._layer is None or self.is_painting:
            return None
        try:
            stroke = self._correction.apply(edit, tool, parameters)
        except BrainSegError as error:
            self.failed.emit(error)
            stroke = None
        _redraw(self._layer)
        return stroke

    def undo(self) -> Stroke | None:
        """Take the last stroke back and show its slice."""
        return self._step(lambda correction: correction.undo())

    def redo(self) -> Stroke | None:
        """Do the stroke undone last again and show its slice."""
        return self._step(lambda correction: correction.redo())

    def go_to(self, number: int) -> Stroke | None:
        """Make a stroke, by its number, the last one in force; 0 for the start. Shows its slice."""
        return self._step(lambda correction: correction.go_to(number))

    def _step(self, act: Callable[[Correction], Stroke | None]) -> Stroke | None:
        self._settle()
        if self._correction is None or self._layer is None or self.is_painting:
            return None
        try:
            stroke = act(self._correction)
        except BrainSegError as error:
            self.failed.emit(error)
            return None
        if stroke is not None:
            _redraw(self._layer)
            self._show(stroke, self._correction.shape)
        return stroke

    def _show(self, stroke: Stroke, shape: tuple[int, int, int]) -> None:
        """Go where most changed, unless something changed on the slice on show."""
        z = int(self._viewer.dims.current_step[0])
        if not (stroke.indices // (shape[1] * shape[2]) == z).any():
            self._viewer.dims.set_current_step(0, stroke.slice_index)

    def _settle(self) -> None:
        if self._modes is not None:
            self._modes.settle()

    def _take(self, layer: Labels) -> None:
        self._modes = PaintModes(layer, self._begin, self._catch_up, lambda act: self.turn(act))
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_data)
        layer.events.mode.connect(self._stay_last)
        layer.mouse_drag_callbacks.append(self._watch_drag)
        self.bind_keys(layer)

    def _let_go(self) -> None:
        layer, modes = self._layer, self._modes
        if layer is None or modes is None:
            return
        modes.close()
        self._modes = None
        layer.events.paint.disconnect(self._on_paint)
        layer.events.data.disconnect(self._on_data)
        layer.events.mode.disconnect(self._stay_last)
        if self._watch_drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._watch_drag)

    def _begin(self, erasing: bool) -> BrushStroke | None:
        """Begin a stroke; what somebody wrote into the mask meanwhile is an action before it."""
        correction = self._correction
        if correction is None or not correction.data.flags.writeable:
            return None
        self._commit("other", {})
        settings = self.settings()
        if erasing:
            settings = BrushSettings(ERASER, settings.depth)
        elif settings.image is None or settings.image.shape != correction.data.shape:
            settings = BrushSettings(BRUSH, settings.depth)
        self.hush(True)
        return BrushStroke(correction.data, settings)

    def _on_paint(self, event: Any = None) -> None:
        modes = self._modes
        if self._correction is None or modes is None:
            return
        atoms = getattr(event, "value", None)
        tool, parameters = modes.tool_of(atoms)
        modes.write(atoms)
        self._commit(tool, parameters)
        self._catch_up()

    def _commit(self, tool: str, parameters: Mapping[str, object]) -> None:
        if self._correction is None:
            return
        try:
            self._correction.commit(tool=tool, parameters=parameters)
        except BrainSegError as error:
            self.failed.emit(error)

    def _on_data(self, _event: Any = None) -> None:
        # A script gave the layer another array: the mask of the correction takes its voxels.
        correction, layer = self._correction, self._layer
        if correction is None or layer is None:
            return
        if np.may_share_memory(layer.data, correction.data):
            return
        if layer.data.shape == correction.data.shape and correction.data.flags.writeable:
            np.not_equal(layer.data, 0, out=correction.data.view(np.bool_))
        layer.data = correction.data
        self._commit("other", {})

    def _watch_drag(self, _layer: Labels, event: Any) -> Any:
        # A stroke that changes nothing sends no paint event; its end must be noticed as well.
        yield
        while event.type == "mouse_move":
            yield
        self._catch_up()

    def _stay_last(self, _event: Any = None) -> None:
        # A change of tool puts its callback behind ours, which must run after the tool's.
        layer = self._layer
        if layer is not None and self._watch_drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._watch_drag)
            layer.mouse_drag_callbacks.append(self._watch_drag)

    def _catch_up(self) -> None:
        if not self.is_painting:
            self.hush(False)
        while self._later and not self.is_painting:
            self._later.pop(0)()


def _at_once(act: Callable[[], None]) -> None:
    act()


def _redraw(layer: Labels) -> None:
    layer.refresh(thumbnail=False, extent=False, highlight=False)
