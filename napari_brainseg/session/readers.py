"""Names of the people who read."""

from __future__ import annotations

__all__ = ["is_same_reader"]


def is_same_reader(first: str | None, second: str | None) -> bool:
    """Whether two names mean one person: capital letters and spaces between do not count."""
    if first is None or second is None:
        return False
    return " ".join(first.split()).casefold() == " ".join(second.split()).casefold()
