"""Corrected patients in the gate: what the folds measured, and a fair model to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.locked import Known
from napari_brainseg.core.formats import undated
from napari_brainseg.core.segmentation.gate import PairedPatient
from training.gate.patients import Measurable, find_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.evaluation_results import PatientResult
    from napari_brainseg.core.segmentation.gate_folds import FoldPatient, FoldsEvidence

__all__ = ["CorrectionPlan", "known_of", "names_patients", "plan_corrections", "unseen"]


@dataclass(frozen=True, slots=True)
class CorrectionPlan:
    """Whom to measure with the version in use, and what is known already.

    Parameters
    ----------
    folds : FoldsEvidence
        What the folds measured.
    is_base : bool
        Whether the version in use is the one that the folds started from: their figures of it
        stand.
    to_measure : tuple of Measurable
        Corrected patients that the version in use was not trained on.
    notes : tuple of str
        What a reader should know.
    """

    folds: FoldsEvidence
    is_base: bool
    to_measure: tuple[Measurable, ...]
    notes: tuple[str, ...]

    def pairs(self, measured: Sequence[PatientResult]) -> tuple[PairedPatient, ...]:
        """Pair the folds' models with the version in use, or with the base in place of it."""
        own = {result.patient: result for result in measured}
        return tuple(
            PairedPatient(
                patient=each.patient,
                candidate=each.candidate,
                current=own.get(each.patient, each.base),
                compared_with="current" if self.is_base or each.patient in own else "base",
            )
            for each in self.folds.patients
        )


def known_of(bundle: Bundle) -> Known:
    """Patients, images and masks that a version was trained on."""
    training = bundle.manifest.training
    return Known.of(
        bundle.train_patients,
        training.get("image_sha256") or {},
        training.get("mask_sha256") or {},
    )


def names_patients(bundle: Bundle) -> bool:
    """Whether a version says whom it was trained on; one from elsewhere may not."""
    return "train_patients" in bundle.manifest.training


def unseen(
    new: Bundle, old: Bundle, locked: Sequence[str], exported: Mapping[str, StudyFolder]
) -> tuple[Measurable, ...]:
    """Read corrected patients that neither version was trained on, nor is locked.

    Such is the case with a version that was imported. There are none where a version does not say
    whom it was trained on.

    Raises
    ------
    DataError
        If one cannot be read.
    """
    if not (names_patients(new) and names_patients(old)):
        return ()
    known = known_of(new) | known_of(old)
    known_persons = known.persons | {undated(name) for name in locked}
    found = (
        Measurable.read(folder)
        for name, folder in sorted(exported.items())
        if undated(name) not in known_persons
    )
    return tuple(each for each in found if not _is_known(each, known))


def plan_corrections(
    folds: FoldsEvidence, new: Bundle, old: Bundle, exported: Mapping[str, StudyFolder]
) -> CorrectionPlan:
    """Say which corrected patients the version in use can be measured on.

    On those that it was trained on it would be flattered: there the base model stands in.

    Parameters
    ----------
    folds : FoldsEvidence
        Of the candidate's run.
    new, old : Bundle
        Candidate and version in use.
    exported : mapping of str to StudyFolder
        The training set by name; empty where it is not at hand.

    Raises
    ------
    DataError
        If the training set is at hand and a corrected patient is not in it, or cannot be read.
    """
    is_base = old.version == (folds.base or new.manifest.parent)
    notes = _chosen(folds)
    if is_base or not folds.patients:
        return CorrectionPlan(folds, is_base=is_base, to_measure=(), notes=notes)
    if not exported:
        note = "The training set was not at hand: corrections are compared with the base model."
        return CorrectionPlan(folds, is_base=False, to_measure=(), notes=(*notes, note))
    known = known_of(old)
    strangers = [p for p in folds.patients if undated(p.patient) not in known.persons]
    found = find_named([p.patient for p in strangers], exported)
    trained = new.manifest.training.get("mask_sha256") or {}
    again = [
        at_hand.patient
        for each, at_hand in zip(strangers, found, strict=True)
        if not _is_same(each, at_hand, trained.get(each.patient))
    ]
    if again:
        note = f"Corrected again since the run, compared with the base model: {', '.join(again)}."
        notes = (*notes, note)
    fit = (m for m in found if m.patient not in again and not _is_known(m, known))
    return CorrectionPlan(folds, is_base=False, to_measure=tuple(fit), notes=notes)


def _is_same(each: FoldPatient, found: Measurable, trained: str | None) -> bool:
    """Whether the mask is the one that the fold was measured against."""
    if trained is not None and trained != found.mask_sha256:
        return False
    return found.lesion_vox == each.candidate.volume_truth_vox


def _is_known(found: Measurable, known: Known) -> bool:
    has_known_mask = found.lesion_vox > 0 and found.mask_sha256 in known.masks
    return found.image_sha256 in known.images or has_known_mask


def _chosen(folds: FoldsEvidence) -> tuple[str, ...]:
    if len(folds.interpolation) < 2 or not folds.patients:
        return ()
    return (
        f"The share of the new weights, {folds.chosen:g}, was chosen among "
        f"{len(folds.interpolation)} on the same inner folds: the gain on corrected patients is "
        "flattered a little.",
    )
