"""What the figures of all runs together say, and what they do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.comparison import SIGNIFICANCE, Verdict, compare_many
from training.protocols import FULL_TRAINING
from training.report.folds import with_folds_pooled
from training.report.measured import groups, same_choice
from training.report.words import with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.segmentation.comparison import PairedComparison
    from training.report.measured import Measured
    from training.report.runs_on_disk import Run

__all__ = ["Reading", "read_together"]

NOTE = (
    "Compared patient by patient with the run of the highest mean: Wilcoxon signed-rank test, p "
    "corrected for the number of comparisons (Holm), and bootstrap interval of the mean "
    "difference; a difference counts where both agree. The highest of several means is partly "
    "luck, more so the more runs there are."
)
MOST_NAMED = 8
LEAST_P = 0.5
"""To the power of the patients, twice: p of the test where all of them differ to one side."""


@dataclass(slots=True)
class Reading:
    """Findings and warnings in words, and the comparisons behind them.

    Parameters
    ----------
    findings, warnings : list of str
        A paragraph each.
    pairs : list of tuple
        Rows of a table under `head`.
    against_best : dict of str to str
        Name of a run to what its comparison with the best one says.
    note : str
        How it was compared; empty where nothing was.
    """

    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pairs: list[tuple[str, ...]] = field(default_factory=list)
    against_best: dict[str, str] = field(default_factory=dict)
    note: str = ""

    head = ("run", "against", "mean difference", "95 % interval", "p", "patients", "verdict")


def read_together(runs: Sequence[Run], measured: Mapping[str, Measured]) -> Reading:
    """Find the best run, which others differ from it beyond noise, and what to be wary of.

    Parameters
    ----------
    runs : sequence of Run
        All attempts.
    measured : mapping of str to Measured
        Name of a run to its figures; only runs measured on the same patients are compared, and
        none that was trained on one of them. Folds of a cross-validation count as one.
    """
    reading = Reading()
    leaked = [m for m in measured.values() if m.evaluation.summary.trained_on]
    fair, whole_of = with_folds_pooled(
        m for m in measured.values() if not m.evaluation.summary.trained_on
    )
    found = groups(fair)
    for group in found:
        _read_group(reading, group)
    for fold, whole in whole_of.items():
        reading.against_best[fold] = (
            f"A fold of {whole}: read its figures with those of the others. "
            + reading.against_best.get(whole, "")
        ).strip()
    if not measured:
        reading.findings.append("No run was measured, so none can be called better than another.")
    if len(found) > 1:
        reading.findings.append(
            f"The runs were measured on {len(found)} different sets of patients; figures of "
            "different patients are not compared."
        )
    if leaked:
        reading.warnings.append(
            f"Trained on patients that they were measured on, so not ranked: {_names(leaked)}."
        )
    _warn_of_choices(reading, fair)
    _warn_of_few(reading, runs)
    return reading


def _read_group(reading: Reading, group: Sequence[Measured]) -> None:
    best, others = group[0], group[1:]
    count = f"{len(best.scores)} {'patient' if len(best.scores) == 1 else 'patients'}"
    figure = with_interval(best.mean, best.figure.mean_interval)
    if not others:
        reading.findings.append(
            f"{best.run.name} alone was measured on its {count}: mean DSC {figure}, in brackets "
            "the 95 % interval. There is nothing to compare it with."
        )
        return
    reading.note = NOTE
    compared = compare_many({m.run.name: m.scores for m in others}, best.scores)
    for name, comparison in compared.items():
        reading.against_best[name] = f"Against {best.run.name}, the highest mean: {comparison}"
        reading.pairs.append(_pair(name, best.run.name, comparison))
    by_verdict: dict[Verdict, list[str]] = {}
    for name, comparison in compared.items():
        by_verdict.setdefault(comparison.verdict, []).append(name)
    reading.findings.append(
        f"Of {len(group)} runs measured on the same {count}, {best.run.name} has the highest mean "
        f"DSC: {figure}, in brackets the 95 % interval."
    )
    open_runs = by_verdict.get(Verdict.NO_DIFFERENCE, []) + by_verdict.get(Verdict.TOO_FEW, [])
    worse = by_verdict.get(Verdict.WORSE, [])
    if worse:
        reading.findings.append(f"Worse than it beyond noise: {_listed(worse)}.")
    few = bool(by_verdict.get(Verdict.TOO_FEW))
    if few:
        reading.findings.append(f"With {count}, no run can be told from another.")
    elif open_runs:
        reading.findings.append(
            f"These {count} do not tell it from {_listed(open_runs)}: none of these runs can be "
            "called the best."
        )
    if not few and LEAST_P ** len(best.scores) * 2 * len(others) >= SIGNIFICANCE:
        reading.findings.append(
            f"With {count} and {len(others)} comparisons not even the largest difference would "
            "count as shown."
        )
    reading.against_best[best.run.name] = (
        "It has the highest mean of the runs measured on these patients"
        + (f"; not told apart from it: {_listed(open_runs)}." if open_runs else ".")
    )
    if not same_choice(group):
        chose = [m for m in group if m.chosen_on_them]
        reading.warnings.append(
            f"{_names(chose)} chose something on the patients compared here, the other runs did "
            "not: that is an advantage which a new patient does not give."
        )


def _warn_of_choices(reading: Reading, measured: Sequence[Measured]) -> None:
    chose = [m for m in measured if m.chosen_on_them]
    if not chose:
        return
    reference = [m for m in chose if m.run.config and m.run.config.protocol == "reference"]
    text = (
        f"The best epoch was chosen on the very patients that are reported ({_names(chose)}): "
        "these figures flatter, and so does the highest of them."
    )
    if reference:
        text += (
            " The protocol `reference` does so on purpose, to compare with published figures; the "
            "protocol `clean` does not."
        )
    reading.warnings.append(text)


def _warn_of_few(reading: Reading, runs: Sequence[Run]) -> None:
    counts = {
        run.name: len(run.started.train_patients)
        for run in runs
        if run.started is not None and len(run.started.train_patients) < FULL_TRAINING
    }
    if counts:
        least, most = min(counts.values()), max(counts.values())
        span = f"{least}" if least == most else f"{least} to {most}"
        reading.warnings.append(
            f"A full training asks for {FULL_TRAINING} patients; {span} trained "
            f"{_listed(list(counts))}."
        )


def _pair(name: str, best: str, comparison: PairedComparison) -> tuple[str, ...]:
    low, high = comparison.interval
    return (
        name, best, _signed(comparison.mean_difference), f"{_signed(low)} to {_signed(high)}",
        "" if comparison.p is None else f"{comparison.p:.2g}", str(comparison.patients),
        str(comparison.verdict),
    )  # fmt: skip


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _names(measured: Sequence[Measured]) -> str:
    return _listed([m.run.name for m in measured])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
