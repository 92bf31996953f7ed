"""A study with other images, and with another mask where the grid is another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import LabelVolume, Modality, ScalarVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Geometry, Study

__all__ = ["with_grid", "with_intensities"]


def with_intensities(study: Study, data: NDArray[Any]) -> Study:
    """Put other intensities (C, Z, Y, X) into a study.

    A channel that was a copy of FLAIR is one again: what stands in for a missing sequence was
    copied after the image was made.
    """
    image = study.image
    flair = image.modalities.index(Modality.FLAIR)
    for modality in study.missing_modalities:
        channel = image.modalities.index(modality)
        if np.array_equal(image.data[channel], image.data[flair]):
            data[channel] = data[flair]
    return replace(study, image=ScalarVolume(data, image.modalities, image.geometry))


def with_grid(
    study: Study, data: NDArray[Any], truth: NDArray[np.uint8], geometry: Geometry
) -> Study:
    """Put an image (C, Z, Y, X) and a mask (Z, Y, X) on another grid into a study."""
    return replace(
        study,
        image=ScalarVolume(data, study.image.modalities, geometry),
        truth=LabelVolume(truth, geometry),
    )
