"""The strokes of one correction in the catalogue: record, undo, redo, replay.

A stroke is `done`, `undone` (can be redone) or `discarded` (undone, then painted over). Rows are
never deleted: the history is the audit trail as well.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.deltas import pack_bits, pack_indices, unpack_bits, unpack_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Row

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Stroke", "StrokeHistory"]

_DONE, _UNDONE, _DISCARDED = "done", "undone", "discarded"
_T = tables.strokes.c


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """One change of the correction.

    Parameters
    ----------
    number : int
        1 for the first stroke of the correction.
    slice_index : int
        Index along z (0-based) of the slice in which most voxels changed.
    indices : ndarray of int64, shape (N,)
        Flat indices (C order) of the changed voxels, ascending.
    before, after : ndarray of uint8, shape (N,)
        Values before and after the stroke, 0 or 1.
    seconds : float
        Editing time since the stroke before, pauses left out.
    """

    number: int
    slice_index: int
    indices: NDArray[np.int64]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    seconds: float

    @property
    def added(self) -> int:
        """Voxels that became lesion."""
        return int(np.count_nonzero(self.after > self.before))

    @property
    def removed(self) -> int:
        """Voxels that ceased to be lesion."""
        return int(np.count_nonzero(self.before > self.after))


class StrokeHistory:
    """History of one correction; every method is one transaction.

    Parameters
    ----------
    catalogue : Catalogue
        Where strokes are kept.
    correction_id : int
        Row of the correction.
    """

    def __init__(self, catalogue: Catalogue, correction_id: int) -> None:
        self._catalogue = catalogue
        self._id = correction_id
        with catalogue.read() as connection:
            rows = connection.execute(
                select(_T.number, _T.state)
                .where(_T.correction_id == correction_id)
                .order_by(_T.number)
            ).all()
        self._last = rows[-1].number if rows else 0
        self._done = [row.number for row in rows if row.state == _DONE]
        self._undone = [row.number for row in reversed(rows) if row.state == _UNDONE]

    @property
    def done(self) -> int:
        """Number of strokes in force."""
        return len(self._done)

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

    def seconds(self) -> float:
        """Editing time of all strokes, undone ones too: the effort was made."""
        with self._catalogue.read() as connection:
            total = connection.execute(
                select(func.sum(_T.seconds)).where(_T.correction_id == self._id)
            ).scalar_one()
        return float(total or 0.0)

    def record(self, stroke: Stroke, editor: str) -> None:
        """Make a stroke durable; undone strokes can no longer be redone.

        Raises
        ------
        DataError
            If the catalogue cannot be written, or another window painted meanwhile.
        """
        mine = _T.correction_id == self._id
        with self._catalogue.write() as connection:
            if self._undone:
                connection.execute(
                    update(tables.strokes).where(mine, _T.state == _UNDONE).values(state=_DISCARDED)
                )
            try:
                connection.execute(
                    insert(tables.strokes).values(
                        correction_id=self._id,
                        number=stroke.number,
                        state=_DONE,
                        slice_index=stroke.slice_index,
                        voxels=pack_indices(stroke.indices),
                        before=pack_bits(stroke.before),
                        after=pack_bits(stroke.after),
                        added=stroke.added,
                        removed=stroke.removed,
                        seconds=stroke.seconds,
                        editor=editor,
                        created=time.time(),
                    )
                )
            except IntegrityError as error:
                raise DataError(
                    f"Stroke {stroke.number} was not saved: another window painted on the same "
                    "correction.",
                    "Close one of the windows and open the patient again.",
                ) from error
        self._last = stroke.number
        self._done.append(stroke.number)
        self._undone.clear()

    def undo(self) -> Stroke | None:
        """Mark the last stroke as undone and return it; `None` if there is none."""
        return self._move(self._done, self._undone, _UNDONE)

    def redo(self) -> Stroke | None:
        """Mark the stroke undone last as done and return it; `None` if there is none."""
        return self._move(self._undone, self._done, _DONE)

    def _move(self, source: list[int], target: list[int], state: str) -> Stroke | None:
        if not source:
            return None
        here = (_T.correction_id == self._id) & (_T.number == source[-1])
        with self._catalogue.write() as connection:
            row = connection.execute(select(tables.strokes).where(here)).one()
            stroke = self._read(row)
            connection.execute(update(tables.strokes).where(here).values(state=state))
        target.append(source.pop())
        return stroke

    def replay(self, mask: NDArray[np.uint8]) -> None:
        """Write the strokes in force into `mask`, oldest first.

        Raises
        ------
        DataError
            If a stroke is damaged or reaches beyond the mask.
        """
        flat = mask.reshape(-1)
        with self._catalogue.read() as connection:
            rows = connection.execute(
                select(tables.strokes)
                .where(_T.correction_id == self._id, _T.state == _DONE)
                .order_by(_T.number)
            )
            for row in rows:
                stroke = self._read(row)
                if stroke.indices.size and stroke.indices[-1] >= flat.size:
                    raise self._damaged(f"it lies outside the image of shape {mask.shape}", row)
                flat[stroke.indices] = stroke.after

    def _read(self, row: Row[Any]) -> Stroke:
        try:
            indices = unpack_indices(row.voxels)
            before = unpack_bits(row.before, indices.shape)
            after = unpack_bits(row.after, indices.shape)
        except (ValueError, zlib.error) as error:
            raise self._damaged(str(error), row) from error
        return Stroke(row.number, row.slice_index, indices, before, after, row.seconds)

    def _damaged(self, why: str, row: Row[Any]) -> DataError:
        return DataError(
            f"Stroke {row.number} of correction {self._id} cannot be read: {why}.",
            f"The catalogue {self._catalogue.location} is damaged; restore a copy.",
        )
