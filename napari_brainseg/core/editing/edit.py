"""A change of a mask: a box of the grid, and what stands in it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["Box", "Edit", "Spacing"]

Box = tuple[slice, slice, slice]
"""Part of a grid along z, y and x; half-open, steps of one."""
Spacing = tuple[float, float, float]
"""Size of a voxel along z, y and x in millimetres."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """New values for a box of a mask.

    Parameters
    ----------
    box : tuple of three slices
        Where, along z, y and x; inside the grid.
    values : ndarray of uint8, shape (dz, dy, dx)
        What stands in the box afterwards, 0 or 1. Voxels that do not change hold their old value,
        so an edit belongs to the mask that it was made for.
    """

    box: Box
    values: NDArray[np.uint8]

    @classmethod
    def between(cls, before: NDArray[Any], after: NDArray[Any]) -> Self | None:
        """Return the change from one mask to another, in the tightest box.

        Parameters
        ----------
        before, after : ndarray, shape (Z, Y, X)
            Masks; what is not 0 is lesion.

        Returns
        -------
        Edit or None
            `None` where they are the same.
        """
        return cls.inside(before, (slice(0, None), slice(0, None), slice(0, None)), after)

    @classmethod
    def inside(cls, mask: NDArray[Any], box: Box, values: NDArray[Any]) -> Self | None:
        """Return the change of a mask whose box is to hold certain values.

        Parameters
        ----------
        mask : ndarray, shape (Z, Y, X)
            The mask as it is.
        box : tuple of three slices
            Part of it.
        values : ndarray, shape (dz, dy, dx)
            What the box is to hold; what is not 0 is lesion.

        Returns
        -------
        Edit or None
            In the tightest box; `None` where the mask holds them already.
        """
        after = np.asarray(values) != 0
        changed = (mask[box] != 0) != after
        if not changed.any():
            return None
        # The planes first: on a whole volume this is what makes the tight box cheap.
        planes = changed.any(axis=(1, 2))
        z = _extent(planes)
        flat = changed[z].any(axis=0)
        inner = (z, _extent(flat.any(axis=1)), _extent(flat.any(axis=0)))
        outer = tuple(
            slice(part.start + (whole.start or 0), part.stop + (whole.start or 0))
            for whole, part in zip(box, inner, strict=True)
        )
        return cls((outer[0], outer[1], outer[2]), after[inner].astype(np.uint8))

    @property
    def slices(self) -> range:
        """Indices along z that the box spans."""
        return range(self.box[0].start, self.box[0].stop)

    def write(self, mask: NDArray[np.uint8]) -> None:
        """Make the change, in place, on a mask of shape (Z, Y, X)."""
        mask[self.box] = self.values


def _extent(hits: NDArray[np.bool_]) -> slice:
    found = np.flatnonzero(hits)
    return slice(int(found[0]), int(found[-1]) + 1)
