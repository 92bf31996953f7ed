"""Which rows of the worklist are shown: words that were typed, and one kind of rows."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_brainseg.session.worklist_row import WorklistRow
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["STATUSES", "Kind", "haystack", "is_kind", "kind_title", "status_word", "tally"]


class Kind(StrEnum):
    """Rows of one kind. Every row is of exactly one of the kinds from `NEW` to `VANISHED`."""

    ALL = "all"
    NEW = "new"
    IN_PROGRESS = "in progress"
    CORRECTED = "corrected"
    SECOND_READER = "second reader"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAULTS = "faults"
    VANISHED = "vanished"
    MISSING = "missing modality"


STATUSES = (
    Kind.NEW,
    Kind.IN_PROGRESS,
    Kind.CORRECTED,
    Kind.SECOND_READER,
    Kind.APPROVED,
    Kind.REJECTED,
)
"""The values of `CaseStatus`, whose module brings the database along."""


def is_kind(row: WorklistRow, kind: str) -> bool:
    """Whether a row belongs to a kind."""
    if kind == Kind.ALL:
        return True
    if kind == Kind.MISSING:
        return bool(row.missing)
    return own_kind(row) == kind


def own_kind(row: WorklistRow) -> str:
    """Return the one kind of a row: what cannot be read is neither new nor done."""
    if row.vanished:
        return Kind.VANISHED
    return Kind.FAULTS if row.fault else row.status


def tally(rows: Iterable[WorklistRow]) -> Mapping[str, int]:
    """Count the rows of each kind."""
    rows = tuple(rows)
    counts = Counter(own_kind(row) for row in rows)
    counts[Kind.MISSING] = sum(1 for row in rows if row.missing)
    counts[Kind.ALL] = len(rows)
    return counts


def haystack(row: WorklistRow, names: Names) -> str:
    """Text that a search looks through: lower case, and without names where those are hidden."""
    parts = [names.full(row.patient), row.status, row.editor or "", row.model_version or ""]
    parts.extend(row.attributes.values())
    if row.fault:
        parts.append(names.scrub(f"{row.fault} {row.hint or ''}"))
    if row.open_elsewhere:
        parts.append(row.open_elsewhere)
    if row.missing:
        parts.extend(row.missing)
    return "\n".join(parts).casefold()


def status_word(status: str) -> str:
    """Return a status as people read it."""
    words = {
        Kind.NEW: QCoreApplication.translate("Worklist", "new"),
        Kind.IN_PROGRESS: QCoreApplication.translate("Worklist", "in progress"),
        Kind.CORRECTED: QCoreApplication.translate("Worklist", "corrected"),
        Kind.SECOND_READER: QCoreApplication.translate("Worklist", "second reader"),
        Kind.APPROVED: QCoreApplication.translate("Worklist", "approved"),
        Kind.REJECTED: QCoreApplication.translate("Worklist", "rejected"),
        Kind.FAULTS: QCoreApplication.translate("Worklist", "cannot be read"),
        Kind.VANISHED: QCoreApplication.translate("Worklist", "vanished"),
        Kind.MISSING: QCoreApplication.translate("Worklist", "without a modality"),
    }
    return words.get(status, status)  # type: ignore[call-overload, no-any-return]


def kind_title(kind: Kind) -> str:
    """Return a kind as an entry of a list."""
    if kind is Kind.ALL:
        return QCoreApplication.translate("Worklist", "All patients")
    word = status_word(kind)
    return word[:1].upper() + word[1:]
