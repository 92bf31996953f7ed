"""Long names without spaces, such as paths, that may be broken into lines."""

from __future__ import annotations

import re

__all__ = ["breakable"]

_BREAK = "\u200b"
_PLACES = re.compile(r"([/\\_.\-]|[^\s/\\_.\-]{16})")
"""After what separates words in names of files, and within words that are too long for a line."""


def breakable(text: str) -> str:
    """Let a text wrap at any width: a path must neither widen a window nor be cut off."""
    return _PLACES.sub(rf"\1{_BREAK}", text)
