"""Fonts that have the letters of a text: DejaVu Sans, else what this computer has."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

__all__ = ["file_for", "has_letters", "own_file"]

_SANS = re.compile("sans|gothic|malgun|yahei|simhei|meiryo|hiragino|arial|noto", re.IGNORECASE)
_NO_LETTERS = re.compile("lastresort|emoji|blank|mono", re.IGNORECASE)


@lru_cache(maxsize=2)
def own_file(*, bold: bool = False) -> str:
    """Give the file of DejaVu Sans, which comes with Matplotlib."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name)


@lru_cache(maxsize=256)
def file_for(text: str) -> str | None:
    """Find the font file that has all letters of a text; ``None`` where no font has.

    Fonts of the computer are only looked at where DejaVu Sans lacks a letter.
    """
    if has_letters(own_file(), text):
        return own_file()
    return next((file for file in _files_here() if has_letters(file, text)), None)


@lru_cache(maxsize=4096)
def has_letters(file: str, text: str) -> bool:
    """Tell whether a font has all letters of a text."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(file)
    except (OSError, RuntimeError):
        return False
    return all(face.get_char_index(ord(letter)) for letter in text)


@lru_cache(maxsize=1)
def _files_here() -> tuple[str, ...]:
    from matplotlib.font_manager import findSystemFonts

    names = [name for name in findSystemFonts() if not _NO_LETTERS.search(Path(name).name)]
    return tuple(sorted(names, key=lambda name: (not _SANS.search(Path(name).name), name)))
