"""What a search for postprocessing found, for people, for programs and for the model card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.segmentation.comparison import compare
from training.postprocess.search import PLAIN, single_steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.comparison import PairedComparison
    from training.postprocess.search import Option

__all__ = ["Findings"]

WORSE_BY = 0.005
"""A patient counts as worsened where the DSC falls by more than this."""
SHOWN = 3
"""Worsened patients named in a line of the table, the worst ones."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Scores of all options on all patients, and what was chosen.

    Parameters
    ----------
    patients : tuple of str
        Validation patients measured.
    options : tuple of Option
        All that were tried, `PLAIN` among them.
    scores : ndarray of float64, shape (patients, options)
        DSC, native grid.
    current, best, taken : int
        Places of the option that the model delivers now, of the best mean, and of the simplest one
        within noise of it.
    best_left_out, taken_left_out : ndarray of float64, shape (patients,)
        DSC of each patient with what is chosen on the others; see `left_out`.
    notes : tuple of str
        What takes from the figures' worth.
    """

    patients: tuple[str, ...]
    options: tuple[Option, ...]
    scores: NDArray[np.float64]
    current: int
    best: int
    taken: int
    best_left_out: NDArray[np.float64]
    taken_left_out: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def choice(self) -> Option:
        """The simplest option within noise."""
        return self.options[self.taken]

    @property
    def plain(self) -> int:
        """Place of `PLAIN`."""
        return self.options.index(PLAIN)

    @property
    def against_plain(self) -> PairedComparison:
        """What is taken, chosen for each patient on the others, against `PLAIN`."""
        return compare(
            dict(zip(self.patients, self.taken_left_out.tolist(), strict=True)),
            dict(zip(self.patients, self.scores[:, self.plain].tolist(), strict=True)),
        )

    def mean(self, place: int) -> float:
        """Mean DSC of an option over all patients."""
        return float(self.scores[:, place].mean())

    def worsened(self, place: int) -> list[tuple[str, float, float]]:
        """Patients with a lower DSC than with `PLAIN`: name, before, after; the worst first."""
        before, after = self.scores[:, self.plain], self.scores[:, place]
        found = zip(self.patients, before.tolist(), after.tolist(), strict=True)
        return sorted((f for f in found if f[1] - f[2] > WORSE_BY), key=lambda f: f[2] - f[1])

    def metrics(self) -> dict[str, float]:
        """Figures of a model that delivers what is taken."""
        return {
            "validation_dsc": self.mean(self.taken),
            "validation_dsc_left_out": float(self.taken_left_out.mean()),
            "validation_dsc_plain": self.mean(self.plain),
        }

    def record(self) -> dict[str, Any]:
        """How the choice was made, as a manifest keeps it."""
        return {
            "chosen_on": list(self.patients),
            "options_tried": len(self.options),
            "rule": "simplest within one standard error of the best, paired",
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, every option with the DSC of each patient and those that it worsened."""
        comparison = self.against_plain
        low, high = comparison.interval
        return {
            "patients": list(self.patients),
            "notes": list(self.notes),
            "current": self._option(self.current),
            "plain": self._option(self.plain),
            "best": {
                **self._option(self.best),
                "left_out_mean": float(self.best_left_out.mean()),
            },
            "taken": {
                **self._option(self.taken),
                "left_out_mean": float(self.taken_left_out.mean()),
                "left_out": self.taken_left_out.tolist(),
            },
            "taken_against_plain": {
                "mean_difference": comparison.mean_difference,
                "interval": [low, high],
                "p": comparison.p,
                "verdict": comparison.verdict.value,
                "text": str(comparison),
            },
            "options": [self._option(place) for place in range(len(self.options))],
        }

    def text(self) -> str:
        """Write a table for a terminal."""
        named = (
            ("as delivered now", self.current, None),
            ("plain", self.plain, None),
            (f"best of {len(self.options)}", self.best, self.best_left_out),
            ("simplest within noise", self.taken, self.taken_left_out),
        )
        lines = [f"{len(self.patients)} validation patients, mean DSC on the native grid"]
        for name, place, left_out in named:
            fair = "" if left_out is None else f", {left_out.mean():.4f} each patient left out"
            lines.append(f"{name:22}{self.mean(place):.4f}{fair}  ({self.options[place]})")
        lines += ["Chosen without the patient, against plain: " + str(self.against_plain), ""]
        lines.append("One setting at a time, against plain; and what is taken:")
        shown = dict.fromkeys([*single_steps(self.options), self.best, self.taken])
        lines += [self._row(place) for place in shown if place != self.plain]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)]) + "\n"

    def account(self) -> str:
        """Write a section of the model card (Markdown)."""
        means = self.metrics()
        rows = "\n".join(
            f"- {name} fell from {before:.3f} to {after:.3f}."
            for name, before, after in self.worsened(self.taken)
        )
        notes = "\n".join(f"- {note}" for note in self.notes)
        return f"""## How masks are made

{str(self.choice).capitalize()}. Chosen among {len(self.options)} options on the
{len(self.patients)} validation patients of the run (`python -m training postprocess`), the simplest
one within one standard error of the best.

- `validation_dsc` {means["validation_dsc"]:.4f}: on these same patients, so it flatters.
- `validation_dsc_left_out` {means["validation_dsc_left_out"]:.4f}: each patient with what is chosen
  on the others; the honest one.
- `validation_dsc_plain` {means["validation_dsc_plain"]:.4f}: threshold 0.5 and nothing else.

{self.against_plain}

Patients for whom it is worse than plain:

{rows or "- none."}
{f"{chr(10)}Notes:{chr(10)}{chr(10)}{notes}{chr(10)}" if notes else ""}"""

    def _option(self, place: int) -> dict[str, Any]:
        option = self.options[place]
        return {
            "threshold": option.threshold,
            "steps": option.steps.model_dump(exclude_defaults=True),
            "mean": self.mean(place),
            "dsc": self.scores[:, place].tolist(),
            "worsened": [
                {"patient": name, "before": before, "after": after}
                for name, before, after in self.worsened(place)
            ],
        }

    def _row(self, place: int) -> str:
        worse = self.worsened(place)
        cases = ", ".join(
            f"{name} {before:.3f} to {after:.3f}" for name, before, after in worse[:3]
        )
        more = f", {len(worse) - SHOWN} more" if len(worse) > SHOWN else ""
        told = f"worse for {len(worse)}: {cases}{more}" if worse else "worse for nobody"
        change = self.mean(place) - self.mean(self.plain)
        return f"  {self.options[place]!s:44} {self.mean(place):.4f} {change:+.4f}  {told}"
