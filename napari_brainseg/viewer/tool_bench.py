"""The tool in hand: what is set of it, what it would do, and taking or dropping that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.session.tool_specs import ISLAND, REGION, Need, spec_of
from napari_brainseg.session.toolbox import Toolbox
from napari_brainseg.viewer.tool_pointing import ToolPointing
from napari_brainseg.viewer.tool_work import ASKING, ToolWork

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.tool_specs import Parameter
    from napari_brainseg.session.toolbox import Changes
    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.seed_scribbles import SeedScribbles

__all__ = ["ToolBench"]


class ToolBench:
    """The tools of a window. Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    view : CaseView
        Has case, layers and the editor that results go through.
    brushes : Brushes
        What is in the hand.
    seeds : SeedScribbles, optional
        Scribbles to grow from; by default those of `brushes`.
    """

    changed = Signal(str)
    """What changed.

    ``"tool"``: another one is in hand, or none. ``"parameters"``: a value, or a range.
    ``"preview"``: what it would do. ``"busy"``: a run began or ended, or went on. ``"message"``:
    what there is to say. ``"available"``: whether tools can be used. ``"history"``: an action was
    made, undone or redone.
    """
    failed = Signal(object)
    """`BrainSegError`: a tool could not do its work. The mask is as it was."""
    applied = Signal(object)
    """`Stroke`: what a tool did is in the history."""

    def __init__(
        self,
        viewer: Viewer,
        view: CaseView,
        brushes: Brushes,
        seeds: SeedScribbles | None = None,
    ) -> None:
        self._viewer, self._view = viewer, view
        self.pointing = ToolPointing(viewer, view, brushes, seeds)
        self._work = ToolWork(view, self.pointing)
        self._case: Case | None = None
        self._correction: Correction | None = None
        self._tool: str | None = None
        self._parameters: tuple[Parameter, ...] = ()
        self._chosen: dict[str, Any] = {}
        self._queue: list[tuple[str, dict[str, Any]]] = []
        work = self._work
        work.changed.connect(self._on_work)
        work.failed.connect(self.failed.emit)
        work.landing.connect(self._put_down)
        work.applied.connect(self.applied.emit)
        self.pointing.changed.connect(self._on_pointed)
        self.pointing.taken_away.connect(self.drop)
        view.shown.connect(self._follow)
        view.display.changed.connect(self._on_display)
        viewer.dims.events.current_step.connect(self._on_slice)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._follow()

    # what there is ----------------------------------------------------------------------------

    @property
    def tool(self) -> str | None:
        """Id of the tool in hand, which waits for its parameters and to be taken."""
        return self._tool

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be set of the tool in hand, for this case and place."""
        return self._parameters

    def value(self, name: str) -> Any:
        """Return the value of a parameter of the tool in hand; `None` if it has none such."""
        if name in self._chosen:
            return self._chosen[name]
        return next((p.default for p in self.parameters if p.name == name), None)

    @property
    def changes(self) -> Changes | None:
        """How much the tool in hand would change, `None` while that is not known."""
        return self._work.changes

    @property
    def message(self) -> str:
        """What there is to say: what is missing, or that nothing would change."""
        return self._work.message

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed."""
        return self._work.is_busy

    @property
    def share(self) -> float | None:
        """How far that is, 0 to 1; `None` where nothing is told."""
        return self._work.share

    @property
    def previewed(self) -> bool:
        """Whether the tool in hand waits for being taken; others act with the next click."""
        return self._tool is not None and spec_of(self._tool).previewed

    @property
    def can_take(self) -> bool:
        """Whether there is something to take, or soon will be."""
        return self.previewed and (self._work.has_found or self.is_busy)

    def why_not(self, tool: str) -> str | None:
        """Say why a tool cannot be used in this case; `None` if it can."""
        box = self._work.box
        return "Open a study first." if box is None else box.why_not(tool)

    # what is done -----------------------------------------------------------------------------

    def use(self, tool: str, **parameters: Any) -> None:
        """Use a tool: in hand with a preview, or at once where it has none.

        Where it needs a voxel, that is the one under the mouse; if the mouse is elsewhere, the
        next click gives it.

        Parameters
        ----------
        tool : str
            Its id.
        parameters
            By name, in place of the defaults.
        """
        if self._work.is_acting:
            # Two presses of a key are two actions, however quickly they come.
            self._queue.append((tool, parameters))
            return
        self.drop()
        reason = self.why_not(tool)
        if reason is not None:
            self._work.say(reason)
            return
        spec = spec_of(tool)
        self.pointing.begin()
        self.pointing.point = self.pointing.under_mouse()
        if not spec.previewed and (Need.POINT not in spec.needs or self.pointing.point):
            self._work.start(tool, parameters, at_once=True)
            return
        self._tool, self._chosen = tool, dict(parameters)
        self._fit()
        self._ask()
        self.changed.emit("tool")
        self._request()

    def set(self, name: str, value: Any) -> None:
        """Set a parameter of the tool in hand.

        Raises
        ------
        ValueError
            If that is no value for it.
        KeyError
            If it has none of that name.
        """
        if self._tool is None:
            return
        known = {parameter.name: parameter for parameter in self.parameters}
        value = known[name].valid(value)
        if value == self.value(name):
            return
        self._chosen[name] = value
        if name == "scope":
            self._ask()
        self.changed.emit("parameters")
        self._request()

    def take(self) -> bool:
        """Do what the preview shows, or will show; whether there is a tool in hand."""
        had = self._tool is not None
        if self.can_take:
            self._work.take()
        return had

    def drop(self) -> bool:
        """Put the tool in hand away, stop what runs; whether there was anything."""
        had = self._tool is not None or self.is_busy
        self._queue.clear()
        self._put_down()
        return had

    def draw_region(self) -> None:
        """Draw the region of the tool in hand anew."""
        if self._tool is not None:
            self.pointing.region = None
            self.pointing.give_back()
            self._chosen["scope"] = REGION
            self._ask()
            self.changed.emit("parameters")
            self._request()

    def close(self) -> None:
        """Stop following; the window is going."""
        self._leave()
        self._work.close()
        self.pointing.close()
        self._view.shown.disconnect(self._follow)
        self._view.display.changed.disconnect(self._on_display)
        self._viewer.dims.events.current_step.disconnect(self._on_slice)
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    # inside -----------------------------------------------------------------------------------

    def _put_down(self) -> None:
        self._work.stop()
        if self._tool is not None:
            self._tool, self._chosen, self._parameters = None, {}, ()
            self.pointing.give_back()
            self.changed.emit("tool")

    def _fit(self) -> None:
        """Have ranges and defaults of the parameters for this place."""
        box = self._work.box
        if self._tool is not None and box is not None:
            self._parameters = box.parameters(self._tool, self.pointing.place())

    def _request(self) -> None:
        """Have the preview of the tool in hand computed, in place of the one before."""
        if self._tool is None:
            return
        if self.previewed or self.pointing.point is not None:
            self._work.start(self._tool, self._chosen, at_once=not self.previewed)
        else:
            self._work.say(ASKING["point"])

    def _ask(self) -> None:
        """Ask the hand for what the tool in it needs."""
        if self._tool is None:
            return
        needs, scope = spec_of(self._tool).needs, self.value("scope")
        if Need.POINT in needs or scope == ISLAND:
            self.pointing.ask("point")
        elif Need.SEEDS in needs:
            self.pointing.ask("seeds")
        elif scope == REGION and self.pointing.region is None:
            self.pointing.ask("region")
        else:
            self.pointing.give_back()

    def _on_work(self, what: str) -> None:
        self.changed.emit(what)
        if what == "busy" and self._queue and not self._work.is_busy:
            tool, parameters = self._queue.pop(0)
            waiting, self._queue = self._queue, []
            self.use(tool, **parameters)
            self._queue += waiting

    def _on_pointed(self) -> None:
        if self._tool is not None:
            if self.pointing.wanted == "region":
                self.pointing.give_back()
            self._fit()
            self._request()

    def _on_slice(self, _event: Any = None) -> None:
        if self._view.case is not self._case:
            return  # another case is on its way in
        # What hangs on a click or on scribbles does not hang on the slice on show.
        if self._tool is not None and self.pointing.wanted not in ("point", "seeds"):
            self._fit()
            self.changed.emit("parameters")
            self._request()

    def _on_ndisplay(self, _event: Any = None) -> None:
        # There is no clicking, and no seeing what would change, on surfaces.
        if self._viewer.dims.ndisplay != 2:
            self.drop()

    def _on_display(self, what: str) -> None:
        if (what == "modality" and self._tool == "flood fill") or (
            what == "threshold" and self._tool == "take prediction"
        ):
            self._request()

    def _on_mask(self, _stroke: Any = None) -> None:
        self._work.note_change()
        self.changed.emit("history")
        if self.previewed:
            self._fit()
            self._request()

    def _follow(self) -> None:
        case = self._view.case
        correction = None if case is None else case.correction
        if case is not self._case or correction is not self._correction:
            self._leave()
            self._case, self._correction = case, correction
            self._work.note_change()
            self._work.box = None if case is None else Toolbox(case)
            if correction is not None:
                for signal in (correction.committed, correction.undone, correction.redone):
                    signal.connect(self._on_mask, thread="main")
            right = getattr(case, "write_right_changed", None)
            if right is not None:
                right.connect(self._on_right, thread="main")
        self.changed.emit("available")

    def _leave(self) -> None:
        self.drop()
        self.pointing.enter()
        self._work.preview.forget()
        correction, self._correction = self._correction, None
        if correction is not None:
            for signal in (correction.committed, correction.undone, correction.redone):
                signal.disconnect(self._on_mask)
        right = getattr(self._case, "write_right_changed", None)
        if right is not None:
            right.disconnect(self._on_right)
        self._case = self._work.box = None

    def _on_right(self, _holder: Any = None) -> None:
        if self._tool is not None and self.why_not(self._tool) is not None:
            self.drop()
        self.changed.emit("available")
