"""Figures of a report as people read them: one style, sensible digits, always a unit.

A decimal point and narrow spaces between thousands, which readers of English and of German both
take for what they are; a comma or a point between thousands would be misread by one of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["count", "duration", "length", "moment", "number", "percent", "volume"]

NARROW = "\u202f"
"""Narrow space that lines are not broken at."""
DASH = "–"
_UNITS = {"mm": "mm", "px": "px", "mm2": "mm²", "px2": "px²", "vox": "voxels"}


def number(value: float, digits: int) -> str:
    """Decimal point, narrow spaces between thousands, a true minus."""
    text = f"{abs(value):,.{digits}f}".replace(",", NARROW)
    return f"−{text}" if value < 0 and float(f"{value:.{digits}f}") != 0 else text


def count(value: int) -> str:
    """Whole number."""
    return number(value, 0)


def volume(voxels: float, ml: float | None) -> str:
    """Millilitres where they are known, else voxels."""
    if ml is None:
        return f"{number(voxels, 0)} voxels"
    digits = 0 if ml >= 1000 else 1 if ml >= 1 or ml == 0 else 2
    return f"{number(ml, digits)} ml"


def length(value: float, unit: str) -> str:
    """Length or area with its unit: a tenth of a millimetre, whole pixels."""
    if math.isnan(value):
        return DASH
    digits = {"mm": 1, "vox": 1, "mm2": 0}.get(unit, 0)
    return f"{number(value, digits)} {_UNITS.get(unit, unit)}"


def percent(share: float | None) -> str:
    """Signed change in whole per cent; a dash where there is nothing to compare with."""
    if share is None:
        return DASH
    sign = "+" if round(100 * share) > 0 else ""
    return f"{sign}{number(100 * share, 0)} %"


def duration(seconds: float) -> str:
    """Seconds up to a minute and a half, then minutes, then hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def moment(when: datetime) -> str:
    """Date and time without seconds, the order in which they sort."""
    return when.strftime("%Y-%m-%d %H:%M")
