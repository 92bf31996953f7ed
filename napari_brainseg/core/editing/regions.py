"""A drawn outline to the pixels inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["polygon"]


def polygon(shape_yx: Sequence[int], vertices_yx: ArrayLike) -> NDArray[np.bool_]:
    """Return the pixels inside a closed outline, drawn as a lasso or by its corners.

    Parameters
    ----------
    shape_yx : (int, int)
        Rows and columns of the plane.
    vertices_yx : array_like, shape (N, 2)
        Corners in pixels, the centre of the first pixel at (0, 0). The last one joins the first.
        Corners may lie outside the plane.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        Pixels whose centre is inside (even-odd rule), and those under the corners; with fewer
        than three corners just those.
    """
    inside = np.zeros(tuple(shape_yx), bool)
    corners = np.asarray(vertices_yx, float).reshape(-1, 2)
    if len(corners) >= 3:
        from skimage.draw import polygon as fill

        rows, columns = fill(corners[:, 0], corners[:, 1], inside.shape)  # type: ignore[no-untyped-call]
        inside[rows, columns] = True
    rows, columns = np.rint(corners).astype(int).T
    held = (rows >= 0) & (rows < inside.shape[0]) & (columns >= 0) & (columns < inside.shape[1])
    inside[rows[held], columns[held]] = True
    return inside
