"""Sections of a model card with figures: each says what was measured, or that nothing was."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, same_person
from napari_brainseg.core.segmentation.evaluation_results import FIGURES, POOR_DSC, tally_of
from napari_brainseg.core.segmentation.evaluation_text import tally_lines
from training.card.reasons import Peers, reasons
from training.card.tables import figure_table, number, patient_table, table
from training.report.words import with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.segmentation.calibration import Calibration, ReliabilityBin
    from napari_brainseg.core.segmentation.evaluation_results import PatientResult
    from training.calibrate.results import CalibrationReport
    from training.card.material import Material
    from training.card.reasons import Case

__all__ = ["calibration", "cross_validation", "robustness", "test", "worst_cases"]

NOT_MEASURED = "Not measured for this version."
INTERVALS = "Intervals: 95 %, bootstrap over patients (10,000 draws)."
PUBLISHED = (
    "For comparison: the authors of the masks report a mean of 0.836 and a median of 0.873 in "
    "cross-validation of their own network; two human readers agree at 0.84 (Buda et al. 2019)."
)
RULES = (
    "Reasons are read off figures, images and masks by rules (`training/card/reasons.py`); they "
    "say what goes along with a low figure, not that it is the cause. Pairs: a voxel of the lesion "
    "(or of what was missed or invented) and one beside the lesion; told is how often the first is "
    "brighter in FLAIR. 50 % is no contrast."
)
WORST_TESTED, WORST_HELD_OUT, MOST_NAMED = 3, 5, 12


def test(material: Material) -> str:
    """Give the figures on patients that played no part in training, one by one."""
    evaluation = material.evaluation
    if evaluation is None:
        return NOT_MEASURED
    summary = evaluation.summary
    results = evaluation.patients
    lines = [
        f"{_whom(material, results)} Measured with {summary.engine}. Native: the mask as "
        "delivered, on the full input grid. Reference: the published program's definition, its "
        "cropped 256 x 256 grid and the largest component.",
        patient_table(results),
        figure_table({name: getattr(summary, name) for name in FIGURES}),
        _listed([*tally_lines(summary.tally or tally_of(results)),
                 f"lesions missed altogether: {summary.missed_lesions}"]),
        INTERVALS,
    ]  # fmt: skip
    if summary.not_measured:
        named = "; ".join(f"{n.patient}: {n.reason}" for n in summary.not_measured)
        lines.append(f"Not measured: {named}")
    return "\n\n".join(lines)


def _whom(material: Material, results: Sequence[PatientResult]) -> str:
    names = [r.patient for r in results]
    chosen = material.bundle.manifest.training.get("validation_patients", ())
    flattered = [name for name in names if same_person(name, chosen)]
    if {*names} == {*REFERENCE_VALIDATION}:
        what = "The ten reference validation patients of the published program"
    else:
        what = f"{len(names)} patients"
    if flattered:
        return f"{what}; {len(flattered)} of them validated the run, so the figures flatter."
    return f"{what}; none of them trained or validated the model."


def cross_validation(material: Material) -> str:
    """Give the figures of every patient by the model that had not seen the person."""
    found = material.cross_validation
    if found is None:
        return NOT_MEASURED
    tally = found.tally or tally_of(found.patients)
    learnt = material.bundle.train_patients
    among = sum(same_person(result.patient, learnt) for result in found.patients)
    lines = [
        f"{len(found.patients)} patients in {found.folds} folds, each measured once by the model "
        f"that had not seen the person: models made alike, not this one. {among} of the patients "
        "trained this one.",
        figure_table(found.figures),
        _listed([*tally_lines(tally), f"lesions missed altogether: {found.missed_lesions}"]),
        _institutions(material),
        f"Mean DSC by fold: {', '.join(number(value) for value in found.dsc_by_fold)}.",
        *found.notes,
        INTERVALS,
        PUBLISHED,
    ]
    tested = [r.patient for r in found.patients if same_person(r.patient, REFERENCE_VALIDATION)]
    if tested:
        lines.append(f"**Reference patients are among them: {', '.join(tested)}.**")
    return "\n\n".join(line for line in lines if line)


def _institutions(material: Material) -> str:
    found = material.cross_validation
    assert found is not None
    rows = []
    for name, figures in found.by_institution.items():
        dsc = figures["dsc_native"]
        results = [r for r in found.patients if (r.institution or "other") == name]
        tally = tally_of(results)
        rows.append(
            (
                name,
                str(dsc.patients),
                with_interval(dsc.mean, dsc.mean_interval),
                with_interval(dsc.median, dsc.median_interval),
                str(tally.under_half),
            )
        )
    head = ("institution", "patients", "mean DSC native", "median", f"under {POOR_DSC:g}")
    return table(head, rows)


def calibration(material: Material) -> str:
    """Tell whether probabilities mean what they say, near the outlines."""
    report, evaluation = material.calibration, material.evaluation
    parts = []
    if report is not None:
        parts.append(_fitted(report))
    if evaluation is not None and evaluation.calibration is not None:
        parts.append(_as_measured(evaluation.calibration))
    return "\n\n".join(parts) or NOT_MEASURED


def _fitted(report: CalibrationReport) -> str:
    temperatures = ", ".join(f"{value:.3f}" for value in report.fold_temperatures)
    rows = [
        ("expected calibration error", number(report.ece_before, 4), number(report.ece_after, 4)),
        ("negative log likelihood (nats)", number(report.nll_before, 4),
         number(report.nll_after, 4)),
    ]  # fmt: skip
    lines = [
        f"One temperature fitted on the cross-validation's {report.patients} patients "
        f"({report.voxels:,} voxels within {report.band_vox:g} pixels of an outline; easy "
        f"background far from it would hide errors): {report.temperature:.3f}. Without each fold: "
        f"{temperatures}. After: each patient with the temperature fitted without its fold.",
        table(("near the outlines", f"temperature {report.temperature_now:g}", "after"), rows),
        _reliability(report.reliability_after),
        f"Area under the ROC of uncertainty against error, there too: {number(report.auroc)}.",
        *report.notes,
    ]
    return "\n\n".join(lines)


def _as_measured(found: Calibration) -> str:
    return (
        f"As delivered, on the {found.patients} patients of the test: expected calibration error "
        f"{found.expected_error:.4f} within {found.band_vox:g} pixels of the outlines "
        f"({found.voxels:,} voxels), area under the ROC of uncertainty against error "
        f"{number(found.uncertainty_auroc)}."
    )


def _reliability(bins: Sequence[ReliabilityBin]) -> str:
    rows = [
        (f"{b.low:.1f} to {b.high:.1f}", f"{b.voxels:,}", number(b.probability),
         number(b.lesion_share))
        for b in bins
    ]  # fmt: skip
    return table(("probability", "voxels", "mean probability", "share that is lesion"), rows)


def robustness(material: Material) -> str:
    """Tell what changes of the input do to the figure, and what happens without a lesion."""
    found = material.robustness
    if found is None:
        return NOT_MEASURED
    of_this = found.model == material.bundle.version
    whose = "this version" if of_this else f"models made alike ({found.model})"
    rows = []
    for one in found.conditions:
        low, high = one.change_interval
        rows.append(
            (
                one.name,
                str(one.patients),
                number(one.dsc_mean),
                f"{one.change_mean:+.3f} ({low:+.3f} to {high:+.3f})",
                f"{one.worst_patient} {one.worst_change:+.3f}",
                ", ".join(one.patients_lost) or "none",
            )
        )
    head = ("condition", "patients", "mean DSC", "change (95 % interval)", "worst change", "lost")
    lines = [
        f"Measured with {whose} on {len(found.patients)} patients, each against its unchanged "
        f"self: mean DSC {with_interval(found.unchanged.mean, found.unchanged.mean_interval)}. "
        "Lost: fell from above 0.5 to under 0.1.",
        table(head, rows),
        _listed([f"{one.name}: {one.what}" for one in found.conditions]),
    ]
    if (free := found.lesion_free) is not None:
        lines.append(
            f"Of {free.phantoms} phantoms without lesion {free.phantoms_marked} got a mask "
            f"({free.voxels:,} voxels together)."
        )
    return "\n\n".join([*lines, *found.notes])


def worst_cases(material: Material) -> str:
    """Name the worst patients, each with what sets it apart."""
    parts = []
    if material.evaluation is not None:
        worst = _ranked(material.evaluation.patients)[:WORST_TESTED]
        parts.append(
            f"In the test, the lowest {len(worst)}:\n\n"
            + _cases(worst, material.evaluation.patients, material.tested)
        )
    if material.cross_validation is not None:
        results = material.cross_validation.patients
        ranked = _ranked(results)
        wanted = max(WORST_HELD_OUT, sum(r.dsc_native < POOR_DSC for r in ranked))
        worst = ranked[: min(wanted, MOST_NAMED)]
        parts.append(
            f"In cross-validation, the lowest {len(worst)}:\n\n"
            + _cases(worst, results, material.held_out)
        )
        median = statistics.median(r.dsc_native for r in results)
        parts.append(f"(For comparison: the median patient there has {median:.3f}.)")
    if not parts:
        return NOT_MEASURED
    if not (material.tested or material.held_out):
        parts.append("The images were not looked at for this card: reasons are from figures alone.")
    parts.append(RULES)
    return "\n\n".join(parts)


def _ranked(results: Sequence[PatientResult]) -> list[PatientResult]:
    return sorted(results, key=lambda r: (r.dsc_native, r.patient))


def _cases(
    worst: Sequence[PatientResult], all_: Sequence[PatientResult], cases: Mapping[str, Case]
) -> str:
    peers = Peers.of(all_, cases)
    return "\n".join(
        f"- {r.patient} ({r.dsc_native:.3f}): {'; '.join(reasons(r, cases.get(r.patient), peers))}."
        for r in worst
    )


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
