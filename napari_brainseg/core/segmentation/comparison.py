"""Two models on the same patients: whether one is better, or it is noise.

A mean over ten patients moves by 0.03 with the choice of patients, yet most of that both models
share: an easy patient is easy for both. So differences are taken patient by patient. A difference
counts as shown when the Wilcoxon signed-rank test (Wilcoxon 1945, doi 10.2307/3001968) and the
bootstrap interval of the mean difference both say so; of many comparisons p is corrected by Holm's
procedure (Holm 1979, www.jstor.org/stable/4615733).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.metrics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SIGNIFICANCE", "PairedComparison", "Verdict", "compare", "compare_many", "holm"]

LEAST_PATIENTS = 6
"""With five, no outcome of the test has p under 0.05."""
FEW_PATIENTS = 30
SIGNIFICANCE = 0.05
"""A difference counts as shown with p under this."""
BOOTSTRAP_SEED = 0


class Verdict(StrEnum):
    """What a comparison shows of the first of two models."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference shown"
    TOO_FEW = "too few patients"


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """A model against another on the same patients.

    Parameters
    ----------
    patients : int
        Measured with both.
    mean_difference : float
        First minus second.
    interval : tuple of float
        95 % bootstrap interval of the mean difference over patients.
    p : float or None
        Of the two-sided Wilcoxon signed-rank test; ``None`` under six patients, 1 where all
        differences are 0.
    comparisons : int
        How many were made together; where more than one, `p` is corrected for it.
    higher_is_better : bool
        As with DSC; not so with a distance.
    """

    patients: int
    mean_difference: float
    interval: tuple[float, float]
    p: float | None
    comparisons: int = 1
    higher_is_better: bool = True

    @property
    def verdict(self) -> Verdict:
        """What it shows of the first model."""
        if self.p is None:
            return Verdict.TOO_FEW
        low, high = self.interval
        if self.p >= SIGNIFICANCE or low <= 0 <= high:
            return Verdict.NO_DIFFERENCE
        return Verdict.BETTER if (low > 0) == self.higher_is_better else Verdict.WORSE

    def __str__(self) -> str:
        """Say it in plain words, with the figures."""
        low, high = self.interval
        figures = f"{self.mean_difference:+.4f} ({low:+.4f} to {high:+.4f})"
        if self.p is None:
            return (
                f"Too few patients ({self.patients}) to tell: mean difference {figures}; a "
                f"comparison needs {LEAST_PATIENTS}."
            )
        corrected = (
            f", corrected for {self.comparisons} comparisons" if self.comparisons > 1 else ""
        )
        text = (
            f"{self.verdict.capitalize()}: mean difference {figures}, p = {self.p:.2g}{corrected}, "
            f"{self.patients} patients."
        )
        if self.patients < FEW_PATIENTS:
            text += f" {self.patients} patients are few"
            if self.verdict is Verdict.NO_DIFFERENCE:
                text += f": a difference under about {(high - low) / 2:.3f} would not show."
            else:
                text += ": others may show it smaller."
        return text


def compare(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    *,
    higher_is_better: bool = True,
) -> PairedComparison:
    """Compare two models patient by patient.

    Parameters
    ----------
    first, second : mapping of str to float or None
        Patient to figure; patients that one of the two has no figure of are left out.
    higher_is_better : bool
        What the verdict goes by.

    Raises
    ------
    DataError
        If they have no patient in common.
    """
    differences = np.array(
        [
            value - other
            for patient, value in sorted(first.items())
            if value is not None and (other := second.get(patient)) is not None
        ]
    )
    if differences.size == 0:
        raise DataError(
            "The two have no measured patient in common.",
            "Compare figures of the same patients; measure one of the two again.",
        )
    low, high = bootstrap_interval(differences, BOOTSTRAP_SEED)
    return PairedComparison(
        patients=differences.size,
        mean_difference=float(differences.mean()),
        interval=(low, high),
        p=_wilcoxon(differences) if differences.size >= LEAST_PATIENTS else None,
        higher_is_better=higher_is_better,
    )


def compare_many(
    models: Mapping[str, Mapping[str, float | None]],
    baseline: Mapping[str, float | None],
    *,
    higher_is_better: bool = True,
) -> dict[str, PairedComparison]:
    """Compare several models with one, p corrected by Holm's procedure.

    Parameters
    ----------
    models : mapping of str to mapping
        Name to the figures of each patient.
    baseline : mapping of str to float or None
        Figures of the one; see `compare`.
    higher_is_better : bool
        What verdicts go by.

    Returns
    -------
    dict of str to PairedComparison
        In the order of `models`.

    Raises
    ------
    DataError
        If one of them has no patient in common with the baseline.
    """
    found = {
        name: compare(figures, baseline, higher_is_better=higher_is_better)
        for name, figures in models.items()
    }
    corrected = holm([comparison.p for comparison in found.values()])
    tested = sum(p is not None for p in corrected)
    return {
        name: replace(comparison, p=p, comparisons=tested)
        for (name, comparison), p in zip(found.items(), corrected, strict=True)
    }


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Correct p of several tests so that the chance of any false finding stays under 5 %.

    Parameters
    ----------
    p_values : sequence of float or None
        ``None`` was not tested, stays ``None`` and does not count.
    """
    ranked = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    out: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, index) in enumerate(ranked):
        least = max(least, min(1.0, (len(ranked) - rank) * p))
        out[index] = least
    return tuple(out)


def _wilcoxon(differences: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    from scipy.stats import wilcoxon

    changed = differences[differences != 0]
    if changed.size == 0:
        return 1.0
    return float(wilcoxon(changed).pvalue)
