"""Cases and their corrections in the catalogue.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.deltas import pack_bits, unpack_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import CorrectionBase

__all__ = [
    "CaseRecord",
    "CaseStatus",
    "SavedCorrection",
    "active_correction",
    "add_correction",
    "case_records",
    "corrected_as",
    "has_correction_elsewhere",
    "register_case",
    "set_aside",
    "set_status",
    "status_since",
    "write_status",
]


class CaseStatus(StrEnum):
    """How far the work on a case is; every status can be reopened."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    CORRECTED = "corrected"
    SECOND_READER = "second reader"
    """The first reader asks another one to approve or to correct."""
    APPROVED = "approved"
    """Signed off into the training set."""
    REJECTED = "rejected"
    """Not fit for training."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case as the catalogue lists it."""

    patient: str
    image_sha256: str
    path: str | None
    status: CaseStatus
    updated: float
    """Unix time in seconds."""


def case_records(catalogue: Catalogue) -> tuple[CaseRecord, ...]:
    """All known cases, the latest first."""
    with catalogue.read() as connection:
        rows = connection.execute(
            select(tables.cases).order_by(tables.cases.c.updated.desc())
        ).all()
    return tuple(
        CaseRecord(row.patient, row.image_sha256, row.path, CaseStatus(row.status), row.updated)
        for row in rows
    )


@dataclass(frozen=True, slots=True, eq=False)
class SavedCorrection:
    """A correction as the catalogue keeps it, without its strokes."""

    id: int
    base: CorrectionBase
    base_version: str | None
    base_mask: NDArray[np.uint8]
    editor: str


def register_case(catalogue: Catalogue, study: Study, image_sha256: str) -> tuple[int, CaseStatus]:
    """Find a case by patient and image content, or add it; returns its row and status."""
    columns, now = tables.cases.c, time.time()
    path = None if study.path is None else str(study.path)
    known = select(columns.id, columns.status, columns.path).where(
        columns.patient == study.patient, columns.image_sha256 == image_sha256
    )
    # Most cases are known: every write waits for the disk, which the user would wait for.
    with catalogue.read() as connection:
        row = connection.execute(known).one_or_none()
    if row is not None and row.path == path:
        return row.id, CaseStatus(row.status)
    with catalogue.write() as connection:
        row = connection.execute(known).one_or_none()
        if row is not None:
            connection.execute(update(tables.cases).where(columns.id == row.id).values(path=path))
            return row.id, CaseStatus(row.status)
        made = connection.execute(
            insert(tables.cases).values(
                patient=study.patient,
                image_sha256=image_sha256,
                path=path,
                status=CaseStatus.NEW.value,
                created=now,
                updated=now,
            )
        )
        return _key(made.inserted_primary_key), CaseStatus.NEW


def has_correction_elsewhere(catalogue: Catalogue, case_id: int, patient: str) -> bool:
    """Whether a correction of the patient belongs to an image with other voxels."""
    cases, corrections = tables.cases, tables.corrections
    with catalogue.read() as connection:
        found = connection.execute(
            select(cases.c.id)
            .join(corrections, corrections.c.case_id == cases.c.id)
            .where(cases.c.patient == patient, cases.c.id != case_id, corrections.c.active)
        ).first()
    return found is not None


def corrected_as(catalogue: Catalogue, image_sha256: str, patient: str) -> str | None:
    """Another name under which the same voxels were corrected, the latest; `None` without one."""
    cases, corrections = tables.cases, tables.corrections
    with catalogue.read() as connection:
        name: str | None = connection.execute(
            select(cases.c.patient)
            .join(corrections, corrections.c.case_id == cases.c.id)
            .where(
                cases.c.image_sha256 == image_sha256,
                cases.c.patient != patient,
                corrections.c.active,
            )
            .order_by(cases.c.updated.desc())
        ).scalar()
    return name


def add_correction(
    catalogue: Catalogue,
    case_id: int,
    base: CorrectionBase,
    base_version: str | None,
    base_mask: NDArray[np.uint8],
    editor: str,
) -> int:
    """Start a correction; returns its row. The case is in progress from now on."""
    with catalogue.write() as connection:
        made = connection.execute(
            insert(tables.corrections).values(
                case_id=case_id,
                base=base,
                base_version=base_version,
                shape="x".join(map(str, base_mask.shape)),
                base_mask=pack_bits(base_mask),
                editor=editor,
                created=time.time(),
                active=True,
            )
        )
        write_status(connection, case_id, CaseStatus.IN_PROGRESS)
    return _key(made.inserted_primary_key)


def active_correction(
    catalogue: Catalogue, case_id: int, shape: tuple[int, int, int]
) -> SavedCorrection | None:
    """Find the correction of a case that was not set aside.

    Raises
    ------
    DataError
        If what was stored cannot be read.
    """
    columns = tables.corrections.c
    with catalogue.read() as connection:
        row = connection.execute(
            select(tables.corrections)
            .where(columns.case_id == case_id, columns.active)
            .order_by(columns.id.desc())
        ).first()
    if row is None:
        return None
    try:
        mask = unpack_bits(row.base_mask, shape)
    except (ValueError, zlib.error) as error:
        raise DataError(
            f"The saved correction {row.id} cannot be read: {error}.",
            f"The catalogue {catalogue.location} is damaged; restore a copy.",
        ) from error
    return SavedCorrection(row.id, row.base, row.base_version, mask, row.editor)


def set_aside(catalogue: Catalogue, case_id: int, correction_id: int) -> None:
    """Set a correction aside; it stays for the audit trail, and the case is new again."""
    with catalogue.write() as connection:
        connection.execute(
            update(tables.corrections)
            .where(tables.corrections.c.id == correction_id)
            .values(active=False)
        )
        write_status(connection, case_id, CaseStatus.NEW)


def status_since(catalogue: Catalogue, case_id: int) -> float:
    """Return when the status of a case was written last, in Unix seconds."""
    with catalogue.read() as connection:
        found = connection.execute(
            select(tables.cases.c.updated).where(tables.cases.c.id == case_id)
        ).scalar_one()
    return float(found)


def set_status(catalogue: Catalogue, case_id: int, status: CaseStatus) -> None:
    """Keep how far the work on a case is."""
    with catalogue.write() as connection:
        write_status(connection, case_id, status)


def write_status(connection: Connection, case_id: int, status: CaseStatus) -> None:
    """Keep a status as part of a transaction."""
    connection.execute(
        update(tables.cases)
        .where(tables.cases.c.id == case_id)
        .values(status=status.value, updated=time.time())
    )


def _key(inserted: tuple[object, ...] | None) -> int:
    assert inserted is not None
    return int(str(inserted[0]))
