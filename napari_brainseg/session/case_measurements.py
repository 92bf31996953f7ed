"""Measurements of the open case, for a window: shown at once, written by a thread of their own.

Thread-safety: every method may be called from any thread. `changed` and `fault` are emitted in
the calling thread, or in that of the worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.measurements import (
    Kind,
    Measurement,
    Measurements,
    as_kept,
    measure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.imaging import Geometry
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["CaseMeasurements"]

_log = logging.getLogger(__name__)
_Act: TypeAlias = "Callable[[Measurements], object]"
_EVERY_S = 2.0
"""Seconds between looks at what other windows measured; one costs a millisecond."""


class CaseMeasurements:
    """Keeps the measurements of the desk's open case.

    What is done shows at once and is on the disk a moment later. If the disk does not take it,
    `fault` tells, and what is shown is what is kept.

    Parameters
    ----------
    desk : Desk
        Whose case; its editor is named as who measured.
    every_s : float
        Seconds between looks into the catalogue.
    """

    changed = Signal()
    """Others are there, they look otherwise, or another case is open."""
    fault = Signal(object)
    """`BrainSegError`: something was not kept."""

    def __init__(self, desk: Desk, *, every_s: float = _EVERY_S) -> None:
        self._desk = desk
        self._every = every_s
        self._lock = threading.RLock()
        self._kept: Measurements | None = None
        self._case: Case | None = None
        self._loop: BackgroundLoop | None = None
        self._items: tuple[Measurement, ...] = ()
        self._acts: deque[_Act] = deque()
        self._ids: dict[int, int] = {}
        self._gone: list[int] = []
        self._latest = 0
        # Called in the thread that opens, which may wait for the disk.
        desk.opened.connect(self._enter)
        desk.closed.connect(self._leave)
        if desk.case is not None:
            self._enter(desk.case)

    @property
    def case(self) -> Case | None:
        """The case that is measured."""
        return self._case

    @property
    def geometry(self) -> Geometry | None:
        """Of its image."""
        return None if self._case is None else self._case.study.image.geometry

    @property
    def items(self) -> tuple[Measurement, ...]:
        """Those of the open case, the oldest first."""
        with self._lock:
            return self._items

    @property
    def can_undo(self) -> bool:
        """Whether one was taken away in this window that can be brought back."""
        with self._lock:
            return bool(self._gone)

    @property
    def is_saved(self) -> bool:
        """Whether all that was done is on the disk."""
        with self._lock:
            return not self._acts

    def find(self, measurement_id: int) -> Measurement | None:
        """Return one by its id, also by that which it had before it was written."""
        with self._lock:
            wanted = self._ids.get(measurement_id, measurement_id)
            return next((item for item in self._items if item.id == wanted), None)

    def add(
        self,
        kind: Kind,
        axis: int,
        plane: int,
        points: Sequence[tuple[float, float, float]],
        label: str = "",
    ) -> Measurement | None:
        """Measure and keep; see `Measurements.add`. `None` where no case is open.

        Raises
        ------
        DataError
            If that cannot be measured.
        """
        points = as_kept(points)
        found = measure(kind, axis, points, self.geometry)
        editor = self._desk.editor
        with self._lock:
            if self._kept is None:
                return None
            self._latest -= 1
            shown = self._latest
            item = Measurement(
                shown, kind, axis, plane, points, found.value, found.unit, label, editor,
                time.time(),
            )  # fmt: skip
            self._items = (*self._items, item)

        def act(kept: Measurements) -> None:
            made = kept.add(kind, axis, plane, points, editor, label)
            with self._lock:
                self._ids[shown] = made.id

        self._do(act)
        return item

    def move(self, measurement_id: int, points: Sequence[tuple[float, float, float]]) -> None:
        """Put the points of one elsewhere.

        Raises
        ------
        DataError
            If that cannot be measured.
        """
        item = self.find(measurement_id)
        if item is None:
            return
        points = as_kept(points)
        found = measure(item.kind, item.axis, points, self.geometry)
        self._put(replace(item, points=points, value=found.value, unit=found.unit))
        self._do(lambda kept: kept.move(self._written(measurement_id), points))

    def rename(self, measurement_id: int, label: str) -> None:
        """Give one another name."""
        item = self.find(measurement_id)
        if item is not None and item.label != label.strip():
            self._put(replace(item, label=label.strip()))
            self._do(lambda kept: kept.rename(self._written(measurement_id), label))

    def remove(self, measurement_id: int) -> None:
        """Take one away; `undo` brings it back."""
        item = self.find(measurement_id)
        if item is None:
            return
        with self._lock:
            self._items = tuple(other for other in self._items if other.id != item.id)
            self._gone.append(item.id)
        self._do(lambda kept: kept.remove(self._written(item.id)))

    def undo(self) -> None:
        """Bring back the one that was taken away last in this window."""
        with self._lock:
            if not self._gone:
                return
            last = self._gone.pop()
        self._do(lambda kept: kept.restore(self._written(last)))

    def close(self) -> None:
        """Write what waits, and stop following the desk."""
        self._desk.opened.disconnect(self._enter)
        self._desk.closed.disconnect(self._leave)
        self._leave()

    # inside -----------------------------------------------------------------------------------

    def _enter(self, case: Case) -> None:
        self._leave()
        with self._lock:
            self._case = case
            self._kept = Measurements(self._desk.catalogue, case.id, case.study.image.geometry)
            kept, acts = self._kept, deque[_Act]()
            self._acts = acts
            self._loop = loop = BackgroundLoop(
                "brainseg-measure",
                lambda: self._step(kept, acts),
                last=lambda: self._write(kept, acts),
            )
        self._look(kept)
        loop.wake()
        self.changed.emit()

    def _leave(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        with self._lock:
            news = self._kept is not None
            self._kept = self._case = None
            self._items, self._gone = (), []
            # What a slow disk did not take yet goes on being written.
            self._acts = deque()
            self._ids.clear()
        if news:
            self.changed.emit()

    def _do(self, act: _Act) -> None:
        with self._lock:
            self._acts.append(act)
            loop = self._loop
        self.changed.emit()
        if loop is not None:
            loop.wake()

    def _put(self, item: Measurement) -> None:
        with self._lock:
            self._items = tuple(item if o.id == item.id else o for o in self._items)

    def _written(self, measurement_id: int) -> int:
        with self._lock:
            return self._ids.get(measurement_id, measurement_id)

    def _step(self, kept: Measurements, acts: deque[_Act]) -> float:
        self._write(kept, acts)
        self._look(kept)
        return self._every

    def _write(self, kept: Measurements, acts: deque[_Act]) -> None:
        while acts:
            try:
                acts[0](kept)
            except BrainSegError as error:
                self.fault.emit(error)
            finally:
                acts.popleft()

    def _look(self, kept: Measurements) -> None:
        try:
            found = kept.load()
        except BrainSegError as error:
            # What is written will tell the reader; looking alone need not.
            _log.info("Measurements are not followed for now: %s", error)
            return
        with self._lock:
            if self._acts or kept is not self._kept:
                return
            news, self._items = found != self._items, found
        if news:
            self.changed.emit()
