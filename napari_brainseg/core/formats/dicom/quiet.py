"""Libraries' warnings about files that break rules: said in our own words instead, or harmless."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet"]

_SPEAKERS = (
    r"(pydicom|highdicom|pylibjpeg|openjpeg|libjpeg|rle)(\.|$)",
    r"napari_brainseg\.core\.formats\.dicom",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what DICOM libraries warn of, from now on and for all threads.

    `warnings.catch_warnings` would do it for a while only, but it puts the filters of the whole
    process aside and back: readers in several threads would undo each other's, and napari's.
    """
    for speaker in _SPEAKERS:
        entry = ("ignore", None, Warning, re.compile(speaker), 0)
        if entry not in warnings.filters:
            warnings.filterwarnings("ignore", module=speaker)
    yield
