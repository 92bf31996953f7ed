"""One patient made ready: what of it is kept in memory and in the cache. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_brainseg.core.dataset.hashing import image_sha256, sha256_of_arrays
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.preprocessing import Recipe

__all__ = ["DTYPES", "PreparedPatient", "Purpose", "content_sha256", "prepare_patient"]

Purpose = Literal["training", "validation"]
DTYPES = {"training": np.float16, "validation": np.float32}
"""Training slices are kept in 16 bits, which hold a scaled intensity to a thousandth of its
spread; validation sees what a bundle will see."""


@dataclass(frozen=True, eq=False)
class PreparedPatient:
    """A patient on the network's grid.

    Parameters
    ----------
    patient : str
        Name of the study.
    content_sha256 : str
        Of the study's image, mask and spacing; see `content_sha256`.
    images : ndarray of float16 (training) or float32 (validation), shape (Z', C, Y', X')
        Slices as the recipe prepared them.
    mask : ndarray of uint8, shape (Z', Y', X')
        Ground truth on the same grid.
    truth : ndarray of uint8, shape (Z, Y, X), or None
        Ground truth on the native grid; for validation only.
    floor : ndarray of float32, shape (C,)
        Smallest value of each channel: what lies beyond a slice's edge.
    record : dict
        From which the recipe builds its `Prepared` again; see `Recipe.revive`.
    lesion_vox, blanked_lesion_vox : int
        Lesion voxels on the native grid, and those among them that skull stripping took for
        something else than brain.
    image_sha256, mask_sha256 : str
        Of the study's intensities and of its ground truth, whatever files they came from; see
        `core.dataset.hashing`.
    """

    patient: str
    content_sha256: str
    images: NDArray[np.floating]
    mask: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None
    floor: NDArray[np.float32]
    record: dict[str, Any]
    lesion_vox: int = 0
    blanked_lesion_vox: int = 0
    image_sha256: str = ""
    mask_sha256: str = ""

    @property
    def is_mapped(self) -> bool:
        """Whether the images lie on disk and are mapped, not held in memory."""
        return isinstance(self.images, np.memmap)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.images, self.mask, self.truth)
        return sum(array.nbytes for array in arrays if array is not None)

    def lesion_areas(self) -> NDArray[np.int64]:
        """Lesion pixels of each slice on the network's grid, (Z',)."""
        areas: NDArray[np.int64] = np.count_nonzero(self.mask, axis=(1, 2))
        return areas


def content_sha256(study: Study) -> str:
    """Hash a study's voxels, whatever files they came from, and its spacing where it is known.

    Raises
    ------
    DataError
        If the study has no ground truth.
    """
    digest = sha256_of_arrays(study.image.data, _truth(study))
    spacing = study.image.geometry.spacing_mm
    if spacing is None:
        return digest
    return hashlib.sha256(f"{digest};{spacing}".encode()).hexdigest()


def prepare_patient(
    study: Study, recipe: Recipe, purpose: Purpose, *, content: str | None = None
) -> PreparedPatient:
    """Prepare a study for training or validation.

    Parameters
    ----------
    study : Study
        With ground truth.
    recipe : Recipe
        The preprocessing.
    purpose : {'training', 'validation'}
        What it is for; decides on the precision.
    content : str, optional
        The study's `content_sha256` where it is known.

    Raises
    ------
    DataError
        If the study has no ground truth, or the recipe finds nothing in it.
    """
    truth = _truth(study)
    try:
        prepared = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
    except DataError as error:
        raise DataError(f"{study.patient}: {error.message}", error.hint) from error
    brain = prepared.brain
    return PreparedPatient(
        patient=study.patient,
        content_sha256=content or content_sha256(study),
        images=prepared.data.astype(DTYPES[purpose], copy=False),
        mask=prepared.prepare_mask(truth),
        truth=truth if purpose == "validation" else None,
        floor=prepared.data.min(axis=(0, 2, 3)),
        record=prepared.record(),
        lesion_vox=int(np.count_nonzero(truth)),
        blanked_lesion_vox=0 if brain is None else int(np.count_nonzero(truth[~brain])),
        image_sha256=image_sha256(study),
        mask_sha256=sha256_of_arrays(truth),
    )


def _truth(study: Study) -> NDArray[np.uint8]:
    if study.truth is None:
        raise DataError(
            f"{study.patient} has no masks, so nothing can be learned from it ({study.path}).",
            "Leave it out of the training patients, or correct and export it first.",
        )
    return study.truth.data
