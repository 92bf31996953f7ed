"""What people decided of a case, in the catalogue; each decision together with the status.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.case_log import CaseStatus, write_status
from napari_brainseg.session.readers import is_same_reader
from napari_brainseg.session.sign_off_checks import Finding, FindingKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Decision", "ReviewAct", "ReviewRecord", "SecondReading", "act_for", "decide",
           "reviews_of", "second_reading"]  # fmt: skip

_T = tables.reviews.c


class ReviewAct(StrEnum):
    """What was decided."""

    APPROVE = "approve"
    REJECT = "reject"
    REOPEN = "reopen"
    ASK = "ask"
    """For a second reader."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides.

    Parameters
    ----------
    act : ReviewAct
        What.
    editor : str
        Who.
    note : str
        Why, in words.
    correction_id : int or None
        Row of the correction decided on.
    mask_sha256 : str or None
        Content hash of its mask.
    findings : tuple of Finding
        What the checks found and was let pass.
    status : CaseStatus or None
        What the case is from now on; `None`: what follows from the act.
    """

    act: ReviewAct
    editor: str
    note: str = ""
    correction_id: int | None = None
    mask_sha256: str | None = None
    findings: tuple[Finding, ...] = ()
    status: CaseStatus | None = None


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A decision as the catalogue keeps it; see `Decision`."""

    id: int
    act: ReviewAct
    editor: str
    note: str
    correction_id: int | None
    mask_sha256: str | None
    findings: tuple[Finding, ...]
    created: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class SecondReading:
    """A request for a second reader that nobody decided on yet.

    Parameters
    ----------
    asked_by : str
        The first reader.
    note : str
        What to look at.
    asked : float
        Unix time in seconds.
    corrected_by : str or None
        Another reader who painted since.
    """

    asked_by: str
    note: str
    asked: float
    corrected_by: str | None = None

    def refuse(self, editor: str) -> None:
        """Raise `DataError` if `editor` alone would approve what they asked another one to read."""
        if is_same_reader(editor, self.asked_by) and self.corrected_by is None:
            raise DataError(
                f"{self.asked_by} asked for a second reader: another person must approve or "
                "correct this case.",
                "Let the second reader give their own name as editor, or reopen the case to "
                "withdraw the request.",
            )

    def second_reader(self, editor: str) -> str | None:
        """Return who read second, if `editor` approves now."""
        return self.corrected_by if is_same_reader(editor, self.asked_by) else editor


def act_for(status: CaseStatus) -> ReviewAct:
    """Return the decision that a status stands for."""
    acts = {
        CaseStatus.APPROVED: ReviewAct.APPROVE,
        CaseStatus.REJECTED: ReviewAct.REJECT,
        CaseStatus.SECOND_READER: ReviewAct.ASK,
    }
    return acts.get(status, ReviewAct.REOPEN)


def decide(
    catalogue: Catalogue, case_id: int, decision: Decision
) -> tuple[ReviewRecord, CaseStatus]:
    """Keep a decision and the status that follows from it, in one transaction.

    Raises
    ------
    DataError
        If nobody is named, the first reader approves in place of the second, or the catalogue
        cannot be written; nothing is changed then.
    """
    if not decision.editor.strip():
        raise DataError("Nobody is named as editor.", "Give your name or your initials first.")
    values = {
        "case_id": case_id,
        "correction_id": decision.correction_id,
        "act": decision.act.value,
        "editor": decision.editor.strip(),
        "note": decision.note.strip(),
        "mask_sha256": decision.mask_sha256,
        "findings": json.dumps([asdict(f) for f in decision.findings], ensure_ascii=False),
        "created": time.time(),
    }
    with catalogue.write() as connection:
        if decision.act is ReviewAct.APPROVE:
            request = _second_reading(connection, case_id)
            if request is not None:
                request.refuse(decision.editor)
        status = decision.status or _status_after(connection, case_id, decision.act)
        connection.execute(insert(tables.reviews).values(values))
        write_status(connection, case_id, status)
        row = connection.execute(
            select(tables.reviews).where(_T.case_id == case_id).order_by(_T.id.desc()).limit(1)
        ).one()
    return _record(row), status


def reviews_of(catalogue: Catalogue, case_id: int) -> tuple[ReviewRecord, ...]:
    """All decisions on a case, oldest first."""
    with catalogue.read() as connection:
        rows = connection.execute(
            select(tables.reviews).where(_T.case_id == case_id).order_by(_T.id)
        ).all()
    return tuple(_record(row) for row in rows)


def second_reading(catalogue: Catalogue, case_id: int) -> SecondReading | None:
    """Return the request for a second reader that stands, if any."""
    with catalogue.read() as connection:
        return _second_reading(connection, case_id)


def _second_reading(connection: Connection, case_id: int) -> SecondReading | None:
    row = connection.execute(
        select(tables.reviews).where(_T.case_id == case_id).order_by(_T.id.desc()).limit(1)
    ).one_or_none()
    if row is None or row.act != ReviewAct.ASK:
        return None
    strokes, corrections = tables.strokes.c, tables.corrections.c
    editors = connection.execute(
        select(strokes.editor)
        .join(tables.corrections, corrections.id == strokes.correction_id)
        .where(
            corrections.case_id == case_id,
            corrections.active,
            strokes.created > row.created,
            strokes.state == "done",
        )
        .order_by(strokes.id.desc())
    ).scalars()
    other = next((name for name in editors if not is_same_reader(name, row.editor)), None)
    return SecondReading(row.editor, row.note, row.created, other)


def _status_after(connection: Connection, case_id: int, act: ReviewAct) -> CaseStatus:
    if act is ReviewAct.APPROVE:
        return CaseStatus.APPROVED
    if act is ReviewAct.REJECT:
        return CaseStatus.REJECTED
    if act is ReviewAct.ASK:
        return CaseStatus.SECOND_READER
    corrections, strokes = tables.corrections.c, tables.strokes.c
    row = connection.execute(
        select(func.count(corrections.id.distinct()), func.count(strokes.id))
        .select_from(tables.corrections)
        .outerjoin(tables.strokes, strokes.correction_id == corrections.id)
        .where(corrections.case_id == case_id, corrections.active)
    ).one()
    if row[1]:
        return CaseStatus.CORRECTED
    return CaseStatus.IN_PROGRESS if row[0] else CaseStatus.NEW


def _record(row: Any) -> ReviewRecord:
    return ReviewRecord(
        id=row.id,
        act=ReviewAct(row.act),
        editor=row.editor,
        note=row.note,
        correction_id=row.correction_id,
        mask_sha256=row.mask_sha256,
        findings=tuple(
            Finding(FindingKind(f["kind"]), f["message"], f["slice_index"], f["must_acknowledge"])
            for f in json.loads(row.findings)
        ),
        created=row.created,
    )
