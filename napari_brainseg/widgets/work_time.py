"""Time worked, as people say it."""

from __future__ import annotations

__all__ = ["work_time"]


def work_time(seconds: float) -> str:
    """Whole seconds, under an hour with the minutes: ``3 min 20 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
