"""What the catalogue knows of the work on a case, read without opening it: for reports.

Opening a case takes the right to paint on it, which a report does not need.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from napari_brainseg.core.reporting.patient_report import Basis, SignOff, Work
from napari_brainseg.session import tables
from napari_brainseg.session.case_log import CaseStatus, active_correction
from napari_brainseg.session.readers import is_same_reader
from napari_brainseg.session.review_log import ReviewAct, ReviewRecord, reviews_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["RecordedWork", "basis_of", "case_of", "recorded_work", "sign_off_of"]

_WORDS = {
    ReviewAct.APPROVE: "approved",
    ReviewAct.REJECT: "rejected",
    ReviewAct.ASK: "second reader asked for",
}


@dataclass(frozen=True, slots=True, eq=False)
class RecordedWork:
    """The work on one case.

    Parameters
    ----------
    case_id : int
        Row of the case.
    mask, base_mask : ndarray of uint8, shape (Z, Y, X), or None
        The correction as saved, and what it started from; ``None`` where there is none.
    work : Work or None
        What people did.
    sign_off : SignOff or None
        The decision that stands.
    basis : Basis or None
        What `mask` is worth.
    """

    case_id: int
    mask: NDArray[np.uint8] | None
    base_mask: NDArray[np.uint8] | None
    work: Work | None
    sign_off: SignOff | None
    basis: Basis | None


def case_of(catalogue: Catalogue, patient: str, image_sha256: str) -> int | None:
    """Row of the case of a patient and an image; ``None`` where nobody opened it yet."""
    columns = tables.cases.c
    with catalogue.read() as connection:
        found = connection.execute(
            select(columns.id).where(
                columns.patient == patient, columns.image_sha256 == image_sha256
            )
        ).scalar_one_or_none()
    return None if found is None else int(found)


def recorded_work(
    catalogue: Catalogue, case_id: int, shape: tuple[int, int, int] | None = None
) -> RecordedWork:
    """Read the work on a case.

    Parameters
    ----------
    catalogue : Catalogue
    case_id : int
        See `case_of`.
    shape : tuple of int, optional
        (Z, Y, X) of the image; that of the correction if left out.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    from napari_brainseg.session.history import StrokeHistory

    shape = shape or _shape_of(catalogue, case_id)
    saved = None if shape is None else active_correction(catalogue, case_id, shape)
    reviews = reviews_of(catalogue, case_id)
    if saved is None:
        sign_off = sign_off_of(catalogue, None, reviews, None)
        return RecordedWork(case_id, None, None, None, sign_off, None)
    mask = saved.base_mask.copy()
    StrokeHistory(catalogue, saved.id).replay(mask)
    added = int(np.count_nonzero((mask != 0) & (saved.base_mask == 0)))
    removed = int(np.count_nonzero((mask == 0) & (saved.base_mask != 0)))
    strokes, corrections = tables.strokes.c, tables.corrections.c
    with catalogue.read() as connection:
        created = connection.execute(
            select(corrections.created).where(corrections.id == saved.id)
        ).scalar_one()
        status = connection.execute(
            select(tables.cases.c.status).where(tables.cases.c.id == case_id)
        ).scalar_one()
        seconds = connection.execute(
            select(func.sum(strokes.seconds)).where(strokes.correction_id == saved.id)
        ).scalar()
        done = connection.execute(
            select(strokes.editor, strokes.created)
            .where(strokes.correction_id == saved.id, strokes.state == "done")
            .order_by(strokes.number)
        ).all()
    work = Work(
        base=saved.base,
        base_version=saved.base_version,
        editors=tuple(dict.fromkeys(row.editor for row in done)) or (saved.editor,),
        strokes=len(done),
        seconds=float(seconds or 0.0),
        started=_time(created),
        last=_time(done[-1].created) if done else None,
        added_vox=added,
        removed_vox=removed,
    )
    basis = basis_of(mask, reviews, CaseStatus(status))
    sign_off = sign_off_of(catalogue, saved.id, reviews, basis)
    return RecordedWork(case_id, mask, saved.base_mask, work, sign_off, basis)


def basis_of(
    mask: NDArray[np.uint8], reviews: tuple[ReviewRecord, ...], status: CaseStatus
) -> Basis:
    """Tell what a correction is worth: an approval holds for the mask that was approved only."""
    from napari_brainseg.core.dataset.hashing import sha256_of_arrays

    approved = _last_approval(reviews)
    if approved is None:
        return Basis.CORRECTION
    is_last = approved is reviews[-1]
    if approved.mask_sha256 is None:
        # A status that was set in the list names no mask.
        is_approved = is_last and status is CaseStatus.APPROVED
        return Basis.APPROVED if is_approved else Basis.CORRECTION
    if approved.mask_sha256 != sha256_of_arrays(mask):
        return Basis.CHANGED
    return Basis.APPROVED if is_last else Basis.CORRECTION


def sign_off_of(
    catalogue: Catalogue,
    correction_id: int | None,
    reviews: tuple[ReviewRecord, ...],
    basis: Basis | None,
) -> SignOff | None:
    """Return the decision that stands; of a mask that was changed since, the former approval."""
    if not reviews:
        return None
    decided = reviews[-1]
    if basis is Basis.CHANGED:
        decided = _last_approval(reviews) or decided
    if decided.act not in _WORDS:
        return None
    return SignOff(
        act=_WORDS[decided.act],
        by=decided.editor,
        at=_time(decided.created),
        second_reader=_second_reader(catalogue, correction_id, reviews, decided),
        note=decided.note,
    )


def _last_approval(reviews: tuple[ReviewRecord, ...]) -> ReviewRecord | None:
    """Last approval, unless something but reopening came after it: painting on reopens a case."""
    for record in reversed(reviews):
        if record.act is ReviewAct.APPROVE:
            return record
        if record.act is not ReviewAct.REOPEN:
            return None
    return None


def _second_reader(
    catalogue: Catalogue,
    correction_id: int | None,
    reviews: tuple[ReviewRecord, ...],
    approved: ReviewRecord,
) -> str | None:
    """Who read second what was approved: as `SecondReading.second_reader` tells it then."""
    before = reviews[: reviews.index(approved)]
    if approved.act is not ReviewAct.APPROVE or not before or before[-1].act is not ReviewAct.ASK:
        return None
    asked = before[-1]
    if not is_same_reader(approved.editor, asked.editor):
        return approved.editor
    strokes = tables.strokes.c
    with catalogue.read() as connection:
        editors = connection.execute(
            select(strokes.editor)
            .where(
                strokes.correction_id == correction_id,
                strokes.state == "done",
                strokes.created > asked.created,
                strokes.created <= approved.created,
            )
            .order_by(strokes.id.desc())
        ).scalars()
        return next((str(name) for name in editors if not is_same_reader(name, asked.editor)), None)


def _shape_of(catalogue: Catalogue, case_id: int) -> tuple[int, int, int] | None:
    columns = tables.corrections.c
    with catalogue.read() as connection:
        text = connection.execute(
            select(columns.shape)
            .where(columns.case_id == case_id, columns.active)
            .order_by(columns.id.desc())
        ).scalar()
    if text is None:
        return None
    z, y, x = (int(part) for part in str(text).split("x"))
    return z, y, x


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()
