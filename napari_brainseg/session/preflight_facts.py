"""The facts that a preflight judges: exports and locked patients as they lie on disk."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.preflight import CorrectionFacts, LockedFacts, PreflightFinding
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.locked_patients import locked_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_brainseg.core.dataset.locked import LockedPatient
    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.content_hashes import Content, ContentHashes
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.workspace import Workspace

__all__ = ["correction_facts", "locked_facts", "missing_exports"]


def correction_facts(
    workspace: Workspace,
    studies: Discovery | None,
    current: Bundle,
    hashes: ContentHashes,
    began: float | None,
) -> tuple[CorrectionFacts, ...]:
    """Look at all exported corrections; what cannot be read is told in its facts.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    from napari_brainseg.core.dataset.manifest import current_entries
    from napari_brainseg.session.training_set import waiting_patients

    training_set = workspace.training_set
    entries = current_entries(training_set)
    new = set(waiting_patients(training_set, current, began=began))
    truths = {} if studies is None else {f.patient: f for f in studies.folders if f.has_masks}
    return tuple(
        _correction(training_set, entry, entry.patient in new, truths.get(name), hashes)
        for name, entry in entries.items()
        if (training_set / name).is_dir()
    )


def _correction(
    training_set: Path,
    entry: ManifestEntry,
    is_new: bool,
    truth: StudyFolder | None,
    hashes: ContentHashes,
) -> CorrectionFacts:
    from napari_brainseg.core.formats import discover

    facts = CorrectionFacts(
        patient=entry.patient,
        image_sha256=entry.image_sha256,
        mask_sha256=entry.mask_sha256,
        lesion_vox=0,
        changed_vox=entry.voxels_added + entry.voxels_removed,
        is_new=is_new,
    )
    try:
        folder = discover(training_set / entry.patient).folders[0]
        content = hashes.of(folder)
    except DataError as error:
        kept = _kept_vox(training_set, entry)
        return replace(facts, lesion_vox=kept, fault=error.message, fault_hint=error.hint)
    return replace(
        facts,
        lesion_vox=content.lesion_vox,
        base_vox=_base_vox(entry, content),
        truth_dsc=_truth_dsc(training_set, entry, truth, hashes),
        changed=_changed(entry.image_sha256, entry.mask_sha256, content),
        warnings=folder.warnings,
    )


def _base_vox(entry: ManifestEntry, content: Content) -> int | None:
    """Voxels of the prediction that was corrected."""
    if entry.correction_base != "prediction" or content.mask_sha256 != entry.mask_sha256:
        return None
    return max(0, content.lesion_vox - entry.voxels_added + entry.voxels_removed)


def _changed(image: str, mask: str, content: Content) -> tuple[str, ...]:
    images = () if content.image_sha256 == image else ("images",)
    return images if content.mask_sha256 == mask else (*images, "masks")


def _kept_vox(training_set: Path, entry: ManifestEntry) -> int:
    """Voxels of a mask whose export cannot be read, from the versions that are kept."""
    from napari_brainseg.core.dataset.versions import load_mask

    try:
        return int(load_mask(training_set, entry.mask_sha256).sum(dtype="int64"))
    except DataError:
        return 1


def _truth_dsc(
    training_set: Path, entry: ManifestEntry, truth: StudyFolder | None, hashes: ContentHashes
) -> float | None:
    """DSC of a correction and the ground truth, where they differ and the truth is at hand."""
    from napari_brainseg.core.dataset.versions import has_mask, load_mask
    from napari_brainseg.core.formats import load_masks

    if (
        truth is None
        or entry.original_mask_sha256 in (None, entry.mask_sha256)
        or not has_mask(training_set, entry.mask_sha256)
    ):
        return None
    key = f"{entry.mask_sha256}|{entry.original_mask_sha256}"
    known = hashes.note(key)
    if known is not None:
        return known
    try:
        corrected = load_mask(training_set, entry.mask_sha256)
        original = load_masks(truth.path)[0].data
    except DataError:
        return None
    if original.shape != corrected.shape:
        return None
    both = int(corrected.sum(dtype="int64")) + int(original.sum(dtype="int64"))
    dsc = 2.0 * int((corrected & original).sum(dtype="int64")) / both if both else 1.0
    hashes.note(key, dsc)
    return dsc


def missing_exports(workspace: Workspace) -> list[PreflightFinding]:
    """Find patients that the manifest lists and the disk does not.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    from napari_brainseg.core.dataset.manifest import current_entries

    gone = tuple(
        name
        for name in current_entries(workspace.training_set)
        if not (workspace.training_set / name).is_dir()
    )
    if not gone:
        return []
    return [
        PreflightFinding(
            kind="missing-export",
            level="warning",
            message=f"Exports are gone from {workspace.training_set}: {', '.join(gone)}. The run "
            "goes on without them.",
            hint="Restore them from a backup, or approve these patients again.",
            patients=gone,
        )
    ]


def locked_facts(
    workspace: Workspace,
    catalogue: Catalogue | None,
    studies: Discovery | None,
    plan: FineTuningPlan | None,
    hashes: ContentHashes,
) -> LockedFacts:
    """Look for the locked patients, and whether they are what was locked."""
    try:
        locked = locked_of(workspace, catalogue) if plan is None else plan.locked
    except DataError as error:
        return LockedFacts(fault=error.message, fault_hint=error.hint)
    if locked is None:
        return LockedFacts()
    places = {} if studies is None else {f.patient: f.path for f in studies.folders}
    absent, changed = [], []
    for patient in locked.patients:
        content = _content_of(patient, places, hashes)
        if content is None:
            absent.append(patient.patient)
        elif _changed(patient.image_sha256, patient.mask_sha256, content):
            changed.append(patient.patient)
    return LockedFacts(locked, tuple(absent), tuple(changed))


def _content_of(
    patient: LockedPatient, places: Mapping[str, Path], hashes: ContentHashes
) -> Content | None:
    from napari_brainseg.core.dataset.locked_places import locked_folder
    from napari_brainseg.core.formats import open_again

    with contextlib.suppress(DataError):
        if (own := locked_folder(patient)) is not None:
            return hashes.of(own)
    place = places.get(patient.patient)
    with contextlib.suppress(DataError):
        return None if place is None else hashes.of(open_again(place, patient.patient))
    return None
