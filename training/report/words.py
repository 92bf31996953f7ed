"""A run judged in words, made from its figures."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.core.reporting.dsc_chart import short_name
from training.experiments.standing import State
from training.protocols import FULL_TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.core.segmentation.calibration import Calibration
    from napari_brainseg.core.segmentation.evaluation_results import PatientResult
    from training.report.measured import Measured
    from training.report.runs_on_disk import Run

__all__ = ["FLATTERED", "few_patients", "how_it_ended", "verdict", "with_interval"]

FLATTERED = "Its best epoch was chosen on the very patients that are reported: the figure flatters."
NOTHING_LEARNT = 0.1
"""DSC below which a network has learnt nothing worth the name."""
FELL = 0.02
"""Loss of DSC from the best epoch to the last that is told."""
STILL_RISING = 0.005
ROSE = 1.1
"""Validation loss of the last epoch over its least that is told."""
ENOUGH_EPOCHS = 5
NO_END = {
    State.FAILED: "It failed",
    State.STOPPED: "It was stopped",
    State.REFUSED: "It was not started: refused",
    State.BLOCKED: "It was not started: blocked",
}
ISLAND_APART = 0.2
"""How far DSC of the largest component lies below that of the whole mask to be told."""
MOST_NAMED = 4
APART = 0.03
"""Difference of sensitivity and precision that is told."""
VOLUME_APART = 0.05
CALIBRATED = 0.05
"""Calibration error under which probabilities may be taken at their word."""


def with_interval(mean: float | None, interval: tuple[float, float] | None) -> str:
    """Write ``0.903 (0.876 to 0.929)``."""
    if mean is None:
        return ""
    return f"{mean:.3f}" + (
        "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    )


def how_it_ended(run: Run) -> str:
    """Tell in a sentence how a run ended, and why where it did not succeed."""
    planned = run.config.epochs if run.config is not None else None
    done = f"{len(run.epochs)} of {planned} epochs" if planned else f"{len(run.epochs)} epochs"
    end, record = run.finished, run.record
    if end is None:
        if record is not None and record.message:
            return f"{NO_END.get(record.state, 'It did not end')} after {done}. {record.message}"
        if run.outcome == "not begun":
            return "It has not begun to train; no end is recorded."
        return f"No end is recorded after {done}: it is still running, or its process was killed."
    told = f"{end.message} {end.hint}".strip()
    if end.reason is FinishReason.FAILED:
        return f"It failed after {done}. {told}".strip()
    if end.reason is FinishReason.CANCELLED:
        return f"It was stopped after {done}. {told}".strip()
    if planned is not None and len(run.epochs) < planned:
        return f"It completed after {done}: no progress for long enough, as its settings ask."
    return f"It completed, {done}."


def few_patients(run: Run) -> str:
    """Warn of a training with fewer patients than a full one asks for; empty otherwise."""
    if run.started is None or len(run.started.train_patients) >= FULL_TRAINING:
        return ""
    count = len(run.started.train_patients)
    return (
        f"{count} {'patient' if count == 1 else 'patients'} trained it; a full training asks for "
        f"{FULL_TRAINING}."
    )


def verdict(run: Run, measured: Measured | None, against_best: str = "") -> list[str]:
    """Judge a run by its figures.

    Parameters
    ----------
    run : Run
        What is judged.
    measured : Measured or None
        Its figures, where it was measured.
    against_best : str
        What the paired comparison with the best run says.

    Returns
    -------
    list of str
        Sentences, the most important first.
    """
    lines: list[str] = []
    if measured is None:
        lines.append("It was not measured, so nothing can be said of its masks.")
    else:
        lines += _accuracy(measured)
        if against_best:
            lines.append(against_best)
        if measured.chosen_on_them:
            lines.append(FLATTERED)
        if measured.evaluation.summary.trained_on:
            lines.append(
                f"It was trained on {', '.join(measured.evaluation.summary.trained_on)}, whom it "
                "was measured on: that is no test."
            )
        lines += _errors(measured.evaluation.patients)
        lines += _calibration(measured.evaluation.calibration)
    lines += _learning(run)
    return lines


def _accuracy(measured: Measured) -> Iterator[str]:
    figure, scores = measured.figure, measured.scores
    ranked = sorted(scores, key=lambda name: (scores[name], name))
    count = f"{len(ranked)} {measured.part} {'patient' if len(ranked) == 1 else 'patients'}"
    assert figure.median is not None, "a measured run has at least one score"
    interval = figure.mean_interval
    span = "" if interval is None else f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"
    yield (
        f"Mean DSC {measured.mean:.3f}{span} over {count}, median {figure.median:.3f}; from "
        f"{scores[ranked[0]]:.3f} ({short_name(ranked[0])}) to {scores[ranked[-1]]:.3f} "
        f"({short_name(ranked[-1])})."
    )
    missed = measured.evaluation.summary.missed_lesions
    if missed:
        yield f"In {missed} of them a lesion was missed altogether."
    if measured.definition == "dsc_reference":
        yield from _false_islands(measured.evaluation.patients)


def _false_islands(patients: tuple[PatientResult, ...]) -> Iterator[str]:
    """Name patients whose largest component is not the lesion."""
    hit = [
        f"{short_name(r.patient)} ({r.dsc_reference:.3f}, {r.dsc_native:.3f} of the whole mask)"
        for r in patients
        if r.dsc_reference is not None and r.dsc_reference < r.dsc_native - ISLAND_APART
    ]
    if hit:
        more = f" and {len(hit) - MOST_NAMED} more" if len(hit) > MOST_NAMED else ""
        yield (
            "The largest component, which alone counts in the published definition, is not the "
            f"lesion or a part of it only: {', '.join(hit[:MOST_NAMED])}{more}."
        )


def _errors(patients: tuple[PatientResult, ...]) -> Iterator[str]:
    sensitivity = [r.sensitivity for r in patients if r.sensitivity is not None]
    precision = [r.precision for r in patients if r.precision is not None]
    if sensitivity and precision:
        found, right = statistics.fmean(sensitivity), statistics.fmean(precision)
        figures = f"sensitivity {found:.2f}, precision {right:.2f}"
        if found < right - APART:
            yield f"It misses more than it adds ({figures})."
        elif right < found - APART:
            yield f"It adds more than it misses ({figures})."
        else:
            yield f"It misses about as much as it adds ({figures})."
    errors = [r.relative_volume_error for r in patients if r.relative_volume_error is not None]
    if errors:
        middle = statistics.median(errors)
        if abs(middle) >= VOLUME_APART:
            side = "larger" if middle > 0 else "smaller"
            yield f"Its lesions are {abs(middle):.0%} {side} than the true ones (median)."


def _calibration(calibration: Calibration | None) -> Iterator[str]:
    if calibration is None or calibration.expected_error is None:
        return
    told = [
        (b.voxels, b.probability - b.lesion_share)
        for b in calibration.bins
        if b.probability is not None and b.lesion_share is not None
    ]
    lean = sum(voxels * over for voxels, over in told) / calibration.voxels
    side = ""
    if abs(lean) >= CALIBRATED:
        side = ", on the whole too high" if lean > 0 else ", on the whole too low"
    quality = "good" if calibration.expected_error < CALIBRATED else "off"
    yield (
        f"Near outlines its probabilities are {quality}: they lie {calibration.expected_error:.2f} "
        f"from the share of lesion on average{side}."
    )


def _learning(run: Run) -> Iterator[str]:
    """Read the curves."""
    scored = [(e.epoch, e.validation_dsc) for e in run.epochs if e.validation_dsc is not None]
    losses = [(e.epoch, e.validation_loss) for e in run.epochs if e.validation_loss is not None]
    if not scored:
        return
    best_epoch, best = max(scored, key=lambda pair: pair[1])
    last_epoch, last = scored[-1]
    if best < NOTHING_LEARNT:
        yield f"It did not learn: the validation DSC never rose above {best:.3f}."
        return
    if len(scored) < ENOUGH_EPOCHS:
        return
    if best - last >= FELL:
        yield (
            f"The validation DSC fell from {best:.3f} in epoch {best_epoch} to {last:.3f} in "
            f"epoch {last_epoch}."
        )
    quarter = scored[-1 - max(1, len(scored) // 4)][1]
    if best_epoch == last_epoch and last - quarter >= STILL_RISING:
        yield "The validation DSC was still rising at the end: more epochs may help."
    if losses:
        least_epoch, least = min(losses, key=lambda pair: pair[1])
        if losses[-1][1] > ROSE * least and least > 0:
            yield (
                f"The validation loss was least in epoch {least_epoch} and "
                f"{losses[-1][1] / least - 1:.0%} higher at the end: it overfits, or loss and DSC "
                "part ways."
            )
