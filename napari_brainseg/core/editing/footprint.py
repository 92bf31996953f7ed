"""Pixels of a plane under a brush."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Footprint"]


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Pixels of a plane under a brush.

    Parameters
    ----------
    rows, columns : slice
        The part of the plane, half-open, inside the plane.
    inside : ndarray of bool, shape (rows, columns)
        Which pixels of that part.
    """

    rows: slice
    columns: slice
    inside: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns, to index a plane with."""
        return self.rows, self.columns
