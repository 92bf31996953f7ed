"""One patient made ready: what of it is kept in memory and in the cache. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.preprocessing import Recipe

__all__ = ["PreparedPatient", "content_sha256", "prepare_patient"]


@dataclass(frozen=True, eq=False)
class PreparedPatient:
    """A patient on the network's grid.

    Parameters
    ----------
    patient : str
        Name of the study.
    content_sha256 : str
        Of the study's image and mask; see `content_sha256`.
    images : ndarray of float16 or float32, shape (Z', C, Y', X')
        Slices as the recipe prepared them; float16 for training, float32 for validation.
    mask : ndarray of uint8, shape (Z', Y', X')
        Ground truth on the same grid.
    truth : ndarray of uint8, shape (Z, Y, X)
        Ground truth on the native grid.
    floor : ndarray of float32, shape (C,)
        Smallest value of each channel: what lies beyond a slice's edge.
    record : dict
        From which the recipe builds its `Prepared` again; see `Recipe.revive`.
    """

    patient: str
    content_sha256: str
    images: NDArray[np.floating]
    mask: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    floor: NDArray[np.float32]
    record: dict[str, Any]

    @property
    def is_mapped(self) -> bool:
        """Whether the images lie on disk and are mapped, not held in memory."""
        return isinstance(self.images, np.memmap)

    def lesion_areas(self) -> NDArray[np.int64]:
        """Lesion pixels of each slice on the network's grid, (Z',)."""
        areas: NDArray[np.int64] = np.count_nonzero(self.mask, axis=(1, 2))
        return areas


def content_sha256(study: Study) -> str:
    """Hash a study's voxels, whatever files they came from.

    Raises
    ------
    DataError
        If the study has no ground truth.
    """
    return sha256_of_arrays(study.image.data, _truth(study))


def prepare_patient(study: Study, recipe: Recipe, dtype: type[np.floating]) -> PreparedPatient:
    """Prepare a study for training (float16) or validation (float32).

    Raises
    ------
    DataError
        If the study has no ground truth, or the recipe finds nothing in it.
    """
    truth = _truth(study)
    prepared = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
    return PreparedPatient(
        patient=study.patient,
        content_sha256=content_sha256(study),
        images=prepared.data.astype(dtype, copy=False),
        mask=prepared.prepare_mask(truth),
        truth=truth,
        floor=prepared.data.min(axis=(0, 2, 3)),
        record=prepared.record(),
    )


def _truth(study: Study) -> NDArray[np.uint8]:
    if study.truth is None:
        raise DataError(
            f"{study.patient} has no masks, so nothing can be learned from it ({study.path}).",
            "Leave it out of the training patients, or correct and export it first.",
        )
    return study.truth.data
