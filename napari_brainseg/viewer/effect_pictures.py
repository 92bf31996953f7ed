"""What an effect review draws: one slice with the difference of two versions, or with one mask.

Blue is what only the new version marks, vermilion what only the one in use marks: the colours that
say "the other one has it" and "this one has it" in the difference from the truth, here with the new
version in the place of the truth. What is lost is outlined with dashes, so that colour is not the
only sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.viewer import colours
from napari_brainseg.viewer.difference import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    DIFFERENCE_COLOURS,
    PREDICTION_NAME,
    TRUTH_NAME,
)
from napari_brainseg.viewer.plane_pictures import Outline, PlanePicture
from napari_brainseg.viewer.planes import as_rgb, grey, outline, tint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BOTH", "GAINED", "LOST", "LOST_NAME", "REFERENCE_COLOURS",
    "difference_picture", "mask_picture", "reference_name",
]  # fmt: skip

GAINED, GAINED_OPACITY = DIFFERENCE_COLOURS[FALSE_NEGATIVE]
LOST, LOST_OPACITY = DIFFERENCE_COLOURS[FALSE_POSITIVE]
BOTH, BOTH_OPACITY = DIFFERENCE_COLOURS[TRUE_POSITIVE]
LOST_NAME = "Lost"
REFERENCE_COLOURS = {TRUTH_NAME: colours.TRUTH, CORRECTION_NAME: colours.CORRECTION}
_WIDTH = 1


def reference_name(is_correction: bool) -> str:
    """Name of the mask that both versions are compared with."""
    return CORRECTION_NAME if is_correction else TRUTH_NAME


def difference_picture(
    image: NDArray[np.generic],
    window: tuple[float, float],
    current: NDArray[np.uint8],
    candidate: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    name: str,
) -> PlanePicture:
    """Draw where two masks differ.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Intensities of the slice.
    window : tuple of float
        (low, high) in intensities.
    current, candidate, reference : ndarray of uint8, shape (rows, columns)
        Masks of the version in use, of the new one, and what they are compared with.
    name : str
        Of the reference, see `reference_name`.
    """
    old, new = current != 0, candidate != 0
    gained, lost = new & ~old, old & ~new
    picture = as_rgb(grey(image, window))
    tint(picture, (old & new) * BOTH_OPACITY, BOTH)
    tint(picture, gained * GAINED_OPACITY, GAINED)
    tint(picture, lost * LOST_OPACITY, LOST)
    edges = (
        Outline(LOST_NAME, outline(lost), LOST, dashed=True, thick=False),
        _reference(reference, name),
    )
    return PlanePicture(picture, tuple(edge for edge in edges if edge.paths), 1.0, _WIDTH)


def mask_picture(
    image: NDArray[np.generic],
    window: tuple[float, float],
    mask: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    name: str,
) -> PlanePicture:
    """Draw the outlines of one version's mask and of the reference; see `difference_picture`."""
    edges = (
        _reference(reference, name),
        Outline(PREDICTION_NAME, outline(mask), colours.PREDICTION, dashed=True, thick=False),
    )
    return PlanePicture(
        grey(image, window), tuple(edge for edge in edges if edge.paths), 1.0, _WIDTH
    )


def _reference(mask: NDArray[np.uint8], name: str) -> Outline:
    thick = name == CORRECTION_NAME
    return Outline(name, outline(mask), REFERENCE_COLOURS[name], dashed=False, thick=thick)
