"""The strokes of one correction: what is in force, undo, redo, jumps, and what the disk lacks.

The state is kept in memory and written by `save`, in one transaction; what could not be written
stays queued, and the next `save` writes all of it. Only records are kept of strokes on disk, their
voxels are read when they are needed.

Thread-safety: every method may be called from any thread; two that change the history must not
run at once (`Correction` locks), `save` may run beside them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.history_journal import (
    Batch,
    PackedStroke,
    RefusedError,
    Right,
    StrokeJournal,
)
from napari_brainseg.session.stroke import Stroke, StrokeRecord, StrokeState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Stroke", "StrokeHistory", "StrokeRecord"]


class StrokeHistory:
    """History of one correction.

    Parameters
    ----------
    catalogue : Catalogue
        Where strokes are kept.
    correction_id : int
        Row of the correction.
    right : Right, optional
        Who may write.
    """

    def __init__(
        self, catalogue: Catalogue, correction_id: int, right: Right | None = None
    ) -> None:
        self._journal = StrokeJournal(catalogue, correction_id, right)
        self._lock = threading.RLock()
        # Taken before `_lock`, never after it.
        self._writing = threading.Lock()
        self._records = {record.number: record for record in self._journal.records()}
        self._last = max(self._records, default=0)
        self._done = [n for n, r in self._records.items() if r.state == "done"]
        self._undone = [n for n, r in self._records.items() if r.state == "undone"][::-1]
        self._seconds = sum(record.seconds for record in self._records.values())
        self._new: dict[int, PackedStroke] = {}
        # Strokes that the disk has, with the state that it knows.
        self._moved: dict[int, StrokeState] = {}
        # A write that failed may have been done all the same.
        self._tried = False
        self._actions: tuple[StrokeRecord, ...] | None = None
        self.refused = False

    @property
    def done(self) -> int:
        """Number of strokes in force."""
        return len(self._done)

    @property
    def at(self) -> int:
        """Number of the last stroke in force, 0 at the start."""
        return self._done[-1] if self._done else 0

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a stroke to redo."""
        return bool(self._undone)

    @property
    def next_number(self) -> int:
        """Number that the next stroke will get."""
        return self._last + 1

    @property
    def seconds(self) -> float:
        """Editing time of all strokes, undone ones too: the effort was made."""
        return self._seconds

    @property
    def unsaved(self) -> int:
        """Strokes that are not on disk as they are here."""
        with self._lock:
            return len(self._new) + len(self._moved)

    def actions(self) -> tuple[StrokeRecord, ...]:
        """All strokes, oldest first."""
        with self._lock:
            if self._actions is None:
                self._actions = tuple(self._records.values())
            return self._actions

    def record(self, stroke: Stroke, editor: str) -> None:
        """Put a stroke in force, in memory; undone strokes can no longer be redone."""
        packed = PackedStroke.of(stroke, editor, time.time())
        with self._lock:
            for number in self._undone:
                self._set_state(number, "discarded")
            self._undone.clear()
            self._new[stroke.number] = packed
            self._records[stroke.number] = packed.record
            self._last = stroke.number
            self._done.append(stroke.number)
            self._seconds += stroke.seconds
            self._actions = None

    def path(self, number: int) -> tuple[int, ...]:
        """Strokes to take back (latest first) or to do again (oldest first) to arrive at one.

        Raises
        ------
        DataError
            If the stroke is not there, or was discarded.
        """
        with self._lock:
            if number == 0 or number in self._done:
                return tuple(n for n in reversed(self._done) if n > number)
            if number in self._undone:
                return tuple(n for n in reversed(self._undone) if n <= number)
            known = number in self._records
        raise DataError(
            f"Action {number} cannot be gone to: "
            + ("it was undone and painted over." if known else "there is no such action."),
            f"Known: 0 (the start) to {self._last}.",
        )

    def path_onwards(self) -> tuple[int, ...]:
        """Strokes that can be done again, oldest first."""
        with self._lock:
            return tuple(reversed(self._undone))

    def move(self, numbers: Sequence[int]) -> None:
        """Take strokes back, or do them again, in memory; `numbers` as `path` gives them."""
        with self._lock:
            for number in numbers:
                if self._done and self._done[-1] == number:
                    self._undone.append(self._done.pop())
                    self._set_state(number, "undone")
                else:
                    self._done.append(self._undone.pop())
                    self._set_state(number, "done")

    def strokes(self, numbers: Sequence[int], *, backwards: bool = False) -> Iterator[Stroke]:
        """Read strokes, one by one; the latest first if `backwards`.

        Raises
        ------
        DataError
            If one cannot be read.
        """
        with self._lock:
            new = {n: self._new[n] for n in numbers if n in self._new}
        saved = self._journal.strokes([n for n in numbers if n not in new], backwards=backwards)
        fresh = (new[n].unpack() for n in sorted(new, reverse=backwards))
        # What is not on disk yet is younger than what is.
        if backwards:
            yield from fresh
            yield from saved
        else:
            yield from saved
            yield from fresh

    def replay(self, mask: NDArray[np.uint8]) -> None:
        """Write the strokes in force into `mask`, oldest first.

        Raises
        ------
        DataError
            If a stroke is damaged or reaches beyond the mask.
        """
        flat = mask.reshape(-1)
        for stroke in self._journal.strokes():
            if stroke.indices.size and stroke.indices[-1] >= flat.size:
                raise self._journal.outside(stroke, mask.shape)
            flat[stroke.indices] = stroke.after

    def save(self) -> None:
        """Write what the disk lacks, in one transaction.

        Raises
        ------
        DataError
            If it cannot be written; it stays queued. `refused` tells whether trying again helps.
        """
        with self._writing:
            with self._lock:
                # Discarded before they were ever saved: kept for the audit trail all the same.
                states = {number: self._records[number].state for number in self._moved}
                batch = Batch(tuple(self._new.values()), states, self._tried)
                self._tried = True
            if batch:
                try:
                    self._journal.write(batch)
                except RefusedError as refused:
                    self.refused = True
                    raise refused.error from refused
            with self._lock:
                self._settle(batch)

    def unsaved_moves(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Strokes in force on disk only, oldest first, and here only, the latest first."""
        with self._lock:
            moved = {n: (was, self._records[n].state) for n, was in self._moved.items()}
        there = sorted(n for n, (was, now) in moved.items() if was == "done" != now)
        here = sorted((n for n, (was, now) in moved.items() if was != "done" == now), reverse=True)
        return tuple(there), tuple(here)

    def unsaved_strokes(self) -> tuple[Stroke, ...]:
        """Strokes in force that are not on disk, oldest first."""
        with self._lock:
            new = [packed for packed in self._new.values() if packed.record.state == "done"]
        return tuple(packed.unpack() for packed in new)

    def set_aside(self) -> None:
        """Write new strokes as never in force, and forget them.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        with self._writing:
            with self._lock:
                new = tuple(self._new.values())
            if new:
                self._journal.set_aside(new)
            with self._lock:
                self._new.clear()
                self._moved.clear()

    def forget_unsaved(self) -> None:
        """Drop what the disk lacks."""
        with self._lock:
            self._new.clear()
            self._moved.clear()

    def _set_state(self, number: int, state: StrokeState) -> None:
        was = self._records[number].state
        record = self._records[number] = replace(self._records[number], state=state)
        if number in self._new:
            self._new[number] = replace(self._new[number], record=record)
        elif self._moved.setdefault(number, was) == state and not self._tried:
            del self._moved[number]
        self._actions = None

    def _settle(self, batch: Batch) -> None:
        self.refused = False
        written = {packed.record.number: packed.record.state for packed in batch.strokes}
        for number, state in {**batch.states, **written}.items():
            self._new.pop(number, None)
            self._moved.pop(number, None)
            # It may have been moved while the disk was busy.
            if self._records[number].state != state:
                self._moved[number] = state
        self._tried = bool(self._new or self._moved)
