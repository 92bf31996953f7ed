"""From probability to the mask as delivered; the bundle chooses what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Postprocessing", "postprocess"]


class Postprocessing(BaseModel):
    """Steps after the threshold, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_size_vox: int = Field(
        default=0, ge=0, title="Minimum size", description="Smaller islands are removed (voxels)"
    )
    largest_component: bool = Field(
        default=False, title="Largest component", description="Keep the largest island only"
    )


def postprocess(
    probability: NDArray[np.float32], *, threshold: float, steps: Postprocessing
) -> NDArray[np.uint8]:
    """Threshold a probability map and clean it.

    Parameters
    ----------
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability.
    threshold : float
        Voxels at or above it are lesion.
    steps : Postprocessing
        Cleaning steps. Islands are 6-connected in 3D.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        0 and 1. An empty map gives an empty mask.
    """
    mask = probability >= threshold
    if not (steps.minimum_size_vox or steps.largest_component) or not mask.any():
        return mask.astype(np.uint8)
    from scipy import ndimage

    # labelling only the lesion's box is what makes this cheap on a whole head
    box = tuple(
        slice(int(hits[0]), int(hits[-1]) + 1)
        for hits in (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    )
    labels, count = ndimage.label(mask[box])
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    keep = sizes >= max(1, steps.minimum_size_vox)
    keep[0] = False
    if steps.largest_component and keep.any():
        keep[:] = False
        keep[int(sizes.argmax())] = True
    out = np.zeros(mask.shape, dtype=np.uint8)
    out[box] = keep[labels]
    return out
