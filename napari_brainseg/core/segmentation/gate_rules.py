"""The rules of the gate, each with its figures as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_brainseg.core.dataset.locked_set import LEAST_LOCKED
from napari_brainseg.core.segmentation.gate_figures import (
    Change,
    interval_text,
    listed,
    signed,
)
from napari_brainseg.core.segmentation.gate_verdict import GateReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.segmentation.calibration import Calibration
    from napari_brainseg.core.segmentation.gate_evidence import GateEvidence, PairedPatient

__all__ = [
    "LARGEST_DROP",
    "LARGEST_MEAN_DROP",
    "LEAST_LOCKED",
    "calibration_reason",
    "corrections_reasons",
    "empty_reason",
    "enough_reasons",
    "false_positive_reason",
    "hd95_reason",
    "largest_drop",
    "mean_reason",
    "notes_of",
    "worst_reason",
]

LEAST_WITH_LESION = 3
"""A mean DSC over fewer is an anecdote; patients without a lesion have no DSC to compare."""
LARGEST_MEAN_DROP = 0.005
"""Of the mean DSC of locked patients."""
LARGEST_DROP = 0.03
"""Of the DSC of any locked patient."""
CALIBRATION_LIMIT = 0.02
"""A larger rise of the expected calibration error is a warning."""
LEAST_FOR_HD95 = 5
"""The interval of fewer distances is too narrow to warn by."""
HOW = {
    "inner folds": "inner folds",
    "leave-one-out": "leave-one-out",
    "unseen": "the candidate itself",
    "none": "not measured",
}
ROUNDING = 1e-9
"""Binary fractions: 0.900 - 0.905 is a little less than -0.005. A single voxel changes the DSC of a
lesion of a million voxels by more than this."""


def enough_reasons(evidence: GateEvidence) -> list[GateReason]:
    """Say what a verdict would need and is not there."""
    found = []
    locked = len(evidence.locked)
    lesions = sum(pair.has_lesion for pair in evidence.locked)
    if locked < LEAST_LOCKED:
        found.append(
            _missing(
                "patients",
                f"{_patients(locked, 'locked')} measured; a verdict needs at least {LEAST_LOCKED}.",
            )
        )
    elif lesions < LEAST_WITH_LESION:
        found.append(
            _missing(
                "patients",
                f"{lesions} of {locked} locked patients have a lesion; a mean DSC needs at least "
                f"{LEAST_WITH_LESION}.",
            )
        )
    if evidence.corrections and all(pair.is_as_drawn for pair in evidence.corrections):
        found.append(
            _missing(
                "corrections",
                "All corrected patients were signed off as the model had drawn them: against its "
                "own masks no other model can be better.",
            )
        )
    if not evidence.corrections:
        found.append(
            _missing(
                "corrections",
                "Whether corrected patients gain was not measured: that needs models which were "
                "not trained on them (inner folds).",
            )
        )
    return found


def mean_reason(change: Change | None) -> GateReason:
    """Rule: the mean DSC of locked patients with a lesion drops by 0.005 at most."""
    if change is None:
        return _note("mean", "No locked patient has a lesion: there is no DSC to compare.")
    ok = _mean_holds(change.difference)
    text = (
        f"Mean DSC on {_patients(change.patients, 'locked')} {change.current:.3f} -> "
        f"{change.candidate:.3f} ({signed(change.difference, _mean_holds)}, "
        f"{interval_text(change.interval, _mean_holds)}): "
    )
    text += f"within the limit of -{LARGEST_MEAN_DROP:g}." if ok else (
        f"it falls by more than {LARGEST_MEAN_DROP:g}."
    )  # fmt: skip
    if ok and change.interval is not None and not _mean_holds(change.interval[0]):
        text += (
            " The interval reaches below the limit: with so few patients a larger loss is not "
            "ruled out."
        )
    return GateReason(kind="mean", ok=ok, text=text)


def worst_reason(lesions: Sequence[PairedPatient]) -> GateReason:
    """Rule: no locked patient's DSC drops by more than 0.03."""
    worst = largest_drop(lesions)
    if worst is None:
        return _note("worst", "No locked patient has a lesion: none can drop.")
    broken = sum(not _drop_holds(pair.difference) for pair in lesions)
    figures = _drop_text(worst)
    if broken:
        drop = "drops" if broken == 1 else "drop"
        text = f"{_patients(broken, 'locked')} {drop} by more than {LARGEST_DROP:g}"
        text += f": {figures}." if broken == 1 else f"; the most, {figures}."
    elif worst.difference >= 0:
        text = f"No locked patient drops; the least gain is that of {figures}."
    else:
        text = (
            f"Largest drop of a locked patient: {figures}, within the limit of -{LARGEST_DROP:g}."
        )
    return GateReason(kind="worst", ok=not broken, text=text)


def largest_drop(lesions: Sequence[PairedPatient]) -> PairedPatient | None:
    """Find the patient whose DSC falls most, or rises least; ``None`` of nobody."""
    return min(lesions, key=lambda pair: (pair.difference, pair.patient), default=None)


def corrections_reasons(evidence: GateEvidence, change: Change | None) -> list[GateReason]:
    """Rule: corrected patients gain; with warnings of single ones."""
    if not evidence.corrections:
        return []
    how = f"each predicted by a model that was not trained on it ({HOW[evidence.corrections_how]})"
    free = [pair for pair in evidence.corrections if not pair.has_lesion]
    drawn = [pair for pair in evidence.corrections if pair.is_as_drawn]
    found = []
    if change is not None:
        found.append(_gain(change, how))
    elif free:
        found.append(_marked(free, how))
    if drawn:
        found.append(
            _note(
                "corrections as drawn",
                f"{listed(sorted(pair.patient for pair in drawn))}: signed off as the model had "
                "drawn it, so not counted among the corrections that gain.",
            )
        )
    others = [p for p in evidence.corrections if p.compared_with == "base"]
    if others:
        found.append(
            _note(
                "corrections base",
                f"{len(others)} of {_patients(len(evidence.corrections), 'corrected')} are "
                "compared with the base model: the version in use was trained on them and would "
                "be flattered.",
            )
        )
    worst = largest_drop([p for p in evidence.corrections if p.has_lesion])
    if worst is not None and not _drop_holds(worst.difference):
        found.append(
            _warning(
                "corrections worst",
                f"A corrected patient drops by more than {LARGEST_DROP:g}: {_drop_text(worst)}.",
            )
        )
    if change is not None and (worse := _more_marked(free)):
        found.append(
            _warning(
                "corrections false positives",
                f"More is marked in corrected patients without a lesion: {listed(worse)}.",
            )
        )
    return found


def empty_reason(evidence: GateEvidence, empty: Sequence[str]) -> GateReason:
    """Rule: no lesion is missed wholly that was found before."""
    lesions = sum(p.has_lesion for p in (*evidence.locked, *evidence.corrections))
    if not lesions:
        return _note("empty", "No measured patient has a lesion: none can be missed.")
    if empty:
        return GateReason(
            kind="empty",
            ok=False,
            text=f"The mask is empty where there is a lesion, and was not before: {listed(empty)}.",
        )
    return GateReason(
        kind="empty",
        ok=True,
        text=f"No new empty mask among {_patients(lesions)} with a lesion.",
    )


def false_positive_reason(free: Sequence[PairedPatient]) -> GateReason:
    """Rule: locked patients without a lesion are not marked more than before.

    The DSC of two empty masks is 1 and that of any mark 0, so it is not asked of them.
    """
    if not free:
        return _note(
            "false positives",
            "No locked patient is free of lesion: false positives in them were not measured.",
        )
    before = [p.current.volume_prediction_vox for p in free]
    after = [p.candidate.volume_prediction_vox for p in free]
    marked_before, marked_after = (sum(v > 0 for v in volumes) for volumes in (before, after))
    ok = marked_after <= marked_before and sum(after) <= sum(before)
    return GateReason(
        kind="false positives",
        ok=ok,
        text=(
            f"Of {_patients(len(free), 'locked')} without a lesion {marked_before} -> "
            f"{marked_after} are marked, {sum(before)} -> {sum(after)} voxels: "
            f"{'no more than before' if ok else 'more than before'}."
        ),
    )


def hd95_reason(change: Change | None, unit: Literal["mm", "vox"], lesions: int) -> GateReason:
    """Report the distance of outlines of locked patients with a lesion; warn where it grows."""
    if change is None:
        return _note("hd95", "HD95 is not known of any locked patient.")
    name = "mm" if unit == "mm" else "voxels"
    text = (
        f"Mean HD95 on {_patients(change.patients, 'locked')} {change.current:.1f} -> "
        f"{change.candidate:.1f} {name} ({signed(change.difference, digits=2)}, "
        f"{interval_text(change.interval, digits=2)})"
    )
    if lost := lesions - change.patients:
        text += f", {lost} without a distance left out"
    clear = change.interval is not None and change.interval[0] > ROUNDING
    if clear and change.patients >= LEAST_FOR_HD95:
        return _warning("hd95", f"{text}: outlines lie clearly further from the truth.")
    return _note("hd95", f"{text}.")


def calibration_reason(before: Calibration | None, after: Calibration | None) -> GateReason:
    """Report the calibration; a warning where it is clearly worse."""
    if before is None or after is None:
        return _note("calibration", "The calibration was not measured with both models.")
    rise = after.expected_error - before.expected_error
    text = (
        f"Calibration error near outlines {before.expected_error:.3f} -> "
        f"{after.expected_error:.3f} ({signed(rise, _calibration_holds)})"
    )
    if _calibration_holds(rise):
        return _note("calibration", f"{text}.")
    return _warning("calibration", f"{text}: probabilities and uncertainty are less to be trusted.")


def notes_of(evidence: GateEvidence) -> list[GateReason]:
    """Tell who was left out, and how it was measured."""
    return [
        *(
            _warning("left out", f"{left.patient} was left out: {left.reason}")
            for left in evidence.left_out
        ),
        *(_warning("warning", text) for text in evidence.warnings),
        *(_note("note", text) for text in evidence.notes),
    ]


def _gain(change: Change, how: str) -> GateReason:
    ok = _gain_holds(change.difference)
    text = (
        f"Mean DSC on {_patients(change.patients, 'corrected')} {change.current:.3f} -> "
        f"{change.candidate:.3f} ({signed(change.difference, _gain_holds)}, "
        f"{interval_text(change.interval, _gain_holds)}), {how}: {'better' if ok else 'no better'}."
    )
    if ok and change.interval is not None and not _gain_holds(change.interval[0]):
        text += " The interval reaches down to 0 or below: the gain may be chance."
    return GateReason(kind="corrections", ok=ok, text=text)


def _marked(free: Sequence[PairedPatient], how: str) -> GateReason:
    """Corrected patients without a lesion gain where less of them is marked."""
    before = sum(p.current.volume_prediction_vox for p in free)
    after = sum(p.candidate.volume_prediction_vox for p in free)
    return GateReason(
        kind="corrections",
        ok=after < before,
        text=(
            f"In {_patients(len(free), 'corrected')} without a lesion {before} -> {after} voxels "
            f"are marked, {how}: {'better' if after < before else 'no better'}."
        ),
    )


def _drop_text(pair: PairedPatient) -> str:
    return (
        f"{pair.patient}, {pair.current.dsc_native:.3f} -> {pair.candidate.dsc_native:.3f} "
        f"({signed(pair.difference, _drop_holds)})"
    )


def _more_marked(free: Sequence[PairedPatient]) -> list[str]:
    return sorted(
        p.patient
        for p in free
        if p.candidate.volume_prediction_vox > p.current.volume_prediction_vox
    )


def _mean_holds(difference: float) -> bool:
    return difference >= -LARGEST_MEAN_DROP - ROUNDING


def _drop_holds(difference: float) -> bool:
    return difference >= -LARGEST_DROP - ROUNDING


def _gain_holds(difference: float) -> bool:
    return difference > ROUNDING


def _calibration_holds(rise: float) -> bool:
    return rise <= CALIBRATION_LIMIT + ROUNDING


def _patients(count: int, kind: str = "") -> str:
    kind = f"{kind} " if kind else ""
    return f"{count} {kind}{'patient' if count == 1 else 'patients'}"


def _missing(kind: str, text: str) -> GateReason:
    return GateReason(kind=kind, ok=None, text=text, level="missing")


def _warning(kind: str, text: str) -> GateReason:
    return GateReason(kind=kind, ok=None, text=text, level="warning")


def _note(kind: str, text: str) -> GateReason:
    return GateReason(kind=kind, ok=None, text=text, level="note")
