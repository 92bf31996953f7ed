"""Slices that do not say where they lie, brought into the likeliest order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.dicom.frames import Frame

__all__ = ["along_stack", "lacking", "told_mm", "without_one_place"]

_APART_MM = 0.01
"""Positions closer than this are one place."""


class _Placed(Protocol):
    @property
    def position(self) -> tuple[float, ...] | None: ...

    @property
    def location_mm(self) -> float | None: ...


_Slice = TypeVar("_Slice", bound=_Placed)


def without_one_place(slices: list[_Slice]) -> list[_Slice]:
    """Forget a position that all slices share though they lie apart by SliceLocation.

    Programs that take names out of files may blank it.

    Parameters
    ----------
    slices : list of Frame or HeaderRecord
        Of one series; given back as it is where the positions are well.
    """
    if len(slices) < 2 or slices[0].position is None:
        return slices
    locations = {one.location_mm for one in slices}
    if len({one.position for one in slices}) > 1 or len(locations) < len(slices):
        return slices
    changed: list[Any] = [replace(cast("Any", one), position=None) for one in slices]
    return changed


def along_stack(frames: Sequence[Frame]) -> tuple[NDArray[Any], str]:
    """Say how far along the stack each slice lies, as well as it is known, and by what.

    Zeros where nothing but instance numbers tells.
    """
    nothing: NDArray[Any] = np.zeros(len(frames))
    positions = [frame.position for frame in frames if frame.position is not None]
    if len(positions) == len(frames) > 1:
        places = np.array(positions)
        spread = places - places.mean(axis=0)
        way = spread[np.argmax((spread**2).sum(axis=1))]
        way = way * np.sign(way[np.argmax(np.abs(way))] or 1.0)
        if (length := float(np.linalg.norm(way))) > _APART_MM:
            return spread @ (way / length), "positions"
    locations = [frame.location_mm for frame in frames if frame.location_mm is not None]
    if len(locations) == len(frames) == len(set(locations)) > 1:
        return np.array(locations), "SliceLocation"
    return nothing, "numbers"


def lacking(frame: Frame) -> str:
    """Say what a slice needs to have a place, and does not have."""
    missing = [
        name
        for name, value in (
            ("ImagePositionPatient", frame.position),
            ("ImageOrientationPatient", frame.orientation),
            ("PixelSpacing", frame.pixel_spacing_mm),
        )
        if value is None
    ]
    if missing:
        return (
            f"{' and '.join(missing)} missing or no {'number' if len(missing) == 1 else 'numbers'}"
        )
    if min(frame.pixel_spacing_mm or (0.0,)) <= 0:
        return f"PixelSpacing is {frame.pixel_spacing_mm}"
    return "the directions of ImageOrientationPatient make no sense"


def told_mm(frame: Frame) -> float | None:
    """Distance to the next slice as the header says, not less than a slice is thick.

    A sign tells a direction (PS3.3, C.8.4.15).
    """
    return max(abs(frame.between_mm or 0), frame.thickness_mm or 0) or None
