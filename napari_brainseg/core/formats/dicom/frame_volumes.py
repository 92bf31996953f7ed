"""Volumes in one multi-frame file: echoes, times, b-values, phases beside magnitudes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_brainseg.core.formats.dicom.frames import Frame

__all__ = ["FrameVolume", "frame_volumes", "volumes_in"]

_PLACE_MM = 2
"""Decimals of a position."""


class FrameVolume(NamedTuple):
    """What tells a volume from the others of its file.

    Parameters
    ----------
    frames : int
        How many it has.
    kind : tuple of str
        Complex component and further values of the frame type.
    echo_time_ms, time, b_value : float or None
        Echo time, index of the point in time, s/mm².
    """

    frames: int
    kind: tuple[str, ...]
    echo_time_ms: float | None
    time: float | None
    b_value: float | None


def frame_volumes(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Sort the frames of a file into volumes.

    Parameters
    ----------
    frames : sequence of Frame
        All of one file, in its order.

    Returns
    -------
    list of list of Frame
        One list where no place occurs twice: then differences are within a volume.
    """
    places = [
        None if frame.position is None
        else (frame.stack, *(round(mm, _PLACE_MM) for mm in frame.position))
        for frame in frames
    ]  # fmt: skip
    if None in places or len(set(places)) == len(places):
        return [list(frames)]
    volumes: dict[object, list[Frame]] = {}
    for frame in frames:
        volumes.setdefault((frame.kind, frame.moment), []).append(frame)
    return list(volumes.values())


def volumes_in(path: Path) -> tuple[FrameVolume, ...]:
    """Describe the volumes of a multi-frame file; empty where it is one, or cannot be read."""
    from napari_brainseg.core.formats.dicom.enhanced import frames_of

    try:
        volumes = frame_volumes(frames_of(path)[0])
    except DataError:
        # Whoever opens it is told.
        return ()
    if len(volumes) < 2:
        return ()
    return tuple(
        FrameVolume(len(volume), volume[0].kind, *_moment(volume[0])) for volume in volumes
    )


def _moment(frame: Frame) -> tuple[float | None, float | None, float | None]:
    echo, time, b_value = (*frame.moment, None, None, None)[:3]
    return echo, time, b_value
