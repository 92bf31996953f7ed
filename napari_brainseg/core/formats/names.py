"""File and patient names of kaggle_3m: ``TCGA_CS_4944_20010208_7_mask.tif``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EXAMPLE_NAME", "SliceName", "is_tiff", "numbers_text", "parse_slice_name", "undated"]

EXAMPLE_NAME = "TCGA_CS_4944_20010208_7.tif"
"""Shown in messages about names that do not fit."""

_SLICE = re.compile(r"(?P<patient>.+)_(?P<number>[0-9]+)(?P<mask>_mask)?\.tiff?", re.IGNORECASE)
_DATED = re.compile(r"(.+)_[0-9]{8}")


class SliceName(NamedTuple):
    """What the name of a slice file says."""

    patient: str
    number: int
    is_mask: bool


def is_tiff(name: str) -> bool:
    """Whether a file name ends like a TIFF; hidden files (``._x.tif`` of macOS) do not count."""
    return name.lower().endswith((".tif", ".tiff")) and not name.startswith(".")


def parse_slice_name(name: str) -> SliceName | None:
    """Take a file name apart; ``None`` where it is not a kaggle_3m slice.

    Parameters
    ----------
    name : str
        File name without folder, e.g. ``TCGA_CS_4944_20010208_7_mask.tif``.
    """
    if name.startswith(".") or (match := _SLICE.fullmatch(name)) is None:
        return None
    return SliceName(match["patient"], int(match["number"]), match["mask"] is not None)


def undated(patient: str) -> str:
    """Name of a person without the study date: ``TCGA_CS_4944`` for ``TCGA_CS_4944_20010208``.

    A name that does not end in eight digits is returned unchanged.
    """
    match = _DATED.fullmatch(patient)
    return match[1] if match else patient


def numbers_text(numbers: Iterable[int]) -> str:
    """Write ascending numbers with runs drawn together: ``3, 7-9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
