"""Moves the threshold of the prediction on show: raw at once, postprocessed when it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.live_threshold import USUAL_THRESHOLD, Delivery, LiveThreshold
from napari_brainseg.viewer.settling import Settler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["ThresholdControl"]

REST_S = 0.2
"""So long the threshold rests before islands are removed and holes filled."""


class ThresholdControl:
    """The slider's side of a prediction. Main thread only.

    Parameters
    ----------
    moved : callable
        Told after each change, with whether the mask is another array than before.
    delivery_of : callable, optional
        Tells of a model version how it makes its mask; called in a thread.
    """

    def __init__(
        self,
        moved: Callable[[bool], None],
        delivery_of: Callable[[str], Delivery] | None = None,
    ) -> None:
        self._moved = moved
        self._delivery_of = delivery_of
        self._live: LiveThreshold | None = None
        self._flair: NDArray[Any] | None = None
        self._resting, self._lookup = Settler(REST_S), Settler(0.0)

    @property
    def value(self) -> float:
        """The threshold on show."""
        return USUAL_THRESHOLD if self._live is None else self._live.value

    @property
    def delivered(self) -> float:
        """The one that the model delivered its mask with."""
        return USUAL_THRESHOLD if self._live is None else self._live.delivery.threshold

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits to be postprocessed."""
        return not self._resting.is_busy

    def take(self, live: LiveThreshold | None, study: Study | None) -> None:
        """Serve another prediction, or none."""
        self._resting.drop()
        self._lookup.drop()
        self._live, self._flair = live, None
        if live is None or study is None:
            return
        if Modality.FLAIR in study.image.modalities:
            self._flair = study.image.channel(Modality.FLAIR)
        find, version = self._delivery_of, live.prediction.model_version
        if find is not None:
            self._lookup.ask(lambda: find(version), self._learn)

    def set(self, value: float | None) -> None:
        """Show another threshold; `None` is the mask as delivered."""
        live, flair = self._live, self._flair
        if live is None or value == live.value or (value is None and live.is_delivered):
            return
        is_other = live.set(value)
        if live.is_delivered:
            self._resting.drop()
        else:
            at = live.value
            self._resting.ask(lambda: live.postprocessed(at, flair), self._settle)
        self._moved(is_other)

    def _learn(self, delivery: Delivery) -> None:
        if self._live is not None:
            self._live.delivery = delivery
            self._moved(False)

    def _settle(self, mask: NDArray[np.uint8] | None) -> None:
        if self._live is not None and mask is not None:
            self._live.settle(mask)
            self._moved(False)
