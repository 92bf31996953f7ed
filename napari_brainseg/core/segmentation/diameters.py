"""Largest diameters of a lesion in an axial slice, two at right angles, as in RANO.

Macdonald et al. 1990 (doi 10.1200/JCO.1990.8.7.1277) and RANO (Wen et al. 2010,
doi 10.1200/JCO.2009.26.3541) measure the largest diameter of a lesion in one axial slice and the
largest one perpendicular to it; the product of the two is followed over time. They do so for
enhancing lesions; here it is done for whatever a mask marks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bidimensional", "bidimensional"]

Ends = tuple[tuple[float, float], tuple[float, float]]
"""Two points (y, x) of a slice in voxels; whole numbers are centres of pixels."""

_TOUCH = 1e-9
"""Relative to the length of the line: points so near to a line lie on it."""
_TIES = 16
"""Longest lines of one length that are looked at."""
_SEGMENTS = 64
"""Of an outline, in one stretch of it: few enough to hold each against each."""


@dataclass(frozen=True, slots=True)
class Bidimensional:
    """Longest diameter and the longest one perpendicular to it, in the same axial slice.

    Parameters
    ----------
    slice_index : int
        Along z, from 0.
    longest, perpendicular : float
        Lengths in `unit`.
    unit : str
        ``mm``, or ``px`` where the spacing is unknown.
    longest_ends, perpendicular_ends : tuple of two (y, x)
        Where the lines end, in voxels; on the outline of the mask.
    """

    slice_index: int
    longest: float
    perpendicular: float
    unit: str
    longest_ends: Ends
    perpendicular_ends: Ends

    @property
    def longest_mm(self) -> float | None:
        """Longest diameter in millimetres, ``None`` where the spacing is unknown."""
        return self.longest if self.unit == "mm" else None

    @property
    def perpendicular_mm(self) -> float | None:
        """Perpendicular diameter in millimetres, ``None`` where the spacing is unknown."""
        return self.perpendicular if self.unit == "mm" else None

    @property
    def product(self) -> float:
        """Product of the two, in `unit` squared: the "area" of Macdonald and RANO."""
        return self.longest * self.perpendicular


def bidimensional(
    mask: NDArray[np.generic], spacing_mm: tuple[float, float, float] | None
) -> Bidimensional | None:
    """Measure the two largest perpendicular diameters of a lesion in an axial slice.

    The outline runs half way between the centres of lesion and background pixels (marching
    squares at one half: Lorensen and Cline 1987, doi 10.1145/37402.37422, in two dimensions), so
    that a row of ten pixels is ten pixels long and a disc has its diameter, without the bias of
    half a pixel at either end that centres (too short) and corners (too long) bring. The longest
    diameter joins the two points of the outline of one island (pixels that share an edge) that
    are farthest apart; of all islands in all slices the longest one counts. The perpendicular
    diameter joins the two outermost points of the same outline on a line at a right angle to it,
    wherever along it that is longest. Both lines end on the outline; what lies between the ends
    need not be lesion (a cavity, a bay), as with callipers.

    Parameters
    ----------
    mask : ndarray, shape (Z, Y, X)
        What is not 0 is lesion; z from inferior to superior, so that slices are axial.
    spacing_mm : tuple of float or None
        Of voxels along z, y and x; rows and columns may differ. ``None``: lengths in pixels.

    Returns
    -------
    Bidimensional or None
        ``None`` where the mask is empty.
    """
    from scipy import ndimage

    step = np.array((1.0, 1.0) if spacing_mm is None else spacing_mm[1:], dtype=float)
    best: tuple[float, int, NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]] | None
    best = None
    lesion = np.asarray(mask) != 0
    for z in np.flatnonzero(lesion.any(axis=(1, 2))).tolist():
        labels, _ = ndimage.label(lesion[z])
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            extent = [side.stop - side.start for side in box]
            # No two points of an island are farther apart than the corners of its box.
            if best is not None and math.hypot(*(extent * step)) <= best[0]:
                continue
            corner = np.array([side.start for side in box], dtype=float)
            island = labels[box] == number
            length, pairs = _longest((_rim(island) + corner) * step)
            if best is None or length > best[0]:
                best = length, z, pairs, island, corner
    if best is None:
        return None
    length, z, pairs, island, corner = best
    outline = (_outline(island) + corner) * step
    # Of two longest lines, as in a lesion that is its own mirror image, the one with more across:
    # so that the figures do not depend on how the slices lie.
    lines = [(*_perpendicular(ends, outline), ends) for ends in pairs]
    across, across_ends, ends = max(lines, key=lambda line: line[0])
    return Bidimensional(
        slice_index=z,
        longest=length,
        perpendicular=across,
        unit="px" if spacing_mm is None else "mm",
        longest_ends=_voxels(ends, step),
        perpendicular_ends=_voxels(across_ends, step),
    )


def _rim(island: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Outermost points of the outline in each row and column, shape (N, 2); its hull is theirs."""
    points = []
    # The island fills its box: no row and no column is without lesion.
    for axis in (0, 1):
        lines = island if axis == 0 else island.T
        count = lines.shape[1]
        near = lines.argmax(axis=1) - 0.5
        far = count - 0.5 - lines[:, ::-1].argmax(axis=1)
        for reach in (near, far):
            ends = (np.arange(len(lines)), reach)
            points.append(np.stack(ends if axis == 0 else ends[::-1], axis=1))
    return np.concatenate(points)


def _outline(island: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return segments of the outline, shape (N, 2, 2): ends of each, (y, x) in pixels."""
    from skimage.measure import find_contours

    around = np.pad(island, 1).astype(np.float64)
    lines: list[NDArray[np.float64]] = find_contours(around, 0.5)  # type: ignore[no-untyped-call]
    segments = [np.stack([line[:-1], line[1:]], axis=1) for line in lines]
    return np.concatenate(segments) - 1.0


def _longest(points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Distance of the points farthest apart, and all pairs that are, shape (N, 2, 2)."""
    from scipy.spatial import ConvexHull

    corners = points[np.sort(ConvexHull(points).vertices)]
    gaps = corners[:, None] - corners[None]
    squared = (gaps**2).sum(axis=-1)
    longest = float(squared.max())
    first, second = np.nonzero(np.triu(squared >= longest * (1 - _TOUCH)))
    pairs = corners[np.stack([first, second], axis=1)[:_TIES]]
    # Always told from the left end, so that the same lesion gives the same line.
    pairs = np.stack([ends[np.lexsort((ends[:, 0], ends[:, 1]))] for ends in pairs])
    return math.sqrt(longest), pairs


def _perpendicular(
    ends: NDArray[np.float64], segments: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Length and ends of the longest line at a right angle to another one."""
    along = ends[1] - ends[0]
    length = float(np.hypot(*along))
    along = along / length
    across = np.array([-along[1], along[0]])
    from_start = segments - ends[0]
    t, s = from_start @ along, from_start @ across
    lowest, highest = t.min(axis=1), t.max(axis=1)
    # The outline is cut into stretches no shorter than a segment: each touches two at the most.
    span = highest.max() - lowest.min()
    stretch = max(float((highest - lowest).max()), span * _SEGMENTS / len(t))
    first = ((lowest - lowest.min()) / stretch).astype(np.intp)
    last = ((highest - lowest.min()) / stretch).astype(np.intp)
    top, bottom = (np.full(last.max() + 1, end) for end in (-np.inf, np.inf))
    for touched in (first, last):
        np.maximum.at(top, touched, s.max(axis=1))
        np.minimum.at(bottom, touched, s.min(axis=1))
    # A segment that touches two stretches is listed with both.
    touched_by = np.concatenate([first, last])
    order = np.argsort(touched_by, kind="stable")
    starts = np.searchsorted(touched_by[order], np.arange(len(top) + 1))
    best, at, ends_across = -np.inf, 0.0, (0.0, 0.0)
    room = top - bottom
    for part in np.argsort(-room, kind="stable"):
        if room[part] <= best:
            break
        here = order[starts[part] : starts[part + 1]] % len(t)
        # Between corners of the outline the extent is convex, so that it is largest at a corner.
        places = np.unique(t[here])
        low, high = _extent(places, t[here], s[here], length * _TOUCH)
        widest = int((high - low).argmax())
        if high[widest] - low[widest] > best:
            at, ends_across = float(places[widest]), (float(low[widest]), float(high[widest]))
            best = ends_across[1] - ends_across[0]
    foot = ends[0] + at * along
    return best, np.stack([foot + reach * across for reach in ends_across])


def _extent(
    places: NDArray[np.float64], t: NDArray[np.float64], s: NDArray[np.float64], touch: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest point of an outline on lines across it.

    Parameters
    ----------
    places : ndarray, shape (P,)
        Where the lines cross.
    t, s : ndarray, shape (N, 2)
        Along and across, of both ends of each segment of the outline.
    touch : float
        Segments so near to a line meet it.
    """
    meets = (places[:, None] >= t.min(axis=1) - touch) & (places[:, None] <= t.max(axis=1) + touch)
    run = t[:, 1] - t[:, 0]
    is_level = np.abs(run) <= touch
    share = (places[:, None] - t[:, 0]) / np.where(is_level, 1.0, run)
    share = np.where(is_level, 0.0, share).clip(0.0, 1.0)
    reach = s[:, 0] + share * (s[:, 1] - s[:, 0])
    return (
        np.where(meets, reach, np.inf).min(axis=1),
        np.where(meets, reach, -np.inf).max(axis=1),
    )


def _voxels(ends: NDArray[np.float64], step: NDArray[np.float64]) -> Ends:
    (y0, x0), (y1, x1) = (ends / step).tolist()
    return (y0, x0), (y1, x1)
