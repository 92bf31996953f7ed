"""Rows of a damaged catalogue that can still be read, carried over into a sound one.

A broken page makes the rows on it unreadable, not those before and behind. Whatever is taken must
fit together: a stroke without its case is of no use, and one behind a gap would be replayed on
a mask that never was. So the strokes of a correction are taken up to the first one that is
missing or does not fit the mask before it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.session import tables
from napari_brainseg.session.deltas import unpack_bits, unpack_voxels
from napari_brainseg.session.stroke_archive import StrokeArchive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from sqlalchemy import Table

    from napari_brainseg.session.deltas import Voxels

__all__ = ["Salvaged", "salvage"]

_Row = dict[str, Any]
_LEFT_OUT = ("open_cases", "writers", "strokes", "stroke_archives")
_LATER_COUNTS = {"cases": "updated", "seen_slices": "updated", "visits": "seconds"}
"""Column whose larger value tells the later row."""
_NAMED = (
    ("strokes", "stroke", "strokes"),
    ("corrections", "correction", "corrections"),
    ("cases", "case", "cases"),
    ("reviews", "sign-off", "sign-offs"),
)


@dataclass(slots=True)
class Salvaged:
    """How many rows of each table are newer than the backup.

    Parameters
    ----------
    rows : dict of str to int
        Table to number of rows.
    lost : int
        Strokes that were there, and are in neither file as they were.
    """

    rows: dict[str, int] = field(default_factory=dict)
    lost: int = 0

    def __bool__(self) -> bool:
        return any(self.rows.get(name) for name, _, _ in _NAMED)

    @property
    def words(self) -> str:
        """For a person, e.g. ``12 strokes, 1 case``."""
        return ", ".join(
            f"{count} {one if count == 1 else many}"
            for name, one, many in _NAMED
            if (count := self.rows.get(name, 0))
        )

    def count(self, table: str, rows: int = 1) -> None:
        """Add to the rows of a table."""
        if rows:
            self.rows[table] = self.rows.get(table, 0) + rows


def salvage(damaged: Path, sound: Path) -> Salvaged:
    """Carry over what the sound catalogue lacks.

    Parameters
    ----------
    damaged : Path
        SQLite file; reading may write to it: give a copy.
    sound : Path
        SQLite file with up-to-date tables; written to.

    Returns
    -------
    Salvaged
        What was carried over.
    """
    salvaged = Salvaged()
    with (
        contextlib.closing(sqlite3.connect(damaged)) as source,
        contextlib.closing(sqlite3.connect(sound)) as target,
    ):
        source.text_factory = _text
        target.execute("PRAGMA foreign_keys=ON")
        with target:
            for table in tables.metadata.sorted_tables:
                if table.name not in _LEFT_OUT:
                    _take_rows(source, target, table, salvaged)
            _take_strokes(source, target, salvaged)
    return salvaged


def _text(raw: bytes) -> str | None:
    # One that is garbled must not end the reading of the others.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _take_rows(
    source: sqlite3.Connection, target: sqlite3.Connection, table: Table, salvaged: Salvaged
) -> None:
    keys = [column.name for column in table.primary_key]
    known = {tuple(row[k] for k in keys): row for row in _rows(target, table)}
    for row in _rows(source, table):
        if not _is_credible(row, table) or row.get("key") == "schema_version":
            continue
        old = known.get(tuple(row[k] for k in keys))
        if old is None:
            if _insert(target, table, row):
                salvaged.count(table.name)
        elif old != row and _is_later(row, old, table.name):
            _update(target, table, row, keys)


def _is_later(row: _Row, old: _Row, table: str) -> bool:
    if table == "corrections":
        # It may have been set aside since; nothing else of it changes.
        return {**row, "active": 0} == {**old, "active": 0}
    column = _LATER_COUNTS.get(table)
    return column is not None and bool(row[column] > old[column])


def _take_strokes(
    source: sqlite3.Connection, target: sqlite3.Connection, salvaged: Salvaged
) -> None:
    found, known = _by_correction(source, "strokes"), _by_correction(target, "strokes")
    archives = _by_correction(source, "stroke_archives")
    old_archives = _by_correction(target, "stroke_archives")
    for correction in _rows(target, tables.corrections):
        number = correction["id"]
        packed = _archives([*archives.get(number, ()), *old_archives.get(number, ())])
        old = {row["number"]: row for row in known.get(number, ())}
        merged = {**old}
        for row in found.get(number, ()):
            if _voxels(row, packed) is not None:
                merged[row["number"]] = row
            elif row["number"] in old:
                # What was changed stays, whether it is in force may have changed since.
                merged[row["number"]] = {**old[row["number"]], "state": row["state"]}
        new = max((_fitting(correction, rows.values(), packed) for rows in (merged, old)), key=len)
        if new == old:
            continue
        target.execute("DELETE FROM strokes WHERE correction_id = ?", (number,))
        target.execute("DELETE FROM stroke_archives WHERE correction_id = ?", (number,))
        for row, _ in packed:
            _insert(target, tables.stroke_archives, row)
        for _, row in sorted(new.items()):
            _insert(target, tables.strokes, row)
        salvaged.count("strokes", max(len(new) - len(old), 0))
        salvaged.lost += len(merged.keys() - new.keys())


def _by_correction(database: sqlite3.Connection, name: str) -> dict[int, list[_Row]]:
    table = tables.metadata.tables[name]
    found: dict[int, list[_Row]] = {}
    for row in _rows(database, table):
        if _is_credible(row, table):
            found.setdefault(row["correction_id"], []).append(row)
    return found


def _archives(rows: Iterable[_Row]) -> list[tuple[_Row, StrokeArchive]]:
    readable = []
    for row in rows:
        with contextlib.suppress(ValueError):
            readable.append((row, StrokeArchive(row["payload"])))
    return readable


def _fitting(
    correction: _Row, rows: Iterable[_Row], archives: list[tuple[_Row, StrokeArchive]]
) -> dict[int, _Row]:
    """Return the strokes, from the first one, up to where they cease to fit together."""
    try:
        shape = tuple(int(side) for side in correction["shape"].split("x"))
        mask = unpack_bits(correction["base_mask"], shape).reshape(-1)
    except (ValueError, zlib.error):
        return {}
    fitting: dict[int, _Row] = {}
    last = 0
    for row in sorted(rows, key=lambda row: int(row["number"])):
        voxels = _voxels(row, archives)
        if row["number"] > 0:
            if row["number"] != last + 1 or voxels is None or not _lay_on(mask, row, voxels):
                break
            last += 1
        # Those with negative numbers were never in force: they fit anywhere.
        if voxels is not None:
            fitting[row["number"]] = row
    return fitting


def _voxels(row: _Row, archives: list[tuple[_Row, StrokeArchive]]) -> Voxels | None:
    number = row["number"]
    try:
        if row["voxels"]:
            return unpack_voxels(row["voxels"], row["before"], row["after"])
        return next((a.voxels(number) for _, a in archives if number in a), None)
    except (ValueError, zlib.error):
        return None


def _lay_on(mask: NDArray[np.uint8], row: _Row, voxels: Voxels) -> bool:
    """Write a stroke on a mask if it fits the mask."""
    indices, before, after = voxels
    if indices.size and int(indices[-1]) >= mask.size:
        return False
    if row["state"] == "done":
        if not np.array_equal(mask[indices], before):
            return False
        mask[indices] = after
    return True


def _rows(database: sqlite3.Connection, table: Table) -> list[_Row]:
    """Read the rows from both ends towards what cannot be read."""
    try:
        there = {row[1] for row in database.execute(f"PRAGMA table_info({table.name})")}
    except sqlite3.Error:
        return []
    columns = [column.name for column in table.columns if column.name in there]
    if not columns:
        return []
    found: dict[int, _Row] = {}
    names = ", ".join(f'"{name}"' for name in columns)
    for order in ("ASC", "DESC"):
        query = f"SELECT rowid, {names} FROM {table.name} ORDER BY rowid {order}"
        try:
            for rowid, *values in database.execute(query):
                found[rowid] = dict(zip(columns, values, strict=True))
        except sqlite3.Error:
            continue
        break
    return [found[rowid] for rowid in sorted(found)]


def _is_credible(row: _Row, table: Table) -> bool:
    for column in table.columns:
        value = row.get(column.name)
        if value is None:
            if not column.nullable and column.server_default is None:
                return False
            continue
        wanted = column.type.python_type
        if wanted is float:
            fits = isinstance(value, int | float)
        elif wanted is bool:
            fits = value in (0, 1)
        else:
            fits = isinstance(value, wanted)
        if not fits:
            return False
    return True


def _insert(target: sqlite3.Connection, table: Table, row: _Row) -> bool:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    try:
        target.execute(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})",
            tuple(row.values()),
        )
    except sqlite3.IntegrityError:
        return False
    return True


def _update(target: sqlite3.Connection, table: Table, row: _Row, keys: list[str]) -> None:
    changes = ", ".join(f'"{name}" = ?' for name in row)
    here = " AND ".join(f'"{key}" = ?' for key in keys)
    with contextlib.suppress(sqlite3.IntegrityError):
        target.execute(
            f"UPDATE {table.name} SET {changes} WHERE {here}",
            (*row.values(), *(row[key] for key in keys)),
        )
