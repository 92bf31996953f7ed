"""Strokes of one correction on disk: written all together or not at all, read one by one.

A stroke whose `voxels` are empty was packed into an archive, see `compaction`. Rows are never
deleted: the history is the audit trail as well. Strokes that were never in force (made in a window
that had lost the case) have negative numbers, so that they take none from the others.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.deltas import Voxels, pack_bits, pack_indices, unpack_voxels
from napari_brainseg.session.stroke import Stroke, StrokeRecord, StrokeState, to_json
from napari_brainseg.session.stroke_archive import ArchiveShelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Batch", "PackedStroke", "RefusedError", "Right", "StrokeJournal"]

_T = tables.strokes.c
_SMALL = [c for c in tables.strokes.columns if c.name not in ("voxels", "before", "after")]
_AT_ONCE = 500  # numbers in one statement; databases limit them


class Right(Protocol):
    """Who may write, see `write_right`."""

    def check(self, connection: Connection) -> None:
        """Raise `DataError` if another window paints on the case now."""


class RefusedError(Exception):
    """The strokes cannot be written, however often it is tried; `error` is for the user."""

    def __init__(self, error: DataError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True, eq=False)
class PackedStroke:
    """A stroke as it is stored."""

    record: StrokeRecord
    voxels: bytes
    before: bytes
    after: bytes

    @classmethod
    def of(cls, stroke: Stroke, editor: str, created: float) -> PackedStroke:
        """Pack a stroke that is in force."""
        record = StrokeRecord(
            number=stroke.number,
            tool=stroke.tool,
            parameters=json.loads(to_json(stroke.parameters)),
            first_slice=stroke.first_slice,
            last_slice=stroke.last_slice,
            slice_index=stroke.slice_index,
            added=stroke.added,
            removed=stroke.removed,
            seconds=stroke.seconds,
            editor=editor,
            created=created,
            state="done",
        )
        return cls(
            record, pack_indices(stroke.indices), pack_bits(stroke.before), pack_bits(stroke.after)
        )

    def unpack(self) -> Stroke:
        """Inverse of `of`."""
        return _join(self.record, unpack_voxels(self.voxels, self.before, self.after))


@dataclass(frozen=True, slots=True)
class Batch:
    """What the disk lacks.

    Parameters
    ----------
    strokes : sequence of PackedStroke
        New ones, oldest first.
    states : mapping of int to str
        New states of strokes that the disk has, by number.
    again : bool
        Whether it was tried before; then part of it may be there.
    """

    strokes: Sequence[PackedStroke] = ()
    states: Mapping[int, StrokeState] = field(default_factory=dict)
    again: bool = False

    def __bool__(self) -> bool:
        return bool(self.strokes or self.states)


class StrokeJournal:
    """The strokes of one correction in the catalogue.

    Parameters
    ----------
    catalogue : Catalogue
        Where they are kept.
    correction_id : int
        Row of the correction.
    right : Right, optional
        Asked within every transaction that writes.
    """

    def __init__(
        self, catalogue: Catalogue, correction_id: int, right: Right | None = None
    ) -> None:
        self._catalogue = catalogue
        self._id = correction_id
        self._right = right
        self._mine = _T.correction_id == correction_id
        self._archives = ArchiveShelf(correction_id)

    def records(self) -> Iterator[StrokeRecord]:
        """All strokes that were ever in force, oldest first."""
        with self._catalogue.read() as connection:
            rows = connection.execute(
                select(*_SMALL).where(self._mine, _T.number > 0).order_by(_T.number)
            ).all()
        return map(_record, rows)

    def strokes(
        self, numbers: Sequence[int] | None = None, *, backwards: bool = False
    ) -> Iterator[Stroke]:
        """Strokes with their voxels, one by one.

        Parameters
        ----------
        numbers : sequence of int, optional
            Which ones; those in force if left out.
        backwards : bool
            The latest first.

        Raises
        ------
        DataError
            If one is damaged or missing.
        """
        wanted = select(tables.strokes).order_by(_T.number.desc() if backwards else _T.number)
        if numbers is None:
            wanted = wanted.where(self._mine, _T.state == "done", _T.number > 0)
            chosen = None
        else:
            if not numbers:
                return
            # A range and not a list: jumping back over thousands is one statement.
            wanted = wanted.where(self._mine, _T.number.between(min(numbers), max(numbers)))
            chosen = set(numbers)
        with self._catalogue.read() as connection:
            for row in connection.execute(wanted):
                if chosen is None or row.number in chosen:
                    yield self._stroke(connection, row)
                    if chosen is not None:
                        chosen.remove(row.number)
        if chosen:
            raise self._damaged("it is not in the catalogue any more", min(chosen))

    def write(self, batch: Batch) -> None:
        """Make a batch durable, all of it or nothing.

        Raises
        ------
        DataError
            If the catalogue cannot be written.
        RefusedError
            If another window painted meanwhile, or took the case over.
        """
        with self._catalogue.write() as connection:
            if self._right is not None:
                try:
                    self._right.check(connection)
                except DataError as error:
                    raise RefusedError(error) from error
            new, states = list(batch.strokes), dict(batch.states)
            if batch.again:
                found = self._found(connection, new)
                states.update((n, p.record.state) for n, p in found.items())
                new = [p for p in new if p.record.number not in found]
            self._set_states(connection, states)
            if new:
                try:
                    connection.execute(insert(tables.strokes), [self._row(p) for p in new])
                except IntegrityError as error:
                    raise RefusedError(self._conflict(new)) from error

    def set_aside(self, strokes: Sequence[PackedStroke]) -> None:
        """Keep strokes that never came into force, for the audit trail.

        Raises
        ------
        DataError
            If the catalogue cannot be written.
        """
        with self._catalogue.write() as connection:
            lowest = connection.execute(select(func.min(_T.number)).where(self._mine)).scalar()
            below = min(lowest or 0, 0)
            rows = []
            for step, packed in enumerate(strokes, 1):
                record = replace(packed.record, number=below - step, state="discarded")
                rows.append(self._row(replace(packed, record=record)))
            connection.execute(insert(tables.strokes), rows)

    def outside(self, stroke: Stroke, shape: tuple[int, ...]) -> DataError:
        """Tell of a stroke that does not fit the image."""
        return self._damaged(f"it lies outside the image of shape {shape}", stroke.number)

    def _found(
        self, connection: Connection, strokes: Sequence[PackedStroke]
    ) -> dict[int, PackedStroke]:
        """Those that the disk has although it reported a failure."""
        found: dict[int, PackedStroke] = {}
        by_number = {packed.record.number: packed for packed in strokes}
        for some in _in_parts(list(by_number)):
            for row in connection.execute(
                select(_T.number, _T.created, _T.voxels).where(self._mine, _T.number.in_(some))
            ):
                packed = by_number[row.number]
                if (row.created, row.voxels) == (packed.record.created, packed.voxels):
                    found[row.number] = packed
        return found

    def _set_states(self, connection: Connection, states: Mapping[int, StrokeState]) -> None:
        for state in sorted(set(states.values())):
            numbers = [number for number, to in states.items() if to == state]
            for some in _in_parts(numbers):
                where = _T.number == some[0] if len(some) == 1 else _T.number.in_(some)
                connection.execute(
                    update(tables.strokes).where(self._mine, where).values(state=state)
                )

    def _row(self, packed: PackedStroke) -> dict[str, Any]:
        record = packed.record
        return {
            "correction_id": self._id,
            "number": record.number,
            "state": record.state,
            "slice_index": record.slice_index,
            "voxels": packed.voxels,
            "before": packed.before,
            "after": packed.after,
            "added": record.added,
            "removed": record.removed,
            "seconds": record.seconds,
            "editor": record.editor,
            "created": record.created,
            "tool": record.tool,
            "parameters": to_json(record.parameters),
            "first_slice": record.first_slice,
            "last_slice": record.last_slice,
        }

    def _stroke(self, connection: Connection, row: Row[Any]) -> Stroke:
        try:
            if row.voxels:
                voxels = unpack_voxels(row.voxels, row.before, row.after)
            else:
                voxels = self._archives.voxels(connection, row.number)
        except (ValueError, zlib.error) as error:
            raise self._damaged(str(error), row.number) from error
        return _join(_record(row), voxels)

    def _damaged(self, why: str, number: int) -> DataError:
        return DataError(
            f"Stroke {number} of correction {self._id} cannot be read: {why}.",
            f"The catalogue {self._catalogue.location} is damaged; restore a copy.",
        )

    @staticmethod
    def _conflict(strokes: Sequence[PackedStroke]) -> DataError:
        return DataError(
            f"Stroke {strokes[0].record.number} was not saved: another window painted on the same "
            "correction.",
            "Close one of the windows and open the patient again.",
        )


def _record(row: Row[Any]) -> StrokeRecord:
    # Strokes of schema 2 had one slice.
    first = row.slice_index if row.first_slice is None else row.first_slice
    last = row.slice_index if row.last_slice is None else row.last_slice
    parameters = json.loads(row.parameters) if row.parameters != "{}" else {}
    return StrokeRecord(
        row.number, row.tool, parameters, first, last, row.slice_index, row.added,
        row.removed, row.seconds, row.editor, row.created, row.state,
    )  # fmt: skip


def _join(record: StrokeRecord, voxels: Voxels) -> Stroke:
    return Stroke(
        record.number, record.slice_index, *voxels, record.seconds, record.tool,
        record.parameters, record.first_slice, record.last_slice,
    )  # fmt: skip


def _in_parts(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]
