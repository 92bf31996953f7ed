"""Our brush inside napari's own modes of one layer.

napari's buttons, keys, cursor and layer controls stay as they are; what paint and erase do while
the mouse is dragged is replaced on this layer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.viewer.brush_stroke import ERASER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

    from napari_brainseg.viewer.brush_stroke import Box, BrushStroke

__all__ = ["PAINTED", "PaintModes"]

PAINTED = {"paint": "brush", "erase": ERASER, "fill": "fill", "polygon": "polygon"}
"""What napari's modes do by themselves, in the words of the history."""
_OURS = ("paint", "erase")


class PaintModes:
    """What the mouse does on one layer in the modes paint, erase and fill.

    Parameters
    ----------
    layer : napari.layers.Labels
        A layer whose array is a mask, (Z, Y, X).
    begin : callable
        Makes the stroke that a press begins; gets whether it takes away. `None` refuses it.
    ended : callable
        Called after each stroke, whether it changed anything or not.
    turn : callable
        Runs an act later, after other events.
    """

    def __init__(
        self,
        layer: Labels,
        begin: Callable[[bool], BrushStroke | None],
        ended: Callable[[], None],
        turn: Callable[[Callable[[], None]], None],
    ) -> None:
        self._layer, self._begin, self._ended, self._turn = layer, begin, ended, turn
        self._released = self._growing = False
        self.stroke: BrushStroke | None = None
        self._z = 0
        self._by_napari: str | None = None
        self._own: Any = layer._drag_modes  # noqa: SLF001 -- napari has no public way to it
        self._napari_draw = next(act for mode, act in self._own.items() if str(mode) == "paint")
        ours = {
            mode: (self._draw if str(mode) in _OURS else self._fill)
            for mode in self._own
            if str(mode) in (*_OURS, "fill")
        }
        self._exchange({**self._own, **ours})
        layer.events.mode.connect(self._on_mode)

    @property
    def is_painting(self) -> bool:
        """Whether a stroke is under way, by us or by napari."""
        # napari has no public sign of its own, see NAPARI.md.
        return self.stroke is not None or bool(self._layer._block_history)  # noqa: SLF001

    def close(self) -> None:
        """Give the layer its own modes back."""
        self.end()
        self._layer.events.mode.disconnect(self._on_mode)
        self._exchange(self._own)

    def settle(self) -> None:
        """End a stroke that was released, and only grows on, at once."""
        if self._released:
            self.end()

    def end(self) -> None:
        """End the stroke under way."""
        stroke = self.stroke
        if stroke is None:
            return
        for z in stroke.pending:
            self._redraw(stroke.grow(z), z)
        self._released = False
        layer: Any = self._layer
        where, before, after = stroke.changes()
        try:
            if before.size:
                # As napari's own tools do: one paint event with all that changed.
                layer._staged_history.append((where, before, after))  # noqa: SLF001
            layer._commit_stroke()  # noqa: SLF001
        finally:
            self.stroke = None
            self._ended()

    def tool_of(self, atoms: Any) -> tuple[str, dict[str, object]]:
        """Return tool and parameters, for the history, of what a paint event reports."""
        if self.stroke is not None:
            return self.stroke.tool, self.stroke.parameters
        layer: Any = self._layer
        # Scripts assign by index; napari's tools send masks, see NAPARI.md.
        by_hand = bool(atoms) and all(len(atom) == 4 for atom in atoms)
        mode = str(layer.mode)
        if not by_hand:
            return "other", {}
        if self._by_napari is not None:
            size = {"size": int(layer.brush_size)} if mode in _OURS else {}
            return self._by_napari, dict[str, object](size)
        if mode == "polygon" or layer._overlays["brush_stroke"].active:  # noqa: SLF001
            return PAINTED[mode], {}
        return "other", {}

    def write(self, atoms: Any) -> None:
        """Write what a paint event reports: napari tells of some changes before it makes them."""
        if self.stroke is not None or not isinstance(atoms, list):
            return
        data: Any = self._layer.data
        for atom in atoms:
            if len(atom) == 3:
                where, _, after = atom
                data[where] = after
            elif len(atom) == 4:
                box, inside, _, after = atom
                data[box][... if inside is None else inside] = after

    def _draw(self, layer: Any, event: Any) -> Iterator[None]:
        if layer._slice_input.ndisplay != 2:  # noqa: SLF001
            yield from self._leave_to_napari(layer, event)
            return
        if event.button != 1 or layer.cursor == "circle_frozen":
            return
        # One whose release went to another window ends here.
        self.end()
        stroke = self._begin(str(layer.mode) == "erase" or layer.selected_label == 0)
        if stroke is None:
            return
        self.stroke = stroke
        layer._begin_stroke()  # noqa: SLF001
        try:
            self._move(stroke, event)
            yield
            while event.type == "mouse_move":
                self._move(stroke, event)
                yield
            # vispy drops moves that come fast; the last one may be among them.
            self._move(stroke, event)
        finally:
            self._release(stroke)

    def _fill(self, layer: Any, event: Any) -> Iterator[None]:
        if event.button == 1:
            yield from self._leave_to_napari(layer, event)

    def _leave_to_napari(self, layer: Any, event: Any) -> Iterator[None]:
        self._by_napari = PAINTED[str(layer.mode)]
        try:
            yield from self._napari_draw(layer, event)
        finally:
            self._by_napari = None

    def _move(self, stroke: BrushStroke, event: Any) -> None:
        if self.stroke is not stroke:
            return
        z, y, x = self._layer.world_to_data(event.position)
        self._z = round(z)
        self._redraw(stroke.move_to(self._z, y, x, int(self._layer.brush_size)), self._z)
        self._grow_later()

    def _release(self, stroke: BrushStroke) -> None:
        if self.stroke is not stroke:
            return
        if stroke.pending:
            self._released = True
            self._grow_later()
        else:
            self.end()

    def _grow_later(self) -> None:
        if self.stroke is not None and self.stroke.pending and not self._growing:
            self._growing = True
            self._turn(self._grow)

    def _grow(self) -> None:
        self._growing = False
        stroke = self.stroke
        if stroke is None:
            return
        if stroke.pending:
            z = stroke.pending[0]
            self._redraw(stroke.grow(z), z)
        if stroke.pending:
            self._grow_later()
        elif self._released:
            self.end()

    def _redraw(self, box: Box | None, z: int) -> None:
        layer: Any = self._layer
        # What grows in other slices is drawn with the commit, where planes show it.
        if box is None or not layer.visible or z != round(layer._data_slice.point[0]):  # noqa: SLF001
            return
        # napari's own way of drawing only what changed; the side planes listen to its event.
        layer._accumulate_updated_slice((slice(z, z + 1), *box))  # noqa: SLF001
        layer._partial_labels_refresh()  # noqa: SLF001

    def _on_mode(self, _event: Any = None) -> None:
        stroke = self.stroke
        if stroke is not None and str(self._layer.mode) == "erase":
            self._redraw(stroke.cancel_growth(), self._z)
            self.settle()

    def _exchange(self, modes: Any) -> None:
        layer: Any = self._layer
        now = layer._drag_modes[layer._mode]  # noqa: SLF001
        layer._drag_modes = modes  # noqa: SLF001
        callbacks = layer.mouse_drag_callbacks
        if now in callbacks:
            callbacks[callbacks.index(now)] = modes[layer._mode]  # noqa: SLF001
