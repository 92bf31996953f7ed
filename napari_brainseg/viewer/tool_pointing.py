"""What a tool borrows of the window: the place under the mouse, a click, a region, scribbles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.session.tool_place import DrawnRegion, Place, Seeds
from napari_brainseg.viewer.display import PREDICTION_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.region_drawing import Region
    from napari_brainseg.viewer.seed_scribbles import SeedScribbles

__all__ = ["FOR_TOOLS", "ToolPointing"]

FOR_TOOLS = "tool"
"""Purpose of a region that is drawn for a tool."""
_STILL_PX = 4
"""A click that moves farther is a drag, which moves the picture."""


class ToolPointing:
    """Asks the hand for what a tool needs, and gives it its brush back. Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    view : CaseView
        The case in it.
    brushes : Brushes
        What is in the hand; also draws regions.
    seeds : SeedScribbles, optional
        Scribbles; by default those of `brushes`.

    Attributes
    ----------
    point : (int, int, int) or None
        Voxel that was clicked at, or that was under the mouse when the tool was chosen.
    region : DrawnRegion or None
        Drawn last on this case.
    """

    changed = Signal()
    """Another point, region, or other scribbles."""
    taken_away = Signal()
    """Something else was taken in hand."""

    def __init__(
        self,
        viewer: Viewer,
        view: CaseView,
        brushes: Brushes,
        seeds: SeedScribbles | None = None,
    ) -> None:
        self._viewer, self._view, self._brushes = viewer, view, brushes
        self._seeds = brushes.seeds if seeds is None else seeds
        self.point: tuple[int, int, int] | None = None
        self.region: DrawnRegion | None = None
        self._before: str | None = None
        self._hand = ""
        self._wanted = ""
        self._busy = False
        brushes.changed.connect(self._on_hand)
        brushes.regions.drawn.connect(self._on_region)
        if self._seeds is not None:
            self._seeds.changed.connect(self._on_seeds)

    @property
    def wanted(self) -> str:
        """What the hand is asked for: ``"point"``, ``"region"``, ``"seeds"`` or nothing."""
        return self._wanted

    @property
    def seeds(self) -> SeedScribbles | None:
        """The scribbles, if the window has any."""
        return self._seeds

    def place(self, tool: str = "") -> Place:
        """Where a tool would act now; only one that is named gets what takes copying."""
        display, prediction = self._view.display, None
        shown = display.mask(PREDICTION_NAME)
        threshold = None
        if shown is not None:
            threshold = display.threshold
            if tool == "take prediction" and abs(threshold - display.delivered_threshold) > 1e-6:
                # It changes in place while its slider moves.
                prediction = np.array(shown)
        return Place(
            slice_index=self._view.slice_index,
            point=self.point,
            region=self.region,
            seeds=self._scribbled() if tool == "grow from seeds" else None,
            modality=display.modality,
            prediction=prediction,
            threshold=threshold,
        )

    def under_mouse(self) -> tuple[int, int, int] | None:
        """Voxel (z, y, x) under the mouse, `None` where it is not on the image."""
        if not self._viewer.mouse_over_canvas:
            return None
        return self._voxel(self._viewer.cursor.position)

    def begin(self) -> None:
        """Take note of what is in hand: a tool comes that may leave it there."""
        self._hand = self._brushes.tool

    def ask(self, what: str) -> None:
        """Let the hand give a ``"point"``, draw a ``"region"``, or scribble ``"seeds"``."""
        if what == self._wanted:
            return
        if self._before is None:
            self._before = self._brushes.tool
        self._let_go()
        self._wanted = what
        self._busy = True
        try:
            if what == "seeds" and self._seeds is not None:
                self._seeds.take()
            else:
                self._brushes.take("move")
            if what == "region":
                self._brushes.regions.begin("lasso", FOR_TOOLS)
        finally:
            self._busy = False
        if what == "point":
            self._viewer.mouse_drag_callbacks.append(self._on_press)

    def give_back(self) -> None:
        """Ask for nothing more; the brush that was in hand before is there again."""
        before, self._before = self._before, None
        self._let_go()
        if before is None:
            return
        self._busy = True
        try:
            known = before in _HANDS
            self._brushes.take(before if known else "brush")
        finally:
            self._busy = False

    def enter(self) -> None:
        """Another case: nothing of the one before is meant any more."""
        self._before = None
        self._let_go()
        self.point = self.region = None

    def close(self) -> None:
        """Let go of the window."""
        self.enter()
        self._brushes.changed.disconnect(self._on_hand)
        self._brushes.regions.drawn.disconnect(self._on_region)
        if self._seeds is not None:
            self._seeds.changed.disconnect(self._on_seeds)

    # inside -----------------------------------------------------------------------------------

    def _let_go(self) -> None:
        wanted, self._wanted = self._wanted, ""
        self._busy = True
        try:
            if wanted == "region" and self._brushes.regions.purpose == FOR_TOOLS:
                self._brushes.regions.put_away()
            if wanted == "seeds" and self._seeds is not None:
                self._seeds.hide()
        finally:
            self._busy = False
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _scribbled(self) -> Seeds | None:
        seeds = self._seeds
        return None if seeds is None else Seeds(seeds.foreground, seeds.background)

    def _voxel(self, position: Any) -> tuple[int, int, int] | None:
        case = self._view.case
        layer = self._view.layers.correction
        if case is None or layer is None or self._viewer.dims.ndisplay != 2:
            return None
        _, y, x = (round(float(at)) for at in layer.world_to_data(position))
        z = self._view.slice_index
        inside = 0 <= y < case.shape[1] and 0 <= x < case.shape[2]
        return (z, y, x) if inside else None

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        if event.button != 1:
            return
        start, position = np.array(event.pos), event.position
        still = True
        yield
        while event.type == "mouse_move":
            still = still and bool(np.abs(np.array(event.pos) - start).max() <= _STILL_PX)
            yield
        point = self._voxel(position)
        if still and point is not None and self._wanted == "point":
            self.point = point
            self.changed.emit()

    def _on_region(self, region: Region) -> None:
        if region.purpose == FOR_TOOLS:
            self.region = DrawnRegion(region.slice_index, region.inside)
            self.changed.emit()

    def _on_seeds(self) -> None:
        if self._wanted == "seeds" and not self._busy:
            self.changed.emit()

    def _on_hand(self, what: str) -> None:
        if what != "tool" or self._busy:
            return
        mine = {"region": ("lasso", "polygon"), "seeds": ("grow from seeds",)}
        stays = mine.get(self._wanted, () if self._wanted else (self._hand,))
        if self._brushes.tool not in ("move", *stays):
            # What was taken instead stays in hand.
            self._before = None
            self.taken_away.emit()


_HANDS = (
    "brush", "eraser", "threshold brush", "adaptive brush", "polygon", "lasso", "fill", "move",
)  # fmt: skip
