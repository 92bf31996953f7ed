"""File and patient names of kaggle_3m: ``TCGA_CS_4944_20010208_7_mask.tif``."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["EXAMPLE_NAME", "SliceName", "is_tiff", "parse_slice_name", "undated"]

EXAMPLE_NAME = "TCGA_CS_4944_20010208_7.tif"
"""Shown in messages about names that do not fit."""

_SLICE = re.compile(r"(?P<patient>.+)_(?P<number>[0-9]+)(?P<mask>_mask)?\.tiff?", re.IGNORECASE)
_STUDIES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A date; the letter or number tells studies of one day apart.
        r"(.+)_[0-9]{8}(?:[b-z]|-[0-9]+)?",
        # Pseudonyms without a date, BIDS, BraTS from 2023 on, UPENN-GBM.
        r"(PT-[0-9a-f]{10})-[0-9]+",
        r"(.+)_ses-[0-9a-z]+",
        r"(BraTS-[a-z]+-[0-9]{5})-[0-9]{3}",
        r"(UPENN-GBM-[0-9]{5})_[0-9]{2}",
        r"(.+?)[-_ ](?:session|visit|timepoint|tp|baseline|follow-?up|fu|pre-?op|post-?op|year"
        r"|month|week)[-_ ]?[0-9]*(?:-[0-9]+)?",
    )
)
"""Names of studies by what stands behind the name of the person."""


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

    A visit counts as a date (``sub-01_ses-02``, ``BraTS-GLI-00005-001``, ``P7_baseline``). A name
    that ends in neither is returned unchanged. Whom this takes for one person never stands on both
    sides of a split.
    """
    matches = (study.fullmatch(patient) for study in _STUDIES)
    return next((match[1] for match in matches if match), patient)
