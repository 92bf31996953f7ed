"""Writes what a history holds: at once with every act, and again and again after a failure.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.background_loop import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.history import StrokeHistory

__all__ = ["RETRY_S", "Outcome", "StrokeSaver"]

RETRY_S = 3.0
"""Between two tries in the background."""

_SLOW_S = 0.3
_IDLE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try to save ended.

    Parameters
    ----------
    error : DataError or None
        Why something is not on disk.
    is_new : bool
        Whether nobody was told of the error yet.
    recovered : bool
        Whether all is on disk that was not.
    """

    error: DataError | None = None
    is_new: bool = False
    recovered: bool = False


class StrokeSaver:
    """Saves a history.

    Parameters
    ----------
    history : StrokeHistory
        What to save.
    tell : callable
        Gets the outcome of a try in the background that changed something, in that thread.
        Held weakly, it is a method of the owner.
    """

    def __init__(self, history: StrokeHistory, tell: Callable[[Outcome], None]) -> None:
        self._history = history
        self._tell = weakref.WeakMethod(tell)
        self._lock = threading.Lock()
        self._error: DataError | None = None
        self._is_slow = False
        self._next_try = 0.0
        self._closed = False
        self._loop: BackgroundLoop | None = None

    def save(self) -> Outcome:
        """Write what the disk lacks; a database that keeps writers waiting is left to the thread.

        Nobody paints while each stroke waits ten seconds for a lock.
        """
        with self._lock:
            error, is_slow = self._error, self._is_slow
        if error is not None and is_slow:
            return Outcome(error)
        return self.retry()

    def retry(self) -> Outcome:
        """Write what the disk lacks, now."""
        begin = time.monotonic()
        try:
            self._history.save()
        except DataError as error:
            return self._failed(error, time.monotonic() - begin > _SLOW_S)
        with self._lock:
            recovered = self._error is not None and self._history.unsaved == 0
            if recovered:
                self._error = None
        return Outcome(recovered=recovered)

    def close(self) -> None:
        """Stop trying."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()

    def _failed(self, error: DataError, is_slow: bool) -> Outcome:
        with self._lock:
            is_new = self._error is None or str(self._error) != str(error)
            self._error, self._is_slow = error, is_slow
            self._next_try = time.monotonic() + RETRY_S
            if self._history.refused or self._closed:
                return Outcome(error, is_new)
            if self._loop is None:
                self._loop = _loop_of(self)
            loop = self._loop
        loop.wake()
        return Outcome(error, is_new)

    def _step(self) -> float:
        with self._lock:
            if self._error is None or self._history.refused:
                return _IDLE_S
            wait = self._next_try - time.monotonic()
        if wait > 0:
            return wait
        outcome = self.retry()
        tell = self._tell()
        if tell is not None and (outcome.is_new or outcome.recovered):
            tell(outcome)
        return 0.0


def _loop_of(saver: StrokeSaver) -> BackgroundLoop:
    # The thread must not keep alive what it serves: it ends with it.
    held = weakref.ref(saver)

    def step() -> float:
        alive = held()
        if alive is None:
            loop.close()
            return 0.0
        # Short, so that it soon notices when nobody holds it any more.
        return min(alive._step(), RETRY_S)  # noqa: SLF001 -- its own thread

    loop = BackgroundLoop("brainseg-saving", step)
    return loop
