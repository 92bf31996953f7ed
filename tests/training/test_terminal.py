from __future__ import annotations

import io

from napari_brainseg.core.protocol import Paused, Resumed, StageStarted, Waiting
from training.terminal import TerminalView


def test_a_person_at_a_terminal_is_told_why_nothing_moves() -> None:
    page = io.StringIO()
    view = TerminalView(page)
    view.show(Waiting(ahead=1, text="Another run of this machine goes first."))
    view.show(StageStarted(stage="inner fold", number=1, stages=3, text="Inner fold 1 of 2"))
    view.show(Paused(why="prediction"))
    view.show(Resumed())
    assert page.getvalue().splitlines() == [
        "Another run of this machine goes first.",
        "Inner fold 1 of 2",
        "giving way to a prediction",
        "going on",
    ]
