"""What a prediction comes to in a few figures, for a list of many patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction

__all__ = ["BAND_VOX", "PredictionSummary", "doubt_near_outline", "summarise"]

BAND_VOX = 5
"""How far from the predicted outline its doubt is looked at, in voxels within the slice.

Doubt lies along outlines; a mean over the whole head would only tell how large the head is.
"""


@dataclass(frozen=True, slots=True)
class PredictionSummary:
    """Figures of one prediction.

    Parameters
    ----------
    volume_vox : int
        Lesion voxels.
    volume_ml : float or None
        The same in millilitres, `None` where the voxel spacing is unknown.
    dsc : float or None
        Dice similarity coefficient with the ground truth, `None` without one.
    hd95 : float or None
        95 % Hausdorff distance to it, `None` also where one of the two masks is empty.
    hd95_unit : {"mm", "vox"} or None
        Millimetres where the spacing is known; voxels count every axis alike.
    uncertainty : float
        Mean binary entropy in bits near the predicted outline.
    disagreement : float or None
        1 - DSC between the masks with and without the mirrored view, where both are known.
    """

    volume_vox: int
    volume_ml: float | None
    dsc: float | None
    hd95: float | None
    hd95_unit: str | None
    uncertainty: float
    disagreement: float | None = None


def summarise(study: Study, prediction: Prediction) -> PredictionSummary:
    """Compute the figures of a prediction; a part of a second for a patient.

    Parameters
    ----------
    study : Study
        What was predicted; its ground truth, if any, is compared with.
    prediction : Prediction
        Of the same grid.
    """
    from napari_brainseg.core.segmentation.metrics import dsc, hd95_mm, hd95_vox

    mask, spacing = prediction.mask, study.image.geometry.spacing_mm
    volume = int(np.count_nonzero(mask))
    ml = study.image.geometry.voxel_volume_ml
    overlap = distance = unit = None
    if study.truth is not None:
        truth = study.truth.data
        overlap = dsc(mask, truth)
        found = hd95_vox(mask, truth) if spacing is None else hd95_mm(mask, truth, spacing)
        if not math.isnan(found):
            distance, unit = found, "vox" if spacing is None else "mm"
    plain = prediction.plain_mask
    return PredictionSummary(
        volume_vox=volume,
        volume_ml=None if ml is None else volume * ml,
        dsc=overlap,
        hd95=distance,
        hd95_unit=unit,
        uncertainty=doubt_near_outline(mask, prediction.probability, prediction.uncertainty),
        disagreement=None if plain is None else 1.0 - dsc(mask, plain),
    )


def doubt_near_outline(
    mask: NDArray[np.uint8],
    probability: NDArray[np.float32],
    uncertainty: NDArray[np.float32],
) -> float:
    """Mean uncertainty in bits within `BAND_VOX` voxels of the outline, slice by slice.

    Where nothing was predicted, around the most probable voxel in its slice: the lesion that was
    nearly found.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    probability, uncertainty : ndarray of float32, shape (Z, Y, X)
    """
    from scipy import ndimage

    if not mask.any():
        z, y, x = np.unravel_index(int(probability.argmax()), probability.shape)
        near = (slice(max(y - BAND_VOX, 0), y + BAND_VOX + 1),
                slice(max(x - BAND_VOX, 0), x + BAND_VOX + 1))  # fmt: skip
        return float(uncertainty[z][near].mean())
    box = _box_in_plane(mask)
    lesion = mask[box] != 0
    cross = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    grown = ndimage.binary_dilation(lesion, cross, iterations=BAND_VOX)
    # The border of the box is no outline: what lies beyond it counts as lesion here.
    shrunk = ndimage.binary_erosion(lesion, cross, iterations=BAND_VOX, border_value=1)
    return float(uncertainty[box][grown & ~shrunk].mean())


def _box_in_plane(mask: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """Slices with lesion, and within them the lesion with the band around it."""
    lines = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    (z0, z1), (y0, y1), (x0, x1) = ((int(line[0]), int(line[-1]) + 1) for line in lines)
    return (
        slice(z0, z1),
        slice(max(y0 - BAND_VOX, 0), y1 + BAND_VOX),
        slice(max(x0 - BAND_VOX, 0), x1 + BAND_VOX),
    )
