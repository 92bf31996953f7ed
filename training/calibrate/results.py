"""What the patients that a cross-validation held out say of temperature and masks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from napari_brainseg.core.segmentation.calibration import BAND_VOX, ReliabilityBin
from napari_brainseg.core.segmentation.postprocessing import Postprocessing

__all__ = [
    "CalibrationReport",
    "Difference",
    "MaskFigures",
    "MaskReport",
    "PatientChange",
    "StepEvidence",
    "TtaReport",
    "WayOfMasks",
]


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WayOfMasks(_Result):
    """How masks are made of calibrated probabilities."""

    threshold: float
    postprocessing: Postprocessing
    text: str
    """The same in words."""


class MaskFigures(_Result):
    """Figures of masks over patients, on the native grid."""

    patients: int
    dsc_mean: float
    dsc_interval: tuple[float, float]
    """95 % bootstrap interval of the mean over patients."""
    dsc_median: float
    patients_under_half: int
    """DSC below 0.5."""
    missed_lesions: int
    """Patients with a lesion whose mask is empty."""
    lesion_free_slices: int
    lesion_free_slices_marked: int

    @property
    def marked_share(self) -> float | None:
        """Lesion-free slices with any mask, of all; ``None`` where there are none."""
        if not self.lesion_free_slices:
            return None
        return self.lesion_free_slices_marked / self.lesion_free_slices


class Difference(_Result):
    """Of two ways of making masks, patient by patient."""

    mean: float
    interval: tuple[float, float]
    """95 % bootstrap interval of the mean difference over patients."""
    p: float | None
    """Of the two-sided Wilcoxon signed-rank test; ``None`` under six patients."""
    text: str


class PatientChange(_Result):
    """What a step did to one patient's mask."""

    patient: str
    dsc_before: float
    dsc_after: float
    overlap_before_vox: int
    """Voxels of the mask that are lesion."""
    overlap_after_vox: int
    true_islands_before: int
    """Islands of the mask that touch the lesion."""
    true_islands_after: int
    false_islands_after: int
    """Islands that stayed and do not touch it."""


class StepEvidence(_Result):
    """What one way of making masks does, against threshold 0.5 and nothing else."""

    way: WayOfMasks
    figures: MaskFigures
    """Over all patients; it was not chosen apart from them."""
    lost: tuple[PatientChange, ...]
    """DSC fell by more than 0.1, or what had been found of the lesion was all removed; the worst
    first."""
    helped: tuple[PatientChange, ...]
    """DSC rose by more than 0.1; the best first."""


class TtaReport(_Result):
    """Test-time augmentation: the mean with the mirrored volume, for twice the time."""

    plain: MaskFigures
    """Threshold 0.5 and nothing else."""
    taken: WayOfMasks
    taken_cross_fitted: MaskFigures
    against_without: Difference
    """Each with what was chosen on the other folds."""


class MaskReport(_Result):
    """Threshold and steps, chosen on all patients that were held out."""

    options: int
    """Ways of making masks that were tried."""
    rule: str
    now: StepEvidence
    """As the folds' models deliver."""
    plain: MaskFigures
    """Threshold 0.5 and nothing else."""
    best: StepEvidence
    """Highest mean DSC."""
    best_cross_fitted: MaskFigures
    """Chosen on the other folds; so of all figures called cross-fitted."""
    taken: StepEvidence
    """The simplest within noise of the best."""
    taken_cross_fitted: MaskFigures
    taken_by_fold: tuple[str, ...]
    """What is taken without each fold."""
    taken_against_plain: Difference
    taken_against_now: Difference
    steps: tuple[StepEvidence, ...]
    """One setting at a time, and every rule with a spared share."""
    tta: TtaReport | None = None


class CalibrationReport(_Result):
    """Calibration of the models of a cross-validation on the patients they have not seen.

    All figures are of voxels within `band_vox` pixels of an outline, that of the truth or that of
    the mask from probability 0.5 on. "Cross-fitted": each patient with the temperature fitted
    without its fold.
    """

    models: tuple[str, ...] = Field(description="Version of each fold's model")
    patients: int
    voxels: int
    band_vox: float = BAND_VOX
    temperature_now: float = Field(description="What the models deliver now")
    temperature: float = Field(description="Fitted to all folds: the one to deliver")
    fold_temperatures: tuple[float, ...] = Field(description="Fitted without each fold, in order")
    nll_before: float = Field(description="Mean negative log likelihood (nats), as delivered now")
    nll_after: float = Field(description="The same, cross-fitted")
    ece_before: float = Field(description="Expected calibration error, as delivered now")
    ece_after: float = Field(description="The same, cross-fitted")
    auroc: float | None = Field(
        description="Area under the ROC of uncertainty against error; one temperature for all, "
        "whichever, changes it by nothing"
    )
    reliability_before: tuple[ReliabilityBin, ...]
    reliability_after: tuple[ReliabilityBin, ...] = Field(description="Cross-fitted")
    masks: MaskReport
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write as indented JSON with a line end."""
        return self.model_dump_json(indent=2) + "\n"
