"""Ruler and area in the hand: what mouse and keys do to measurements, without a window.

`widgets.measure_overlay` feeds it mouse and keys and draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.imaging.measuring import (
    Intensities,
    intensities,
    is_in_mm,
    within_plane,
)
from napari_brainseg.session.measurements import Kind, measure
from napari_brainseg.viewer.brushes import MOVE
from napari_brainseg.viewer.measure_drawing import MeasureDrawing, Place, in_volume
from napari_brainseg.viewer.planes import Plane, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.session.case_measurements import CaseMeasurements
    from napari_brainseg.session.measurements import Measurement
    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.tool_bench import ToolBench

__all__ = ["Draft", "Measuring"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being drawn, or a measurement whose end is in the hand.

    Parameters
    ----------
    kind : Kind
        Ruler or area.
    axis, plane : int
        Where it lies.
    places : tuple of (float, float)
        Points so far, that under the mouse included.
    closed : bool
        Whether the last point joins the first already.
    text : str
        Its value as people read it; empty where there is none yet.
    """

    kind: Kind
    axis: int
    plane: int
    places: tuple[Place, ...]
    closed: bool
    text: str


class Measuring:
    """Tools that measure, and the measurement that is chosen. Main thread only.

    While a tool is in hand no brush is; the one before is taken again afterwards. The correction
    and its history are never touched.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    view : CaseView
        Which case is shown.
    measurements : CaseMeasurements
        Those of the case.
    brushes : Brushes
        What else may be in hand.
    bench : ToolBench
        Tools that may wait for something.
    """

    changed = Signal(str)
    """``"tool"``, ``"draft"``, ``"items"``, ``"chosen"`` or ``"shown"``."""
    refused = Signal(object)
    """`DataError`: what was drawn cannot be measured; empty news follow by `accepted`."""
    accepted = Signal()
    """Something was measured, or a new attempt began."""

    def __init__(
        self,
        viewer: Viewer,
        view: CaseView,
        measurements: CaseMeasurements,
        brushes: Brushes,
        bench: ToolBench,
    ) -> None:
        self._viewer, self._view, self._brushes, self._bench = viewer, view, brushes, bench
        self.measurements = measurements
        self._case = view.case
        self._tool: Kind | None = None
        self._before: str | None = None
        self._busy = False
        self._drawing = MeasureDrawing()
        self._held: tuple[int, int] | None = None
        self._places: list[Place] = []
        self._chosen: int | None = None
        self._under: tuple[object, dict[Modality, Intensities | None]] = (None, {})
        measurements.changed.connect(self._on_items, thread="main")
        view.shown.connect(self._on_shown)
        view.display.changed.connect(self._on_display)
        brushes.changed.connect(self._on_hand)
        bench.changed.connect(self._on_bench)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    # what is in the hand ----------------------------------------------------------------------

    @property
    def tool(self) -> Kind | None:
        """Ruler or area, `None` while neither is in hand."""
        return self._tool

    @property
    def can_measure(self) -> bool:
        """Whether there is an image to measure in, shown as slices."""
        return self._view.case is not None and self._viewer.dims.ndisplay == 2

    def can_measure_on(self, axis: int) -> bool:
        """Whether a plane can be measured on: across slices only where the spacing is known."""
        return self.can_measure and (axis == 0 or is_in_mm(self.measurements.geometry))

    @property
    def is_hand_free(self) -> bool:
        """Whether a click means a measurement under it: no brush and no tool waits for it."""
        if self._tool is not None:
            return True
        return self._brushes.tool == MOVE and self._bench.tool is None

    def take(self, kind: Kind) -> None:
        """Take ruler or area in hand; nothing happens without a case, and in 3D."""
        if not self.can_measure or kind is self._tool:
            return
        self.cancel()
        if self._tool is None:
            self._busy = True
            # A tool that waits gives back the brush that it borrowed.
            self._bench.drop()
            self._before = self._brushes.tool
            if self._before != MOVE:
                self._brushes.take(MOVE)
            self._busy = False
        self._tool = kind
        self.changed.emit("tool")

    def toggle(self, kind: Kind) -> None:
        """Take a tool in hand, or put it away."""
        if self._tool is kind:
            self.put_away()
        else:
            self.take(kind)

    def put_away(self) -> None:
        """Measure no more; the brush that was in hand before is there again."""
        if self._tool is None:
            return
        before, self._before = self._before, None
        self._end()
        if before is not None and before != MOVE and self._brushes.tool == MOVE:
            self._brushes.take(before)

    # drawing ----------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft | None:
        """What is being drawn, or changed."""
        held = self._held_item
        if held is not None:
            return self._draft(held.kind, held.axis, held.plane, tuple(self._places))
        drawing = self._drawing
        if self._tool is None or not drawing.is_begun:
            return None
        return self._draft(self._tool, drawing.axis, drawing.plane, drawing.path)

    @property
    def is_drawing(self) -> bool:
        """Whether something was begun and not ended."""
        return self._drawing.is_begun or self._held is not None

    def press(self, axis: int, plane: int, place: Place) -> None:
        """Press the button: begin, set a corner, or set the other end.

        Parameters
        ----------
        axis, plane : int
            The plane on show; what was begun on another one is dropped.
        place : (float, float)
            (row, column) in voxels.
        """
        if self._tool is None or not self.can_measure_on(axis):
            return
        if not self._drawing.is_begun:
            self.choose(None)
            self.accepted.emit()
        if self._drawing.press(self._tool, axis, plane, place):
            self._finish()
        self.changed.emit("draft")

    def move(self, place: Place, *, pressed: bool = False) -> None:
        """Follow the mouse; with the button down an area is drawn by hand."""
        if self._held is not None:
            self._places[self._held[1]] = place
        elif self._drawing.is_begun:
            self._drawing.move(place, pressed=pressed)
        else:
            return
        self.changed.emit("draft")

    def release(self, place: Place, *, dragged: bool) -> None:
        """Let the button go.

        Parameters
        ----------
        place : (float, float)
            Where.
        dragged : bool
            Whether it was moved since it was pressed; else it was a click, and the next one sets
            the other end or the next corner.
        """
        if self._held is not None:
            self._let_go(moved=dragged)
        elif self._drawing.release(place, dragged=dragged):
            self._finish()
        self.changed.emit("draft")

    def close(self) -> None:
        """Join the last corner of an area with the first."""
        if self._tool is Kind.AREA and self._drawing.is_begun:
            self._finish()
            self.changed.emit("draft")

    def back(self) -> None:
        """Take the corner set last away."""
        self._drawing.back()
        self.changed.emit("draft")

    def cancel(self) -> bool:
        """Drop what is being drawn, keep the tool; whether there was anything."""
        had = self.is_drawing
        self._drawing.clear()
        self._held = None
        if had:
            self.changed.emit("draft")
        return had

    def escape(self) -> bool:
        """Take one step back: the draft, the tool, the choice; whether there was any."""
        if self.cancel():
            return True
        if self._tool is not None:
            self.put_away()
            return True
        if self._chosen is not None:
            self.choose(None)
            return True
        return False

    # what is there ----------------------------------------------------------------------------

    @property
    def is_shown(self) -> bool:
        """Whether measurements are shown: not in 3D, and not while all masks are hidden."""
        return self.can_measure and not self._view.display.masks_hidden

    def items_on(self, axis: int, plane: int) -> tuple[Measurement, ...]:
        """Measurements that belong to a plane, but for that in the hand."""
        held = self._held_item
        return tuple(
            item
            for item in self.measurements.items
            if (item.axis, item.plane) == (axis, plane) and item != held
        )

    @property
    def chosen(self) -> Measurement | None:
        """The one that Delete takes away."""
        return None if self._chosen is None else self.measurements.find(self._chosen)

    def choose(self, measurement_id: int | None) -> None:
        """Choose a measurement."""
        if measurement_id != self._chosen:
            self._chosen = measurement_id
            self.changed.emit("chosen")

    def remove_chosen(self) -> bool:
        """Take the chosen one away; whether there was one."""
        item = self.chosen
        if item is None:
            return False
        self._chosen = None
        self.measurements.remove(item.id)
        return True

    def grab(self, item: Measurement, index: int) -> None:
        """Take a point of a measurement in hand; `move` and `release` put it elsewhere."""
        self.cancel()
        self.choose(item.id)
        self._held = (item.id, index)
        self._places = [(r, c) for r, c in within_plane(item.points, item.axis).tolist()]
        self.accepted.emit()
        self.changed.emit("draft")

    def intensities_of(
        self, item: Measurement, modality: Modality | None = None
    ) -> Intensities | None:
        """Intensities under an area, by default of the modality on show; `None` for rulers."""
        case = self._view.case
        if item.kind is not Kind.AREA or case is None:
            return None
        modality = modality or self._view.display.modality
        # Asked for at every step of zooming, of each modality side by side.
        if self._under[0] != (case.id, item):
            self._under = ((case.id, item), {})
        known = self._under[1]
        if modality not in known:
            volume, found = case.study.shown(modality), None
            if 0 <= item.plane < volume.shape[item.axis]:
                plane = cut(volume, Plane(item.axis), item.plane)
                found = intensities(plane, within_plane(item.points, item.axis))
            known[modality] = found
        return known[modality]

    def end(self) -> None:
        """Stop following; the window is going."""
        self.measurements.changed.disconnect(self._on_items)
        self._view.shown.disconnect(self._on_shown)
        self._view.display.changed.disconnect(self._on_display)
        self._brushes.changed.disconnect(self._on_hand)
        self._bench.changed.disconnect(self._on_bench)
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    # inside -----------------------------------------------------------------------------------

    @property
    def _held_item(self) -> Measurement | None:
        return None if self._held is None else self.measurements.find(self._held[0])

    def _draft(self, kind: Kind, axis: int, plane: int, places: tuple[Place, ...]) -> Draft:
        try:
            found = measure(kind, axis, in_volume(places, axis, plane), self.measurements.geometry)
            text = found.text
        except DataError:
            # Too few points yet, or lines that cross for now.
            text = ""
        return Draft(kind, axis, plane, places, self._held is not None, text)

    def _finish(self) -> None:
        kind, axis, plane = self._drawing.kind, self._drawing.axis, self._drawing.plane
        places = self._drawing.take()
        if places:
            self._keep(
                lambda: self.measurements.add(kind, axis, plane, in_volume(places, axis, plane))
            )

    def _let_go(self, *, moved: bool) -> None:
        item, places = self._held_item, list(self._places)
        self._held = None
        if moved and item is not None:
            points = in_volume(places, item.axis, item.plane)
            self._keep(lambda: self.measurements.move(item.id, points))

    def _keep(self, act: Callable[[], Measurement | None]) -> None:
        try:
            made = act()
        except DataError as error:
            self.refused.emit(error)
            return
        self.accepted.emit()
        if made is not None:
            self.choose(made.id)

    def _on_items(self) -> None:
        if self._held_item is None:
            self._held = None
        self.changed.emit("items")

    def _on_shown(self) -> None:
        if self._view.case is not self._case:
            self._case = self._view.case
            self.put_away()
            self.cancel()
            self.choose(None)
        self.changed.emit("shown")

    def _on_display(self, what: str) -> None:
        if what in ("masks", "modality", "case"):
            self.changed.emit("shown")

    def _on_ndisplay(self, _event: Any = None) -> None:
        if self._viewer.dims.ndisplay != 2:
            self.put_away()
            self.cancel()
        self.changed.emit("shown")

    def _on_hand(self, what: str) -> None:
        self._yield_to(taken=what == "tool" and self._brushes.tool != MOVE)

    def _on_bench(self, what: str) -> None:
        self._yield_to(taken=what == "tool" and self._bench.tool is not None)

    def _yield_to(self, *, taken: bool) -> None:
        if taken and not self._busy and self._tool is not None:
            # What was taken instead stays in hand.
            self._before = None
            self._end()

    def _end(self) -> None:
        self._drawing.clear()
        self._held = self._tool = None
        self.changed.emit("tool")
