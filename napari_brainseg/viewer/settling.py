"""Work that waits until requests stop coming, and is then done beside the window."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Settler"]


class Settler:
    """Does the latest of many requests in a thread, once no other came for a while.

    Methods belong on the main thread. The thread lives only while there is something to do.

    Parameters
    ----------
    rest_s : float
        How long requests must have stopped coming, in seconds.
    """

    _done = Signal(int, object, object)

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._request: tuple[float, int, Callable[[], Any], Callable[[Any], None]] | None = None
        self._number = 0
        self._done.connect(self._deliver, thread="main")

    @property
    def is_busy(self) -> bool:
        """Whether something waits or is being done."""
        return self._thread is not None

    def ask(self, work: Callable[[], Any], deliver: Callable[[Any], None]) -> None:
        """Run `work` in a thread later; `deliver` gets its result on the main thread.

        A request that is followed by another, or dropped, is not delivered.
        """
        with self._wake:
            self._number += 1
            self._request = (time.monotonic() + self._rest_s, self._number, work, deliver)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="brainseg-settler", daemon=True
                )
                self._thread.start()
            self._wake.notify()

    def drop(self) -> None:
        """Forget what was asked for; nothing is delivered."""
        with self._wake:
            self._number += 1
            self._request = None
            self._wake.notify()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            number, work, deliver = task
            try:
                result = work()
            except BaseException:
                with self._wake:
                    self._thread = None
                raise
            self._done.emit(number, deliver, result)

    def _next(self) -> tuple[int, Callable[[], Any], Callable[[Any], None]] | None:
        with self._wake:
            while self._request is not None:
                due, number, work, deliver = self._request
                left = due - time.monotonic()
                if left <= 0:
                    self._request = None
                    return number, work, deliver
                self._wake.wait(left)
            self._thread = None
            return None

    def _deliver(self, number: int, deliver: Callable[[Any], None], result: Any) -> None:
        if number == self._number:
            deliver(result)
