"""A calibration report as text for a terminal, and for a model card."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.calibrate.results import (
        CalibrationReport,
        MaskFigures,
        MaskReport,
        PatientChange,
        StepEvidence,
    )

__all__ = ["account", "report_text", "settings_text"]

FOLDS_SHOWN = 10
"""Temperatures named one by one; of more, the range."""
SHARED_SHOWN = 3
"""Rules with a spared share in the table, the best ones; JSON has all."""


def report_text(report: CalibrationReport) -> str:
    """Write tables for a terminal."""
    lines = [
        f"Patients held out: {report.patients}; models: {len(report.models)}",
        "",
        *_calibration(report),
        "",
        *_masks(report.masks),
        "",
        "As settings of a run:",
        *(f"  {line}" for line in settings_text(report).splitlines()),
        *(f"Note: {note}" for note in report.notes),
    ]
    return "\n".join(lines) + "\n"


def settings_text(report: CalibrationReport) -> str:
    """Write what was chosen as lines of a run's TOML."""
    way = report.masks.taken.way
    steps = way.postprocessing.model_dump(exclude_defaults=True)
    settings = {"temperature": report.temperature, "threshold": way.threshold, **steps}
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else format(value, 'g')}"
        for name, value in settings.items()
    ]
    return "\n".join(lines)


def account(report: CalibrationReport) -> str:
    """Write a section of a model card (Markdown)."""
    masks = report.masks
    before, after = masks.plain, masks.taken_cross_fitted
    notes = "".join(f"\n- {note}" for note in report.notes)
    return f"""## How masks are made

Temperature {report.temperature:g}, {masks.taken.way.text}: chosen on {report.patients} patients by
the models of a cross-validation that have not seen them (`python -m training calibrate`):
{", ".join(f"`{m}`" for m in report.models)}.

Figures with each fold's choice made on the other folds:

- Calibration error within {report.band_vox:g} pixels of the outlines: {report.ece_before:.4f}
  before, {report.ece_after:.4f} with the temperature.
- Mean DSC {after.dsc_mean:.4f} ({after.dsc_interval[0]:.4f} to {after.dsc_interval[1]:.4f}), median
  {after.dsc_median:.4f}; threshold 0.5 and nothing else: {before.dsc_mean:.4f}.
- Patients under 0.5 DSC: {after.patients_under_half} of {after.patients}.
- Lesion-free slices wrongly marked: {after.lesion_free_slices_marked} of
  {after.lesion_free_slices}.
{notes}
"""


def _calibration(report: CalibrationReport) -> Iterable[str]:
    apart = report.fold_temperatures
    told = ", ".join(f"{t:g}" for t in apart)
    if len(apart) > FOLDS_SHOWN:
        told = f"{min(apart):g} to {max(apart):g}"
    yield (
        f"Temperature {report.temperature:g}, now {report.temperature_now:g}; without each fold "
        f"{told}"
    )
    yield (
        f"Of {report.voxels} voxels within {report.band_vox:g} pixels of the outlines, now and "
        "cross-fitted:"
    )
    yield f"  expected calibration error  {report.ece_before:.4f}  {report.ece_after:.4f}"
    yield f"  negative log likelihood     {report.nll_before:.4f}  {report.nll_after:.4f}"
    auroc = "undefined" if report.auroc is None else f"{report.auroc:.4f}"
    yield f"  AUROC of uncertainty against error: {auroc}"
    yield "  probability   now: voxels  said  lesion   cross-fitted: voxels  said  lesion"
    for now, after in zip(report.reliability_before, report.reliability_after, strict=True):
        cells = [
            f"{one.voxels:9} {_share(one.probability)} {_share(one.lesion_share)}"
            for one in (now, after)
        ]
        yield f"  {now.low:.1f} to {now.high:.1f}  {cells[0]}         {cells[1]}"


def _share(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.3f}"


def _masks(masks: MaskReport) -> Iterable[str]:
    yield (
        f"{'Masks on the native grid':28}{'mean (95 % interval)':28}{'median':>7}"
        f"{'under 0.5':>11}{'missed':>8}  lesion-free slices marked"
    )
    named = [
        ("as delivered now", masks.now.figures, masks.now.way.text),
        ("plain", masks.plain, ""),
        (f"best of {masks.options}", masks.best.figures, masks.best.way.text),
        ("  cross-fitted", masks.best_cross_fitted, ""),
        ("simplest within noise", masks.taken.figures, masks.taken.way.text),
        ("  cross-fitted", masks.taken_cross_fitted, ""),
    ]
    if masks.tta is not None:
        named += [
            ("with TTA, plain", masks.tta.plain, ""),
            ("  chosen, cross-fitted", masks.tta.taken_cross_fitted, masks.tta.taken.text),
        ]
    for name, figures, way in named:
        yield f"{name:28}{_figures(figures)}{f'  ({way})' if way else ''}"
    yield f"Chosen on the other folds, against plain: {masks.taken_against_plain.text}"
    yield f"The same, against now: {masks.taken_against_now.text}"
    if masks.tta is not None:
        yield f"With TTA against without: {masks.tta.against_without.text}"
    yield "Taken without each fold:"
    yield from (f"  {n} x {way}" for way, n in Counter(masks.taken_by_fold).most_common())
    yield ""
    yield "Steps against plain; lost: DSC fell by over 0.1, or all that was found was removed:"
    for step in _shown(masks):
        change = step.figures.dsc_mean - masks.plain.dsc_mean
        yield (
            f"  {step.way.text:64} {step.figures.dsc_mean:.4f} {change:+.4f}  "
            f"lost {len(step.lost)}, helped {len(step.helped)}"
        )
        yield from (f"    lost   {_change(one)}" for one in step.lost)
        yield from (f"    helped {_change(one)}" for one in step.helped)


def _shown(masks: MaskReport) -> list[StepEvidence]:
    single = [step for step in masks.steps if not step.way.postprocessing.spared_share]
    shared = [step for step in masks.steps if step.way.postprocessing.spared_share]
    shared.sort(key=lambda step: step.figures.dsc_mean, reverse=True)
    shown = {
        step.way.text: step for step in (*single, *shared[:SHARED_SHOWN], masks.best, masks.taken)
    }
    return list(shown.values())


def _figures(figures: MaskFigures) -> str:
    low, high = figures.dsc_interval
    free = figures.lesion_free_slices
    share = "" if figures.marked_share is None else f" ({figures.marked_share:.1%})"
    return (
        f"{f'{figures.dsc_mean:.4f} ({low:.4f} to {high:.4f})':28}{figures.dsc_median:7.4f}"
        f"{figures.patients_under_half:11}{figures.missed_lesions:8}  "
        f"{figures.lesion_free_slices_marked} of {free}{share}"
    )


def _change(one: PatientChange) -> str:
    return (
        f"{one.patient}: DSC {one.dsc_before:.3f} to {one.dsc_after:.3f}, lesion found "
        f"{one.overlap_before_vox} to {one.overlap_after_vox} voxels, true islands "
        f"{one.true_islands_before} to {one.true_islands_after}, false ones left "
        f"{one.false_islands_after}"
    )
