"""What the catalogue knows about model versions: origin, deletions, gates, measurements.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from napari_brainseg.session.catalogue import Catalogue

__all__ = [
    "GateNote",
    "VersionNote",
    "gates_of",
    "is_base_of_a_run",
    "measured",
    "note_deleted",
    "note_dsc",
    "note_restored",
    "note_version",
    "version_notes",
]


@dataclass(frozen=True, slots=True)
class VersionNote:
    """What is kept of a version beside its folder; times are Unix seconds."""

    version: str
    name: str
    parent: str | None
    run_id: str | None
    created: float
    origin: str
    deleted: float | None
    deleted_by: str | None


@dataclass(frozen=True, slots=True)
class GateNote:
    """A gate without its evidence; ``created`` in Unix seconds."""

    id: int
    candidate: str
    current: str
    outcome: str
    locked_digest: str | None
    run_id: str | None
    created: float


def note_version(
    connection: Connection,
    version: str,
    path: Path,
    *,
    name: str,
    parent: str | None,
    origin: str = "run",
    run_id: str | None = None,
) -> None:
    """Keep where a version comes from; of one that is known only a deletion is taken back."""
    columns = tables.model_versions.c
    known = connection.execute(select(columns.version).where(columns.version == version)).first()
    if known is not None:
        note_restored(connection, version)
        return
    connection.execute(
        insert(tables.model_versions).values(
            version=version,
            path=str(path),
            name=name,
            parent=parent,
            run_id=run_id,
            created=time.time(),
            origin=origin,
        )
    )


def note_deleted(connection: Connection, version: str, editor: str) -> None:
    """Keep who deleted a version that is known, and when."""
    _set_deleted(connection, version, time.time(), editor.strip())


def note_restored(connection: Connection, version: str) -> None:
    """Take a deletion back."""
    _set_deleted(connection, version, None, None)


def _set_deleted(
    connection: Connection, version: str, moment: float | None, editor: str | None
) -> None:
    connection.execute(
        update(tables.model_versions)
        .where(tables.model_versions.c.version == version)
        .values(deleted=moment, deleted_by=editor)
    )


def version_notes(connection: Connection) -> dict[str, VersionNote]:
    """Read what is kept of all versions that were ever here, deleted ones too."""
    columns = tables.model_versions.c
    rows = connection.execute(
        select(
            columns.version,
            columns.name,
            columns.parent,
            columns.run_id,
            columns.created,
            columns.origin,
            columns.deleted,
            columns.deleted_by,
        )
    )
    return {row.version: VersionNote(*row) for row in rows}


def gates_of(
    connection: Connection, *, current: str | None = None, candidate: str | None = None
) -> list[GateNote]:
    """Read gates, the oldest first.

    Parameters
    ----------
    connection : Connection
    current, candidate : str, optional
        Only those against, or of, this version.
    """
    columns = tables.gates.c
    query = select(
        columns.id,
        columns.candidate,
        columns.current,
        columns.outcome,
        columns.locked_digest,
        columns.run_id,
        columns.created,
    ).order_by(columns.id)
    if current is not None:
        query = query.where(columns.current == current)
    if candidate is not None:
        query = query.where(columns.candidate == candidate)
    return [GateNote(*row) for row in connection.execute(query)]


def is_base_of_a_run(catalogue: Catalogue, version: str) -> bool:
    """Whether a run that goes on, in whatever window or without one, starts from a version."""
    from napari_brainseg.core.protocol.process_mark import lives

    columns = tables.runs.c
    with catalogue.read() as connection:
        found = connection.execute(
            select(columns.pid, columns.pid_started).where(
                columns.state == "running", columns.base == version
            )
        ).all()
    return any(lives(pid, mark) for pid, mark in found)


def note_dsc(
    catalogue: Catalogue,
    version: str,
    *,
    split_digest: str,
    patients: int,
    dsc: float,
    run_id: str | None,
) -> None:
    """Keep a version's mean DSC on the validation patients of a split."""
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.evaluations).values(
                version=version,
                split_digest=split_digest,
                patients=patients,
                dsc=dsc,
                run_id=run_id,
                created=time.time(),
            )
        )


def measured(catalogue: Catalogue, split_digest: str) -> dict[str, tuple[float, int]]:
    """Latest mean DSC of each version on a split, with the number of patients."""
    columns = tables.evaluations.c
    with catalogue.read() as connection:
        rows = connection.execute(
            select(columns.version, columns.dsc, columns.patients)
            .where(columns.split_digest == split_digest)
            .order_by(columns.id)
        ).all()
    return {version: (dsc, patients) for version, dsc, patients in rows}
