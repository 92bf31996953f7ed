"""Figures of merit of a mask; numpy and scipy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "bootstrap_interval",
    "dsc",
    "hd95_mm",
    "hd95_vox",
    "largest_component",
    "lesion_free_slices",
    "precision",
    "relative_volume_error",
    "sensitivity",
    "volume",
]

HD_PERCENTILE = 95.0
RESAMPLES = 10_000


def dsc(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Dice similarity coefficient, 2 TP / (A + B); 1 where both masks are empty.

    Parameters
    ----------
    a, b : ndarray, same shape
        Masks; what is not 0 is lesion.
    """
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    if total == 0:
        return 1.0
    return 2.0 * int(np.count_nonzero((a != 0) & (b != 0))) / total


def volume(mask: NDArray[np.generic]) -> int:
    """Count the lesion voxels."""
    return int(np.count_nonzero(mask))


def sensitivity(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> float | None:
    """Share of the true lesion that was found, TP / (TP + FN); ``None`` where there is none.

    Parameters
    ----------
    prediction, truth : ndarray, same shape
        Masks; what is not 0 is lesion.
    """
    return _share(prediction, truth)


def precision(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> float | None:
    """Share of the prediction that is lesion, TP / (TP + FP); ``None`` where it is empty.

    Parameters
    ----------
    prediction, truth : ndarray, same shape
        Masks; what is not 0 is lesion.
    """
    return _share(truth, prediction)


def relative_volume_error(
    prediction: NDArray[np.generic], truth: NDArray[np.generic]
) -> float | None:
    """Signed error of the volume, (predicted - true) / true; ``None`` where there is no lesion.

    Parameters
    ----------
    prediction, truth : ndarray, same shape
        Masks; what is not 0 is lesion.
    """
    true = volume(truth)
    return (volume(prediction) - true) / true if true else None


def lesion_free_slices(
    prediction: NDArray[np.generic], truth: NDArray[np.generic]
) -> tuple[int, int]:
    """Count the slices without lesion, and those of them that the prediction marks.

    Parameters
    ----------
    prediction, truth : ndarray, shape (Z, Y, X)
        Masks; what is not 0 is lesion.

    Returns
    -------
    tuple of int
        Slices without lesion in `truth`; those of them with any voxel in `prediction`.
    """
    free = ~(truth != 0).any(axis=(1, 2))
    marked = (prediction[free] != 0).any(axis=(1, 2))
    return int(np.count_nonzero(free)), int(np.count_nonzero(marked))


def hd95_vox(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """95 % Hausdorff distance in voxels, every axis counted alike.

    The larger of the two directed 95th percentiles of the distances between surface voxels
    (lesion voxels with a 6-neighbour outside, or at the volume's border), as MONAI defines it.

    Parameters
    ----------
    a, b : ndarray, shape (Z, Y, X)
        Masks; what is not 0 is lesion.

    Returns
    -------
    float
        0 where both are empty, NaN where only one is: there is no distance to nothing.
    """
    return hd95_mm(a, b, (1.0,) * a.ndim)


def hd95_mm(a: NDArray[np.generic], b: NDArray[np.generic], spacing_mm: tuple[float, ...]) -> float:
    """95 % Hausdorff distance in mm; see `hd95_vox`.

    Parameters
    ----------
    a, b : ndarray, shape (Z, Y, X)
        Masks; what is not 0 is lesion.
    spacing_mm : tuple of float
        Of voxels along z, y and x.
    """
    first, second = a != 0, b != 0
    box = _box(first | second)
    if box is None:
        return 0.0
    surface_a, surface_b = _surface(first[box]), _surface(second[box])
    if not surface_a.any() or not surface_b.any():
        return float("nan")
    return max(
        _directed(surface_a, surface_b, spacing_mm), _directed(surface_b, surface_a, spacing_mm)
    )


def largest_component(mask: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Keep the largest 6-connected island of a mask (Z, Y, X); an empty mask stays empty.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    """
    from scipy import ndimage

    lesion = mask != 0
    out = np.zeros(mask.shape, dtype=np.uint8)
    box = _box(lesion)
    if box is None:
        return out
    labels, count = ndimage.label(lesion[box])
    if count == 1:
        out[box] = lesion[box]
        return out
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    out[box] = labels == sizes.argmax()
    return out


def bootstrap_interval(
    values: Sequence[float] | NDArray[np.floating],
    seed: int = 0,
    *,
    statistic: Literal["mean", "median"] = "mean",
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean or median over patients.

    Parameters
    ----------
    values : sequence of float
        One figure a patient; NaN is left out.
    seed : int
        Same seed, same interval.
    statistic : {'mean', 'median'}
        What the interval is for.
    level : float
        Share of resampled statistics inside.

    Returns
    -------
    tuple of float
        Lower and upper limit; NaN where there are no values.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"The level of an interval lies between 0 and 1, not at {level}.")
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(0, known.size, (RESAMPLES, known.size))
    resampled = np.mean(known[draws], 1) if statistic == "mean" else np.median(known[draws], 1)
    low, high = np.percentile(resampled, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Smallest box that holds a mask, ``None`` for an empty one."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        lines = np.flatnonzero(mask.any(axis=others))
        if lines.size == 0:
            return None
        box.append(slice(int(lines[0]), int(lines[-1]) + 1))
    return tuple(box)


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    surface: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask)
    return surface


def _directed(
    origin: NDArray[np.bool_], target: NDArray[np.bool_], spacing: tuple[float, ...]
) -> float:
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~target, sampling=spacing)
    return float(np.percentile(distance[origin], HD_PERCENTILE))


def _share(part: NDArray[np.generic], whole: NDArray[np.generic]) -> float | None:
    total = volume(whole)
    return int(np.count_nonzero((part != 0) & (whole != 0))) / total if total else None
