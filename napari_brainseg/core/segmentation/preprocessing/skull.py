"""Finding the brain by morphology, for stacks of thick slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["brain_mask"]

HEAD_SHARE = 0.1
"""Voxels above this share of the volume's maximum belong to the head."""
GAP_PX = 3.0
"""Dark gaps in the head's outline up to twice this wide are bridged."""
SHELL_PX = 4.0
"""Whatever lies nearer to the outline is scalp."""
DEEP_PX = 15.0
"""What lies farther from the outline is mostly brain: its median FLAIR is the brain's."""
TISSUE_SHARE = 0.65
"""Brain is brighter on FLAIR than this share of that median; bone and fluid are darker."""
BRIDGE_PX = 4.0
"""Bridges between brain and scalp up to twice this wide are cut."""
GROWTH_PX = 2.0
"""The brain grows by this more than was taken off to cut the bridges."""
SULCUS_PX = 8.0
"""Dark furrows up to twice this wide belong to the brain."""
FAR_PX = 1e3
PIXEL_MM = 0.94
"""Pixel size that the distances above are meant for, and that is assumed where it is unknown."""
SMALLEST_SHARE = 0.2
"""A brain smaller than this share of the head was not found."""


def brain_mask(
    image: NDArray[np.generic], *, spacing_mm: tuple[float, float, float] | None = None
) -> NDArray[np.bool_]:
    """Find the brain: threshold on FLAIR, opening, largest component, growing, closing, filling.

    It leans towards keeping: neck, eyes and parts of the scalp stay in many slices, most in the
    lowest ones, so that lesions at the brain's surface stay too. It knows nothing of anatomy; a
    trained network strips better. Where the skull is as bright as the brain, or no ring of dark
    bone is there, it strips little. Every use should look at what it took from the lesions; the
    trainer says so at the start of a run.

    Parameters
    ----------
    image : ndarray, shape (C, Z, Y, X)
        Intensities, 0 or more, in `KAGGLE_ORDER`.
    spacing_mm : tuple of float, optional
        Voxel spacing (z, y, x), ``None`` where unknown.

    Returns
    -------
    ndarray of bool, shape (Z, Y, X)
        True on the brain. All of it where no brain was found.
    """
    from scipy import ndimage

    joint = image.max(axis=0)
    head = joint > HEAD_SHARE * joint.max()
    if not head.any():
        return np.ones(joint.shape, dtype=np.bool_)
    box = _box_with_margin(head)
    pixel = (
        (1.0, 1.0) if spacing_mm is None else (spacing_mm[1] / PIXEL_MM, spacing_mm[2] / PIXEL_MM)
    )

    def distance_in(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Distance of every pixel of a mask to its edge within the slice, 0 outside."""
        far = np.float32(FAR_PX)  # the transform of a plane without an edge is not defined
        return np.stack([
            np.full(plane.shape, far) if plane.all()
            else ndimage.distance_transform_edt(plane, sampling=pixel).astype(np.float32)
            for plane in mask
        ])  # fmt: skip

    def grown(mask: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
        return distance_in(~mask) <= by

    outline = _filled(grown(head[box], GAP_PX))
    depth = distance_in(outline) - GAP_PX
    flair = image[KAGGLE_ORDER.index(Modality.FLAIR)][box]
    deep = (depth > min(DEEP_PX, float(depth.max()) / 2)) & (flair > 0)
    kept = np.ones(joint.shape, dtype=np.bool_)
    if not deep.any():
        return kept
    tissue = (flair > TISSUE_SHARE * float(np.median(flair[deep]))) & (depth > SHELL_PX)
    parts, count = ndimage.label(distance_in(tissue) > BRIDGE_PX, np.ones((3, 3, 3)))
    if count == 0:
        return kept
    # the part that reaches deepest, not merely the largest one
    weight = np.bincount(parts.ravel(), weights=depth.ravel().clip(min=0))
    weight[0] = 0
    brain = grown(parts == weight.argmax(), BRIDGE_PX + GROWTH_PX)
    closed = distance_in(grown(brain, SULCUS_PX)) > SULCUS_PX
    brain = _filled(brain | closed) & (depth > SHELL_PX)
    if np.count_nonzero(brain) < SMALLEST_SHARE * np.count_nonzero(head):
        return kept
    kept[:] = False
    kept[box] = brain
    return kept


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill holes within each slice."""
    from scipy import ndimage

    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def _box_with_margin(head: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """All slices; rows and columns of the head, and room to grow around it."""
    room = int(GAP_PX + SULCUS_PX) + 1
    ranges = [slice(0, head.shape[0])]
    for axes, length in (((0, 2), head.shape[1]), ((0, 1), head.shape[2])):
        lines = np.flatnonzero(head.any(axis=axes))
        ranges.append(slice(max(0, lines[0] - room), min(length, lines[-1] + 1 + room)))
    return ranges[0], ranges[1], ranges[2]
