"""One stroke of a brush, from press to release, written straight into the mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.editing.brush import (
    ADAPTIVE_TOLERANCE,
    Footprint,
    adaptive,
    capsule,
    within,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "ADAPTIVE",
    "BRUSH",
    "ERASER",
    "KINDS",
    "THRESHOLD",
    "BrushSettings",
    "BrushStroke",
    "window_under",
]

BRUSH, THRESHOLD, ADAPTIVE = KINDS = ("brush", "threshold brush", "adaptive brush")
"""Brushes that add to the mask."""
ERASER = "eraser"
_SPREAD = 2.0
"""Half width of a window taken from under the cursor, in standard deviations."""
_LEAST_SHARE = 0.03
"""Half width of such a window where all is alike, as a share of the image's range."""
_QUICK_PX = 5_000
"""Pixels that the adaptive brush may look at while the mouse waits: about 2 ms."""
_LOOK = 2
"""How far around itself it looks, in widths, see `core.editing.adaptive`."""
Box = tuple[slice, slice]
"""Rows and columns of a slice."""


@dataclass(frozen=True, slots=True)
class BrushSettings:
    """How a stroke paints.

    Parameters
    ----------
    tool : str
        One of `KINDS`, or `ERASER`.
    depth : int
        Slices painted above and below the one that is pointed at.
    image : ndarray or None
        The modality on show, (Z, Y, X); what knows no intensities is a plain brush without it.
    window : tuple of float or None
        (low, high) in which the threshold brush paints, ends included; `None`: taken from what
        lies under the press.
    tolerance : float
        Of the adaptive brush, see `core.editing.adaptive`.
    """

    tool: str = BRUSH
    depth: int = 0
    image: NDArray[Any] | None = None
    window: tuple[float, float] | None = None
    tolerance: float = ADAPTIVE_TOLERANCE


@dataclass(slots=True, eq=False)
class _Plane:
    """A slice that the stroke touched: as it was, and what the brush itself covered."""

    before: NDArray[np.uint8]
    covered: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.covered = np.zeros(self.before.shape, np.bool_)


class BrushStroke:
    """A stroke under way.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        Written in place.
    settings : BrushSettings
        How to paint.
    """

    def __init__(self, mask: NDArray[np.uint8], settings: BrushSettings) -> None:
        self._mask = mask
        self._settings = settings
        self._planes: dict[int, _Plane] = {}
        self._last: tuple[int, float, float] | None = None
        self._window = settings.window
        self._size = 1
        self._grows = settings.tool == ADAPTIVE and settings.image is not None
        self._pending: dict[int, Footprint] = {}
        self._cancelled = False

    @property
    def tool(self) -> str:
        """What the history calls it."""
        return self._settings.tool

    @property
    def grows(self) -> bool:
        """Whether the stroke grows beyond what the brush covers, and that was not cancelled."""
        return self._grows and not self._cancelled

    @property
    def parameters(self) -> dict[str, object]:
        """How it was painted, for the history; the size is the largest used."""
        found: dict[str, object] = {"size": self._size, "depth": self._settings.depth}
        if self.tool == THRESHOLD and self._window is not None:
            found["window"] = [float(bound) for bound in self._window]
        if self.tool == ADAPTIVE:
            found["tolerance"] = float(self._settings.tolerance)
            if self._cancelled:
                found["grown"] = False
        return found

    @property
    def pending(self) -> tuple[int, ...]:
        """Slices where the brush covered what has not grown yet, the one pointed at first."""
        here = 0 if self._last is None else self._last[0]
        return tuple(sorted(self._pending, key=lambda z: abs(z - here)))

    def move_to(self, z: int, y: float, x: float, size: int) -> Box | None:
        """Paint from where the brush was to a place, in voxels.

        Parameters
        ----------
        z : int
            Slice; from another one than before, the brush does not draw through those between.
        y, x : float
            Centre of the brush; may lie outside the image.
        size : int
            Diameter in voxels.

        Returns
        -------
        (slice, slice) or None
            Rows and columns in which voxels may have changed; `None` where none did.
        """
        last, self._last = self._last, (z, y, x)
        start = (y, x) if last is None or last[0] != z else last[1:]
        depth, height, width = self._mask.shape
        if not 0 <= z < depth or self._cancelled:
            return None
        footprint = capsule((height, width), start, (y, x), size)
        if footprint is None:
            return None
        self._size = max(self._size, int(size))
        reach = self._settings.depth
        for here in range(max(0, z - reach), min(depth, z + reach + 1)):
            self._paint(here, footprint)
        if self.grows and self._looks_at(self._pending[z]) <= _QUICK_PX:
            return self.grow(z)
        return footprint.box

    def grow(self, z: int) -> Box | None:
        """Let what the brush covered in a slice, since it last grew there, grow to the edge.

        Returns
        -------
        (slice, slice) or None
            Rows and columns in which voxels may have changed.
        """
        footprint, image = self._pending.pop(z, None), self._settings.image
        if footprint is None or image is None:
            return None
        grown = adaptive(image[z], footprint, tolerance=self._settings.tolerance)
        self._write(z, grown, 1)
        return grown.box

    def cancel_growth(self) -> Box | None:
        """Take back what grew beyond the brush, and paint no more in this stroke.

        Returns
        -------
        (slice, slice) or None
            Rows and columns in which voxels may have changed.
        """
        if not self.grows:
            return None
        self._cancelled = True
        self._pending.clear()
        for z, plane in self._planes.items():
            self._mask[z] = np.where(plane.covered, 1, plane.before)
        return slice(0, self._mask.shape[1]), slice(0, self._mask.shape[2])

    def changes(self) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.uint8], NDArray[np.uint8]]:
        """Return (z, y, x) indices of the voxels that changed, their values before and after."""
        indices: list[NDArray[np.intp]] = []
        before: list[NDArray[np.uint8]] = []
        for z, plane in sorted(self._planes.items()):
            rows, columns = np.nonzero(self._mask[z] != plane.before)
            indices.append(np.stack([np.full(rows.size, z), rows, columns]))
            before.append(plane.before[rows, columns])
        if not indices:
            none = np.zeros(0, np.uint8)
            return (np.zeros(0, np.intp),) * 3, none, none
        where = tuple(np.concatenate(indices, axis=1))
        return where, np.concatenate(before), self._mask[where]

    def _paint(self, z: int, footprint: Footprint) -> None:
        plane = self._planes.get(z)
        if plane is None:
            plane = self._planes[z] = _Plane(self._mask[z].copy())
        image = self._settings.image
        if self.tool == THRESHOLD and image is not None:
            if self._window is None:
                self._window = window_under(image[z], footprint)
            footprint = within(image[z], footprint, *self._window)
        plane.covered[footprint.box] |= footprint.inside
        if self._grows:
            before = self._pending.get(z)
            self._pending[z] = footprint if before is None else _both(before, footprint)
        self._write(z, footprint, 0 if self.tool == ERASER else 1)

    def _looks_at(self, footprint: Footprint) -> int:
        """Pixels that growing from a footprint takes a look at."""
        margin = 2 * _LOOK * self._size
        height, width = footprint.inside.shape
        return int((height + margin) * (width + margin))

    def _write(self, z: int, footprint: Footprint, value: int) -> None:
        self._mask[z][footprint.box][footprint.inside] = value


def window_under(image_plane: NDArray[Any], footprint: Footprint) -> tuple[float, float]:
    """Return the window (low, high) of what lies under a brush: two deviations about the mean.

    Parameters
    ----------
    image_plane : ndarray, shape (Y, X)
        The modality on show.
    footprint : Footprint
        Where the brush is.
    """
    under = np.asarray(image_plane[footprint.box][footprint.inside], np.float64)
    least = _LEAST_SHARE * float(np.ptp(image_plane))
    reach = max(_SPREAD * float(under.std()), least)
    low, high = float(under.mean()) - reach, float(under.mean()) + reach
    if np.issubdtype(image_plane.dtype, np.integer):
        # Whole numbers that mean the same, and read better.
        low, high = float(np.ceil(low)), float(np.floor(high))
    return max(low, float(image_plane.min())), min(high, float(image_plane.max()))


def _both(one: Footprint, other: Footprint) -> Footprint:
    rows, columns = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(one.box, other.box, strict=True)
    )
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    for part in (one, other):
        top, left = part.rows.start - rows.start, part.columns.start - columns.start
        height, width = part.inside.shape
        inside[top : top + height, left : left + width] |= part.inside
    return Footprint(rows, columns, inside)
