"""Probability refined by a fully connected conditional random field on FLAIR.

Neighbouring voxels of like intensity are drawn to one label (Krähenbühl and Koltun: Efficient
inference in fully connected CRFs with Gaussian edge potentials, NIPS 2011, arXiv 1210.5644). The
work is done by pydensecrf2, an option: the extra ``crf``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.postprocessing import lesion_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["dense_crf", "require_dense_crf"]

NEAR = 0.05
"""Voxels from this probability on, and those close to them, are refined; the rest is left."""
MARGIN_VOX = (1, 8, 8)
SMOOTHNESS_VOX = (0.5, 1.0, 1.0)
"""Standard deviation (z, y, x) of the term that draws neighbours together whatever they show."""
SMOOTHNESS_WEIGHT = 1.0
REACH_VOX = (1.0, 5.0, 5.0)
"""Standard deviation (z, y, x) of the term that draws voxels of like intensity together."""
LIKENESS = 0.1
"""Standard deviation of intensity in that term, as a share of the head's 95th percentile."""
HEAD_PERCENTILE = 95
ITERATIONS = 5
LEAST_PROBABILITY = 1e-4
"""The network's own word is taken for no surer than this, or its neighbours could not be heard."""


def require_dense_crf() -> None:
    """Say early that it cannot be done.

    Raises
    ------
    ModelError
        If pydensecrf2 is not installed.
    """
    _library("pydensecrf.densecrf")


def dense_crf(
    probability: NDArray[np.float32], flair: NDArray[np.generic], *, weight: float
) -> NDArray[np.float32]:
    """Refine a probability map.

    Parameters
    ----------
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability.
    flair : ndarray, shape (Z, Y, X)
        The image it was predicted from, FLAIR.
    weight : float
        Of likeness in intensity; higher follows the picture more and the network less.

    Returns
    -------
    ndarray of float32, shape (Z, Y, X)
        The map itself where nothing comes near a lesion.

    Raises
    ------
    ModelError
        If pydensecrf2 is not installed.
    """
    library, utils = _library("pydensecrf.densecrf"), _library("pydensecrf.utils")
    lesion = lesion_box(probability >= NEAR)
    if lesion is None:
        return probability
    box = tuple(
        slice(max(0, part.start - margin), part.stop + margin)
        for part, margin in zip(lesion, MARGIN_VOX, strict=True)
    )
    inside = np.clip(probability[box], LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    image = flair.astype(np.float32)
    head = image[image > 0]
    scale = np.percentile(head, HEAD_PERCENTILE) if head.size else 1.0
    intensity = image[box] / np.float32(scale)
    field = library.DenseCRF(inside.size, 2)
    unary = utils.unary_from_softmax(np.stack([1 - inside, inside]))
    field.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
    gaussian = utils.create_pairwise_gaussian(SMOOTHNESS_VOX, inside.shape)
    field.addPairwiseEnergy(gaussian, compat=SMOOTHNESS_WEIGHT)
    bilateral = utils.create_pairwise_bilateral(
        REACH_VOX, (LIKENESS,), intensity[..., None], chdim=3
    )
    field.addPairwiseEnergy(bilateral, compat=weight)
    out = probability.copy()
    out[box] = np.asarray(field.inference(ITERATIONS))[1].reshape(inside.shape)
    return out


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            "Masks are to be refined by a dense CRF, and pydensecrf2 is not installed.",
            'pip install "napari-brainseg[crf]" (it is built on the spot and needs a C++ '
            "compiler), or use a model without it.",
        ) from error
