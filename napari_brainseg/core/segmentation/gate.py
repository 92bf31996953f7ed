"""Whether a candidate may replace the model in use: rules over paired figures.

The figures are measured elsewhere (`training.gate`); what is said of them is a pure function.
Limits and reasons stand in ``docs/explanation/gate.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.gate_evidence import (
    EVIDENCE_NAME,
    GateEvidence,
    LeftOut,
    PairedPatient,
    load_evidence,
    parse_evidence,
    save_evidence,
)
from napari_brainseg.core.segmentation.gate_figures import (
    PairedRow,
    change_of,
    hd95_of,
    hd95_unit,
    is_new_empty,
    paired,
)
from napari_brainseg.core.segmentation.gate_rules import (
    LARGEST_DROP,
    LARGEST_MEAN_DROP,
    LEAST_LOCKED,
    calibration_reason,
    corrections_reasons,
    empty_reason,
    enough_reasons,
    false_positive_reason,
    hd95_reason,
    largest_drop,
    mean_reason,
    notes_of,
    worst_reason,
)
from napari_brainseg.core.segmentation.gate_verdict import (
    GateOutcome,
    GateReason,
    GateVerdict,
    PatientDrop,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "EVIDENCE_NAME",
    "LARGEST_DROP",
    "LARGEST_MEAN_DROP",
    "LEAST_LOCKED",
    "GateEvidence",
    "GateOutcome",
    "GateReason",
    "GateVerdict",
    "LeftOut",
    "PairedPatient",
    "PairedRow",
    "PatientDrop",
    "judge",
    "load_evidence",
    "paired",
    "parse_evidence",
    "save_evidence",
]


def judge(evidence: GateEvidence) -> GateVerdict:
    """Hold a candidate against the version in use.

    Passed: enough patients, and all rules kept. Failed: enough locked patients, and a rule is
    broken. Not enough evidence: fewer than five locked patients, whatever their figures, or
    nothing broken but evidence missing. Broken rules are told in any case.

    Parameters
    ----------
    evidence : GateEvidence
        The order of patients does not matter.
    """
    lesions = [pair for pair in evidence.locked if pair.has_lesion]
    free = [pair for pair in evidence.locked if not pair.has_lesion]
    mean = change_of(lesions, lambda result: result.dsc_native)
    worst = largest_drop(lesions)
    corrected = change_of(
        [pair for pair in evidence.corrections if pair.has_lesion and not pair.is_as_drawn],
        lambda result: result.dsc_native,
    )
    empty = [
        pair.patient
        for pair in sorted((*evidence.locked, *evidence.corrections), key=lambda pair: pair.patient)
        if is_new_empty(pair)
    ]
    unit = hd95_unit(evidence.locked)
    distance = change_of(lesions, hd95_of(unit))
    before, after = evidence.calibration_current, evidence.calibration_candidate
    missing = enough_reasons(evidence)
    reasons = [
        *missing,
        mean_reason(mean),
        worst_reason(lesions),
        *corrections_reasons(evidence, corrected),
        empty_reason(evidence, empty),
        false_positive_reason(free),
        hd95_reason(distance, unit, len(lesions)),
        calibration_reason(before, after),
        *notes_of(evidence),
    ]
    return GateVerdict(
        outcome=_outcome(reasons, few=len(evidence.locked) < LEAST_LOCKED),
        reasons=tuple(sorted(reasons, key=_rank)),
        locked_patients=len(evidence.locked),
        lesion_free_patients=len(free),
        mean_candidate=mean.candidate if mean else None,
        mean_current=mean.current if mean else None,
        mean_difference=mean.difference if mean else None,
        interval=mean.interval if mean else None,
        worst=PatientDrop(worst.patient, -worst.difference) if worst else None,
        corrections_patients=len(evidence.corrections),
        corrections_difference=corrected.difference if corrected else None,
        corrections_interval=corrected.interval if corrected else None,
        new_empty=tuple(empty),
        hd95_difference=distance.difference if distance else None,
        hd95_interval=distance.interval if distance else None,
        hd95_unit=unit if distance else None,
        false_positive_vox_candidate=sum(p.candidate.volume_prediction_vox for p in free),
        false_positive_vox_current=sum(p.current.volume_prediction_vox for p in free),
        calibration_error_candidate=after.expected_error if after else None,
        calibration_error_current=before.expected_error if before else None,
    )


def _outcome(reasons: Sequence[GateReason], *, few: bool) -> GateOutcome:
    if few:
        return GateOutcome.NOT_ENOUGH
    if any(reason.ok is False for reason in reasons):
        return GateOutcome.FAILED
    if any(reason.level == "missing" for reason in reasons):
        return GateOutcome.NOT_ENOUGH
    return GateOutcome.PASSED


def _rank(reason: GateReason) -> int:
    """Decisive ones first; the order of rules stays."""
    if reason.level == "rule":
        return 0 if reason.ok is False else 2
    return {"missing": 1, "warning": 3, "note": 4}[reason.level]
