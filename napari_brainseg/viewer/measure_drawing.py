"""Points of a ruler or an outline as mouse and keys set them: by drag, or click by click.

Places are (row, column) in voxels of the plane that is drawn on, the centre of the first voxel at
(0, 0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging.outlines import trim_ends
from napari_brainseg.session.measurements import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.session.measurements import Point

__all__ = ["MeasureDrawing", "Place", "in_volume"]

Place = tuple[float, float]
"""(row, column) in voxels of a plane."""
_LEAST = 0.25
"""Voxels: a ruler that is shorter was no ruler, only a click."""
_SMOOTH = 0.1
"""Voxels that an outline drawn by hand may be moved by when needless points are left out."""
_FEW = 8
"""Points of an outline by hand that are all kept."""


class MeasureDrawing:
    """One line or outline under way.

    Attributes
    ----------
    kind : Kind
        What is drawn.
    axis, plane : int
        Where it was begun.
    """

    def __init__(self) -> None:
        self.kind = Kind.RULER
        self.axis = self.plane = 0
        self._points: list[Place] = []
        self._pointer: Place | None = None
        self._by_hand = False

    @property
    def is_begun(self) -> bool:
        """Whether there is anything."""
        return bool(self._points)

    @property
    def path(self) -> tuple[Place, ...]:
        """What to draw: the points, and where the mouse is."""
        if self._points and self._pointer is not None and not self._by_hand:
            return (*self._points, self._pointer)
        return tuple(self._points)

    def clear(self) -> None:
        """Drop it."""
        self._points, self._pointer, self._by_hand = [], None, False

    def press(self, kind: Kind, axis: int, plane: int, place: Place) -> bool:
        """Press the button; whether that ends it. What was begun elsewhere is dropped."""
        if (kind, axis, plane) != (self.kind, self.axis, self.plane):
            self.clear()
        self.kind, self.axis, self.plane = kind, axis, plane
        self._points.append(place)
        self._pointer = place
        return kind is Kind.RULER and len(self._points) == 2

    def move(self, place: Place, *, pressed: bool) -> None:
        """Follow the mouse; with the button down an area is drawn by hand."""
        self._pointer = place
        if pressed and self.kind is Kind.AREA and (self._by_hand or len(self._points) == 1):
            self._by_hand = True
            self._points.append(place)

    def release(self, place: Place, *, dragged: bool) -> bool:
        """Let the button go; whether that ends it. After a mere click it does not."""
        if self._by_hand and not dragged:
            # The hand trembled: a corner, and not an outline.
            del self._points[1:]
            self._by_hand = False
            return False
        if dragged and self._points and (self._by_hand or self.kind is Kind.RULER):
            self._points.append(place)
            return True
        return False

    def back(self) -> None:
        """Take the corner set last away."""
        if self._points:
            self._points.pop()

    def take(self) -> tuple[Place, ...]:
        """Return the points, and be empty; none where they make no line at all."""
        places, by_hand = np.array(self._points, float).reshape(-1, 2), self._by_hand
        self.clear()
        if len(places) < 2 or np.ptp(places, axis=0).max() < _LEAST:
            return ()
        if by_hand:
            places = _smoothed(trim_ends(places))
        return tuple((row, column) for row, column in places.tolist())


def in_volume(places: Sequence[Place], axis: int, plane: int) -> tuple[Point, ...]:
    """(z, y, x) of places on a plane."""
    points = np.insert(np.array(places, float).reshape(-1, 2), axis, plane, axis=1)
    return tuple((z, y, x) for z, y, x in points.tolist())


def _smoothed(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points of a closed outline that hardly change it."""
    if len(places) <= _FEW:
        return places
    from skimage.measure import approximate_polygon

    closed = np.vstack([places, places[:1]])
    kept: NDArray[np.float64] = approximate_polygon(closed, _SMOOTH)[:-1]  # type: ignore[no-untyped-call]
    return kept
