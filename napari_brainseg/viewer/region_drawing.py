"""Drawing a region on a slice: a lasso by hand, or a polygon corner by corner.

The state of the drawing, without a window: `widgets.region_path` feeds it mouse and keys, and
draws its path. Places are (y, x) in voxels, the centre of the first voxel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LASSO", "MASK", "POLYGON", "Place", "Region", "RegionDrawing"]

LASSO, POLYGON = "lasso", "polygon"
MASK = "mask"
"""Purpose of a region that is added to, or cut from, the correction."""
_NEAR = 1e-6
Place = tuple[float, float]
"""(y, x) in voxels."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region that was drawn on a slice.

    Parameters
    ----------
    slice_index : int
        Slice on which it was begun.
    inside : ndarray of bool, shape (Y, X)
        Its pixels; at least one.
    kind : str
        ``"lasso"`` or ``"polygon"``.
    cut : bool
        Whether it takes away.
    purpose : str
        What it was drawn for, as given to `RegionDrawing.begin`.
    """

    slice_index: int
    inside: NDArray[np.bool_]
    kind: str
    cut: bool = False
    purpose: str = MASK


class RegionDrawing:
    """A region under way. Main thread only."""

    drawn = Signal(object)
    """A `Region` was closed. What it is for stands in `Region.purpose`."""
    changed = Signal()
    """Begun, put away, or its path looks otherwise."""

    def __init__(self) -> None:
        self._shape: tuple[int, int, int] | None = None
        self._kind: str | None = None
        self._purpose = MASK
        self._points: list[Place] = []
        self._pointer: Place | None = None
        self._slice = 0
        self._cutting = False
        self._cut_now = False
        self._dragging = False

    # what is in the hand ----------------------------------------------------------------------

    @property
    def kind(self) -> str | None:
        """``"lasso"`` or ``"polygon"``, `None` while no region is to be drawn."""
        return self._kind

    @property
    def purpose(self) -> str:
        """What the region is drawn for."""
        return self._purpose

    @property
    def cutting(self) -> bool:
        """Whether regions take away; a modifier key turns it round for one region."""
        return self._cutting

    @cutting.setter
    def cutting(self, on: bool) -> None:
        if on != self._cutting:
            self._cutting = on
            self.changed.emit()

    def enter(self, shape: tuple[int, int, int] | None) -> None:
        """Draw on another grid (Z, Y, X); `None`: there is nothing to draw on."""
        if shape != self._shape:
            self._shape = shape
            self.cancel()
            if shape is None:
                self.put_away()

    def begin(self, kind: str, purpose: str = MASK) -> None:
        """Take the pencil: what the mouse does from now on draws.

        Parameters
        ----------
        kind : {"lasso", "polygon"}
            How.
        purpose : str
            What for; comes back in `Region.purpose`. A region of another purpose than `MASK` is
            drawn once, then the pencil is put away.

        Raises
        ------
        ValueError
            If there is no such kind.
        """
        if kind not in (LASSO, POLYGON):
            raise ValueError(f"A region is drawn by {LASSO!r} or {POLYGON!r}, not by {kind!r}.")
        self._kind, self._purpose = kind, purpose
        self._clear()
        self.changed.emit()

    def put_away(self) -> None:
        """Draw no more; what was not closed is gone."""
        if self._kind is not None:
            self._kind, self._purpose = None, MASK
            self._clear()
            self.changed.emit()

    # the path ---------------------------------------------------------------------------------

    @property
    def points(self) -> tuple[Place, ...]:
        """Corners, or the way of the lasso so far."""
        return tuple(self._points)

    @property
    def path(self) -> tuple[Place, ...]:
        """What to draw: the points, and where the mouse is while a polygon is open."""
        if self._points and self._kind == POLYGON and self._pointer is not None:
            return (*self._points, self._pointer)
        return tuple(self._points)

    @property
    def slice_index(self) -> int:
        """Slice on which the path was begun."""
        return self._slice

    @property
    def cuts_now(self) -> bool:
        """Whether the region under way takes away."""
        return self._cut_now if self._points else self._cutting

    @property
    def is_drawing(self) -> bool:
        """Whether a path was begun and not closed."""
        return bool(self._points)

    def press(self, slice_index: int, place: Place, *, turned: bool = False) -> None:
        """Begin a lasso, or set a corner.

        Parameters
        ----------
        slice_index : int
            Slice on show; a polygon begun on another one is dropped.
        place : (float, float)
            (y, x) in voxels; may lie outside.
        turned : bool
            Whether this region cuts where others add, and the other way round.
        """
        if self._kind is None or self._shape is None:
            return
        if self._kind == LASSO or slice_index != self._slice:
            self._clear()
        if not self._points:
            self._slice = slice_index
            self._cut_now = self._cutting != turned
        self._dragging = self._kind == LASSO
        self._add(place)
        self._pointer = place
        self.changed.emit()

    def move(self, place: Place) -> None:
        """Follow the mouse."""
        if not self._points:
            return
        self._pointer = place
        if self._dragging:
            self._add(place)
        self.changed.emit()

    def release(self, place: Place) -> None:
        """End a lasso."""
        if self._dragging:
            self._add(place)
            self.close()

    def close(self) -> None:
        """Join the last point with the first; what has no area is dropped."""
        if self._kind is None or self._shape is None or not self._points:
            return
        region = self._region()
        self._clear()
        purpose = self._purpose
        if region is not None and purpose != MASK:
            self.put_away()
        self.changed.emit()
        if region is not None:
            self.drawn.emit(region)

    def back(self) -> None:
        """Take the last corner of a polygon away."""
        if self._kind == POLYGON and self._points:
            self._points.pop()
            self.changed.emit()

    def cancel(self) -> bool:
        """Drop the path, keep the pencil; whether there was one."""
        if not self._points:
            return False
        self._clear()
        self.changed.emit()
        return True

    def _add(self, place: Place) -> None:
        if (
            not self._points
            or max(abs(a - b) for a, b in zip(place, self._points[-1], strict=True)) > _NEAR
        ):
            self._points.append(place)

    def _clear(self) -> None:
        self._points = []
        self._pointer = None
        self._dragging = False

    def _region(self) -> Region | None:
        if self._shape is None or self._kind is None or len(self._points) < 3:
            return None
        from napari_brainseg.core.editing.regions import polygon

        inside = polygon(self._shape[1:], self._points)
        if not inside.any():
            return None
        return Region(self._slice, inside, self._kind, self._cut_now, self._purpose)
