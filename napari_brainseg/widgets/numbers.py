"""Figures as people read them: sensible digits, units."""

from __future__ import annotations

__all__ = ["dsc", "duration", "volume", "voxels"]


def dsc(value: float | None) -> str:
    """DSC with three decimals, a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def voxels(count: int) -> str:
    """Count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u2009")


def volume(count: int, ml: float | None) -> str:
    """Millilitres where spacing is known, voxels otherwise."""
    return f"{voxels(count)} vox" if ml is None else f"{ml:.1f} ml"


def duration(seconds: float) -> str:
    """Seconds up to a minute and a half, then minutes, then hours."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
