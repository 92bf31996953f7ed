"""Packs the strokes of a correction together when its case is signed off.

The voxels of strokes move from their rows into one archive, in one transaction, after the archive
was read back and compared. Undo, redo and jumps read archives like rows; painting after it makes
plain rows again, which the next sign-off packs into another archive.

Thread-safety: the functions may be called from any thread; not from the GUI's, they read all
strokes.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert, select, update

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.deltas import unpack_voxels
from napari_brainseg.session.stroke_archive import StrokeArchive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.deltas import Voxels

__all__ = ["compact", "give_space_back"]

_log = logging.getLogger(__name__)
_T = tables.strokes.c
_A = tables.stroke_archives.c

_WORTH = 0.2
"""Part of the file that must be empty before it is rewritten."""
_TOO_LARGE = 2**26
"""Bytes; rewriting a larger file would keep other windows from saving for too long."""
_PATIENCE_S = 0.2


def compact(catalogue: Catalogue, correction_id: int) -> None:
    """Pack the voxels of all strokes of a correction together.

    Parameters
    ----------
    catalogue : Catalogue
        Where they are kept.
    correction_id : int
        Row of the correction.

    Raises
    ------
    DataError
        If a stroke is damaged, the archive does not read back as it should, or the catalogue
        cannot be written; then everything is as it was.
    """
    with catalogue.read() as connection:
        strokes = _plain_strokes(connection, catalogue, correction_id)
    if not strokes:
        return
    # Outside the transaction: other windows, and the painter in this one, write meanwhile.
    payload = StrokeArchive.pack(strokes.items())
    _compare(StrokeArchive(payload), strokes, correction_id)
    first, last = min(strokes), max(strokes)
    mine = (_T.correction_id == correction_id) & _T.number.between(first, last) & (_T.voxels != b"")
    with catalogue.write() as connection:
        if set(connection.execute(select(_T.number).where(mine)).scalars()) != strokes.keys():
            # Another window packed them in the meantime.
            return
        made = connection.execute(
            insert(tables.stroke_archives).values(
                correction_id=correction_id,
                first=first,
                last=last,
                payload=payload,
                created=time.time(),
            )
        )
        assert made.inserted_primary_key is not None
        stored = connection.execute(
            select(_A.payload).where(_A.id == made.inserted_primary_key[0])
        ).scalar_one()
        if stored != payload:
            raise _unequal(first, correction_id)
        connection.execute(
            update(tables.strokes).where(mine).values(voxels=b"", before=b"", after=b"")
        )
    give_space_back(catalogue)


def give_space_back(catalogue: Catalogue) -> None:
    """Shorten the files of an SQLite catalogue, if that is worth it and disturbs nobody.

    Other databases look after themselves. A catalogue that is in use is left for another time.
    """
    with catalogue.read() as connection:
        if connection.dialect.name != "sqlite":
            return
    try:
        with closing(
            sqlite3.connect(catalogue.location, timeout=_PATIENCE_S, isolation_level=None)
        ) as file:
            pages, free, size = (
                file.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            if free > _WORTH * pages and pages * size < _TOO_LARGE:
                file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        _log.info("The catalogue %s was not shortened: %s", catalogue.location, error)


def _plain_strokes(
    connection: Connection, catalogue: Catalogue, correction_id: int
) -> dict[int, Voxels]:
    strokes = {}
    rows = connection.execute(
        select(_T.number, _T.voxels, _T.before, _T.after)
        .where(_T.correction_id == correction_id, _T.voxels != b"")
        .order_by(_T.number)
    )
    for row in rows:
        try:
            strokes[row.number] = unpack_voxels(row.voxels, row.before, row.after)
        except (ValueError, zlib.error) as error:
            raise DataError(
                f"Stroke {row.number} of correction {correction_id} cannot be read: {error}.",
                f"The catalogue {catalogue.location} is damaged; restore a copy.",
            ) from error
    return strokes


def _compare(archive: StrokeArchive, strokes: Mapping[int, Voxels], correction_id: int) -> None:
    for number, voxels in strokes.items():
        old, new = voxels, archive.voxels(number)
        if not all(np.array_equal(old[part], new[part]) for part in (0, 1, 2)):
            raise _unequal(number, correction_id)


def _unequal(number: int, correction_id: int) -> DataError:
    return DataError(
        f"Stroke {number} of correction {correction_id} was not packed as it is.",
        "Nothing was changed; the strokes stay as they are. Please report this.",
    )
