"""A stop that somebody waits for comes soon, whatever the run is at."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.stream import StopFlag

__all__ = ["DEADLINE_S", "leaving_in_time", "saving"]

saving = threading.Lock()
"""Held while a checkpoint is written."""

DEADLINE_S = 1.0
"""From the stop on. A step on a busy processor, a validation or an export may take longer."""

_LOOK_S = 0.05
_GRACE_S = 0.3
_LONGEST_SAVE_S = 20.0


@contextlib.contextmanager
def leaving_in_time(stop: StopFlag, leave: Callable[[], None]) -> Iterator[None]:
    """Call `leave` if the block has not ended `DEADLINE_S` after a stop by command or parent.

    A run checks for a stop after each step and checkpoints then. Where that takes too long it
    leaves with the checkpoint it has: resuming repeats what came after it, with the same result.
    A checkpoint that is being written is waited for.

    Parameters
    ----------
    stop : StopFlag
        Signals are left alone: who sends one does not watch a window.
    leave : callable
        Ends the process; called in another thread.
    """
    over = threading.Event()

    def watch() -> None:
        while stop.cause not in ("command", "parent"):
            if over.wait(_LOOK_S):
                return
        if over.wait(DEADLINE_S):
            return
        end = time.monotonic() + _LONGEST_SAVE_S
        while saving.locked() and time.monotonic() < end:
            # for the last word too, once it is on disk
            if over.wait(_GRACE_S):
                return
        leave()

    watcher = threading.Thread(target=watch, name="trainer-deadline", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
