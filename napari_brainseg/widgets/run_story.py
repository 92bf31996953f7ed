"""The story of a run: what it told before anybody listened, and what it tells now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.widgets.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.protocol import Event
    from napari_brainseg.widgets.background import Background

__all__ = ["RunStory"]


class RunStory:
    """Keeps the state of the latest run whole: curves with a gap would mislead.

    Parameters
    ----------
    background : Background
        Reads the past.
    changed : callable
        Called when the state is another one.

    Attributes
    ----------
    state : RunState
    run_dir : Path or None
        Folder of the run.
    """

    def __init__(self, background: Background, changed: Callable[[], None]) -> None:
        self._background = background
        self._changed = changed
        self._heard: list[Event] | None = None
        self.state = RunState()
        self.run_dir: Path | None = None

    def forget(self) -> None:
        """Begin anew: a run is about to start."""
        self._heard, self.run_dir = None, None
        self.state = RunState()
        self._changed()

    def tell(self, run_dir: Path) -> None:
        """Tell of this run: read what it told so far, while more may come."""
        from napari_brainseg.session.run_follower import past_events

        if run_dir != self.run_dir:
            self.state = RunState()
        self.run_dir = run_dir
        self._heard = heard = []

        def join(past: list[Event]) -> None:
            if self._heard is heard:
                self._heard = None
                known = {(event.kind, event.time) for event in past}
                news = [event for event in heard if (event.kind, event.time) not in known]
                self.state = RunState.of([*past, *news])
                self._changed()

        def leave(_error: object) -> None:
            self._heard = None

        self._background.run(lambda: past_events(run_dir), join, leave)

    def add(self, event: Event) -> None:
        """Take an event in."""
        if self._heard is not None:
            self._heard.append(event)
        self.state.add(event)
        self._changed()
