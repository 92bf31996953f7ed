"""Preflight of a fine-tuning run: the facts are gathered here and judged in `core.dataset`.

Reads the pixels of exports and locked patients once, then only what changed: 10 corrections take
about a second the first time and a tenth afterwards. Not for the GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil

from napari_brainseg.core.dataset.preflight import (
    CorrectionFacts,
    Needs,
    PreflightFacts,
    PreflightFinding,
    PreflightReport,
    preflight,
)
from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.content_hashes import ContentHashes
from napari_brainseg.session.fine_tuning import FineTuningPlan, Start, base_of, plan_fine_tuning
from napari_brainseg.session.locked_patients import known_to
from napari_brainseg.session.preflight_facts import (
    correction_facts,
    locked_facts,
    missing_exports,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
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
        corrections = correction_facts(workspace, studies, current, hashes, began)
        more += missing_exports(workspace)
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
    locked = locked_facts(workspace, catalogue, studies, plan, hashes)
    hashes.save()
    begin = current if start == "current" else base
    training = begin.manifest.training
    facts = PreflightFacts(
        corrections=corrections,
        locked=locked,
        known=known_to((base,)),
        base_images=_mapping(training.get("image_sha256")),
        base_masks=_mapping(training.get("mask_sha256")),
        replayed=None if plan is None else plan.replayed,
        needs=_needs(workspace, plan, begin, hashes, expected),
        expected_s=None if expected is None else expected.expected_s,
        memory_mb=None if expected is None else expected.memory_mb,
    )
    report = preflight(facts, more=more)
    if refusal is not None and report.can_start:
        # Otherwise a finding says it already, and better.
        report = preflight(facts, more=[*more, _finding("plan", refusal)])
    return report


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
