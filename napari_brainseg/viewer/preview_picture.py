"""What a tool would add and remove, as labels to be drawn: other colours, and other patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Box, Edit

__all__ = ["PREVIEW_COLOURS", "PREVIEW_NAME", "PreviewPicture", "picture_of"]

PREVIEW_NAME = "Preview"
ADDED, ADDED_EDGE, REMOVED_STRIPE, REMOVED_GAP = 1, 2, 3, 4
"""Labels: added is filled and outlined, removed is striped."""
ADDED_COLOUR = "#F0E442"
"""Yellow."""
REMOVED_COLOUR = "#CC79A7"
"""Reddish purple."""
PREVIEW_COLOURS = {
    ADDED: (ADDED_COLOUR, 0.3),
    ADDED_EDGE: (ADDED_COLOUR, 1.0),
    REMOVED_STRIPE: (REMOVED_COLOUR, 0.95),
    REMOVED_GAP: (REMOVED_COLOUR, 0.4),
}
"""Label to colour and opacity."""
_STRIPE = 2
"""Voxels; stripes are as wide as the gaps between them."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviewPicture:
    """Labels in a box of the grid.

    Parameters
    ----------
    box : tuple of three slices
        Along z, y and x.
    labels : ndarray of uint8, shape (dz, dy, dx)
        0 where nothing changes, else a key of `PREVIEW_COLOURS`.
    """

    box: Box
    labels: NDArray[np.uint8]


def picture_of(before: NDArray[np.uint8], edit: Edit) -> PreviewPicture:
    """Draw an edit of a mask (Z, Y, X); for a worker, a whole volume takes some 50 ms."""
    old, new = before[edit.box] != 0, edit.values != 0
    added, removed = new & ~old, old & ~new
    labels = np.zeros(new.shape, np.uint8)
    labels[added] = ADDED
    labels[added & ~_inner(added)] = ADDED_EDGE
    _, rows, columns = edit.box
    y, x = np.ogrid[rows.start : rows.stop, columns.start : columns.stop]
    stripes = (y + x) // _STRIPE % 2 == 0
    labels[removed] = REMOVED_GAP
    labels[removed & stripes[None]] = REMOVED_STRIPE
    return PreviewPicture(edit.box, labels)


def _inner(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels with all four neighbours in their slice."""
    inner = np.zeros_like(region)
    inner[:, 1:-1, 1:-1] = (
        region[:, 1:-1, 1:-1]
        & region[:, :-2, 1:-1]
        & region[:, 2:, 1:-1]
        & region[:, 1:-1, :-2]
        & region[:, 1:-1, 2:]
    )
    return inner
