"""HD95 of a correction while it is painted, measured beside the painting thread.

Thread-safety: every method may be called from any thread. The measuring thread ends by itself some
seconds after the last change, or by `close`.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from psygnal import Signal

from napari_brainseg.session.surface_distance import ChangingSurface, DistanceTo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_brainseg.session.meter import DistanceUnit

__all__ = ["Distances", "LiveDistance"]

_log = logging.getLogger(__name__)

_LINGER_S = 10.0
"""So long the thread waits for the next stroke: starting one can take longer than measuring."""

Against = Literal["truth", "prediction"]
"""What a correction is compared with."""


@dataclass(frozen=True, slots=True)
class Distances:
    """What is known of the distances.

    Parameters
    ----------
    truth, prediction : float or None
        HD95; NaN where one mask is empty, `None` without a mask or before the first measurement.
    is_current : bool
        Whether all changes are in them.
    """

    truth: float | None
    prediction: float | None
    is_current: bool


class LiveDistance:
    """Follows a mask that changes.

    Parameters
    ----------
    current : ndarray of uint8, shape (Z, Y, X)
        The changing mask as it is now, zeros and ones; copied.
    spacing_mm : tuple of float, optional
        Of voxels along z, y and x; distances are in voxels without it.
    """

    changed = Signal()
    """The distances are current again. Emitted in the thread that measured."""

    def __init__(
        self,
        current: NDArray[np.uint8],
        spacing_mm: tuple[float, float, float] | None = None,
    ) -> None:
        self.unit: DistanceUnit = "voxels" if spacing_mm is None else "mm"
        self._spacing = spacing_mm or (1.0, 1.0, 1.0)
        self._condition = threading.Condition()
        self._waiting: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._busy = self._closed = False
        self._figures: dict[Against, float | None] = {"truth": None, "prediction": None}
        # Of the measuring thread alone:
        self._start: NDArray[np.uint8] | None = np.array(current, np.uint8)
        self._surface: ChangingSurface | None = None
        self._to: dict[Against, DistanceTo] = {}

    @property
    def distances(self) -> Distances:
        """The distances as far as they are measured."""
        with self._condition:
            return Distances(self._figures["truth"], self._figures["prediction"], self._is_current)

    def compare(self, against: Against, mask: NDArray[np.uint8] | None) -> None:
        """Set what to measure the distance to, shape (Z, Y, X); `None` for nothing."""
        self._ask(lambda: self._compare(against, mask))

    def apply(self, indices: NDArray[np.int64], values: NDArray[np.uint8]) -> None:
        """Take changed voxels in (flat indices and new values); kept, and costs microseconds."""
        self._ask(lambda: self._apply(indices, values))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the distances are current; whether they are."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or not self._busy, timeout)
            return self._is_current

    def close(self) -> None:
        """Measure nothing any more; what is being measured is not told."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()

    @property
    def _is_current(self) -> bool:
        return not (self._busy or self._closed)

    def _ask(self, act: Callable[[], None]) -> None:
        with self._condition:
            if self._closed:
                return
            self._waiting.append(act)
            self._busy = True
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="brainseg-distance", daemon=True
                )
                self._thread.start()
            else:
                self._condition.notify_all()

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closed, _LINGER_S)
                acts, self._waiting = self._waiting, []
                if not acts:
                    self._thread = None
                    return
            figures = self._measured(acts)
            with self._condition:
                if self._waiting or self._closed:
                    # Strokes came meanwhile; figures without them are of no use to anybody.
                    continue
                self._figures, self._busy = figures, False
                self._condition.notify_all()
            self.changed.emit()

    def _measured(self, acts: list[Callable[[], None]]) -> dict[Against, float | None]:
        try:
            for act in acts:
                act()
            return {
                "truth": self._hd95("truth"),
                "prediction": self._hd95("prediction"),
            }
        except Exception:  # noqa: BLE001 -- logged; a missing figure must not end the painting
            _log.exception("Distances to ground truth and prediction are not measured any more")
            self._to.clear()
            return {"truth": None, "prediction": None}

    def _hd95(self, against: Against) -> float | None:
        to = self._to.get(against)
        return None if to is None else to.hd95

    def _compare(self, against: Against, mask: NDArray[np.uint8] | None) -> None:
        self._to.pop(against, None)
        if mask is not None:
            self._to[against] = DistanceTo(mask, self._changing())

    def _apply(self, indices: NDArray[np.int64], values: NDArray[np.uint8]) -> None:
        surface = self._changing()
        gone, come = surface.apply(indices, values)
        for to in self._to.values():
            to.follow(gone, come)

    def _changing(self) -> ChangingSurface:
        if self._surface is None:
            assert self._start is not None
            self._surface = ChangingSurface(self._start, self._spacing)
            self._start = None
        return self._surface
