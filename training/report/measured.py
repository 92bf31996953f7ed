"""What runs measured, put so that they can be compared: same definition, same patients."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from training.report.runs_on_disk import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_brainseg.core.segmentation.evaluation_results import Evaluation, Figure
    from training.report.runs_on_disk import Part, Run

__all__ = ["DEFINITIONS", "Definition", "Measured", "groups", "measured_runs", "same_choice"]

Definition = Literal["dsc_reference", "dsc_native"]
DEFINITIONS: dict[Definition, str] = {
    "dsc_reference": "DSC as the published program defines it (its 256 x 256 grid, largest "
    "component)",
    "dsc_native": "DSC of the mask as delivered, on the full grid of the data",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A run's figures on one set of patients.

    Parameters
    ----------
    run : Run
        Whose.
    part : {'validation', 'test'}
        Which patients they are to the run.
    definition : str
        How `scores` are defined; the same for all runs of a report.
    scores : dict of str to float
        Patient to DSC.
    """

    run: Run
    part: Part
    definition: Definition
    scores: dict[str, float]

    @property
    def evaluation(self) -> Evaluation:
        """All figures."""
        return self.run.evaluations[self.part]

    @property
    def figure(self) -> Figure:
        """Mean, median and intervals of `scores`."""
        figure: Figure = getattr(self.evaluation.summary, self.definition)
        return figure

    @property
    def mean(self) -> float:
        """Mean of `scores`."""
        return statistics.fmean(self.scores.values())

    @property
    def chosen_on_them(self) -> bool:
        """Whether something of the model was chosen on these very patients."""
        return self.part == "validation" and self.run.config is not None and (
            self.run.config.keep == "best"
            or self.run.config.early_stopping is not None
            or self.run.config.schedule == "plateau"
        )  # fmt: skip

    def extremes(self) -> dict[str, str]:
        """Worst, median and best patient: what it is to the patient's name, each named once."""
        ranked = sorted(self.scores, key=lambda name: (self.scores[name], name))
        seen = {ranked[0]: "worst"}
        seen.setdefault(ranked[-1], "best")
        seen.setdefault(ranked[len(ranked) // 2], "median")
        named = {what: patient for patient, what in seen.items()}
        return {what: named[what] for what in ("worst", "median", "best") if what in named}


def measured_runs(runs: Iterable[Run], part: Part | None = None) -> dict[str, Measured]:
    """Take the figures of each run that has some.

    Parameters
    ----------
    runs : iterable of Run
        All runs of a report: one definition of DSC is used for all, that of the published program
        where every patient has it.
    part : {'validation', 'test'}, optional
        Which patients; left out, those a run tested on, or else validated with.

    Returns
    -------
    dict of str to Measured
        By name of the run.
    """
    chosen: list[tuple[Run, Part]] = []
    for run in runs:
        wanted = PARTS if part is None else (part,)
        have = next((p for p in wanted if p in run.evaluations), None)
        if have is not None and run.evaluations[have].patients:
            chosen.append((run, have))
    results = [r for run, p in chosen for r in run.evaluations[p].patients]
    everywhere = all(r.dsc_reference is not None for r in results)
    definition: Definition = "dsc_reference" if everywhere else "dsc_native"
    return {
        run.name: Measured(
            run, p, definition,
            {r.patient: float(getattr(r, definition)) for r in run.evaluations[p].patients},
        )
        for run, p in chosen
    }  # fmt: skip


def groups(measured: Iterable[Measured]) -> list[list[Measured]]:
    """Sort runs by the patients they were measured on: only within a group are they comparable.

    Returns
    -------
    list of list of Measured
        The largest group first, each with the highest mean first.
    """
    sets: dict[frozenset[str], list[Measured]] = {}
    for one in measured:
        sets.setdefault(frozenset(one.scores), []).append(one)
    ranked = [sorted(g, key=lambda m: (-m.mean, m.run.name)) for g in sets.values()]
    return sorted(ranked, key=lambda g: (-len(g), g[0].run.name))


def same_choice(group: Sequence[Measured]) -> bool:
    """Whether all or none of the runs chose something on the patients they report."""
    return len({m.chosen_on_them for m in group}) == 1
