"""Decisions on a case in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.session.readers import is_same_reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.session.review import SignOffState
    from napari_brainseg.session.review_log import ReviewRecord

__all__ = ["history_words", "state_words", "time_words"]


def state_words(state: SignOffState, status: str) -> str:
    """Return where the case stands, e.g. ``Approved by Ada, 14:05; second reader Grace``.

    Parameters
    ----------
    state : SignOffState
        With all decisions.
    status : str
        Value of `CaseStatus`.
    """
    last = state.reviews[-1] if state.reviews else None
    acts = {"approved": "approve", "rejected": "reject", "second reader": "ask"}
    if last is None or acts.get(status, "reopen") != last.act:
        bare = {"approved": _tr("Approved."), "rejected": _tr("Rejected.")}
        return bare.get(status, "")
    words = _one(last)
    if status == "approved":
        asked_by = _asked_by(state.reviews)
        if asked_by is not None and not is_same_reader(asked_by, last.editor):
            words = _tr("Approved by {name} as second reader of {first}, {time}").format(
                name=last.editor, first=asked_by, time=time_words(last.created)
            )
        elif state.second_reader and not is_same_reader(state.second_reader, last.editor):
            words += _tr("; second reader {name}").format(name=state.second_reader)
        if last.mask_sha256 is None:
            words += _tr("; not in the training set")
    return f"{words}: {last.note}" if last.note else f"{words}."


def history_words(reviews: Sequence[ReviewRecord]) -> str:
    """Return all decisions, a line each, oldest first."""
    lines = [_one(record) + (f": {record.note}" if record.note else "") for record in reviews]
    return "\n".join(lines)


def time_words(moment: float) -> str:
    """Return the time of today, or the day with it."""
    then = datetime.fromtimestamp(moment)
    is_today = then.date() == datetime.now().date()
    return then.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")


def _one(record: ReviewRecord) -> str:
    texts = {
        "approve": _tr("Approved by {name}, {time}"),
        "reject": _tr("Rejected by {name}, {time}"),
        "reopen": _tr("Reopened by {name}, {time}"),
        "ask": _tr("{name} asks for a second reader, {time}"),
    }
    text = texts[record.act.value].format(name=record.editor, time=time_words(record.created))
    return str(text)


def _asked_by(reviews: Sequence[ReviewRecord]) -> str | None:
    """Return who had asked when the last decision was made."""
    before = reviews[-2] if len(reviews) > 1 else None
    return before.editor if before is not None and before.act == "ask" else None


def _tr(text: str) -> str:
    return QCoreApplication.translate("SignOff", text)
