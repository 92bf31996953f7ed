"""Threshold and steps chosen on all patients that were held out, and what each step costs whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.segmentation.comparison import compare
from napari_brainseg.core.segmentation.inference import Progress, sigmoid
from napari_brainseg.core.segmentation.metrics import bootstrap_interval
from training.calibrate.results import (
    Difference,
    MaskFigures,
    MaskReport,
    PatientChange,
    StepEvidence,
    TtaReport,
    WayOfMasks,
)
from training.postprocess.outcomes import outcomes_of
from training.postprocess.search import PLAIN, Option, choose, chosen_without, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from training.calibrate.held_out import Kept
    from training.postprocess.outcomes import Outcomes

__all__ = ["CHANGED_BY", "choose_masks"]

CHANGED_BY = 0.1
"""A patient is lost or helped where the DSC moves by more than this."""
RULE = "simplest within one standard error of the best mean DSC, paired"


def choose_masks(
    kept: Sequence[Kept],
    groups: Sequence[int],
    temperature: float,
    now: Option,
    *,
    tta: bool,
    progress: Callable[[Progress], None] | None = None,
) -> MaskReport:
    """Score every option on every patient, choose, and say what each step does to whom.

    A mask follows from where logits are cut; so options are cuts, named by the threshold that they
    are at `temperature`. What is called cross-fitted is chosen on the other groups.

    Parameters
    ----------
    kept : sequence of Kept
        Predicted patients; two at least outside each group.
    groups : sequence of int
        What is held out together, for each patient.
    temperature : float
        Logits are divided by it.
    now : Option
        How masks are made now, its threshold at `temperature`; no dense CRF.
    tta : bool
        Choose with test-time augmentation too, apart.
    progress : callable, optional
        Called before each patient, and once at the end.
    """
    options = tuple(dict.fromkeys((*grid(spared=True), now)))
    rows: list[Outcomes] = []
    mirrored: list[Outcomes] = []
    for done, patient in enumerate(kept):
        if progress is not None:
            progress(Progress(f"Masks: {patient.patient}", done, len(kept)))
        held_out = patient.load()
        rows.append(outcomes_of(sigmoid(held_out.logits, temperature), held_out.truth, options))
        if tta:
            assert held_out.mirrored is not None
            probability = sigmoid(held_out.mirrored, temperature)
            mirrored.append(outcomes_of(probability, held_out.truth, options))
    if progress is not None:
        progress(Progress("Done", len(kept), len(kept)))
    names = tuple(patient.patient for patient in kept)
    table = _Table(names, options, tuple(rows))
    apart = np.array(groups, dtype=np.int64)
    best, taken = choose(table.dsc, options)
    best_apart, taken_apart = chosen_without(table.dsc, options, apart)
    return MaskReport(
        options=len(options),
        rule=RULE,
        now=table.evidence(options.index(now)),
        plain=table.figures(table.plain),
        best=table.evidence(best),
        best_cross_fitted=table.figures(best_apart),
        taken=table.evidence(taken),
        taken_cross_fitted=table.figures(taken_apart),
        taken_by_fold=tuple(
            str(options[taken_apart[groups.index(group)]]) for group in sorted(set(groups))
        ),
        taken_against_plain=_difference(table.dsc_at(taken_apart), table.dsc_at(table.plain)),
        taken_against_now=_difference(table.dsc_at(taken_apart), table.dsc_at(options.index(now))),
        steps=tuple(table.evidence(place) for place in _steps(options)),
        tta=_tta(table, _Table(names, options, tuple(mirrored)), apart, taken_apart)
        if tta
        else None,
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """Outcomes of all patients; places are those of options, one or one a patient."""

    patients: tuple[str, ...]
    options: tuple[Option, ...]
    rows: tuple[Outcomes, ...]

    @property
    def plain(self) -> int:
        return self.options.index(PLAIN)

    @property
    def dsc(self) -> NDArray[np.float64]:
        """Shape (patients, options)."""
        return np.stack([row.dsc for row in self.rows])

    def dsc_at(self, places: int | NDArray[np.int64]) -> dict[str, float]:
        chosen = np.broadcast_to(places, len(self.rows))
        return {
            name: float(row.dsc[place])
            for name, row, place in zip(self.patients, self.rows, chosen, strict=True)
        }

    def figures(self, places: int | NDArray[np.int64]) -> MaskFigures:
        chosen = list(zip(self.rows, np.broadcast_to(places, len(self.rows)), strict=True))
        dsc = [float(row.dsc[place]) for row, place in chosen]
        return MaskFigures(
            patients=len(dsc),
            dsc_mean=float(np.mean(dsc)),
            dsc_interval=bootstrap_interval(dsc),
            dsc_median=float(np.median(dsc)),
            patients_under_half=sum(value < 0.5 for value in dsc),
            missed_lesions=sum(
                row.lesion_vox > 0 and int(row.mask_vox[place]) == 0 for row, place in chosen
            ),
            lesion_free_slices=sum(row.free_slices for row in self.rows),
            lesion_free_slices_marked=sum(int(row.marked_slices[place]) for row, place in chosen),
        )

    def evidence(self, place: int) -> StepEvidence:
        changes = [
            _change(name, row, self.plain, place)
            for name, row in zip(self.patients, self.rows, strict=True)
        ]
        changes.sort(key=lambda change: change.dsc_after - change.dsc_before)
        return StepEvidence(
            way=_way(self.options[place]),
            figures=self.figures(place),
            lost=tuple(c for c in changes if _is_lost(c)),
            helped=tuple(c for c in reversed(changes) if c.dsc_after - c.dsc_before > CHANGED_BY),
        )


def _change(patient: str, row: Outcomes, before: int, after: int) -> PatientChange:
    return PatientChange(
        patient=patient,
        dsc_before=float(row.dsc[before]),
        dsc_after=float(row.dsc[after]),
        overlap_before_vox=int(row.overlap_vox[before]),
        overlap_after_vox=int(row.overlap_vox[after]),
        true_islands_before=int(row.true_islands[before]),
        true_islands_after=int(row.true_islands[after]),
        false_islands_after=int(row.false_islands[after]),
    )


def _is_lost(change: PatientChange) -> bool:
    gone = change.overlap_before_vox > 0 and change.overlap_after_vox == 0
    return gone or change.dsc_before - change.dsc_after > CHANGED_BY


def _way(option: Option) -> WayOfMasks:
    return WayOfMasks(threshold=option.threshold, postprocessing=option.steps, text=str(option))


def _steps(options: Sequence[Option]) -> list[int]:
    """Places of what is shown one by one: a single setting, or a minimum size with a share."""
    found = []
    for place, option in enumerate(options):
        without = option.steps.model_copy(update={"spared_share": 0.0, "minimum_size_vox": 0})
        rule = option.steps.spared_share > 0 and Option(option.threshold, without) == PLAIN
        if rule or option.settings == 1:
            found.append(place)
    return found


def _difference(first: dict[str, float], second: dict[str, float]) -> Difference:
    found = compare(first, second)
    return Difference(
        mean=found.mean_difference, interval=found.interval, p=found.p, text=str(found)
    )


def _tta(
    without: _Table, table: _Table, groups: NDArray[np.int64], without_apart: NDArray[np.int64]
) -> TtaReport:
    _, taken = choose(table.dsc, table.options)
    _, taken_apart = chosen_without(table.dsc, table.options, groups)
    return TtaReport(
        plain=table.figures(table.plain),
        taken=_way(table.options[taken]),
        taken_cross_fitted=table.figures(taken_apart),
        against_without=_difference(table.dsc_at(taken_apart), without.dsc_at(without_apart)),
    )
