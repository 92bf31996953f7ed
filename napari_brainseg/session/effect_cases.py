"""Which patients to look at before a candidate is promoted, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_brainseg.core.dataset.locked_set import LockedSet
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.gate_evidence import GateEvidence, PairedPatient

__all__ = ["SAME_DSC", "WORST_LOCKED", "EffectCase", "EffectTally", "Figures", "effect_cases"]

WORST_LOCKED = 5
"""How many of the locked patients are looked at: those that lose most."""
SAME_DSC = 0.005
"""A DSC that changes by no more counts as equal; the gate lets the mean drop by as much."""


class Figures(NamedTuple):
    """Two masks of a patient against the same reference."""

    current_dsc: float
    candidate_dsc: float
    current_vox: int
    """Voxels that the mask marks."""
    candidate_vox: int
    has_lesion: bool
    """Whether the reference has a voxel; without one a DSC is 1 or 0 and says little."""

    @property
    def dsc_change(self) -> float:
        """New DSC minus old."""
        return self.candidate_dsc - self.current_dsc

    @property
    def vox_change(self) -> int:
        """How many voxels more the new mask marks."""
        return self.candidate_vox - self.current_vox

    @property
    def verdict(self) -> Literal[-1, 0, 1]:
        """Whether the new mask is worse, equal or better; without a lesion fewer is better."""
        better = self.dsc_change if self.has_lesion else -float(self.vox_change)
        if abs(better) <= SAME_DSC:
            return 0
        return 1 if better > 0 else -1


@dataclass(frozen=True, slots=True)
class EffectCase:
    """A patient to look at.

    Parameters
    ----------
    patient : str
        Name with its date.
    kind : {"corrected", "locked"}
        Why it is looked at.
    path : Path
        Folder with its image and the mask that both versions are compared with.
    is_correction : bool
        That mask is an approved correction, not the ground truth that the patient came with.
    trained_on_candidate, trained_on_current : bool
        Whether the new version, and the one in use, learnt from the patient: its own figure
        flatters it then.
    figures : Figures or None
        What the gate measured: of a locked patient by the two versions themselves, of a corrected
        one by models of the same recipe that did not train on it; `None` where it measured nothing.
    compared_with : {"current", "base"}
        Whose the older figures are: those of the version in use, or of the start of the run.
    """

    patient: str
    kind: Literal["corrected", "locked"]
    path: Path
    is_correction: bool
    trained_on_candidate: bool
    trained_on_current: bool
    figures: Figures | None = None
    compared_with: Literal["current", "base"] = "current"


@dataclass(frozen=True, slots=True)
class EffectTally:
    """How many patients the new version does better, as well, and worse.

    Parameters
    ----------
    better, equal, worse : int
        See `Figures.verdict`.
    unknown : int
        Not measured.
    """

    better: int = 0
    equal: int = 0
    worse: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, found: Iterable[Figures | None]) -> EffectTally:
        """Count patients by their figures."""
        verdicts = [None if figures is None else figures.verdict for figures in found]
        return cls(*(verdicts.count(verdict) for verdict in (1, 0, -1, None)))


def effect_cases(
    training_set: Path,
    candidate: Bundle,
    current: Bundle,
    *,
    evidence: GateEvidence | None = None,
    locked: LockedSet | None = None,
    worst: int = WORST_LOCKED,
) -> tuple[EffectCase, ...]:
    """List the corrected patients, the newest first, then the locked ones that lose most.

    Parameters
    ----------
    training_set : Path
        Of the workspace: its patients carry the approved corrections.
    candidate, current : Bundle
        The new version, and the one in use.
    evidence : GateEvidence, optional
        What the gate measured; without it all locked patients count as equal.
    locked : LockedSet, optional
        Where the locked patients lie.
    worst : int
        How many of them at most.

    Raises
    ------
    DataError
        If the manifest of the training set cannot be read.
    """
    from napari_brainseg.core.dataset.manifest import current_entries

    entries = sorted(current_entries(training_set).values(), key=lambda e: e.created, reverse=True)
    versions = (candidate, current)
    corrections = () if evidence is None else evidence.corrections
    corrected = [
        _case(entry.patient, "corrected", training_set / entry.patient, True, versions, corrections)
        for entry in entries
        if (training_set / entry.patient).is_dir()
    ]
    measured = () if evidence is None else evidence.locked
    held = [
        _case(
            patient.patient,
            "locked",
            Path(patient.path),
            patient.mask_source == "correction",
            versions,
            measured,
        )
        for patient in (() if locked is None else locked.patients)
    ]
    known = [case for case in held if case.figures is not None or not measured]
    # A stable order: ties stay as the set lists them.
    known.sort(key=lambda case: 0.0 if case.figures is None else case.figures.dsc_change)
    return (*corrected, *known[: max(worst, 0)])


def _case(
    patient: str,
    kind: Literal["corrected", "locked"],
    path: Path,
    is_correction: bool,
    versions: tuple[Bundle, Bundle],
    pairs: Sequence[PairedPatient],
) -> EffectCase:
    from napari_brainseg.core.dataset.splits import same_person

    candidate, current = versions
    pair = next((p for p in pairs if same_person(p.patient, (patient,))), None)
    return EffectCase(
        patient=patient,
        kind=kind,
        path=path,
        is_correction=is_correction,
        trained_on_candidate=same_person(patient, candidate.train_patients),
        trained_on_current=same_person(patient, current.train_patients),
        figures=None if pair is None else _figures(pair),
        compared_with="current" if pair is None else pair.compared_with,
    )


def _figures(pair: PairedPatient) -> Figures:
    current, candidate = pair.current, pair.candidate
    return Figures(
        current.dsc_native,
        candidate.dsc_native,
        current.volume_prediction_vox,
        candidate.volume_prediction_vox,
        pair.has_lesion,
    )
