"""The tool in hand: what is set of it, what it would do, and taking or dropping that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.tool_runs import ToolRuns
from napari_brainseg.session.tool_specs import ISLAND, REGION, Need, spec_of
from napari_brainseg.session.toolbox import StaleEditError, Toolbox, ToolUnavailableError
from napari_brainseg.viewer.preview_picture import picture_of
from napari_brainseg.viewer.tool_pointing import ToolPointing
from napari_brainseg.viewer.tool_preview import ToolPreview

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.tool_runs import ToolOutcome, ToolProgress
    from napari_brainseg.session.tool_specs import Parameter
    from napari_brainseg.session.toolbox import Changes, ToolJob
    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.preview_picture import PreviewPicture
    from napari_brainseg.viewer.seed_scribbles import SeedScribbles

__all__ = ["ASKING", "NOTHING", "ToolBench"]

NOTHING = "Nothing would change."
ASKING = {
    "point": "Click on the picture.",
    "region": "Draw around a region on the slice.",
    "seeds": "Scribble in the lesion and around it.",
}
"""What is said while the hand is asked for something."""
_TRIES = 3
"""So often a tool that acts at once is run anew where the mask changed meanwhile."""


class ToolBench:
    """Runs the tools of a window. Main thread only; computing is done in a thread of its own.

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
    what there is to say. ``"available"``: whether tools can be used.
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
        self.preview = ToolPreview(view.layers)
        self._runs = ToolRuns(_draw)
        self._case: Case | None = None
        self._correction: Correction | None = None
        self._box: Toolbox | None = None
        self._tool: str | None = None
        self._chosen: dict[str, Any] = {}
        self._found: tuple[ToolJob, Edit] | None = None
        self._changes: Changes | None = None
        self._message = ""
        self._share: float | None = None
        self._run: int | None = None
        self._once: tuple[str, dict[str, Any], int] | None = None
        self._take_when_done = False
        self._runs.ended.connect(self._on_ended, thread="main")
        self._runs.progressed.connect(self._on_progress, thread="main")
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
        if self._tool is None or self._box is None:
            return ()
        return self._box.parameters(self._tool, self.pointing.place())

    def value(self, name: str) -> Any:
        """Return the value of a parameter of the tool in hand; `None` if it has none such."""
        if name in self._chosen:
            return self._chosen[name]
        return next((p.default for p in self.parameters if p.name == name), None)

    @property
    def changes(self) -> Changes | None:
        """How much the tool in hand would change, `None` while that is not known."""
        return self._changes

    @property
    def message(self) -> str:
        """What there is to say: what is missing, or that nothing would change."""
        return self._message

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed."""
        return self._run is not None

    @property
    def share(self) -> float | None:
        """How far that is, 0 to 1; `None` where nothing is told."""
        return self._share

    @property
    def previewed(self) -> bool:
        """Whether the tool in hand waits for being taken; others act with the next click."""
        return self._tool is not None and spec_of(self._tool).previewed

    @property
    def can_take(self) -> bool:
        """Whether there is something to take, or soon will be."""
        return self.previewed and (self._found is not None or self.is_busy)

    def why_not(self, tool: str) -> str | None:
        """Say why a tool cannot be used in this case; `None` if it can."""
        return "Open a study first." if self._box is None else self._box.why_not(tool)

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
        self.drop()
        reason = self.why_not(tool)
        if reason is not None:
            self._say(reason)
            return
        needs = spec_of(tool).needs
        self.pointing.begin()
        self.pointing.point = self.pointing.under_mouse()
        self._tool, self._chosen = tool, dict(parameters)
        if not spec_of(tool).previewed and (Need.POINT not in needs or self.pointing.point):
            self._tool = None
            self._act(tool, dict(parameters), _TRIES)
            return
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
        if self._tool is None:
            return False
        if self.is_busy:
            self._take_when_done = True
        else:
            self._land_found()
        return True

    def drop(self) -> bool:
        """Put the tool in hand away, stop what runs; whether there was anything."""
        had = self._tool is not None or self.is_busy
        self._stop()
        if self._message:
            self._say("")
        if self._tool is not None:
            self._tool, self._chosen = None, {}
            self.pointing.give_back()
            self.changed.emit("tool")
        return had

    def draw_region(self) -> None:
        """Draw the region of the tool in hand anew."""
        if self._tool is not None:
            self.pointing.region = None
            self.pointing.ask("")
            self.set("scope", REGION)
            self._ask()
            self._request()

    def close(self) -> None:
        """Stop following; the window is going."""
        self._leave()
        self._runs.ended.disconnect(self._on_ended)
        self._runs.progressed.disconnect(self._on_progress)
        self._runs.close()
        self.pointing.close()
        self._view.shown.disconnect(self._follow)
        self._view.display.changed.disconnect(self._on_display)
        self._viewer.dims.events.current_step.disconnect(self._on_slice)
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    # running ----------------------------------------------------------------------------------

    def _request(self) -> None:
        """Have the preview of the tool in hand computed, in place of the one before."""
        if self._tool is not None:
            self._take_when_done = False
            self._start(self._tool, self._chosen)

    def _act(self, tool: str, parameters: dict[str, Any], tries: int) -> None:
        self._once = (tool, parameters, tries)
        self._start(tool, parameters)

    def _start(self, tool: str, parameters: dict[str, Any]) -> None:
        editor = self._view.editor
        if editor.is_painting:
            # The end of the stroke asks again.
            self._stop(keep_once=True)
            editor.when_idle(lambda: self._start_again(tool, parameters))
            return
        box, correction = self._box, self._correction
        if box is None or correction is None:
            return
        try:
            # Paint that a script left is an action of its own, before this one.
            correction.commit()
            job = box.prepare(tool, self.pointing.place(), **parameters)
        except ToolUnavailableError:
            self._stop()
            reason = box.why_not(tool, self.pointing.place(), **parameters)
            self._say(ASKING.get(self.pointing.wanted, reason or ""))
            return
        except BrainSegError as error:
            self._stop()
            self.failed.emit(error)
            return
        self._say("")
        # The picture stays until there is another, but is not to be taken any more.
        self._found = self._run = self._share = None
        self._run = self._runs.submit(job)
        self.changed.emit("busy")

    def _start_again(self, tool: str, parameters: dict[str, Any]) -> None:
        if tool == self._tool or self._once is not None:
            self._start(tool, parameters)

    def _stop(self, *, keep_once: bool = False) -> None:
        """End what runs, show nothing of it."""
        was_busy, self._run = self._run is not None, None
        self._runs.cancel()
        if not keep_once:
            self._once = None
        self._share = None
        self._take_when_done = False
        self._set_found(None, None)
        if was_busy:
            self.changed.emit("busy")

    def _on_progress(self, progress: ToolProgress) -> None:
        if progress.number == self._run:
            self._share = progress.share
            self.changed.emit("busy")

    def _on_ended(self, outcome: ToolOutcome) -> None:
        if outcome.number != self._run:
            return
        self._run = self._share = None
        once, self._once = self._once, None
        if outcome.reason != "completed" or outcome.edit is None:
            self._set_found(None, None)
            if outcome.error is not None:
                self.failed.emit(outcome.error)
            elif outcome.reason == "completed":
                self._say(NOTHING)
        elif once is not None:
            self._land_at_once(outcome.job, outcome.edit, once)
        elif self._tool == outcome.job.spec.id:
            self._set_found((outcome.job, outcome.edit), outcome)
        self.changed.emit("busy")
        if self._take_when_done:
            self._take_when_done = False
            self._land_found()

    def _set_found(self, found: tuple[ToolJob, Edit] | None, outcome: ToolOutcome | None) -> None:
        had = self._found is not None or self._changes is not None
        self._found = found
        self._changes = None if outcome is None else outcome.changes
        picture: PreviewPicture | None = None if outcome is None else outcome.shown
        if picture is None or self._case is None:
            self.preview.clear()
        else:
            self.preview.show(picture, self._case.shape)
        if had or found is not None:
            self.changed.emit("preview")

    def _land_found(self) -> None:
        """Enter what the preview shows into the history."""
        editor, box = self._view.editor, self._box
        if box is None or self._found is None:
            return
        job, edit = self._found
        if editor.is_painting:
            editor.when_idle(self._land_found)
            return
        try:
            box.check(job)
        except StaleEditError as error:
            self.failed.emit(error)
            self._request()
            return
        except ToolUnavailableError as error:
            self.drop()
            self.failed.emit(error)
            return
        self.drop()
        self._enter(job, edit)

    def _land_at_once(
        self, job: ToolJob, edit: Edit, once: tuple[str, dict[str, Any], int]
    ) -> None:
        editor, box = self._view.editor, self._box
        if box is None:
            return
        if editor.is_painting:
            editor.when_idle(lambda: self._land_at_once(job, edit, once))
            return
        tool, parameters, tries = once
        try:
            box.check(job)
        except StaleEditError as error:
            if tries > 1:
                self._act(tool, parameters, tries - 1)
            else:
                self.failed.emit(error)
        except ToolUnavailableError as error:
            self.failed.emit(error)
        else:
            if self._tool is not None:
                self.drop()
            self._enter(job, edit)

    def _enter(self, job: ToolJob, edit: Edit) -> None:
        stroke = self._view.editor.apply(edit, job.spec.id, dict(job.recorded))
        if stroke is None:
            return
        if job.spec.id == "copy slice":
            # It goes on from slice to slice.
            self._view.go_to(edit.slices.start)
        self.applied.emit(stroke)

    # following --------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Ask the hand for what the tool in it needs."""
        tool = self._tool
        if tool is None:
            return
        needs, scope = spec_of(tool).needs, self.value("scope")
        what = ""
        if Need.POINT in needs or scope == ISLAND:
            what = "point"
        elif Need.SEEDS in needs:
            what = "seeds"
        elif scope == REGION and self.pointing.region is None:
            what = "region"
        if what:
            self.pointing.ask(what)
        else:
            self.pointing.give_back()

    def _on_pointed(self) -> None:
        tool = self._tool
        if tool is None:
            return
        if self.pointing.wanted == "region":
            self.pointing.give_back()
        if spec_of(tool).previewed:
            self._request()
        else:
            self._act(tool, self._chosen, _TRIES)

    def _on_slice(self, _event: Any = None) -> None:
        if self._tool is not None and self.pointing.wanted not in ("point", "seeds"):
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
        self.changed.emit("history")
        if self._tool is not None:
            self._request()

    def _follow(self) -> None:
        case = self._view.case
        correction = None if case is None else case.correction
        if case is not self._case or correction is not self._correction:
            self._leave()
            self._case, self._correction = case, correction
            self._box = None if case is None else Toolbox(case)
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
        self.preview.forget()
        correction, self._correction = self._correction, None
        if correction is not None:
            for signal in (correction.committed, correction.undone, correction.redone):
                signal.disconnect(self._on_mask)
        right = getattr(self._case, "write_right_changed", None)
        if right is not None:
            right.disconnect(self._on_right)
        self._case = self._box = None

    def _on_right(self, _holder: Any = None) -> None:
        if self._tool is not None and self.why_not(self._tool) is not None:
            self.drop()
        self.changed.emit("available")

    def _say(self, message: str) -> None:
        if message != self._message:
            self._message = message
            self.changed.emit("message")


def _draw(job: ToolJob, edit: Edit) -> PreviewPicture:
    return picture_of(job.inputs.mask, edit)
