"""What a hand can do on one slice: drags of a round brush, outlines of a few corners.

A drag is one press, a path of at most `PIECES` straight pieces and `LONGEST` pixels, one release.
An outline has at most `CORNERS` corners and is `AROUND` pixels long. Every corner lands beside
where it was meant (`TREMOR`), so neither can copy a border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.signal import fftconvolve
from skimage.measure import approximate_polygon, find_contours

from napari_brainseg.core.editing.brush import capsule
from napari_brainseg.core.editing.regions import polygon

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECES, LONGEST = 6, 80.0
CORNERS, AROUND = 12, 240.0
TREMOR = 0.5
"""Standard deviation of where a corner lands, in pixels."""
REACH = 25
"""Longest straight piece of a drag, in pixels."""
LEAST = 3.0
"""A drag ends where going on would mend fewer pixels than this."""


@dataclass(frozen=True)
class Drag:
    """A stroke of a brush: its size, its corners, and the pixels under it."""

    diameter: int
    path: tuple[tuple[float, float], ...]
    cover: NDArray[np.bool_]

    @property
    def travel_px(self) -> float:
        """How far the hand went, in pixels."""
        return float(np.hypot(*np.diff(np.asarray(self.path), axis=0).T).sum())


class Hand:
    """A hand that trembles, the same way each time it is made anew."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def lands(self, at: Any) -> tuple[float, float]:
        y, x = np.asarray(at, float) + self._rng.normal(0, TREMOR, 2)
        return float(y), float(x)

    def drag(self, reward: NDArray[np.float32], diameter: int) -> Drag | None:
        """Drag a brush over what pays most, step by step; `reward` is of a plane, per pixel."""
        box = _box(reward > 0, diameter + REACH // 2)
        if box is None:
            return None
        left = reward[box].copy()
        kernel = _disc(diameter)
        worth = fftconvolve(left, kernel, mode="same")
        at = self.lands(np.unravel_index(worth.argmax(), worth.shape))
        path = [at]
        total, cover = self._stamp(left, at, at, diameter)
        if total < LEAST:
            return None
        used = 0.0
        rows, columns = np.indices(left.shape)
        while len(path) <= PIECES and used < LONGEST:
            worth = fftconvolve(left, kernel, mode="same")
            worth[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 > REACH**2] = -np.inf
            best: tuple[float, tuple[float, float]] | None = None
            for _ in range(3):
                there = np.unravel_index(worth.argmax(), worth.shape)
                if worth[there] <= 0:
                    break
                goal = self.lands(there)
                footprint = capsule(left.shape, at, goal, diameter)
                gain = 0.0
                if footprint is not None:
                    gain = float(left[footprint.box][footprint.inside].sum())
                if best is None or gain > best[0]:
                    best = gain, goal
                near = (rows - there[0]) ** 2 + (columns - there[1]) ** 2 <= (diameter / 2 + 2) ** 2
                worth[near] = -np.inf
            if best is None or best[0] < LEAST:
                break
            _, goal = best
            used += float(np.hypot(goal[0] - at[0], goal[1] - at[1]))
            _, piece = self._stamp(left, at, goal, diameter)
            cover |= piece
            at = goal
            path.append(at)
        whole = np.zeros(reward.shape, bool)
        whole[box] = cover
        top, side = box[0].start, box[1].start
        return Drag(diameter, tuple((y + top, x + side) for y, x in path), whole)

    def outline(self, region: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Draw around a region of a plane with a dozen corners; the pixels inside."""
        contours = find_contours(np.pad(region, 1).astype(float), 0.5)
        if not contours:
            return None
        contour = max(contours, key=len) - 1
        if np.hypot(*np.diff(contour, axis=0).T).sum() > AROUND:
            return None
        tolerance = 0.7
        corners = approximate_polygon(contour, tolerance)
        while len(corners) > CORNERS + 1:
            tolerance *= 1.4
            corners = approximate_polygon(contour, tolerance)
        if len(corners) < 4:
            return None
        return polygon(region.shape, [self.lands(corner) for corner in corners[:-1]])

    @staticmethod
    def _stamp(
        left: NDArray[np.float32], start: Any, stop: Any, diameter: int
    ) -> tuple[float, NDArray[np.bool_]]:
        cover = np.zeros(left.shape, bool)
        footprint = capsule(left.shape, start, stop, diameter)
        if footprint is not None:
            cover[footprint.box] = footprint.inside
        total = float(left[cover].sum())
        left[cover] = 0
        return total, cover


def islands(region: NDArray[np.bool_], most: int, least: int = 5) -> list[NDArray[np.bool_]]:
    """Return the largest islands of a plane."""
    labels, count = ndimage.label(region, np.ones((3, 3)))
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)[1:]
    order = [i for i in np.argsort(sizes)[::-1][:most] if sizes[i] >= least]
    return [labels == i + 1 for i in order]


def deepest(region: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixel of a region that is farthest from its border."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(y), int(x)


def _disc(diameter: int) -> NDArray[np.float32]:
    reach = diameter // 2
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return (y**2 + x**2 <= (diameter / 2) ** 2).astype(np.float32)


def _box(hits: NDArray[np.bool_], margin: int) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(hits.any(axis=1)), np.flatnonzero(hits.any(axis=0))
    if rows.size == 0:
        return None
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
