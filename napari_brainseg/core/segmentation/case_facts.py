"""What can be seen in a patient's images that makes a lesion hard, and where a mask goes wrong.

Facts, not judgements: how large the lesion is, whether it stands out from what lies beside it,
which sequences are missing, and how the faults of a mask spread over parts of the lesion, islands
and slices. Model cards name the worst cases with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import DataError, Modality
from napari_brainseg.core.segmentation.postprocessing import lesion_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["CaseFacts", "MaskFaults", "case_facts", "mask_faults"]

RING_VOX = (2.0, 12.0)
"""Surroundings lie this far from the lesion, in-plane: its blurred edge is left out."""
HEAD_SHARE = 0.1
"""Voxels under this share of the brightest one are no head, as in the reference preprocessing."""


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the images and the ground truth of a patient say.

    Parameters
    ----------
    missing : tuple of Modality
        Channels that are blank or copies of FLAIR.
    slices, lesion_slices : int
        All, and those with lesion.
    lesion_vox, lesion_parts : int
        Voxels of the lesion, and its 6-connected parts.
    brightness : float or None
        Mean FLAIR intensity of the lesion over that of its surroundings, see `RING_VOX`; ``None``
        where there is no lesion or nothing around it.
    separation : float or None
        Chance that a voxel of the lesion is brighter in FLAIR than one of its surroundings: 0.5 is
        no contrast, 1 is full contrast (area under the ROC curve).
    """

    missing: tuple[Modality, ...]
    slices: int
    lesion_slices: int
    lesion_vox: int
    lesion_parts: int
    brightness: float | None
    separation: float | None


@dataclass(frozen=True, slots=True)
class MaskFaults:
    """Where a mask departs from the ground truth.

    Parameters
    ----------
    missed_vox, false_vox : int
        Lesion that is not in the mask; mask that is no lesion.
    missed_parts, missed_parts_vox : int
        Parts of the lesion that the mask does not touch, and their voxels.
    missed_slices : int
        Slices with lesion and an empty mask.
    false_islands, false_islands_vox : int
        Islands of the mask that do not touch the lesion, and their voxels.
    missed_separation, false_separation : float or None
        As `CaseFacts.separation`, of what was missed and of what is falsely marked, each against
        the surroundings of the lesion.
    """

    missed_vox: int
    false_vox: int
    missed_parts: int
    missed_parts_vox: int
    missed_slices: int
    false_islands: int
    false_islands_vox: int
    missed_separation: float | None
    false_separation: float | None


def case_facts(study: Study) -> CaseFacts:
    """Measure a patient with ground truth.

    Raises
    ------
    DataError
        If the study has no ground truth.
    """
    truth = _truth(study)
    flair = study.image.channel(Modality.FLAIR)
    around = flair[_surroundings(truth, flair)]
    lesion = flair[truth]
    beside = float(around.mean()) if around.size else 0.0
    return CaseFacts(
        missing=study.missing_modalities,
        slices=truth.shape[0],
        lesion_slices=int(truth.any(axis=(1, 2)).sum()),
        lesion_vox=int(truth.sum()),
        lesion_parts=_islands(truth)[1],
        brightness=float(lesion.mean()) / beside if lesion.size and beside > 0 else None,
        separation=_separation(lesion, around),
    )


def mask_faults(study: Study, mask: NDArray[np.generic]) -> MaskFaults:
    """Measure where a mask of a patient goes wrong.

    Parameters
    ----------
    study : Study
        With ground truth.
    mask : ndarray, shape (Z, Y, X)
        On the study's grid; what is not 0 is lesion.

    Raises
    ------
    DataError
        If the study has no ground truth, or the grids differ.
    """
    truth, marked = _truth(study), mask != 0
    if marked.shape != truth.shape:
        raise DataError(
            f"{study.patient}: the mask has shape {marked.shape}, the ground truth {truth.shape}.",
            "Measure this patient again.",
        )
    flair = study.image.channel(Modality.FLAIR)
    around = flair[_surroundings(truth, flair)]
    missed, false = truth & ~marked, marked & ~truth
    missed_parts, missed_parts_vox = _untouched(truth, marked)
    false_islands, false_islands_vox = _untouched(marked, truth)
    return MaskFaults(
        missed_vox=int(missed.sum()),
        false_vox=int(false.sum()),
        missed_parts=missed_parts,
        missed_parts_vox=missed_parts_vox,
        missed_slices=int((truth.any(axis=(1, 2)) & ~marked.any(axis=(1, 2))).sum()),
        false_islands=false_islands,
        false_islands_vox=false_islands_vox,
        missed_separation=_separation(flair[missed], around),
        false_separation=_separation(flair[false], around),
    )


def _truth(study: Study) -> NDArray[np.bool_]:
    if study.truth is None:
        raise DataError(
            f"{study.patient} has no ground truth.", "Add its masks, or leave the patient out."
        )
    truth: NDArray[np.bool_] = study.truth.data != 0
    return truth


def _surroundings(truth: NDArray[np.bool_], flair: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Head voxels around the lesion, in slices that show it."""
    from scipy import ndimage

    ring = np.zeros(truth.shape, dtype=bool)
    nearest, farthest = RING_VOX
    margin = int(farthest) + 1
    for z in np.flatnonzero(truth.any(axis=(1, 2))):
        rows, columns = (np.flatnonzero(truth[z].any(axis=axis)) for axis in (1, 0))
        box = tuple(
            slice(max(0, int(hits[0]) - margin), int(hits[-1]) + margin + 1)
            for hits in (rows, columns)
        )
        distance = ndimage.distance_transform_edt(~truth[z][box])
        ring[z][box] = (distance > nearest) & (distance <= farthest)
    intensity = flair.astype(np.float32)
    head: NDArray[np.bool_] = intensity >= HEAD_SHARE * intensity.max()
    return ring & head


def _islands(mask: NDArray[np.bool_]) -> tuple[NDArray[np.integer[Any]], int]:
    from scipy import ndimage

    box = lesion_box(mask)
    if box is None:
        return np.zeros((0, 0, 0), np.int32), 0
    labels, count = ndimage.label(mask[box])
    return labels, int(count)


def _untouched(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[int, int]:
    """Islands of a mask without a voxel in another one: how many, and their voxels."""
    labels, count = _islands(mask)
    if count == 0:
        return 0, 0
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    common = np.bincount(labels[other[lesion_box(mask)]], minlength=count + 1)
    alone = common[1:] == 0
    return int(alone.sum()), int(sizes[1:][alone].sum())


def _separation(upper: NDArray[np.generic], lower: NDArray[np.generic]) -> float | None:
    """Chance that a draw from `upper` exceeds one from `lower`, ties half (Mann, Whitney 1947)."""
    if upper.size == 0 or lower.size == 0:
        return None
    ranked = np.sort(lower)
    below = np.searchsorted(ranked, upper, "left") + np.searchsorted(ranked, upper, "right")
    return float(below.mean()) / (2 * lower.size)
