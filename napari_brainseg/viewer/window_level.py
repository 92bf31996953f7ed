"""Arithmetic of window and level: width and centre of the intensities that are shown."""

from __future__ import annotations

__all__ = ["clamped", "dragged"]

_LEAST_SHARE = 1 / 512  # of the room: one grey level of eight bits


def clamped(window: tuple[float, float], room: tuple[float, float]) -> tuple[float, float]:
    """Return the nearest window inside a room, at least one grey level wide.

    Parameters
    ----------
    window : tuple of float
        (low, high) in intensities; the wrong way round is put right.
    room : tuple of float
        Lowest and highest bound allowed.
    """
    low, high = min(window), max(window)
    least = (room[1] - room[0]) * _LEAST_SHARE
    low = min(max(low, room[0]), room[1] - least)
    return low, max(min(high, room[1]), low + least)


def dragged(
    window: tuple[float, float], room: tuple[float, float], right: float, down: float
) -> tuple[float, float]:
    """Return a window after a drag, as viewers of DICOM images do it.

    To the right the window gets wider (less contrast), downwards the level rises (darker).

    Parameters
    ----------
    window : tuple of float
        (low, high) where the drag began: going back to that point gives it again.
    room : tuple of float
        Lowest and highest bound allowed.
    right, down : float
        How far, as shares of the room.
    """
    span = room[1] - room[0]
    least = span * _LEAST_SHARE
    width = min(max(window[1] - window[0] + right * span, least), span)
    level = min(max((window[0] + window[1]) / 2 + down * span, room[0]), room[1])
    return clamped((level - width / 2, level + width / 2), room)
