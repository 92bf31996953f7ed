"""Windows that lay claim to a case: which process they belong to, and whether it still runs."""

from __future__ import annotations

import functools
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.protocol.process_mark import lives, mark_of

if TYPE_CHECKING:
    from sqlalchemy import Row

__all__ = ["Process", "is_dead", "place", "this_process", "time_words"]

_FORGOTTEN_S = 24 * 3600.0
"""A claim from another computer cannot be checked; after a day it no longer counts."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that no other can be taken for.

    Parameters
    ----------
    host : str
        Name of the computer.
    pid : int
        Number of the process; used again after it ended.
    started : float
        Tells it from others of that number, see `process_mark.mark_of`: no clock that is set while
        the computer runs changes it.
    """

    host: str
    pid: int
    started: float


def this_process() -> Process:
    """Return the process that runs this; a forked child is another one."""
    return _process(os.getpid())


@functools.cache
def _process(pid: int) -> Process:
    return Process(socket.gethostname(), pid, mark_of(pid) or 0.0)


def is_dead(row: Row[tuple[object, ...]]) -> bool:
    """Whether the process of a claim ended.

    Parameters
    ----------
    row : Row
        With ``host``, ``pid``, ``pid_started`` and ``since``.
    """
    if row.host != this_process().host:
        return bool(time.time() - row.since > _FORGOTTEN_S)
    return not lives(row.pid, row.pid_started)


def place(row: Row[tuple[object, ...]]) -> str:
    """Where a claim was made: ``in another window``, or ``on`` another computer."""
    return "in another window" if row.host == this_process().host else f"on {row.host}"


def time_words(moment: float) -> str:
    """Clock time of a Unix time in seconds, with the day where that is not today."""
    # A claim of yesterday evening must not read as one of today's.
    then, now = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%d %b %H:%M", then)
