"""The prediction under a threshold that a person moves; the one delivered stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.core.segmentation.postprocessing import Postprocessing
    from napari_brainseg.session.model_registry import ModelRegistry

__all__ = ["Delivery", "LiveThreshold", "delivery_of"]

USUAL_THRESHOLD = 0.5
LEAST, MOST = 0.01, 0.99
"""Bounds of the threshold."""
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a model makes its mask from the probability.

    Parameters
    ----------
    threshold : float
        Voxels at or above it are lesion.
    steps : Postprocessing or None
        What follows; `None`: nothing is known of it.
    """

    threshold: float = USUAL_THRESHOLD
    steps: Postprocessing | None = None


def delivery_of(registry: ModelRegistry, version: str) -> Delivery:
    """Say how a version of the registry makes its mask; reads files, so not for the main thread.

    A version that is not there any more gets the usual threshold.
    """
    try:
        manifest = registry.load(version).manifest
    except BrainSegError:
        return Delivery()
    return Delivery(manifest.threshold, manifest.postprocessing)


class LiveThreshold:
    """The mask of a prediction at a threshold of the user's choice.

    Parameters
    ----------
    prediction : Prediction
        Never changed.
    """

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self.delivery = Delivery()
        self._buffer: NDArray[np.uint8] | None = None
        self._value: float | None = None

    @property
    def value(self) -> float:
        """The threshold on show."""
        return self.delivery.threshold if self._value is None else self._value

    @property
    def is_delivered(self) -> bool:
        """Whether the mask is the one that the model delivered."""
        return self._value is None

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The mask on show, (Z, Y, X); an array of its own once the threshold was moved."""
        return self.prediction.mask if self._buffer is None else self._buffer

    def set(self, value: float | None) -> bool:
        """Take a threshold, without the postprocessing; `None` is the delivered mask.

        Returns
        -------
        bool
            Whether `mask` is another array than before; afterwards it changes in place.
        """
        is_other = self._buffer is None
        if self._buffer is None:
            self._buffer = np.empty(self.prediction.mask.shape, np.uint8)
        if value is not None:
            value = min(max(float(value), LEAST), MOST)
        if value is None or abs(value - self.delivery.threshold) < _SAME:
            self._value = None
            np.copyto(self._buffer, self.prediction.mask)
        else:
            self._value = value
            np.greater_equal(
                self.prediction.probability, np.float32(value), out=self._buffer.view(np.bool_)
            )
        return is_other

    def postprocessed(self, value: float, flair: NDArray[Any] | None) -> NDArray[np.uint8] | None:
        """Make the mask as the model would at a threshold; for a worker, takes some 100 ms.

        Returns
        -------
        ndarray of uint8, shape (Z, Y, X), or None
            `None` where the steps are not known or cannot be done here.
        """
        from napari_brainseg.core.segmentation.postprocessing import postprocess

        steps = self.delivery.steps
        if steps is None or (steps.dense_crf and flair is None):
            return None
        try:
            return postprocess(
                self.prediction.probability, threshold=value, steps=steps, flair=flair
            )
        except BrainSegError:
            # The library of the dense CRF is not installed here.
            return None

    def settle(self, mask: NDArray[np.uint8]) -> None:
        """Take the postprocessed mask."""
        if self._buffer is not None:
            np.copyto(self._buffer, mask)
