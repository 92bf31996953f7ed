"""A training run rests while a person waits for a prediction.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from napari_brainseg.core.protocol import Continue, GiveWay

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.protocol import Command
    from napari_brainseg.session.foreground import ForegroundPredictions

__all__ = ["RightOfWay"]

_SECONDS = 60.0
"""After this a run goes on by itself: the window may have died."""
_AGAIN_S = 20.0
"""A prediction that takes long asks anew after so much of it."""


class RightOfWay:
    """Tells the trainer when to give way, and when to go on.

    Parameters
    ----------
    send : callable
        Takes a `Command` to the run under way, if there is one.
    """

    def __init__(self, send: Callable[[Command], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._waited_for: set[int] = set()
        self._told = 0.0

    def watch(self, foreground: ForegroundPredictions) -> None:
        """Give way to these predictions; those of the background go by unseen there."""
        foreground.started.connect(self._on_started)
        foreground.progress.connect(self._on_progress)
        foreground.finished.connect(self._on_finished)

    def renew(self) -> None:
        """Tell a run that has just begun, if somebody waits."""
        with self._lock:
            if self._waited_for:
                self._ask()

    def _on_started(self, job: object) -> None:
        with self._lock:
            self._waited_for.add(id(job))
            self._ask()

    def _on_progress(self, _progress: object) -> None:
        with self._lock:
            if self._waited_for and time.monotonic() - self._told > _AGAIN_S:
                self._ask()

    def _on_finished(self, job: object) -> None:
        with self._lock:
            self._waited_for.discard(id(job))
            if not self._waited_for:
                self._send(Continue(what="prediction"))

    def _ask(self) -> None:
        self._told = time.monotonic()
        self._send(GiveWay(seconds=_SECONDS))
