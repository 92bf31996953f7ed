"""Freed memory is kept for the next step, not given back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of ``mallopt``, see malloc.h of the GNU C library."""


def keep_freed_memory() -> bool:
    """Have the C library keep large blocks that are freed.

    A training step on the CPU frees and takes gigabytes. The GNU C library asks the system for
    every block above 32 MiB and gives it back, and the system clears each page anew: a third of
    the processor time of a step of the U-Net at batch 16. What a process has taken it then
    holds until it ends, which for a trainer is what its next step takes again.

    Returns
    -------
    bool
        Whether it was done; other C libraries have no such setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
