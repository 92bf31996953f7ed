"""Paired figures of the gate, and how they are written: never rounded across a limit."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_brainseg.core.segmentation.metrics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.segmentation.evaluation_results import PatientResult
    from napari_brainseg.core.segmentation.gate_evidence import GateEvidence, PairedPatient

__all__ = ["Change", "PairedRow", "change_of", "interval_text", "listed", "paired", "signed"]

BOOTSTRAP_SEED = 0
"""That of `comparison.compare`: both give the same interval."""
MOST_DIGITS = 9
MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of two models over the same patients.

    Parameters
    ----------
    patients : int
        Those that both have a figure of.
    candidate, current : float
        Means over them.
    difference : float
        Mean of candidate minus current.
    interval : tuple of float or None
        95 % bootstrap interval of `difference` over patients; ``None`` with one patient, whose
        interval would be a point.
    """

    patients: int
    candidate: float
    current: float
    difference: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class PairedRow:
    """A patient in a table of the gate; differences are candidate minus current.

    Parameters
    ----------
    patient : str
    group : {'locked', 'correction'}
    has_lesion : bool
        A DSC says nothing of a patient without one: look at the voxels.
    compared_with : {'current', 'base'}
        Whose figures stand for `current`.
    candidate, current : PatientResult
        All figures of both.
    difference : float
        Of the DSC, native grid, mask as delivered.
    hd95_candidate, hd95_current, hd95_difference : float or None
        In `hd95_unit`.
    hd95_unit : {'mm', 'vox'}
        mm where both have it.
    is_new_empty : bool
        There is a lesion, the candidate's mask is empty and the other's is not.
    """

    patient: str
    group: Literal["locked", "correction"]
    has_lesion: bool
    compared_with: Literal["current", "base"]
    candidate: PatientResult
    current: PatientResult
    difference: float
    hd95_candidate: float | None
    hd95_current: float | None
    hd95_difference: float | None
    hd95_unit: Literal["mm", "vox"]
    is_new_empty: bool


def paired(evidence: GateEvidence) -> tuple[PairedRow, ...]:
    """List all patients for a table: locked ones, then corrections, the largest drop first."""
    unit = hd95_unit((*evidence.locked, *evidence.corrections))
    return (
        *(_row(pair, "locked", unit) for pair in sorted(evidence.locked, key=_by_drop)),
        *(_row(pair, "correction", unit) for pair in sorted(evidence.corrections, key=_by_drop)),
    )


def hd95_unit(pairs: Sequence[PairedPatient]) -> Literal["mm", "vox"]:
    """Choose mm where every distance that is known in voxels is known in mm too."""
    results = [result for pair in pairs for result in (pair.candidate, pair.current)]
    known = [r for r in results if r.hd95_vox is not None]
    return "mm" if known and all(r.hd95_mm is not None for r in known) else "vox"


def hd95_of(unit: Literal["mm", "vox"]) -> Callable[[PatientResult], float | None]:
    """Give what reads the distance of a patient."""
    return lambda result: result.hd95_mm if unit == "mm" else result.hd95_vox


def change_of(
    pairs: Sequence[PairedPatient], figure: Callable[[PatientResult], float | None]
) -> Change | None:
    """Compare a figure patient by patient; ``None`` where no patient has it twice.

    Parameters
    ----------
    pairs : sequence of PairedPatient
        Their order does not matter.
    figure : callable
        Gives a patient's figure, ``None`` where it is undefined.
    """
    both = [
        (first, second)
        for pair in sorted(pairs, key=lambda p: p.patient)
        if (first := figure(pair.candidate)) is not None
        and (second := figure(pair.current)) is not None
    ]
    if not both:
        return None
    differences = [first - second for first, second in both]
    return Change(
        patients=len(both),
        candidate=statistics.fmean(first for first, _ in both),
        current=statistics.fmean(second for _, second in both),
        difference=statistics.fmean(differences),
        interval=bootstrap_interval(differences, BOOTSTRAP_SEED) if len(both) > 1 else None,
    )


def signed(value: float, holds: Callable[[float], bool] | None = None, *, digits: int = 3) -> str:
    """Write a difference with its sign.

    Parameters
    ----------
    value : float
    holds : callable, optional
        The rule that it is held against. Digits are added until what is written is judged as the
        value itself is: a drop of 0.00504 is not written as 0.005 where that is the limit.
    digits : int
        After the point, at least.
    """
    text = _written(value, digits)
    if holds is None:
        return text
    while holds(float(text)) != holds(value) and digits < MOST_DIGITS:
        digits += 1
        text = _written(value, digits)
    return text


def interval_text(
    interval: tuple[float, float] | None,
    holds: Callable[[float], bool] | None = None,
    *,
    digits: int = 3,
) -> str:
    """Write a 95 % interval, as `signed` does; say why there is none."""
    if interval is None:
        return "no interval with one patient"
    low, high = (signed(end, holds, digits=digits) for end in interval)
    return f"95 % interval {low} to {high}"


def listed(names: Sequence[str]) -> str:
    """Name some patients, and how many more there are."""
    more = len(names) - MOST_NAMED
    text = ", ".join(names[:MOST_NAMED])
    return f"{text} and {more} more" if more > 0 else text


def _written(value: float, digits: int) -> str:
    # what rounds to nothing has no direction
    return f"{value:+.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def _by_drop(pair: PairedPatient) -> tuple[bool, float, str]:
    return not pair.has_lesion, pair.difference, pair.patient


def _row(
    pair: PairedPatient, group: Literal["locked", "correction"], unit: Literal["mm", "vox"]
) -> PairedRow:
    distance = hd95_of(unit)
    first, second = distance(pair.candidate), distance(pair.current)
    return PairedRow(
        patient=pair.patient,
        group=group,
        has_lesion=pair.has_lesion,
        compared_with=pair.compared_with,
        candidate=pair.candidate,
        current=pair.current,
        difference=pair.difference,
        hd95_candidate=first,
        hd95_current=second,
        hd95_difference=None if first is None or second is None else first - second,
        hd95_unit=unit,
        is_new_empty=is_new_empty(pair),
    )


def is_new_empty(pair: PairedPatient) -> bool:
    """Whether the candidate misses a lesion wholly that the other one finds something of."""
    return (
        pair.has_lesion
        and pair.candidate.volume_prediction_vox == 0
        and pair.current.volume_prediction_vox > 0
    )
