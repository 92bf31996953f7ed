"""MRI sequences of a study, in the channel order of kaggle_3m."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["KAGGLE_ORDER", "Modality"]


class Modality(StrEnum):
    """An MRI sequence; the value is the name shown to users."""

    PRE = "pre-contrast"
    FLAIR = "FLAIR"
    POST = "post-contrast"


KAGGLE_ORDER: tuple[Modality, ...] = (Modality.PRE, Modality.FLAIR, Modality.POST)
"""Channel order of a kaggle_3m TIFF."""
