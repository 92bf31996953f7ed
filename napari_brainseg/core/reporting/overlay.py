"""A slice in grey with the outlines of prediction and ground truth."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.outline import inner_outline

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PREDICTION", "TRUTH", "encoded", "grey", "overlay"]

PREDICTION = (255, 0, 0)
TRUTH = (0, 255, 0)
WINDOW_PERCENTILE = 99.8
"""Brightest voxels of the head that may be clipped, so that one vessel does not darken the rest."""
JPEG_QUALITY = 88
PNG_LEVEL = 3
"""A fifth of the time of Pillow's 6, and files of slices are as small."""


def grey(volume: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Window a volume for the eye: 0 stays black, the brightest tissue becomes white.

    Parameters
    ----------
    volume : ndarray, shape (Z, Y, X) or (Y, X)
        One modality. One window for the whole volume, so that slices compare.

    Returns
    -------
    ndarray of uint8, same shape
    """
    values = volume.astype(np.float32)
    values -= values.min()
    head = values[values > 0]
    top = float(np.percentile(head, WINDOW_PERCENTILE)) if head.size else 1.0
    scaled: NDArray[np.uint8] = (np.clip(values / top, 0, 1) * 255).round().astype(np.uint8)
    return scaled


def overlay(
    image: NDArray[np.uint8],
    prediction: NDArray[np.generic] | None,
    truth: NDArray[np.generic] | None,
) -> NDArray[np.uint8]:
    """Paint the inner outline of the prediction red, then of the ground truth green on top.

    Parameters
    ----------
    image : ndarray of uint8, shape (Y, X)
        Grey values as `grey` gives them.
    prediction, truth : ndarray, shape (Y, X), or None
        Masks; what is ``None`` is left out.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        RGB.
    """
    painted = np.repeat(image[..., None], 3, axis=-1)
    for mask, colour in ((prediction, PREDICTION), (truth, TRUTH)):
        if mask is not None:
            painted[inner_outline(mask)] = colour
    return painted


def encoded(picture: NDArray[np.uint8], kind: str = "png") -> bytes:
    """Encode an RGB or grey picture as ``png``, or as ``jpeg`` where a page must stay small.

    Parameters
    ----------
    picture : ndarray of uint8, shape (Y, X, 3) or (Y, X)
    kind : {'png', 'jpeg'}
    """
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    if kind == "jpeg":
        # colour at full resolution: outlines are one pixel wide
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    else:
        image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
