"""Gives the memory of volumes back to the system when they are let go."""

from __future__ import annotations

import contextlib
import ctypes
import sys

__all__ = ["give_large_blocks_back"]

_M_MMAP_THRESHOLD = -3  # <malloc.h>
_LARGE_BYTES = 4 * 1024 * 1024


def give_large_blocks_back() -> None:
    """Keep the process from growing with each patient; glibc only, elsewhere nothing happens.

    glibc takes large blocks straight from the system, but what counts as large grows to 32 MB
    with the blocks that were freed. Volumes then come from the heap, which they leave full of
    holes: over 70 patients of 20 to 30 slices a process grew from 320 to 460 MB, and from 240 to
    280 MB with this. A fresh block costs about 0.1 ms a megabyte; masks of 60 slices stay below.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
