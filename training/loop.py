"""A run from its config to a bundle: data, stages, publishing, measuring."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import sync_folder, write_atomically
from napari_brainseg.core.imaging import BrainSegError, CancelledError
from napari_brainseg.core.protocol import (
    BundleSaved,
    FinishReason,
    Message,
    RunFinished,
    RunStarted,
)
from napari_brainseg.core.protocol.run_folder import BUNDLE
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from training.data import load_cohort
from training.epochs import Work, first_epoch_of, has_checkpoint, steps_of, train
from training.examples import Examples
from training.fine_tuning import gate_the, interpolated, measure_inner_folds, plan_stages
from training.measure import measure
from training.monitor import ResourceMonitor
from training.publish import publish
from training.setting import set_up
from training.validation import validate

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.data import Cohort
    from training.epochs import Trained
    from training.fine_tuning import Plan
    from training.setting import Setting
    from training.stream import EventStream, StopFlag

__all__ = ["CANDIDATE", "run"]

CANDIDATE = "candidate"
"""Folder of a run with a bundle that the gate has not measured yet."""


def run(
    config: RunConfig, run_dir: Path, events: EventStream, stop: StopFlag, *, resume: bool
) -> RunFinished:
    """Train a network, publish it as a bundle in ``<run_dir>/bundle``, measure it.

    A fine-tuning run may have stages: inner folds of the corrected patients, the training on all
    of them, the interpolation of its weights with the base model's, the gate.

    Parameters
    ----------
    config : RunConfig
        What to do.
    run_dir : Path
        Folder of the run: checkpoints, TensorBoard, resources, folds, bundle, evaluation.
    events : EventStream
        Where events go; `RunFinished` is returned, for the caller to send last.
    stop : StopFlag
        Asked after every step; then a checkpoint is written and the run ends as cancelled.
    resume : bool
        Go on where the run was, in whichever stage; on a CPU the result is that of an unbroken
        run, bit for bit.

    Raises
    ------
    BrainSegError
        If configuration, data, base model or checkpoint cannot be used, or the loss is no number.

    Notes
    -----
    Under ``torchrun`` every process runs this function. All of them draw the whole batch from the
    same generator and compute their own part of it, so that together they do what one process
    would; the first one alone validates, writes and speaks.
    """
    try:
        return _run(config, run_dir, events, stop, resume=resume)
    except CancelledError as error:
        return RunFinished(
            reason=FinishReason.CANCELLED, message=error.message, hint=error.hint
        )  # fmt: skip


def _run(
    config: RunConfig, run_dir: Path, events: EventStream, stop: StopFlag, *, resume: bool
) -> RunFinished:
    # 1. device, network, loss, optimiser: what can be wrong fails before data is read -----------
    begun_at = time.monotonic()
    setting = set_up(config)
    config, fabric, base = setting.config, setting.fabric, setting.base

    # 2. data -----------------------------------------------------------------------------------
    events.send(Message(text="Loading and preparing the patients"))
    with fabric.rank_zero_first():  # the others find the prepared patients in the cache
        cohort = load_cohort(config, setting.recipe, fabric.device)
    for fault in cohort.faults:
        events.send(Message(level="warning", text=f"Left out: {fault.error}"))
    for note in cohort.notes:
        events.send(Message(level="warning", text=note))
    if setting.loss_of.over_the_batch and fabric.world_size * config.accumulation > 1:
        told = f"The loss {config.loss} is no mean over slices: in parts a batch has another one."
        events.send(Message(level="warning", text=told))
    stop.check()

    # 3. stages, and what was reached before ----------------------------------------------------
    examples = Examples(run_dir, cohort.validation) if base is not None else None
    work = Work(
        run_dir, cohort.pool, cohort.sha256, config.seed, cohort.validation, examples
    )  # fmt: skip
    plan = plan_stages(setting, cohort)
    resume = resume and not (plan.folds and not has_checkpoint(run_dir))
    first_epoch = first_epoch_of(work, events) if resume else 1
    parent_dsc = None
    if base is not None and cohort.validation and fabric.is_global_zero:
        parent = validate(
            load_network(base), fabric.device, cohort.validation, setting.loss_of,
            setting.delivered, half=setting.half,
        )  # fmt: skip
        parent_dsc = parent.dsc
        assert examples is not None
        examples.choose(parent)
    events.send(
        RunStarted(
            run_id=run_dir.name,
            run_dir=str(run_dir),
            device=str(fabric.device),
            precision=fabric.strategy.precision.precision,
            epochs=config.epochs,
            steps_per_epoch=steps_of(setting, cohort.pool),
            first_epoch=first_epoch,
            train_patients=cohort.train_patients,
            validation_patients=tuple(case.patient for case in cohort.validation),
            parent=base.version if base else None,
            parent_validation_dsc=parent_dsc,
        )
    )
    if parent_dsc is not None and examples is not None:
        examples.save(0, parent, events)

    # 4. inner folds, training, interpolation, gate ---------------------------------------------
    with ResourceMonitor(run_dir, enabled=fabric.is_global_zero) as monitor:
        made, bundle = None, _published(setting, run_dir / BUNDLE) if resume else None
        if bundle is None:
            made, bundle = _made(setting, cohort, work, plan, monitor, events, stop, resume=resume)
            if bundle is None:  # the first process has it
                return RunFinished(reason=FinishReason.COMPLETED)
            if plan.gate is not None:
                plan.course.begin(plan.gate, events)
                gate_the(bundle, setting, run_dir, events, stop)
                bundle.path.replace(run_dir / BUNDLE)
                sync_folder(run_dir)
                bundle = load_bundle(run_dir / BUNDLE, verify=False)
        dsc = bundle.manifest.metrics.get("validation_dsc")
        events.send(
            BundleSaved(
                path=str(bundle.path),
                version=bundle.version,
                validation_dsc=dsc,
                parent_validation_dsc=parent_dsc,
            )
        )
        # 5. measure; the model is on disk and must not be lost by what goes wrong here -----------
        _measure(bundle, run_dir, cohort, str(fabric.device), events, stop)
    summary = {
        "network": config.network,
        "parameters": sum(p.numel() for p in setting.first_network.parameters()),
        "device": str(fabric.device),
        "precision": fabric.strategy.precision.precision,
        "processes": fabric.world_size,
        "samples_per_second": made.steps * config.batch_size / made.seconds
        if made is not None and made.seconds
        else None,
        "peak_memory_mb": monitor.peak.rss_mb if monitor.peak else None,
        "peak_gpu_memory_mb": monitor.peak.gpu_memory_mb if monitor.peak else None,
        "train_s": made.seconds if made is not None else 0.0,
        "wall_s": time.monotonic() - begun_at,
        "epochs": made.epoch if made is not None else config.epochs,
        "chosen_epoch": bundle.manifest.training["epoch"],
        "validation_dsc": dsc,
    }
    write_atomically(run_dir / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return RunFinished(reason=FinishReason.COMPLETED, bundle=str(bundle.path))


def _made(
    setting: Setting,
    cohort: Cohort,
    work: Work,
    plan: Plan,
    monitor: ResourceMonitor,
    events: EventStream,
    stop: StopFlag,
    *,
    resume: bool,
) -> tuple[Trained | None, Bundle | None]:
    """Train and publish; only the first process has a bundle.

    A run with a gate publishes its model beside the place of the finished one: what lies there is
    complete, and a run that was stopped at the gate goes on at the gate, without a `Trained`.
    """
    target = work.run_dir / (BUNDLE if plan.gate is None else CANDIDATE)
    if resume and (bundle := _published(setting, target)) is not None:
        return None, bundle
    inner = measure_inner_folds(setting, cohort, work, plan, monitor, events, stop, resume=resume)
    plan.course.begin(plan.training, events)
    made = train(setting, work, plan.course, monitor, events, stop, resume=resume)
    if not setting.fabric.is_global_zero:
        return made, None
    if plan.interpolation is not None:
        plan.course.begin(plan.interpolation, events)
    network, dsc = made.network, made.chosen_dsc
    if inner.share != 1.0:
        network = interpolated(setting.first_network, network, inner.share)
        if cohort.validation:
            dsc = validate(
                network, setting.fabric.device, cohort.validation, setting.loss_of,
                setting.delivered, half=setting.half,
            ).dsc  # fmt: skip
    bundle = publish(
        target,
        network,
        setting.config,
        setting.recipe,
        base=setting.base,
        train_patients=cohort.train_patients,
        validation_patients=tuple(case.patient for case in cohort.validation),
        data_sha256=cohort.sha256,
        epoch=made.chosen,
        metrics={} if dsc is None else {"validation_dsc": dsc},
        image_sha256=cohort.image_sha256,
        mask_sha256=cohort.mask_sha256,
        interpolation=inner.share,
        inner_folds=inner.figures,
    )
    return made, bundle


def _published(setting: Setting, folder: Path) -> Bundle | None:
    """Open a bundle that is there already, where one process works for the run."""
    return load_bundle(folder) if setting.fabric.world_size == 1 and folder.is_dir() else None


def _measure(
    bundle: Bundle, run_dir: Path, cohort: Cohort, device: str, events: EventStream, stop: StopFlag
) -> None:
    """Measure the finished model on its validation and test patients, for the report."""
    for part, folders in (("validation", cohort.validation_folders), ("test", cohort.test)):
        if not folders or stop:
            continue
        events.send(Message(text=f"Measuring the model on {len(folders)} {part} patients"))
        try:
            measure(
                run_dir, bundle, folders, part,  # type: ignore[arg-type]
                device=device, cancelled=lambda: bool(stop),
            )  # fmt: skip
        except BrainSegError as error:
            events.send(Message(level="error", text=f"Not measured: {error}"))
