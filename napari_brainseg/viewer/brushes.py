"""The tools of the hand: brushes, eraser, lasso and polygon, with their sizes and depths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.core.editing import Edit
from napari_brainseg.core.editing.brush import ADAPTIVE_TOLERANCE, capsule
from napari_brainseg.viewer.brush_stroke import (
    ADAPTIVE,
    BRUSH,
    ERASER,
    KINDS,
    THRESHOLD,
    BrushSettings,
    window_under,
)
from napari_brainseg.viewer.region_drawing import LASSO, MASK, POLYGON, RegionDrawing

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.region_drawing import Region
    from napari_brainseg.viewer.seed_scribbles import SeedScribbles

__all__ = [
    "ADAPTIVE",
    "BRUSH",
    "DEEPEST",
    "ERASER",
    "FILL",
    "KINDS",
    "LARGEST",
    "LEAST_TOLERANCE",
    "MOVE",
    "SEEDS",
    "THRESHOLD",
    "Brushes",
]

FILL, MOVE, SEEDS = "fill", "move", "grow from seeds"
LARGEST = 200
"""Largest diameter in voxels."""
DEEPEST = 20
"""Most slices painted above and below."""
LEAST_TOLERANCE = 0.05
_MODES = {ERASER: "erase", FILL: "fill", MOVE: "pan_zoom"}
_TOOLS = {mode: tool for tool, mode in _MODES.items()} | {"polygon": POLYGON}
_SIZED = (*KINDS, ERASER)
_PROPORTION = 6
"""At large sizes a notch of the wheel changes the size by this share of it."""


class Brushes:
    """What is in the hand on the correction layer. Main thread only.

    napari's modes stay the truth: its keys and buttons change `tool` as well.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    view : CaseView
        Has the layer, the case and the display; its editor paints with what is set here.

    Attributes
    ----------
    regions : RegionDrawing
        Lasso and polygon; what is drawn for the mask is applied here.
    seeds : SeedScribbles or None
        Scribbles that are painted with a brush of their own.
    """

    changed = Signal(str)
    """What changed: ``"tool"``, ``"size"``, ``"depth"``, ``"window"``, ``"tolerance"`` or
    ``"cutting"``."""

    def __init__(self, viewer: Viewer, view: CaseView) -> None:
        self._viewer, self._view = viewer, view
        self.regions = RegionDrawing()
        self.seeds: SeedScribbles | None = None
        self._layer: Labels | None = None
        self._kind = BRUSH
        self._depth = 0
        self._window: tuple[float, float] | None = None
        self._tolerance = float(ADAPTIVE_TOLERANCE)
        self._sizes: dict[str, int] = {}
        self._told = MOVE
        self._cutting = False
        self._pencil: tuple[str | None, str] = (None, MASK)
        self._before: str | None = None
        self._taking = False
        view.editor.settings = self._settings
        view.editor.turn = lambda act: view.turn(act)
        view.shown.connect(self._follow)
        view.display.changed.connect(self._on_display)
        viewer.layers.selection.events.active.connect(self._on_active)
        self.regions.changed.connect(self._on_regions)
        self.regions.drawn.connect(self._on_drawn)
        self._follow()

    # the tool ---------------------------------------------------------------------------------

    @property
    def tool(self) -> str:
        """The one in hand, by its name in the history, or ``"move"``."""
        if self.regions.kind is not None:
            return self.regions.kind
        active = self._viewer.layers.selection.active
        if active is None:
            return MOVE
        mode = str(getattr(active, "mode", ""))
        if self.seeds is not None and active is self.seeds.layer:
            return SEEDS if mode in ("paint", "erase") else MOVE
        if active is not self._layer:
            return MOVE
        return self._kind if mode == "paint" else _TOOLS.get(mode, MOVE)

    @property
    def has_brush(self) -> bool:
        """Whether a round brush is in hand, whose size the wheel changes."""
        return self.tool in (*_SIZED, SEEDS)

    @property
    def can_take(self) -> bool:
        """Whether there is a correction to work on, and this window may."""
        layer = self._layer
        return layer is not None and bool(layer.editable)

    def take(self, tool: str) -> None:
        """Take a tool: a brush of `KINDS`, eraser, fill, lasso, polygon or ``"move"``.

        Without a correction nothing happens.

        Raises
        ------
        ValueError
            If that is no tool for the hand.
        """
        if tool not in (*_SIZED, FILL, MOVE, LASSO, POLYGON):
            raise ValueError(f"{tool!r} is no tool to take in hand.")
        layer = self._layer
        if layer is None or not self.can_take:
            return
        if tool in KINDS:
            self._kind = tool
        self._taking = True
        self._view.make_active(layer)
        if tool in (LASSO, POLYGON):
            self.regions.begin(tool)
        else:
            self.regions.put_away()
            layer.mode = _MODES.get(tool, "paint")
        self._taking = False
        self._on_tool()

    @property
    def kind(self) -> str:
        """Which brush napari's paint mode is: one of `KINDS`."""
        return self._kind

    @kind.setter
    def kind(self, kind: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no brush; known: {', '.join(KINDS)}.")
        if kind != self._kind:
            self._kind = kind
            self._on_tool()

    # how it works -----------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Diameter in voxels, 1 to 200; each tool keeps its own."""
        layer = self._sized_layer()
        return 1 if layer is None else int(layer.brush_size)

    @size.setter
    def size(self, size: int) -> None:
        layer = self._sized_layer()
        if layer is not None:
            layer.brush_size = min(max(int(size), 1), LARGEST)

    @property
    def depth(self) -> int:
        """Slices painted above and below, 0 (2D) to 20; for lasso and polygon as well."""
        return self._depth

    @depth.setter
    def depth(self, depth: int) -> None:
        depth = min(max(int(depth), 0), DEEPEST)
        if depth != self._depth:
            self._depth = depth
            self.changed.emit("depth")

    @property
    def window(self) -> tuple[float, float] | None:
        """Intensities (low, high) in which the threshold brush paints.

        `None`: each stroke takes it from what lies under the press. Another modality or case
        makes it `None` again.
        """
        return self._window

    @window.setter
    def window(self, window: tuple[float, float] | None) -> None:
        if window is not None:
            window = (float(min(window)), float(max(window)))
        if window != self._window:
            self._window = window
            self.changed.emit("window")

    @property
    def tolerance(self) -> float:
        """How unlike the adaptive brush lets a region be, as a share of the intensities, to 1."""
        return self._tolerance

    @tolerance.setter
    def tolerance(self, tolerance: float) -> None:
        tolerance = min(max(float(tolerance), LEAST_TOLERANCE), 1.0)
        if tolerance != self._tolerance:
            self._tolerance = tolerance
            self.changed.emit("tolerance")

    @property
    def cutting(self) -> bool:
        """Whether lasso and polygon take away; Shift turns it round for one region."""
        return self.regions.cutting

    @cutting.setter
    def cutting(self, on: bool) -> None:
        self.regions.cutting = on

    def resize(self, notches: int) -> None:
        """Make the brush larger, or smaller, by notches of the wheel."""
        for _ in range(abs(notches)):
            step = max(1, round(self.size / _PROPORTION))
            self.size += step if notches > 0 else -step

    def window_at(self, y: float, x: float) -> tuple[float, float] | None:
        """Window of what lies under the brush at a place of the slice on show, in voxels."""
        image = self._image()
        if image is None:
            return None
        footprint = capsule(image.shape[1:], (y, x), (y, x), self.size)
        if footprint is None:
            return None
        return window_under(image[self._view.slice_index], footprint)

    def close(self) -> None:
        """Let go of the viewer."""
        if self.seeds is not None:
            self.seeds.close()
        self._view.shown.disconnect(self._follow)
        self._view.display.changed.disconnect(self._on_display)
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._view.editor.settings = BrushSettings
        self._view.editor.turn = lambda act: act()
        self._watch(None)

    # inside -----------------------------------------------------------------------------------

    def _settings(self) -> BrushSettings:
        return BrushSettings(self._kind, self._depth, self._image(), self._window, self._tolerance)

    def _image(self) -> NDArray[Any] | None:
        case = self._view.case
        modality = self._view.display.modality
        if case is None or modality not in case.study.image.modalities:
            return None
        return case.study.image.channel(modality)

    def _sized_layer(self) -> Labels | None:
        if self.tool == SEEDS and self.seeds is not None:
            return self.seeds.layer
        return self._layer

    def _follow(self) -> None:
        case = self._view.case
        is_corrected = case is not None and case.correction is not None
        self._watch(self._view.layers.correction if is_corrected else None)
        self.regions.enter(case.shape if case is not None and self.can_take else None)
        self._on_tool()

    def _watch(self, layer: Labels | None) -> None:
        if layer is self._layer:
            return
        for old, connect in ((self._layer, False), (layer, True)):
            if old is not None:
                events = old.events
                for emitter, slot in (
                    (events.mode, self._on_mode), (events.brush_size, self._on_size),
                ):  # fmt: skip
                    (emitter.connect if connect else emitter.disconnect)(slot)
        self._layer = layer

    def _on_mode(self, _event: Any = None) -> None:
        layer = self._layer
        if layer is not None and str(layer.mode) != "pan_zoom":
            # Another tool was taken by napari's keys or buttons.
            self.regions.put_away()
        self._on_tool()

    def _on_active(self, _event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and active is not self._layer:
            # The mouse is for another layer now.
            self.regions.put_away()
        self._on_tool()

    def _on_tool(self, _event: Any = None) -> None:
        tool, layer = self.tool, self._layer
        if tool != self._told:
            self._told = tool
            if tool in _SIZED and layer is not None:
                wanted = self._sizes.setdefault(tool, int(layer.brush_size))
                if layer.brush_size != wanted:
                    layer.brush_size = wanted
            self.changed.emit("tool")

    def _on_size(self, _event: Any = None) -> None:
        layer, tool = self._layer, self.tool
        if layer is not None and tool in _SIZED:
            self._sizes[tool] = int(layer.brush_size)
        self.changed.emit("size")

    def _on_display(self, what: str) -> None:
        if what in ("modality", "case"):
            # Intensities of another picture mean something else.
            self.window = None

    def _on_regions(self) -> None:
        regions, layer = self.regions, self._layer
        if regions.cutting != self._cutting:
            self._cutting = regions.cutting
            self.changed.emit("cutting")
        pencil = (regions.kind, regions.purpose)
        if pencil == self._pencil:
            return
        self._pencil = pencil
        if layer is not None and regions.kind is not None:
            if regions.purpose != MASK and self._before is None:
                self._before = self._told
            self._view.make_active(layer)
            layer.mode = "pan_zoom"
            layer.cursor = "cross"
        elif layer is not None and regions.kind is None:
            before, self._before = self._before, None
            if str(layer.mode) == "pan_zoom":
                layer.cursor = "standard"
                is_active = self._viewer.layers.selection.active is layer
                if before is not None and is_active and not self._taking:
                    # Another tool had asked for a region: the hand goes on with what it did.
                    self.take(before)
        self._on_tool()

    def _on_drawn(self, region: Region) -> None:
        case = self._view.case
        if region.purpose != MASK or case is None or case.correction is None:
            return
        mask = case.correction.data
        low, high = max(0, region.slice_index - self._depth), region.slice_index + self._depth + 1
        rows, columns = (np.flatnonzero(region.inside.any(axis=axis)) for axis in (1, 0))
        box = (
            slice(low, min(high, len(mask))),
            slice(int(rows[0]), int(rows[-1]) + 1),
            slice(int(columns[0]), int(columns[-1]) + 1),
        )
        inside = region.inside[box[1:]]
        after = (mask[box] != 0) & ~inside if region.cut else (mask[box] != 0) | inside
        edit = Edit.inside(mask, box, after)
        if edit is not None:
            parameters = {"mode": "cut" if region.cut else "add", "depth": self._depth}
            self._view.editor.apply(edit, region.kind, parameters)
