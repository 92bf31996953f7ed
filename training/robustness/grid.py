"""Other grids: the image and the mask that belongs to it are changed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_brainseg.core.imaging import DataError, Geometry
from training.robustness.changed import with_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["SLICE_DISTANCE_MM", "at_pixel_size", "mirrored", "rotated"]

SLICE_DISTANCE_MM = 5.0
"""Taken where the study says none, as that of most studies of TCGA-LGG; plays no part in-plane."""


def at_pixel_size(study: Study, pixel_mm: float, nominal_mm: float) -> Study:
    """Resample in-plane, as if the scanner had made pixels of this size.

    The image bicubically, with low-pass filtering where pixels become larger; the mask by nearest
    neighbour. The study then says its pixel size, so that a recipe can bring it back.

    Parameters
    ----------
    study : Study
        With ground truth.
    pixel_mm : float
        Of the result. What it says of itself may differ by a fraction of a pixel over the whole
        field of view, which stays the same.
    nominal_mm : float
        Pixel size to take where the study says none.
    """
    truth = _truth(study)
    depth, rows, columns = truth.shape
    z, y, x = study.image.geometry.spacing_mm or (SLICE_DISTANCE_MM, nominal_mm, nominal_mm)
    shape = max(1, round(rows * y / pixel_mm)), max(1, round(columns * x / pixel_mm))
    data = _resampled_image(study.image.data, shape)
    mask = _resampled_mask(truth, shape)
    geometry = Geometry((z, y * rows / shape[0], x * columns / shape[1]))
    return with_grid(study, data, mask.reshape(depth, *shape), geometry)


def rotated(study: Study, degrees: float) -> Study:
    """Turn every slice about the centre of the image, counter-clockwise as it is shown.

    The image by linear interpolation, 0 beyond its edge, the mask by nearest neighbour.
    """
    from scipy import ndimage

    def turned(volume: NDArray[Any], order: Literal[0, 1]) -> NDArray[Any]:
        axes = (volume.ndim - 2, volume.ndim - 1)
        return ndimage.rotate(volume, degrees, axes=axes, reshape=False, order=order)

    mask = turned(_truth(study), 0)
    geometry = Geometry(study.image.geometry.spacing_mm)
    return with_grid(study, turned(study.image.data, 1), mask, geometry)


def mirrored(study: Study) -> Study:
    """Change left for right."""
    geometry = Geometry(study.image.geometry.spacing_mm)
    return with_grid(study, study.image.data[..., ::-1], _truth(study)[..., ::-1], geometry)


def _truth(study: Study) -> NDArray[np.uint8]:
    if study.truth is None:
        raise DataError(f"{study.patient} has no ground truth.", "Leave the patient out.")
    return study.truth.data


def _resampled_image(data: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.generic]:
    """Resample (C, Z, Y, X) in-plane; the type stays."""
    import torch
    from torch.nn import functional as F

    out = np.empty((*data.shape[:2], *shape), data.dtype)
    limits = np.iinfo(data.dtype) if data.dtype.kind in "iu" else None  # type: ignore[type-var]
    for channel, target in zip(data, out, strict=True):
        slices = torch.from_numpy(channel.astype(np.float32))[:, None]
        found = F.interpolate(slices, shape, mode="bicubic", antialias=True)[:, 0].numpy()
        # cubic splines overshoot at edges
        target[:] = found if limits is None else np.rint(found).clip(limits.min, limits.max)
    return out


def _resampled_mask(mask: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    import torch
    from torch.nn import functional as F

    volume = torch.from_numpy(mask.copy())[:, None]
    resampled: NDArray[np.uint8] = F.interpolate(volume, shape, mode="nearest-exact")[:, 0].numpy()
    return resampled
