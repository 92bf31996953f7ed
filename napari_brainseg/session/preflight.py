"""Preflight of a fine-tuning run: the facts are gathered here and judged in `core.dataset`.

Reads the pixels of exports and locked patients once, then only what changed: 10 corrections take
about a second the first time and a tenth afterwards. Not for the GUI thread.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from napari_brainseg.core.dataset.preflight import (
    CorrectionFacts,
    LockedFacts,
    Needs,
    PreflightFacts,
    PreflightFinding,
    PreflightReport,
    preflight,
)
from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.content_hashes import ContentHashes
from napari_brainseg.session.fine_tuning import FineTuningPlan, Start, base_of, plan_fine_tuning
from napari_brainseg.session.locked_patients import known_to, locked_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_brainseg.core.dataset.locked import LockedPatient
    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.content_hashes import Content
    from napari_brainseg.session.expected_time import ExpectedTime
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.workspace import Workspace

__all__ = ["preflight_of", "run_preflight"]

MB = 1_000_000
USUAL_MEMORY = 1_500 * MB
"""Of the trainer on a processor with 16 slices a batch, where nothing was measured."""
CHECKPOINT_COPIES = 12
"""A checkpoint in bundle weights (fp16): weights, averaged weights and two moments in fp32, some
of it twice while it is replaced."""
BYTES_A_VOXEL = 8
"""Of a prepared patient: three channels of fp16 with mask and truth."""


def preflight_of(
    workspace: Workspace,
    catalogue: Catalogue,
    registry: ModelRegistry,
    studies: Discovery | None,
    *,
    expected: ExpectedTime | None = None,
    **changes: Any,
) -> PreflightReport:
    """Look at a run with the base and the version in use of a registry; see `run_preflight`.

    Raises
    ------
    ModelError
        If there is no base model, or the one in use is damaged.
    """
    from napari_brainseg.session.training_begin import training_began

    return run_preflight(
        workspace,
        base_of(registry),
        studies,
        current=registry.current,
        catalogue=catalogue,
        began=training_began(catalogue, registry.current_version),
        expected=expected,
        **changes,
    )


def run_preflight(
    workspace: Workspace,
    base: Bundle,
    studies: Discovery | None,
    *,
    current: Bundle | None = None,
    catalogue: Catalogue | None = None,
    began: float | None = None,
    start: Start = "base",
    expected: ExpectedTime | None = None,
    **changes: Any,
) -> PreflightReport:
    """Look at all that a fine-tuning run would be made of; nothing but a cache is written.

    Parameters
    ----------
    workspace : Workspace
        With exported corrections.
    base : Bundle
        The bundled base model.
    studies : Discovery or None
        Original data at hand.
    current : Bundle, optional
        Version in use, `base` if left out: corrections that it was not trained on are new.
    catalogue : Catalogue, optional
        Knows which locked set is in use.
    began : float, optional
        When the training of `current` began, Unix seconds.
    start : {"base", "current"}
        What the run would start from.
    expected : ExpectedTime, optional
        Of a measured step.
    **changes
        Fields of `RunConfig` that the user set.

    Returns
    -------
    PreflightReport
        What cannot be planned is a finding, too: nothing is raised for it.
    """
    current = base if current is None else current
    hashes = ContentHashes(workspace.cache, catalogue)
    more: list[PreflightFinding] = []
    corrections: tuple[CorrectionFacts, ...] = ()
    try:
        corrections = _corrections(workspace, studies, current, hashes, began)
        more += _gone(workspace)
    except DataError as error:
        more.append(_finding("manifest", error))
    hashes.save()
    plan: FineTuningPlan | None = None
    refusal: BrainSegError | None = None
    try:
        plan = plan_fine_tuning(
            workspace,
            base,
            studies,
            current=current,
            catalogue=catalogue,
            start=start,
            **changes,
        )
    except BrainSegError as error:
        refusal = error
    hashes = ContentHashes(workspace.cache, catalogue)
    locked = _locked(workspace, studies, plan, hashes)
    hashes.save()
    begin = current if start == "current" else base
    training = begin.manifest.training
    facts = PreflightFacts(
        corrections=corrections,
        locked=locked,
        known=known_to((base,)),
        base_images=_mapping(training.get("image_sha256")),
        base_masks=_mapping(training.get("mask_sha256")),
        replayed=() if plan is None else plan.replayed,
        needs=_needs(workspace, plan, begin, hashes, expected),
        expected_s=None if expected is None else expected.expected_s,
        memory_mb=None if expected is None else expected.memory_mb,
    )
    report = preflight(facts, more=more)
    if refusal is not None and report.can_start:
        # Otherwise a finding says it already, and better.
        report = preflight(facts, more=[*more, _finding("plan", refusal)])
    return report


def _corrections(
    workspace: Workspace,
    studies: Discovery | None,
    current: Bundle,
    hashes: ContentHashes,
    began: float | None,
) -> tuple[CorrectionFacts, ...]:
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


def _gone(workspace: Workspace) -> list[PreflightFinding]:
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


def _locked(
    workspace: Workspace,
    studies: Discovery | None,
    plan: FineTuningPlan | None,
    hashes: ContentHashes,
) -> LockedFacts:
    """Look for the locked patients, and whether they are what was locked."""
    try:
        locked = locked_of(workspace) if plan is None else plan.locked
    except DataError:
        # The plan failed for the same reason, which becomes a finding.
        return LockedFacts()
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
    from napari_brainseg.core.formats import discover

    own = Path(patient.path)
    for place in (own, places.get(patient.patient)):
        if place is not None and place.is_dir():
            try:
                return hashes.of(discover(place).folders[0])
            except (DataError, IndexError):
                continue
    return None


def _needs(
    workspace: Workspace,
    plan: FineTuningPlan | None,
    begin: Bundle,
    hashes: ContentHashes,
    expected: ExpectedTime | None,
) -> Needs:
    """Estimate disk and memory, and look what there is."""
    if plan is None:
        return Needs()
    config = plan.config
    try:
        weights = begin.weights_path.stat().st_size
        files = sum(path.stat().st_size for path in begin.path.iterdir() if path.is_file())
        free_disk = psutil.disk_usage(str(workspace.root)).free
    except OSError:
        return Needs()
    names: Collection[str] = {*(config.train_patients or ()), *(config.validation_patients or ())}
    voxels = hashes.voxels(names)
    runs = 1 + config.inner_folds
    measured = None if expected is None else int(expected.memory_mb * MB)
    return Needs(
        disk=runs * (CHECKPOINT_COPIES * weights + files) + voxels * BYTES_A_VOXEL,
        free_disk=free_disk,
        memory=USUAL_MEMORY if measured is None else measured,
        free_memory=psutil.virtual_memory().available,
        place=str(workspace.root),
    )


def _finding(kind: str, error: BrainSegError) -> PreflightFinding:
    return PreflightFinding(kind=kind, level="stop", message=error.message, hint=error.hint)


def _mapping(value: object) -> dict[str, str]:
    return dict(value) if isinstance(value, dict) else {}
