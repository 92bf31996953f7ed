"""What a gate found, in words and signs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.widgets import numbers

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.gate import GateReason, GateVerdict
    from napari_brainseg.widgets.worklist_names import Names

__all__ = [
    "FAILED",
    "NOT_ENOUGH",
    "PASSED",
    "day_text",
    "outcome_sign",
    "outcome_text",
    "prose",
    "reason_sign",
    "short_reason",
    "signed",
]

PASSED, FAILED, NOT_ENOUGH = "passed", "failed", "not enough evidence"
"""Values of `GateOutcome`, whose module is heavy."""
_TOKEN = re.compile(r"[\w.\-]+")
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


def short_reason(reason: GateReason, verdict: GateVerdict, names: Names) -> str:
    """Write a kept rule with its figures in a line or two; what is broken is told in full.

    Parameters
    ----------
    reason : GateReason
        One of the verdict's.
    verdict : GateVerdict
        With the figures.
    names : Names
        What patients are called on the screen.
    """
    tr = QCoreApplication.translate
    text = _called(reason.text, names)
    if not reason.ok:
        return prose(text)
    if reason.kind == "mean" and verdict.mean_difference is not None:
        told = tr("Gate", "Locked patients: mean DSC {old} → {new}{interval}")
        text = told.format(
            old=numbers.dsc(verdict.mean_current),
            new=numbers.dsc(verdict.mean_candidate),
            interval=_interval(verdict.interval),
        )
    elif reason.kind == "worst" and verdict.worst is not None:
        told = tr("Gate", "Worst change of a locked patient: {change}, {patient}")
        worst = verdict.worst
        text = told.format(change=signed(-worst.drop, 3), patient=names.short(worst.patient))
    elif reason.kind == "corrections" and verdict.corrections_difference is not None:
        told = tr("Gate", "Corrected patients: mean DSC {change}{interval}")
        text = told.format(
            change=signed(verdict.corrections_difference, 3),
            interval=_interval(verdict.corrections_interval),
        )
    elif reason.kind == "empty":
        text = tr("Gate", "No lesion is missed that was found before")
    elif reason.kind == "false positives":
        text = tr("Gate", "No more is marked in patients without a lesion")
    return prose(text)


def _called(text: str, names: Names) -> str:
    """Call the patients of a sentence what the screen calls them."""

    def call(match: re.Match[str]) -> str:
        name = match[0].rstrip(".")
        return names.short(name) + match[0][len(name) :] if names.number(name) else match[0]

    return _TOKEN.sub(call, names.scrub(text))


def _interval(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    low, high = (signed(limit, 3) for limit in limits)
    text = QCoreApplication.translate("Gate", " (95 % interval of the change {low} to {high})")
    return text.format(low=low, high=high)


def signed(change: float | None, digits: int) -> str:
    """Write a change with its sign and a true minus; a dash where there is none."""
    if change is None:
        return "–"
    text = f"{change:+.{digits}f}".replace("-", "−")
    # What rounds to nothing has no direction.
    return text if any(digit in "123456789" for digit in text) else f"{0:.{digits}f}"
