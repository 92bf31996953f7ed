"""HD95 of a mask that changes to one that does not, kept up to date change by change.

The figures are those of `core.segmentation.metrics.hd95_mm`, which measures two whole masks and
takes a tenth of a second on a large lesion. Here every surface voxel remembers how far it has to
the other surface, and which voxel that is; a stroke only touches those whose partner went, or that
have a closer one now.

Thread-safety: none; an object belongs to one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.segmentation.metrics import HD_PERCENTILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChangingSurface", "DistanceTo"]


class ChangingSurface:
    """The surface of a mask that is painted on: lesion voxels with a 6-neighbour outside.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones; taken over, so hand a copy.
    spacing : tuple of float
        Of voxels along z, y and x, in the unit of the distances.

    Attributes
    ----------
    voxels : ndarray of int64, shape (N,)
        Flat indices (C order) of the surface, ascending.
    """

    def __init__(
        self, mask: NDArray[np.uint8], spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        self.spacing = np.array(spacing)
        self._mask = mask
        self._tree: tuple[NDArray[np.int64], Any] | None = None
        self._surface = surface_of(mask)
        self.voxels = np.flatnonzero(self._surface)

    def apply(
        self, indices: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Change voxels (flat indices and new values, 0 or 1).

        Returns
        -------
        tuple of ndarray of int64
            Flat indices, ascending, that left the surface, and that came to it.
        """
        self._mask.reshape(-1)[indices] = values
        if indices.size == 0:
            return indices, indices
        # A voxel's surface depends on its six neighbours, and theirs on it.
        inner = _box(indices, self._mask.shape, 1)
        outer = _box(indices, self._mask.shape, 2)
        within = tuple(
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        new = _surface(self._mask[outer] != 0, outer, self._mask.shape)[within]
        old = self._surface[inner]
        gone, come = self._flat(old & ~new, inner), self._flat(new & ~old, inner)
        old[...] = new
        kept = self.voxels[~_among(self.voxels, gone)]
        self.voxels = np.insert(kept, np.searchsorted(kept, come), come)
        self._tree = None
        return gone, come

    @property
    def tree(self) -> tuple[NDArray[np.int64], Any]:
        """Places (N, 3) of the voxels, and a k-d tree of them; made once a change."""
        if self._tree is None:
            places = np.stack(np.unravel_index(self.voxels, self._mask.shape), axis=1)
            self._tree = places, _tree(places * self.spacing)
        return self._tree

    def _flat(self, found: NDArray[np.bool_], box: tuple[slice, ...]) -> NDArray[np.int64]:
        z, y, x = (axis + part.start for axis, part in zip(np.nonzero(found), box, strict=True))
        _, height, width = self._mask.shape
        flat: NDArray[np.int64] = (z * height + y) * width + x
        return flat


class DistanceTo:
    """HD95 between a changing surface and the surface of a fixed mask.

    Parameters
    ----------
    fixed : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones; not kept.
    surface : ChangingSurface
        As it is now; `follow` must be called after each of its changes.
    """

    def __init__(self, fixed: NDArray[np.uint8], surface: ChangingSurface) -> None:
        self._shape = fixed.shape
        self._spacing = surface.spacing
        self._surface = surface
        self._fixed = np.flatnonzero(surface_of(fixed))
        self._fixed_points = self._points(self._fixed)
        self._tree = _tree(self._fixed_points * self._spacing)
        self._moving: NDArray[np.int64]
        self._to_fixed: NDArray[np.float64]  # of each in `_moving`
        self._to_moving: NDArray[np.float64]  # of each in `_fixed`
        self._partner: NDArray[np.int64]  # in `_moving`, of each in `_fixed`
        self._start()

    @property
    def hd95(self) -> float:
        """As `metrics.hd95_mm`: 0 where both masks are empty, NaN where only one is."""
        if self._fixed.size == 0 and self._moving.size == 0:
            return 0.0
        if self._fixed.size == 0 or self._moving.size == 0:
            return float("nan")
        return max(
            float(np.percentile(self._to_moving, HD_PERCENTILE)),
            float(np.percentile(self._to_fixed, HD_PERCENTILE)),
        )

    def follow(self, gone: NDArray[np.int64], come: NDArray[np.int64]) -> None:
        """Take a change of the surface in: what left it, what came to it."""
        voxels = self._surface.voxels
        if self._fixed.size == 0 or self._moving.size == 0 or voxels.size == 0:
            self._start()
            return
        kept = ~_among(self._moving, gone)
        before, distances = self._moving[kept], self._to_fixed[kept]
        at = np.searchsorted(before, come)
        self._to_fixed = np.insert(distances, at, self._nearest_fixed(come))
        self._moving = voxels
        self._come_closer(come)
        lost = np.flatnonzero(_among(self._partner, gone))
        if lost.size:
            self._measure(lost, voxels, self._surface.tree)

    def _start(self) -> None:
        self._moving = voxels = self._surface.voxels
        self._to_fixed = np.zeros(voxels.size)
        self._to_moving = np.zeros(self._fixed.size)
        self._partner = np.full(self._fixed.size, -1, np.int64)
        if self._fixed.size and voxels.size:
            self._to_fixed = self._nearest_fixed(voxels)
            self._measure(np.arange(self._fixed.size), voxels, self._surface.tree)

    def _nearest_fixed(self, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
        if voxels.size == 0:
            return np.zeros(0)
        points = self._points(voxels)
        _, nearest = self._tree.query(points * self._spacing)
        return self._length(points - self._fixed_points[nearest])

    def _come_closer(self, come: NDArray[np.int64]) -> None:
        if come.size == 0:
            return
        points = self._points(come)
        # No voxel that came is nearer than their bounding box.
        low, high = points.min(0), points.max(0)
        beyond = np.maximum(np.maximum(low - self._fixed_points, self._fixed_points - high), 0)
        near = np.flatnonzero(self._length(beyond) < self._to_moving)
        if near.size:
            tree = points, _tree(points * self._spacing)
            self._measure(near, come, tree, only_closer=True)

    def _measure(
        self,
        which: NDArray[np.int64],
        voxels: NDArray[np.int64],
        placed: tuple[NDArray[np.int64], Any],
        *,
        only_closer: bool = False,
    ) -> None:
        """Find the partners of some fixed voxels among `voxels`, given with places and tree."""
        points, tree = placed
        origin = self._fixed_points[which]
        _, nearest = tree.query(origin * self._spacing)
        distances = self._length(origin - points[nearest])
        partners = voxels[nearest]
        if only_closer:
            closer = distances < self._to_moving[which]
            which, distances, partners = which[closer], distances[closer], partners[closer]
        self._to_moving[which] = distances
        self._partner[which] = partners

    def _points(self, voxels: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack(np.unravel_index(voxels, self._shape), axis=1)

    def _length(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        # In the order in which scipy's distance transform adds up, so that figures are equal.
        squares = (steps * self._spacing) ** 2
        length: NDArray[np.float64] = np.sqrt(squares[:, 0] + squares[:, 1] + squares[:, 2])
        return length


def surface_of(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Surface of a mask (Z, Y, X): lesion voxels with a 6-neighbour outside, or at the border."""
    surface = np.zeros(mask.shape, bool)
    lesion = np.flatnonzero(mask)
    if lesion.size:
        box = _box(lesion, mask.shape, 1)
        surface[box] = _surface(mask[box] != 0, box, mask.shape)
    return surface


def _surface(
    lesion: NDArray[np.bool_], box: tuple[slice, ...], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Surface in a box; wrong at those faces of it that are not the volume's, so go one beyond."""
    inside = lesion.copy()
    for axis in range(3):
        here = np.moveaxis(inside, axis, 0)
        there = np.moveaxis(lesion, axis, 0)
        here[1:] &= there[:-1]
        here[:-1] &= there[1:]
        # Beyond the border of the volume there is no lesion.
        if box[axis].start == 0:
            here[0] = False
        if box[axis].stop == shape[axis]:
            here[-1] = False
    return lesion & ~inside


def _box(
    voxels: NDArray[np.int64], shape: tuple[int, ...], margin: int
) -> tuple[slice, slice, slice]:
    z, y, x = (
        slice(max(int(axis.min()) - margin, 0), min(int(axis.max()) + margin + 1, length))
        for axis, length in zip(np.unravel_index(voxels, shape), shape, strict=True)
    )
    return z, y, x


def _among(values: NDArray[np.int64], sorted_set: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each value is in an ascending set."""
    if sorted_set.size == 0:
        return np.zeros(values.shape, bool)
    at = np.minimum(np.searchsorted(sorted_set, values), sorted_set.size - 1)
    found: NDArray[np.bool_] = sorted_set[at] == values
    return found


def _tree(points: NDArray[np.float64]) -> Any:
    from scipy.spatial import cKDTree

    # Not balanced: it is built at every stroke, and the points are in order already.
    return cKDTree(points.reshape(-1, 3), balanced_tree=False, compact_nodes=False)
