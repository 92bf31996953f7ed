"""What a gate found, in words and signs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.gate import GateReason

__all__ = [
    "FAILED",
    "NOT_ENOUGH",
    "PASSED",
    "day_text",
    "outcome_sign",
    "outcome_text",
    "prose",
    "reason_sign",
    "signed",
]

PASSED, FAILED, NOT_ENOUGH = "passed", "failed", "not enough evidence"
"""Values of `GateOutcome`, whose module is heavy."""
_MINUS = re.compile(r"(?<![\w.])-(?=[\d.])")


def outcome_text(outcome: str) -> str:
    """Name an outcome, sentence case."""
    tr = QCoreApplication.translate
    return {
        PASSED: tr("Gate", "Passed"),
        FAILED: tr("Gate", "Failed"),
        NOT_ENOUGH: tr("Gate", "Not enough evidence"),
    }.get(outcome, outcome)


def outcome_sign(outcome: str) -> str:
    """Sign of an outcome, so that colour is never the only one."""
    return {PASSED: "\u2713", FAILED: "\u2717"}.get(outcome, "?")


def day_text(when: float | str | datetime) -> str:
    """Day of a Unix time or of an ISO 8601 one, on the clock here; empty where it is neither."""
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return ""
    then = when.astimezone() if isinstance(when, datetime) else datetime.fromtimestamp(when)
    return then.strftime("%Y-%m-%d")


def reason_sign(reason: GateReason) -> tuple[str, str]:
    """Sign of a reason, and the outcome that it speaks for, which gives its colour."""
    if reason.ok is None:
        return {"missing": "?", "warning": "!"}.get(reason.level, "–"), ""
    outcome = PASSED if reason.ok else FAILED
    return outcome_sign(outcome), outcome


def prose(text: str) -> str:
    """Set a sentence of the kernel, which is plain ASCII, for the screen.

    Names of patients may be broken after an underscore, so that none is cut off.
    """
    return _MINUS.sub("−", text.replace("->", "→")).replace("_", "_\u200b")


def signed(change: float | None, digits: int) -> str:
    """Write a change with its sign and a true minus; a dash where there is none."""
    if change is None:
        return "–"
    text = f"{change:+.{digits}f}".replace("-", "−")
    # What rounds to nothing has no direction.
    return text if any(digit in "123456789" for digit in text) else f"{0:.{digits}f}"
