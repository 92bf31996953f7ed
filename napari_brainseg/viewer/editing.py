"""From brush to session: every stroke is committed, undo and redo come from its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from napari.viewer import Viewer

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
    """

    failed = Signal(object)
    """A `BrainSegError`: a stroke was not saved. The paint stays; the next stroke tries again."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._correction: Correction | None = None
        self._later: list[Callable[[], None]] = []
        viewer.bind_key(UNDO_KEY, lambda _viewer: self.undo(), overwrite=True)
        viewer.bind_key(REDO_KEY, lambda _viewer: self.redo(), overwrite=True)

    @property
    def is_painting(self) -> bool:
        """Whether a stroke is under way."""
        # napari has no public sign of it, see NAPARI.md.
        return self._layer is not None and bool(self._layer._block_history)  # noqa: SLF001

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

    def undo(self) -> Stroke | None:
        """Take the last stroke back and show its slice."""
        return self._step("undo")

    def redo(self) -> Stroke | None:
        """Do the stroke undone last again and show its slice."""
        return self._step("redo")

    def _step(self, name: str) -> Stroke | None:
        if self._correction is None or self._layer is None or self.is_painting:
            return None
        try:
            stroke: Stroke | None = getattr(self._correction, name)()
        except BrainSegError as error:
            self.failed.emit(error)
            return None
        if stroke is not None:
            _redraw(self._layer)
            self._viewer.dims.set_current_step(0, stroke.slice_index)
        return stroke

    def _take(self, layer: Labels) -> None:
        layer.events.paint.connect(self._on_paint)
        layer.events.mode.connect(self._stay_last)
        layer.mouse_drag_callbacks.append(self._watch_drag)
        self.bind_keys(layer)

    def _let_go(self) -> None:
        layer = self._layer
        if layer is None:
            return
        layer.events.paint.disconnect(self._on_paint)
        layer.events.mode.disconnect(self._stay_last)
        if self._watch_drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._watch_drag)

    def _on_paint(self, _event: Any = None) -> None:
        if self._correction is None:
            return
        try:
            self._correction.commit()
        except BrainSegError as error:
            self.failed.emit(error)
        self._catch_up()

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
        while self._later and not self.is_painting:
            self._later.pop(0)()


def _redraw(layer: Labels) -> None:
    layer.refresh(thumbnail=False, extent=False, highlight=False)
