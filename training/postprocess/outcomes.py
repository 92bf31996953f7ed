"""What every way of making masks does to one patient, without making every mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.segmentation.postprocessing import (
    Postprocessing,
    kept_islands,
    lesion_box,
    reshape,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.postprocess.search import Option

__all__ = ["Outcomes", "outcomes_of"]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Masks of one patient in figures; all arrays have the shape (options,).

    Parameters
    ----------
    dsc : ndarray of float64
        As `metrics.dsc` gives it.
    lesion_vox : int
        Voxels of the true lesion.
    mask_vox, overlap_vox : ndarray of int64
        Voxels of the mask, and those of them that are lesion.
    true_islands, false_islands : ndarray of int64
        Islands (6-connected in 3D) of the mask that touch the lesion, and that do not.
    free_slices : int
        Slices without lesion.
    marked_slices : ndarray of int64
        Those of them in which the mask is not empty.
    """

    dsc: NDArray[np.float64]
    lesion_vox: int
    mask_vox: NDArray[np.int64]
    overlap_vox: NDArray[np.int64]
    true_islands: NDArray[np.int64]
    false_islands: NDArray[np.int64]
    free_slices: int
    marked_slices: NDArray[np.int64]


def outcomes_of(
    probability: NDArray[np.float32],
    truth: NDArray[np.generic],
    options: Sequence[Option],
    *,
    flair: NDArray[np.generic] | None = None,
) -> Outcomes:
    """Say what each option makes of one patient, as `postprocess` would.

    Each mask is shaped and labelled once; what the removal of islands does follows from the size
    of each island, its overlap with the truth, and the slices it lies in.

    Parameters
    ----------
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability on the input grid.
    truth : ndarray, shape (Z, Y, X)
        Ground truth; what is not 0 is lesion.
    options : sequence of Option
        At least one.
    flair : ndarray, shape (Z, Y, X), optional
        The image; options with a dense CRF need it.

    Raises
    ------
    ModelError
        If an option has a dense CRF, and its library is not installed.
    """
    # mask, overlap, true islands, false islands, marked slices
    counts = np.zeros((5, len(options)), dtype=np.int64)
    weights: dict[float, list[int]] = {}
    for place, option in enumerate(options):
        weights.setdefault(option.steps.dense_crf, []).append(place)
    for weight, places in weights.items():
        refined = probability
        if weight:
            from napari_brainseg.core.segmentation.dense_crf import dense_crf

            assert flair is not None
            refined = dense_crf(probability, flair, weight=weight)
        counts[:, places] = _counts(refined, truth, [options[place] for place in places])
    lesion = int(np.count_nonzero(truth))
    total = counts[0] + lesion
    dsc = np.divide(2.0 * counts[1], total, out=np.ones(len(options)), where=total > 0)
    return Outcomes(
        dsc=dsc,
        lesion_vox=lesion,
        mask_vox=counts[0],
        overlap_vox=counts[1],
        true_islands=counts[2],
        false_islands=counts[3],
        free_slices=int(np.count_nonzero(~_with_lesion(truth))),
        marked_slices=counts[4],
    )


def _counts(
    probability: NDArray[np.float32], truth: NDArray[np.generic], options: Sequence[Option]
) -> NDArray[np.int64]:
    """Count for options that start from the same probability; shape (5, options)."""
    from scipy import ndimage

    out = np.zeros((5, len(options)), dtype=np.int64)
    box = lesion_box(probability >= min(option.threshold for option in options))
    if box is None:
        return out
    near, wanted = probability[box], truth[box] != 0
    free = np.flatnonzero(~_with_lesion(truth)[box[0]])
    for (threshold, shape), rules in _by_shape(options).items():
        labels, count = ndimage.label(reshape(near >= threshold, shape))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        hits = np.bincount(labels[wanted], minlength=count + 1)[1:]
        marks = np.zeros((count, free.size), dtype=bool)
        for place, z in enumerate(free):
            marks[:, place] = np.bincount(labels[z].ravel(), minlength=count + 1)[1:] > 0
        for steps, places in rules.items():
            keep = kept_islands(sizes, steps)
            touching = int(np.count_nonzero(hits[keep]))
            found = (
                sizes[keep].sum(),
                hits[keep].sum(),
                touching,
                np.count_nonzero(keep) - touching,
                np.count_nonzero(marks[keep].any(axis=0)),
            )
            out[:, places] = np.array(found, dtype=np.int64)[:, None]
    return out


def _by_shape(
    options: Sequence[Option],
) -> dict[tuple[float, Postprocessing], dict[Postprocessing, list[int]]]:
    """Places of options: those with the same islands together, then those that keep the same."""
    found: dict[tuple[float, Postprocessing], dict[Postprocessing, list[int]]] = {}
    rule_of_none = {"minimum_size_vox": 0, "spared_share": 0.0, "largest_component": False}
    for place, option in enumerate(options):
        shape = option.steps.model_copy(update=rule_of_none)
        rules = found.setdefault((option.threshold, shape), {})
        rules.setdefault(option.steps, []).append(place)
    return found


def _with_lesion(truth: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Slices (Z,) that show lesion."""
    lesion: NDArray[np.bool_] = (truth != 0).any(axis=(1, 2))
    return lesion
