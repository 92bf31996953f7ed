"""File and patient names of kaggle_3m: ``TCGA_CS_4944_20010208_7_mask.tif``."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["EXAMPLE_NAME", "SliceName", "is_tiff", "parse_slice_name", "undated"]

EXAMPLE_NAME = "TCGA_CS_4944_20010208_7.tif"
"""Shown in messages about names that do not fit."""

_SLICE = re.compile(r"(?P<patient>.+)_(?P<number>[0-9]+)(?P<mask>_mask)?\.tiff?", re.IGNORECASE)
_DATED = re.compile(r"(.+)_[0-9]{8}[b-z]?")


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

    A letter behind the date tells a second study of the same day from the first. A name that does
    not end in a date is returned unchanged.
    """
    match = _DATED.fullmatch(patient)
    return match[1] if match else patient
