"""Editing time: long gaps are pauses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PAUSE_S", "IdleClock"]

PAUSE_S = 60.0
"""Longer gaps between two acts are pauses: only this much of them counts as editing time."""


class IdleClock:
    """Adds up the time between acts, pauses left out.

    Not thread-safe: its owner locks.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    pause_s : float
        What counts of a longer gap.
    """

    __slots__ = ("_at", "_clock", "_pause", "_seconds")

    def __init__(self, clock: Callable[[], float] | None = None, pause_s: float = PAUSE_S) -> None:
        self._clock = time.monotonic if clock is None else clock
        self._pause = pause_s
        self._seconds = 0.0
        self._at = self._clock()

    def tick(self) -> None:
        """Note an act."""
        now = self._clock()
        self._seconds += min(now - self._at, self._pause)
        self._at = now

    def take(self) -> float:
        """Note an act, return the seconds since they were last taken, and begin anew."""
        self.tick()
        seconds, self._seconds = self._seconds, 0.0
        return seconds
