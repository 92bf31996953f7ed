"""Which process a number means: process ids are used again, and clocks are set while they run."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path

import psutil

__all__ = ["lives", "mark_of"]

_SAME_START_S = 2.0
"""Two looks at a start time agree within this, where the system keeps it as a time."""

_PROC = Path("/proc")


def mark_of(pid: int) -> float | None:
    """Return a number that this process has and no other process of the same id ever had.

    It says nothing by itself and is stored beside the id. On Linux it is made of the boot and of
    the ticks since then: the start time that psutil gives there is counted back from the clock, so
    two looks differ by as much as the clock was set in between. macOS and Windows keep the time
    itself, which is returned.

    Parameters
    ----------
    pid : int
        Process id.

    Returns
    -------
    float or None
        `None` if there is no such process.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, IndexError):
            boot = (_PROC / "sys/kernel/random/boot_id").read_bytes().strip()
            # the name in parentheses may hold anything; field 22 is the start in ticks
            ticks = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[19]
            digest = hashlib.sha256(boot + b" " + ticks).digest()
            return float(int.from_bytes(digest[:6], "big"))  # exact in a float
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).create_time())
    return None


def lives(pid: int | None, mark: float | None) -> bool:
    """Whether the very process still runs; one that waits to be reaped does not.

    Parameters
    ----------
    pid : int or None
        Process id.
    mark : float or None
        What `mark_of` said of it; `None` takes any process of that id.
    """
    if pid is None:
        return False
    now = mark_of(pid)
    if now is None or (mark is not None and abs(now - mark) > _SAME_START_S):
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
