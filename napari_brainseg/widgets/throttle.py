"""An act that is asked for often and done at most thirty times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QElapsedTimer, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

__all__ = ["Throttle"]


class Throttle:
    """Does an act once for all requests that come close together; the last one is never lost.

    Parameters
    ----------
    act : callable
        What to do, on the main thread.
    owner : QObject
        With its end, nothing is done any more.
    interval_ms : int
        Least time between two times.
    """

    def __init__(self, act: Callable[[], None], owner: QObject, interval_ms: int = 33) -> None:
        self._act = act
        self._interval = interval_ms
        self._since = QElapsedTimer()
        self._timer = QTimer(owner)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.now)

    @property
    def is_pending(self) -> bool:
        """Whether the act was asked for and is still to be done."""
        return bool(self._timer.isActive())

    def ask(self) -> None:
        """Do it soon: at once if the last time is long enough ago."""
        if not self._timer.isActive():
            gone = self._since.elapsed() if self._since.isValid() else self._interval
            self._timer.start(max(0, self._interval - int(gone)))

    def now(self) -> None:
        """Do it now."""
        self._timer.stop()
        self._since.start()
        self._act()
