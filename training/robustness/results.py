"""What a measurement of robustness found, for people and for programs."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from napari_brainseg.core.segmentation.evaluation_results import Figure, figure_of
from napari_brainseg.core.segmentation.evaluation_text import figure_text
from napari_brainseg.core.segmentation.metrics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ConditionResult", "LesionFree", "PatientScores", "Robustness", "summarise"]

LOST_FROM, LOST_BELOW = 0.5, 0.1
"""A patient is lost where the DSC was above the first and fell below the second."""


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PatientScores(_Result):
    """Native DSC of one patient, as the study is and under each condition."""

    patient: str
    model: str
    """Version of what predicted."""
    engine: str
    unchanged: float
    changed: dict[str, float]
    """Name of the condition to DSC; those that change nothing about this patient are left out."""


class ConditionResult(_Result):
    """What one condition does to the DSC, patient by patient against the unchanged study."""

    name: str
    what: str
    patients: int = Field(description="Those whose study it changes")
    dsc_mean: float
    dsc_median: float
    change_mean: float = Field(description="Mean of DSC under the condition minus DSC without")
    change_interval: tuple[float, float] = Field(description="95 % bootstrap interval of it")
    worst_patient: str
    worst_change: float
    patients_lost: tuple[str, ...] = Field(
        description=f"DSC fell from above {LOST_FROM:g} to below {LOST_BELOW:g}"
    )


class LesionFree(_Result):
    """Phantoms without lesion, of which none should be marked."""

    phantoms: int
    phantoms_marked: int
    voxels: int = Field(description="Marked ones of all phantoms together")


class Robustness(_Result):
    """Everything that was found."""

    model: str = Field(description="Version; of a cross-validation those of all folds")
    engine: str
    patients: tuple[PatientScores, ...]
    unchanged: Figure = Field(description="Native DSC of the studies as they are")
    conditions: tuple[ConditionResult, ...]
    lesion_free: LesionFree | None = Field(
        default=None, description="None where no phantoms were predicted"
    )
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write as indented JSON with a line end."""
        return self.model_dump_json(indent=2) + "\n"

    def text(self) -> str:
        """Write a table for a terminal."""
        width = max((len(c.name) for c in self.conditions), default=9)
        lines = [
            f"{self.model}, {self.engine}",
            f"DSC native, {len(self.patients)} patients as they are: {figure_text(self.unchanged)}",
            f"{'condition':{width}}  patients  mean    median  change (95 % interval)        worst",
        ]
        for found in self.conditions:
            low, high = found.change_interval
            lost = f"; lost: {', '.join(found.patients_lost)}" if found.patients_lost else ""
            lines.append(
                f"{found.name:{width}}  {found.patients:8}  {found.dsc_mean:.4f}  "
                f"{found.dsc_median:.4f}  {found.change_mean:+.4f} ({low:+.4f} to {high:+.4f})  "
                f"{found.worst_change:+.4f} {found.worst_patient}{lost}"
            )
        if (free := self.lesion_free) is not None:
            lines.append(
                f"phantoms without lesion: {free.phantoms_marked} of {free.phantoms} marked, "
                f"{free.voxels} voxels"
            )
        return "".join(f"{line}\n" for line in (*lines, *self.notes))


def summarise(
    patients: Sequence[PatientScores],
    conditions: Mapping[str, str],
    *,
    lesion_free: LesionFree | None = None,
    notes: Sequence[str] = (),
) -> Robustness:
    """Put the scores of patients together.

    Parameters
    ----------
    patients : sequence of PatientScores
        At least one.
    conditions : mapping of str to str
        Name of each condition that was measured to what it does. One that changes nobody's study
        is named in the notes instead.
    lesion_free : LesionFree, optional
        What came of phantoms.
    notes : sequence of str
        What takes from the figures' worth.
    """
    found, told = [], list(notes)
    for name, what in conditions.items():
        scores = [p for p in patients if name in p.changed]
        if scores:
            found.append(_result(name, what, scores))
        else:
            told.append(f"{name} changes nothing about any of these patients.")
    return Robustness(
        model=", ".join(dict.fromkeys(p.model for p in patients)),
        engine=", ".join(dict.fromkeys(p.engine for p in patients)),
        patients=tuple(patients),
        unchanged=figure_of([p.unchanged for p in patients]),
        conditions=tuple(found),
        lesion_free=lesion_free,
        notes=tuple(told),
    )


def _result(name: str, what: str, patients: Sequence[PatientScores]) -> ConditionResult:
    after = [p.changed[name] for p in patients]
    changes = {p.patient: p.changed[name] - p.unchanged for p in patients}
    worst = min(changes, key=lambda patient: (changes[patient], patient))
    return ConditionResult(
        name=name,
        what=what,
        patients=len(patients),
        dsc_mean=statistics.fmean(after),
        dsc_median=statistics.median(after),
        change_mean=statistics.fmean(changes.values()),
        change_interval=bootstrap_interval(list(changes.values())),
        worst_patient=worst,
        worst_change=changes[worst],
        patients_lost=tuple(
            p.patient for p in patients if p.unchanged > LOST_FROM and p.changed[name] < LOST_BELOW
        ),
    )
