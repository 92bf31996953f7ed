"""Tools at work for a window: started with what is on show, shown, and entered into the history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.tool_runs import ToolRuns
from napari_brainseg.session.toolbox import StaleEditError, ToolUnavailableError
from napari_brainseg.viewer.preview_picture import picture_of
from napari_brainseg.viewer.tool_preview import ToolPreview

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.tool_runs import ToolOutcome, ToolProgress
    from napari_brainseg.session.toolbox import Changes, Toolbox, ToolJob
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.preview_picture import PreviewPicture
    from napari_brainseg.viewer.tool_pointing import ToolPointing

__all__ = ["ASKING", "ToolWork"]

ASKING = {
    "point": "Click on the picture.",
    "region": "Draw around a region on the slice.",
    "seeds": "Scribble in the lesion and around it.",
}
"""What is said while the hand is asked for something."""
_TRIES = 3
"""So often a tool that acts at once is run anew where the mask changed meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What was asked for."""

    tool: str
    parameters: dict[str, Any]
    at_once: bool
    tries: int = _TRIES


class ToolWork:
    """Runs one tool at a time. Main thread only; computing is done in a thread of its own.

    Parameters
    ----------
    view : CaseView
        Has the layers, and the editor that results go through.
    pointing : ToolPointing
        Knows where a tool is to act.

    Attributes
    ----------
    box : Toolbox or None
        The tools of the case on show.
    preview : ToolPreview
        Draws what would change.
    """

    changed = Signal(str)
    """``"preview"``, ``"busy"`` or ``"message"``."""
    failed = Signal(object)
    """`BrainSegError`. The mask is as it was."""
    landing = Signal()
    """What a tool found is about to enter the history; it is to be put away."""
    applied = Signal(object)
    """`Stroke`: it is in the history."""

    def __init__(self, view: CaseView, pointing: ToolPointing) -> None:
        self._view, self._pointing = view, pointing
        self.box: Toolbox | None = None
        self.preview = ToolPreview(view.layers)
        self.changes: Changes | None = None
        self.message = ""
        self.share: float | None = None
        self._runs = ToolRuns(_draw)
        self._run: int | None = None
        self._order: _Order | None = None
        self._found: tuple[ToolJob, Edit, _Order] | None = None
        self._snapshot: NDArray[np.uint8] | None = None
        self._take_when_done = False
        self._runs.ended.connect(self._on_ended, thread="main")
        self._runs.progressed.connect(self._on_progress, thread="main")

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed, or waits for a stroke to end."""
        return self._order is not None

    @property
    def is_acting(self) -> bool:
        """Whether that is a tool which acts at once."""
        return self._order is not None and self._order.at_once

    @property
    def has_found(self) -> bool:
        """Whether there is something to take."""
        return self._found is not None

    def start(self, tool: str, parameters: dict[str, Any], *, at_once: bool) -> None:
        """Have a tool computed, in place of what was; shown, or entered into the history."""
        self._take_when_done = False
        self._start(_Order(tool, dict(parameters), at_once))

    def take(self) -> None:
        """Enter what is shown into the history; what is being computed, as soon as it is there."""
        if self.is_busy:
            self._take_when_done = True
        elif self._found is not None:
            self._land(*self._found)

    def stop(self) -> None:
        """End what runs, and show nothing of it."""
        was_busy = self.is_busy
        self._order = self._run = self.share = None
        self._runs.cancel()
        self._take_when_done = False
        self._show(None)
        self.say("")
        if was_busy:
            self.changed.emit("busy")

    def note_change(self) -> None:
        """Take note that the mask changed, or that there is another."""
        self._snapshot = None

    def say(self, message: str) -> None:
        """Say something to the reader; nothing when empty."""
        if message != self.message:
            self.message = message
            self.changed.emit("message")

    def close(self) -> None:
        """End the thread; the window is going."""
        self._runs.ended.disconnect(self._on_ended)
        self._runs.progressed.disconnect(self._on_progress)
        self._runs.close()

    # computing --------------------------------------------------------------------------------

    def _start(self, order: _Order) -> None:
        self._order = order
        editor, box = self._view.editor, self.box
        if editor.is_painting:
            editor.when_idle(lambda: self._start(order) if order is self._order else None)
            return
        correction = None if box is None else box.case.correction
        if box is None or correction is None or self._is_going:
            self.stop()
            return
        place = self._pointing.place(order.tool)
        try:
            if self._snapshot is None:
                # Paint that a script left is an action of its own, before this one.
                correction.commit()
            job = box.prepare(order.tool, place, self._snapshot, **order.parameters)
        except ToolUnavailableError:
            self.stop()
            reason = box.why_not(order.tool, place, **order.parameters)
            self.say(ASKING.get(self._pointing.wanted, reason or ""))
            return
        except BrainSegError as error:
            self.stop()
            self.failed.emit(error)
            return
        self._snapshot = job.inputs.mask
        self.say("")
        # The picture stays until there is another, but is not to be taken any more. Without a
        # number first: the end of the run before is no news.
        self._found = self._run = self.share = None
        self._run = self._runs.submit(job)
        self.changed.emit("busy")

    @property
    def _is_going(self) -> bool:
        """Whether there is nothing to work on: a window that closes loses its layers first."""
        return self._view.layers.correction is None

    def _on_progress(self, progress: ToolProgress) -> None:
        if progress.number == self._run:
            self.share = progress.share
            self.changed.emit("busy")

    def _on_ended(self, outcome: ToolOutcome) -> None:
        order = self._order
        if outcome.number != self._run or order is None:
            return
        if self._is_going:
            self.stop()
            return
        self._order = self._run = self.share = None
        if outcome.error is not None:
            self._show(None)
            self.failed.emit(outcome.error)
        elif outcome.edit is None:
            self._show(None)
            self.say(outcome.job.spec.nothing)
        elif order.at_once:
            self._land(outcome.job, outcome.edit, order)
        else:
            self._found = (outcome.job, outcome.edit, order)
            self._show(outcome)
        self.changed.emit("busy")
        if self._take_when_done:
            self._take_when_done = False
            self.take()

    def _show(self, outcome: ToolOutcome | None) -> None:
        if outcome is None:
            self._found = None
        had, self.changes = self.changes, None if outcome is None else outcome.changes
        picture: PreviewPicture | None = None if outcome is None else outcome.shown
        if picture is None or self.box is None:
            self.preview.clear()
        else:
            self.preview.show(picture, self.box.case.shape)
        if had is not None or outcome is not None:
            self.changed.emit("preview")

    # landing ----------------------------------------------------------------------------------

    def _land(self, job: ToolJob, edit: Edit, order: _Order) -> None:
        editor, box = self._view.editor, self.box
        if box is None:
            return
        if editor.is_painting:
            editor.when_idle(lambda: self._land(job, edit, order) if box is self.box else None)
            return
        try:
            box.check(job)
        except StaleEditError as error:
            self.note_change()
            if not order.at_once or order.tries == 1:
                self.failed.emit(error)
            if order.tries > 1:
                # What is only shown is to be looked at again.
                self._start(replace(order, tries=order.tries - order.at_once))
            return
        except ToolUnavailableError as error:
            self.landing.emit()
            self.failed.emit(error)
            return
        self.landing.emit()
        stroke = editor.apply(edit, job.spec.id, dict(job.recorded))
        if stroke is None:
            return
        if job.spec.id == "copy slice":
            # It goes on from slice to slice.
            self._view.go_to(edit.slices.start)
        self.applied.emit(stroke)


def _draw(job: ToolJob, edit: Edit) -> PreviewPicture:
    return picture_of(job.inputs.mask, edit)
