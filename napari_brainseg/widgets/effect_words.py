"""Words of an effect review: what a case is, what its figures say, what came of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.session.effect_cases import SAME_DSC
from napari_brainseg.widgets.numbers import dsc

if TYPE_CHECKING:
    from napari_brainseg.session.effect_cases import EffectCase, EffectTally
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.effect_review import Activity, EffectReview

__all__ = [
    "activity_text", "case_dsc_text", "change_sign", "fair_text", "figures_text", "kind_text",
    "progress_text", "shown_text", "summary_text", "tally_text",
]  # fmt: skip


def _tr(text: str) -> str:
    return QCoreApplication.translate("Effect", text)


def kind_text(case: EffectCase) -> str:
    """Why a case is looked at, and which versions its own figures flatter."""
    if case.kind == "locked":
        if case.trained_on_candidate or case.trained_on_current:
            return _tr("locked, but a version trained on it: its figure counts for nothing")
        return _tr("locked, never trained on")
    if case.trained_on_candidate and case.trained_on_current:
        return _tr("corrected, both versions trained on it")
    if case.trained_on_candidate:
        return _tr("corrected, the new version trained on it")
    return _tr("corrected, not trained on")


def shown_text(review: EffectReview, index: int) -> str:
    """DSC of the masks on show, old and new."""
    shown = review.measured(index)
    if shown is None:
        return ""
    return _tr("DSC {old} → {new}").format(old=dsc(shown[0]), new=dsc(shown[1]))


def fair_text(case: EffectCase) -> str:
    """Tell what models made of a corrected case without training on it; empty where unknown."""
    if case.kind != "corrected" or case.change is None:
        return ""
    text = (
        _tr("without training on it: {old} (start of the run) → {new}")
        if case.compared_with == "base"
        else _tr("without training on it: {old} → {new}")
    )
    return text.format(old=dsc(case.current_dsc), new=dsc(case.candidate_dsc))


def figures_text(review: EffectReview, index: int) -> str:
    """All that is known of a case in figures."""
    case = review.cases[index]
    shown, fair = shown_text(review, index), fair_text(case)
    if shown and case.trained_on_candidate and not fair:
        fair = _tr("flattered by training on it; no fair figure was measured")
    return " · ".join(part for part in (shown, fair) if part)


def case_dsc_text(review: EffectReview, index: int) -> str:
    """All figures of a case, also before its masks were shown; for the list."""
    case, text = review.cases[index], figures_text(review, index)
    if case.kind == "locked" and not text and case.change is not None:
        measured = _tr("DSC {old} → {new}")
        return measured.format(old=dsc(case.current_dsc), new=dsc(case.candidate_dsc))
    return text


def change_sign(change: float | None) -> str:
    """Whether the new version is better, equal or worse, as a sign."""
    if change is None:
        return ""
    if abs(change) <= SAME_DSC:
        return "="
    return "▲" if change > 0 else "▼"


def activity_text(activity: Activity, patient: str) -> str:
    """Tell what is being done for a case."""
    text = {
        "reading": _tr("Reading {patient}…"),
        "current": _tr("{patient}: the version in use predicts…"),
        "candidate": _tr("{patient}: the new version predicts…"),
    }[activity.work.value].format(patient=patient)
    if activity.total:
        return f"{text} {activity.done}/{activity.total}"
    return text


def tally_text(tally: EffectTally) -> str:
    """How many got better, stayed equal and got worse."""
    text = _tr("{better} better, {equal} equal, {worse} worse").format(
        better=tally.better, equal=tally.equal, worse=tally.worse
    )
    if tally.unknown:
        text += _tr(", {n} without a fair figure").format(n=tally.unknown)
    return text


def summary_text(review: EffectReview) -> str:
    """Count the cases that got better, by why they are looked at."""
    lines = []
    for kind, words in (
        ("locked", _tr("Worst locked: {tally}.")),
        ("corrected", _tr("Corrected (not trained on): {tally}.")),
    ):
        if any(case.kind == kind for case in review.cases):
            lines.append(words.format(tally=tally_text(review.tally(kind))))
    return "\n".join(lines)


def progress_text(found: Reviewed) -> str:
    """How many cases were looked at, and by whom."""
    if not found.looks:
        return _tr("Nobody looked at the cases yet.")
    names = ", ".join(sorted({look.editor for look in found.looks if look.editor}))
    text = _tr("{seen} of {total} cases looked at").format(seen=found.seen, total=found.total)
    return f"{text} ({names})." if names else f"{text}."
