"""A lesion grown from scribbles in it and around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_brainseg.core.editing.boxes import bounding_box, check_same_grid, grown
from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.editing.edit import Spacing

__all__ = ["SEED_MARGIN", "SEED_METHOD", "SeedMethod", "grow_from_seeds"]

SeedMethod = Literal["random walker", "growcut"]
"""How seeds grow."""
SEED_METHOD: SeedMethod = "random walker"
"""Default of `grow_from_seeds`."""
SEED_MARGIN = 20
"""Default of `grow_from_seeds`, in voxels."""


def grow_from_seeds(
    image: NDArray[Any],
    foreground: NDArray[np.bool_],
    background: NDArray[np.bool_],
    mask: NDArray[np.uint8],
    *,
    method: SeedMethod = SEED_METHOD,
    margin: int = SEED_MARGIN,
    spacing: Spacing | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Edit | None:
    """Grow scribbles to a lesion.

    Parameters
    ----------
    image : ndarray, shape (C, Z, Y, X)
        All modalities; each is weighed by its own spread.
    foreground, background : ndarray of bool, shape (Z, Y, X)
        Scribbles in the lesion and outside it.
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1. Islands that no scribble touches stay as they are.
    method : {"random walker", "growcut"}
        How.
    margin : int
        How far in the plane, in voxels, beyond the scribbles anything may grow.
    spacing : (float, float, float), optional
        Size of a voxel along z, y and x in millimetres.
    progress : callable, optional
        Gets the share done, from 0 to 1.
    cancelled : callable, optional
        Looked at often; once it is true, `CancelledError` is raised.

    Raises
    ------
    DataError
        If there is no scribble in the lesion, or a volume lies on another grid.
    CancelledError
        If asked to stop.
    """
    for volume, what in ((image[0], "image"), (foreground, "scribble"), (background, "scribble")):
        check_same_grid(mask, volume, what)
    if not foreground.any():
        raise DataError(
            "There is no scribble in the lesion to grow from.",
            "Draw one inside the lesion, and one around it.",
        )
    if cancelled is not None and cancelled():
        raise CancelledError("Growing from seeds was stopped.")
    tight = bounding_box(foreground | background)
    if tight is None:
        return None
    box = grown(tight, (max(1, margin // 5), margin, margin), mask.shape)
    if progress is not None:
        progress(1.0)
    return Edit.inside(mask, box, (mask[box] != 0) | foreground[box])
