"""From probability to the mask as delivered; the bundle chooses what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Postprocessing", "kept_islands", "lesion_box", "postprocess", "reshape"]

LARGEST_RADIUS_VOX = 10


class Postprocessing(BaseModel):
    """Steps in the order of the fields; all but the first come after the threshold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dense_crf: float = Field(
        default=0.0,
        ge=0,
        le=10,
        title="Dense CRF",
        description="Before the threshold: a random field draws voxels of like FLAIR intensity "
        "together; weight of that likeness, 0 is off",
    )

    opening_vox: int = Field(
        default=0,
        ge=0,
        le=LARGEST_RADIUS_VOX,
        title="Opening",
        description="Thin parts vanish: radius of a disk in each slice (pixels); 0 is off",
    )
    closing_vox: int = Field(
        default=0,
        ge=0,
        le=LARGEST_RADIUS_VOX,
        title="Closing",
        description="Narrow gaps close: radius of a disk in each slice (pixels); 0 is off",
    )
    fill_holes: bool = Field(
        default=False, title="Fill holes", description="Holes within each slice are filled"
    )
    minimum_size_vox: int = Field(
        default=0, ge=0, title="Minimum size", description="Smaller islands are removed (voxels)"
    )
    spared_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Spared share",
        description="Islands under the minimum size stay if they are at least this share of it, "
        "and of the largest one; 0 is off",
    )
    largest_component: bool = Field(
        default=False, title="Largest component", description="Keep the largest island only"
    )


def postprocess(
    probability: NDArray[np.float32],
    *,
    threshold: float,
    steps: Postprocessing,
    flair: NDArray[np.generic] | None = None,
) -> NDArray[np.uint8]:
    """Threshold a probability map and clean it.

    Parameters
    ----------
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability.
    threshold : float
        Voxels at or above it are lesion.
    steps : Postprocessing
        What is done, in the order of its fields. Islands are 6-connected in 3D.
    flair : ndarray, shape (Z, Y, X), optional
        The image; the dense CRF needs it, nothing else does.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        0 and 1. An empty map gives an empty mask.

    Raises
    ------
    ModelError
        If the steps ask for the dense CRF, and its library is not installed.
    """
    if steps.dense_crf:
        from napari_brainseg.core.segmentation.dense_crf import dense_crf

        if flair is None:
            raise ValueError("The dense CRF looks at the image; give it as flair.")
        probability = dense_crf(probability, flair, weight=steps.dense_crf)
    mask = probability >= threshold
    out = mask.astype(np.uint8)
    box = None if steps == Postprocessing() else lesion_box(mask)
    if box is not None:
        # working on the lesion's box is what makes this cheap on a whole head
        out[box] = _without_islands(reshape(mask[box], steps), steps)
    return out


def lesion_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """Smallest box that holds a mask (Z, Y, X); ``None`` for an empty one."""
    if not mask.any():
        return None
    hits = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    z, y, x = (slice(int(lines[0]), int(lines[-1]) + 1) for lines in hits)
    return z, y, x


def reshape(mask: NDArray[np.bool_], steps: Postprocessing) -> NDArray[np.bool_]:
    """Open, close and fill a mask slice by slice; islands are left as they are.

    Parameters
    ----------
    mask : ndarray of bool, shape (Z, Y, X)
        A whole mask, or the box of its lesions: none of these steps leaves that box.
    steps : Postprocessing
        Which of them; the others play no part.

    Returns
    -------
    ndarray of bool, shape (Z, Y, X)
        The mask itself where nothing is to be done.
    """
    from scipy import ndimage

    if steps.opening_vox:
        mask = ndimage.binary_opening(mask, _disk(steps.opening_vox))
    if steps.closing_vox:
        # a margin: erosion takes what lies beyond the array for background, and would eat its edge
        radius = steps.closing_vox
        margin = ((0, 0), (radius, radius), (radius, radius))
        closed = ndimage.binary_closing(np.pad(mask, margin), _disk(radius))
        mask = closed[:, radius:-radius, radius:-radius]
    if steps.fill_holes:
        mask = np.stack([ndimage.binary_fill_holes(one) for one in mask])
    return mask


def _without_islands(mask: NDArray[np.bool_], steps: Postprocessing) -> NDArray[np.bool_]:
    if not (steps.minimum_size_vox or steps.largest_component):
        return mask
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept: NDArray[np.bool_] = np.concatenate(([False], kept_islands(sizes, steps)))[labels]
    return kept


def kept_islands(sizes: NDArray[np.integer], steps: Postprocessing) -> NDArray[np.bool_]:
    """Say which islands of a mask stay.

    Parameters
    ----------
    sizes : ndarray of int, shape (islands,)
        Voxels of each island; of equally large ones the first counts as the largest.
    steps : Postprocessing
        Minimum size, spared share and largest component; the others play no part.

    Returns
    -------
    ndarray of bool, shape (islands,)
    """
    keep: NDArray[np.bool_] = sizes >= steps.minimum_size_vox
    if steps.spared_share and sizes.size:
        # a head without a lesion may hold a speck, which then is the largest island
        keep |= sizes >= steps.spared_share * max(sizes.max(), steps.minimum_size_vox)
    if steps.largest_component and keep.any():
        keep = np.arange(sizes.size) == sizes.argmax()
    return keep


def _disk(radius: int) -> NDArray[np.bool_]:
    """Disk in the plane of a slice, shape (1, 2 r + 1, 2 r + 1)."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk: NDArray[np.bool_] = (y**2 + x**2 <= radius**2)[None]
    return disk
