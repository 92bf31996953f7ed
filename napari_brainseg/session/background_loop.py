"""A thread that does something now and then, and at once when woken."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from psygnal import EmitLoopError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BackgroundLoop", "lower_priority"]

_log = logging.getLogger(__name__)
_NICE = 10
_AFTER_FAULT_S = 10.0


class BackgroundLoop:
    """Calls a function again and again in a daemon thread.

    Thread-safety: every method may be called from any thread.

    Parameters
    ----------
    name : str
        Of the thread.
    step : callable
        Does one piece of work and returns for how many seconds there is nothing to do; `wake`
        ends that time. What it raises is logged, and it is called again after a while.
    last : callable, optional
        Called in the thread before it ends.
    low_priority : bool
        Leave the processor to the window; for steps that compute.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        last: Callable[[], None] | None = None,
        low_priority: bool = False,
    ) -> None:
        self._name = name
        self._low_priority = low_priority
        self._step = step
        self._last = last
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it was asked to end; a long step looks now and then."""
        return self._closed.is_set()

    def wake(self) -> None:
        """Have `step` called soon; starts the thread at the first time."""
        with self._lock:
            if self._closed.is_set():
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        self._woken.set()

    def close(self, timeout: float = 5.0) -> None:
        """Let the step that runs end, then the thread."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        self._woken.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _work(self) -> None:
        if self._low_priority:
            lower_priority()
        while not self._closed.is_set():
            self._woken.clear()
            self._woken.wait(self._guarded(self._step))
        if self._last is not None:
            self._guarded(self._last)

    def _guarded(self, action: Callable[[], float | None]) -> float:
        try:
            return action() or 0.0
        except EmitLoopError:
            _log.exception("A listener of %s failed", self._name)
            return 0.0
        except Exception:  # noqa: BLE001 -- logged
            # It serves for hours: one fault must not end it.
            _log.exception("%s failed", self._name)
            return _AFTER_FAULT_S


def lower_priority() -> None:
    """Leave the processor to the window.

    Linux knows a priority for each thread; elsewhere it stays as it is.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
