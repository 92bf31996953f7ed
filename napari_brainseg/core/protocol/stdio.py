"""A child's stdout, kept for messages alone."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["claim_stdout"]


def claim_stdout() -> TextIO:
    """Take stdout for messages; stray prints, of C libraries too, go to stderr from here on."""
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return stream
