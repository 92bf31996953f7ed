"""Words of an effect review: what a case is, what its figures say, what came of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.widgets.numbers import dsc, voxels
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.effect_cases import EffectCase, EffectTally, Figures
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.effect_picture import Activity
    from napari_brainseg.session.effect_review import EffectReview

__all__ = [
    "activity_text", "change_text", "fair_text", "figures_text", "kind_text", "names_of",
    "progress_text", "summary_text", "tally_text",
]  # fmt: skip


_SIGNS = {1: "▲", 0: "=", -1: "▼"}


def _tr(text: str) -> str:
    return QCoreApplication.translate("Effect", text)


def names_of(review: EffectReview, desk: Desk) -> Names:
    """Names of the cases as in the worklist; those that are not in it get the next numbers."""
    patients = dict.fromkeys(row.patient for row in desk.worklist.rows)
    patients |= dict.fromkeys(case.patient for case in review.cases)
    return Names(patients, hidden=desk.preferences.get("hide_identifiers"))


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


def _pair_text(figures: Figures) -> str:
    if figures.has_lesion:
        text = _tr("DSC {old} → {new}")
        return text.format(old=dsc(figures.current_dsc), new=dsc(figures.candidate_dsc))
    text = _tr("no lesion; voxels marked {old} → {new}")
    return text.format(old=voxels(figures.current_vox), new=voxels(figures.candidate_vox))


def fair_text(case: EffectCase) -> str:
    """Tell what models made of a corrected case without training on it; empty where unknown."""
    if case.kind != "corrected" or case.figures is None:
        return ""
    text = (
        _tr("without training on it, from the start of the run: {figures}")
        if case.compared_with == "base"
        else _tr("without training on it: {figures}")
    )
    return text.format(figures=_pair_text(case.figures))


def figures_text(review: EffectReview, index: int) -> str:
    """All that is known of a case in figures: of the masks on show, and those that are fair."""
    case, shown = review.cases[index], review.measured(index)
    if shown is None and case.kind == "locked":
        shown = case.figures
    parts = [] if shown is None else [_pair_text(shown)]
    if fair := fair_text(case):
        parts.append(fair)
    elif parts and case.trained_on_candidate:
        parts.append(_tr("flattered by training on it; no fair figure was measured"))
    return " · ".join(parts)


def change_text(figures: Figures | None) -> str:
    """How much better or worse the new version is, with a sign; empty where unknown."""
    if figures is None:
        return ""
    by = (
        f"{figures.dsc_change:+.3f}"
        if figures.has_lesion
        else _tr("{n} vox").format(n=f"{figures.vox_change:+d}")
    )
    return f"{by} {_SIGNS[figures.verdict]}".replace("-", "\u2212")


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
