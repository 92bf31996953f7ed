"""What the gate says of a candidate, rule by rule."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

__all__ = ["GateOutcome", "GateReason", "GateVerdict", "PatientDrop"]


class GateOutcome(StrEnum):
    """Whether the figures speak for the candidate."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ENOUGH = "not enough evidence"


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GateReason(_Said):
    """A rule with its figures, a warning or a note, as a sentence."""

    kind: str
    """Such as ``mean``, ``worst``, ``corrections``, ``empty``, ``false positives``, ``hd95``."""
    ok: bool | None
    """Whether a rule is kept; ``None`` for what is no rule, or could not be judged."""
    text: str
    level: Literal["rule", "missing", "warning", "note"] = "rule"
    """``missing``: evidence that a pass would need; warnings and notes do not decide."""


class PatientDrop(NamedTuple):
    """By how much the DSC of a patient fell; below 0 it rose."""

    patient: str
    drop: float


class GateVerdict(_Said):
    """Outcome and figures; differences are candidate minus current."""

    outcome: GateOutcome
    reasons: tuple[GateReason, ...]
    """The decisive ones first: broken rules, missing evidence, kept rules, warnings, notes."""
    locked_patients: int
    """Measured ones."""
    lesion_free_patients: int
    """Those of them without a lesion: judged by false positives, not by DSC."""
    mean_candidate: float | None
    """Mean DSC of the locked patients with a lesion."""
    mean_current: float | None
    mean_difference: float | None
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the mean difference; ``None`` with fewer than two patients."""
    worst: PatientDrop | None
    """The locked patient whose DSC fell most."""
    corrections_patients: int
    corrections_difference: float | None
    """Mean over corrected patients with a lesion."""
    corrections_interval: tuple[float, float] | None
    new_empty: tuple[str, ...]
    """Patients with a lesion whose mask is empty now and was not."""
    hd95_difference: float | None
    """Mean over locked patients that both have one of; above 0 is worse."""
    hd95_interval: tuple[float, float] | None
    hd95_unit: Literal["mm", "vox"] | None
    false_positive_vox_candidate: int
    """Voxels marked in locked patients without a lesion."""
    false_positive_vox_current: int
    calibration_error_candidate: float | None
    """Expected calibration error near the outlines of locked patients."""
    calibration_error_current: float | None

    @property
    def is_passed(self) -> bool:
        """Whether the candidate may be promoted without a reason of its own."""
        return self.outcome is GateOutcome.PASSED

    @property
    def broken(self) -> tuple[GateReason, ...]:
        """Rules that are broken; there may be some where the outcome is not enough evidence."""
        return tuple(reason for reason in self.reasons if reason.ok is False)

    @property
    def warnings(self) -> tuple[GateReason, ...]:
        """What does not decide, but a person should look at."""
        return tuple(reason for reason in self.reasons if reason.level == "warning")

    @property
    def headline(self) -> str:
        """One sentence: the outcome, and what decided it."""
        if self.outcome is GateOutcome.PASSED:
            return f"Passed: all {sum(r.ok is True for r in self.reasons)} rules are kept."
        said = self.broken
        if self.outcome is GateOutcome.NOT_ENOUGH:
            said = tuple(reason for reason in self.reasons if reason.level == "missing")
        return f"{self.outcome.value.capitalize()}: {said[0].text}"
