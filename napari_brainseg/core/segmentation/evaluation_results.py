"""What an evaluation yields: figures of each patient, and over all of them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from napari_brainseg.core.dataset.splits import same_person
from napari_brainseg.core.segmentation.calibration import Calibration
from napari_brainseg.core.segmentation.metrics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = [
    "FIGURES",
    "POOR_DSC",
    "Evaluation",
    "EvaluationSummary",
    "Figure",
    "NotMeasured",
    "PatientResult",
    "Seconds",
    "Tally",
    "figure_of",
    "summarise",
    "tally_of",
]

BOOTSTRAP_SEED = 0
FIGURES = (
    "dsc_reference", "dsc_native", "dsc_native_lcc", "hd95_vox", "hd95_mm", "sensitivity",
    "precision", "relative_volume_error",
)  # fmt: skip
"""Of a patient, and by the same names over all patients."""
POOR_DSC = 0.5
"""A mask with a lower DSC is no start for a correction: drawing anew is as quick."""


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Seconds(_Result):
    """Time that each stage took."""

    load: float
    preprocess: float
    infer: float
    postprocess: float
    total: float


class PatientResult(_Result):
    """Figures of one patient; ``None`` where a figure is undefined."""

    patient: str
    slices: int
    dsc_reference: float | None
    """On the reference's cropped 256 x 256 grid, largest component; ``None`` where the stack is
    too short for that grid."""
    dsc_native: float
    """The mask as delivered, on the full input grid."""
    dsc_native_lcc: float
    """As `dsc_native`, the largest component only."""
    hd95_vox: float | None
    """Of the mask as delivered, in voxels; ``None`` where only one of the masks is empty."""
    volume_truth_vox: int
    volume_prediction_vox: int
    seconds: Seconds
    hd95_mm: float | None = None
    """As `hd95_vox`, in mm; ``None`` also where the spacing of voxels is not known."""
    sensitivity: float | None = None
    """Share of the true lesion that was found; ``None`` where there is no lesion."""
    precision: float | None = None
    """Share of the mask that is lesion; ``None`` where the mask is empty."""
    relative_volume_error: float | None = None
    """Signed, (predicted - true) / true; ``None`` where there is no lesion."""
    lesion_free_slices: int | None = None
    """Slices without lesion in the ground truth; ``None`` in files of older versions."""
    lesion_free_slices_marked: int | None = None
    """Those of them that the mask as delivered marks."""
    chosen_series: str = ""
    """In words: where the series are not those that were recognised."""


class Figure(_Result):
    """A figure over patients with 95 % bootstrap intervals; ``None`` where no patient has it."""

    patients: int
    mean: float | None
    median: float | None
    mean_interval: tuple[float, float] | None
    median_interval: tuple[float, float] | None
    least: float | None
    greatest: float | None


NO_FIGURE = Figure(
    patients=0, mean=None, median=None, mean_interval=None, median_interval=None, least=None,
    greatest=None,
)  # fmt: skip


class Tally(_Result):
    """How often a mask is of no use, and how often it marks what is healthy."""

    patients: int
    under_half: int = Field(description=f"Patients with a native DSC under {POOR_DSC:g}")
    under_half_share: float
    lesion_free_slices: int | None = Field(
        description="Slices of all patients without lesion in the ground truth"
    )
    lesion_free_slices_marked: int | None = Field(
        description="Those of them that the mask as delivered marks"
    )
    lesion_free_slices_marked_share: float | None = Field(
        description="None where there is no such slice; all three where a patient's were not "
        "counted, as in files of older versions"
    )


class NotMeasured(_Result):
    """A patient that could not be measured."""

    patient: str
    reason: str


class EvaluationSummary(_Result):
    """Figures over all patients."""

    patients: int
    model: str
    engine: str
    reason: str
    dsc_reference: Figure
    dsc_native: Figure
    dsc_native_lcc: Figure
    hd95_vox: Figure
    seconds: dict[str, Figure]
    missed_lesions: int = Field(description="Patients with a lesion whose predicted mask is empty")
    trained_on: tuple[str, ...] = Field(
        default=(), description="Measured patients that the model was trained on: not a test"
    )
    not_measured: tuple[NotMeasured, ...] = ()
    hd95_mm: Figure = NO_FIGURE
    sensitivity: Figure = NO_FIGURE
    precision: Figure = NO_FIGURE
    relative_volume_error: Figure = NO_FIGURE
    tally: Tally | None = Field(default=None, description="None in files of older versions")


class Evaluation(_Result):
    """What an evaluation found."""

    patients: tuple[PatientResult, ...]
    summary: EvaluationSummary
    calibration: Calibration | None = None
    """Of all patients together; ``None`` where none has a lesion in truth or mask."""

    def to_json(self) -> str:
        """Write as indented JSON with a line end."""
        return self.model_dump_json(indent=2) + "\n"


def summarise(
    results: Sequence[PatientResult],
    *,
    bundle: Bundle,
    engine: str,
    reason: str = "",
    not_measured: tuple[NotMeasured, ...] = (),
    calibration: Calibration | None = None,
) -> Evaluation:
    """Put the figures of patients together.

    Parameters
    ----------
    results : sequence of PatientResult
        At least one.
    bundle : Bundle
        What was measured.
    engine, reason : str
        What ran it and why.
    not_measured : tuple of NotMeasured
        Patients that are left out.
    calibration : Calibration, optional
        Of the patients together.
    """
    learnt = bundle.train_patients
    return Evaluation(
        patients=tuple(results),
        summary=EvaluationSummary(
            patients=len(results),
            model=bundle.version,
            engine=engine,
            reason=reason,
            seconds={
                stage: figure_of([getattr(r.seconds, stage) for r in results])
                for stage in Seconds.model_fields
            },
            missed_lesions=sum(
                1 for r in results if r.volume_truth_vox and not r.volume_prediction_vox
            ),
            trained_on=tuple(r.patient for r in results if same_person(r.patient, learnt)),
            not_measured=not_measured,
            tally=tally_of(results),
            **{name: figure_of([getattr(r, name) for r in results]) for name in FIGURES},
        ),
        calibration=calibration,
    )


def tally_of(results: Sequence[PatientResult]) -> Tally:
    """Count patients under 0.5 DSC, and slices without lesion that were marked.

    Parameters
    ----------
    results : sequence of PatientResult
        At least one.
    """
    poor = sum(r.dsc_native < POOR_DSC for r in results)
    free = _total([r.lesion_free_slices for r in results])
    marked = _total([r.lesion_free_slices_marked for r in results])
    return Tally(
        patients=len(results),
        under_half=poor,
        under_half_share=poor / len(results),
        lesion_free_slices=free,
        lesion_free_slices_marked=marked,
        lesion_free_slices_marked_share=marked / free if free and marked is not None else None,
    )


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def figure_of(values: Sequence[float | None]) -> Figure:
    """Mean, median and intervals of a figure of patients; those without one are left out."""
    known = [v for v in values if v is not None]
    if not known:
        return NO_FIGURE
    return Figure(
        patients=len(known),
        mean=statistics.fmean(known),
        median=statistics.median(known),
        mean_interval=bootstrap_interval(known, BOOTSTRAP_SEED),
        median_interval=bootstrap_interval(known, BOOTSTRAP_SEED, statistic="median"),
        least=min(known),
        greatest=max(known),
    )
