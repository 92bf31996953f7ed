"""The training loop. It reads from top to bottom; there are no callbacks."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from typing import TYPE_CHECKING

import torch

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError, ModelError
from napari_brainseg.core.protocol import (
    BundleSaved,
    CheckpointSaved,
    EpochFinished,
    FinishReason,
    Message,
    RunFinished,
    RunStarted,
    StepFinished,
)
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from napari_brainseg.core.segmentation.networks import build_network, load_encoder_weights
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.augment import Augmentation
from training.board import Board
from training.checkpoints import BEST, LAST, keep_good, load_checkpoint, save_atomically
from training.data import load_cohort, recipe_of
from training.devices import build_fabric
from training.early_stopping import EarlyStopping
from training.ema import EMA
from training.losses import build_loss
from training.measure import measure
from training.monitor import ResourceMonitor
from training.optimisation import build_optimizer
from training.publish import delivery, publish
from training.schedules import build_schedule
from training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning.fabric import Fabric
    from torch import Tensor, nn

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.data import Cohort
    from training.stream import EventStream, StopFlag

__all__ = ["run"]

SECONDS_BETWEEN_STEP_EVENTS = 0.25


def run(
    config: RunConfig, run_dir: Path, events: EventStream, stop: StopFlag, *, resume: bool
) -> RunFinished:
    """Train a network, publish it as a bundle in ``<run_dir>/bundle``, measure it.

    Parameters
    ----------
    config : RunConfig
        What to do.
    run_dir : Path
        Folder of the run: checkpoints, TensorBoard, resources, bundle, evaluation.
    events : EventStream
        Where events go; `RunFinished` is returned, for the caller to send last.
    stop : StopFlag
        Asked after every step; then a checkpoint is written and the run ends as cancelled.
    resume : bool
        Go on from the last checkpoint; on a CPU the result is that of an unbroken run, bit for
        bit.

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
    # 1. device, network, loss, optimiser: what can be wrong fails before data is read -----------
    begun_at = time.time()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fabric = build_fabric(config)
    fabric.seed_everything(config.seed, verbose=False)
    generator = torch.Generator().manual_seed(config.seed)
    base = load_bundle(config.base) if config.base is not None else None
    if base is not None:  # a child keeps its parent's network and preprocessing
        config = _like_parent(config, base)
        network = load_network(base)
    else:
        network = build_network(
            config.network,
            in_channels=3 * config.context_slices,
            features=config.features,
            **config.network_options,
        )
        if config.encoder_weights is not None:
            load_encoder_weights(network, config.encoder_weights)
    network.gradient_checkpointing = config.gradient_checkpointing
    network = network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss_of = build_loss(config.loss)
    optimizer = build_optimizer(network, config)
    augmentation = Augmentation.of(config)
    recipe = (
        get_recipe(config.recipe, **base.manifest.preprocessing.parameters)
        if base is not None
        else recipe_of(config, network.multiple)
    )
    settings = delivery(config, base)
    half = fabric.strategy.precision.precision != "32-true"

    # 2. data -----------------------------------------------------------------------------------
    events.send(Message(text="Loading and preparing the patients"))
    with fabric.rank_zero_first():  # the others find the prepared patients in the cache
        cohort = load_cohort(config, recipe, fabric.device)
    for fault in cohort.faults:
        events.send(Message(level="warning", text=f"Left out: {fault.error}"))
    for note in cohort.notes:
        events.send(Message(level="warning", text=note))
    if loss_of.over_the_batch and fabric.world_size * config.accumulation > 1:
        told = f"The loss {config.loss} is no mean over slices: in parts a batch has another one."
        events.send(Message(level="warning", text=told))
    pool, cases = cohort.pool, cohort.validation
    steps = config.steps_per_epoch or math.ceil(len(pool) / config.batch_size)

    # 3. schedule, averaging, what was reached before -------------------------------------------
    schedule = build_schedule(optimizer, config, steps)
    ema = EMA(network, config.ema)
    patience = None if config.early_stopping is None else EarlyStopping(config.early_stopping)
    first_epoch, first_step = 1, 0
    totals = torch.zeros(4, dtype=torch.float64)  # loss, 2 TP, P + T, steps of this epoch
    best_epoch, best_dsc, train_s = None, -1.0, 0.0
    if resume:
        state = load_checkpoint(run_dir / LAST, cohort.sha256)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        ema.network.load_state_dict(state["ema"])
        ema.updates = state["ema_updates"]
        if patience is not None:
            patience.load_state_dict(state["patience"])
        fabric.strategy.precision.load_state_dict(state["scaler"])
        generator.set_state(state["generator"])
        torch.set_rng_state(state["rng"])
        first_epoch, first_step = state["epoch"], state["step"]
        totals, best_epoch, best_dsc = state["totals"], state["best_epoch"], state["best_dsc"]
    fast: nn.Module = torch.compile(network) if config.compile else network  # type: ignore[assignment]
    model, optimizer = fabric.setup(fast, optimizer)
    totals = totals.to(fabric.device if fabric.device.type != "mps" else "cpu")

    def write(save: Callable[[], None]) -> bool:
        """Tell whether it was written: a full disk must not end a run that can still finish."""
        if not fabric.is_global_zero:
            return False
        try:
            save()
        except ModelError as error:
            events.send(Message(level="error", text=str(error)))
            return False
        return True

    def checkpoint(epoch: int, step: int) -> None:
        if write(
            lambda: save_atomically(
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "ema": ema.network.state_dict(),
                    "ema_updates": ema.updates,
                    "patience": patience.state_dict() if patience is not None else None,
                    "scaler": fabric.strategy.precision.state_dict(),
                    "generator": generator.get_state(),
                    "rng": torch.get_rng_state(),
                    "epoch": epoch,
                    "step": step,
                    "totals": totals.cpu(),
                    "best_epoch": best_epoch,
                    "best_dsc": best_dsc,
                    "data_sha256": cohort.sha256,
                },
                run_dir / LAST,
            )
        ):
            events.send(CheckpointSaved(epoch=epoch, path=str(run_dir / LAST)))

    parent_dsc = None
    if base is not None and cases and fabric.is_global_zero:
        _, parent_dsc, _ = validate(
            load_network(base), fabric.device, cases, loss_of, settings, half=half
        )
    events.send(
        RunStarted(
            run_id=run_dir.name,
            run_dir=str(run_dir),
            device=str(fabric.device),
            precision=fabric.strategy.precision.precision,
            epochs=config.epochs,
            steps_per_epoch=steps,
            first_epoch=first_epoch,
            train_patients=cohort.train_patients,
            validation_patients=tuple(case.patient for case in cases),
            parent=base.version if base else None,
            parent_validation_dsc=parent_dsc,
        )
    )

    # 4. epochs ---------------------------------------------------------------------------------
    with (
        Board(run_dir, first_epoch) as board,
        ResourceMonitor(run_dir, enabled=fabric.is_global_zero) as monitor,
    ):
        begun, steps_done, validating_s, last_sent = time.perf_counter(), 0, 0.0, 0.0
        for epoch in range(first_epoch, config.epochs + 1):
            epoch_begun = time.perf_counter()
            model.train()
            if config.freeze_norm:
                _freeze_norm(network)
            unchecked: list[tuple[int, Tensor, Tensor]] = []  # step, slices, loss
            for step in range(first_step + 1, steps + 1):
                index = pool.draw(config.batch_size, generator)
                draws = augmentation.draw(pool.extents[index], 3 * config.context_slices, generator)
                # 5. the step: this process' share of the batch, in one or several parts
                optimizer.zero_grad(set_to_none=True)
                step_loss = torch.zeros((), device=fabric.device)
                stride = fabric.world_size * config.accumulation
                for part in range(config.accumulation):
                    own = fabric.global_rank * config.accumulation + part
                    canvases, masks, _ = pool.batch(index[own::stride])
                    images, target = augmentation.apply(
                        canvases.to(fabric.device, non_blocking=True),
                        masks.to(fabric.device, non_blocking=True),
                        draws.part(own, len(index), stride),
                    )
                    last_part = part == config.accumulation - 1
                    with fabric.no_backward_sync(model, enabled=not last_part):
                        output = model(images)
                        loss = loss_of(output, target) / config.accumulation
                        fabric.backward(loss)
                    with torch.no_grad():
                        step_loss += loss.detach()
                        finest = output if torch.is_tensor(output) else output[0]
                        guess = finest > 0
                        totals[1] += 2 * (guess * target).sum()
                        totals[2] += guess.sum() + target.sum()
                if config.clip_gradient:
                    fabric.clip_gradients(
                        model, optimizer, max_norm=config.clip_gradient, error_if_nonfinite=False
                    )
                optimizer.step()
                schedule.step()
                ema.update(network)
                totals[0] += step_loss
                totals[3] += 1
                unchecked.append((step, index, step_loss))

                # 6. events and commands; on a GPU only these wait for the step to be done
                steps_done += 1
                now = time.perf_counter()
                if now - last_sent > SECONDS_BETWEEN_STEP_EVENTS or step == steps:
                    _refuse_nan(unchecked, epoch, cohort)
                    last_sent = now = time.perf_counter()
                    speed = steps_done / max(now - begun - validating_s, 1e-9)
                    left = (config.epochs - epoch) * steps + steps - step
                    finished = epoch - first_epoch
                    pause = validating_s / finished if finished else 0.0
                    events.send(
                        StepFinished(
                            epoch=epoch,
                            step=step,
                            steps_per_epoch=steps,
                            loss=float(totals[0] / totals[3]),
                            samples_per_second=speed * config.batch_size,
                            remaining_s=left / speed + pause * (config.epochs - epoch + 1),
                            cpu_percent=monitor.latest and monitor.latest.cpu_percent,
                            memory_mb=monitor.latest and monitor.latest.rss_mb,
                            gpu_memory_mb=monitor.latest and monitor.latest.gpu_memory_mb,
                        )
                    )
                if _stopped(fabric, stop) and step < steps:
                    _refuse_nan(unchecked, epoch, cohort)
                    checkpoint(epoch, step)
                    return _cancelled(epoch, step)

            # 7. validation, best model, checkpoint ---------------------------------------------
            validation_begun = time.perf_counter()
            validation_loss, validation_dsc = None, None
            if cases:
                if fabric.is_global_zero:
                    validation_loss, validation_dsc, drawn = validate(
                        ema.network, fabric.device, cases, loss_of, settings,
                        half=half, reference=config.protocol == "reference",
                    )  # fmt: skip
                    board.images(epoch, zip(cases, drawn, strict=True))
                validation_loss, validation_dsc = fabric.broadcast(
                    (validation_loss, validation_dsc)
                )
                assert validation_dsc is not None
                reached = partial(
                    keep_good, ema.network.state_dict(), run_dir, epoch=epoch, dsc=validation_dsc,
                    budget_mb=config.intermediate_mb,
                )  # fmt: skip
                write(reached)
                # where the best one cannot be written, the one before stays the best there is
                best = partial(save_atomically, ema.network.state_dict(), run_dir / BEST)
                if validation_dsc > best_dsc and fabric.broadcast(write(best)):
                    best_epoch, best_dsc = epoch, validation_dsc
            train_s += validation_begun - epoch_begun
            validating_s += time.perf_counter() - validation_begun
            sums = _over_processes(fabric, totals, "sum").cpu()
            train_loss, train_dsc = float(sums[0] / sums[3]), float(sums[1] / sums[2].clamp(1))
            rate = schedule.rate
            schedule.end_epoch(validation_loss)
            if fabric.is_global_zero:
                board.scalars(
                    epoch,
                    {"loss/train": train_loss, "dsc/train": train_dsc,
                     "loss/validation": validation_loss, "dsc/validation": validation_dsc,
                     "rate": rate},
                )  # fmt: skip
            totals.zero_()
            first_step = 0
            enough = patience is not None and patience.update(validation_dsc or 0.0)
            checkpoint(epoch + 1, 0)
            spent = time.perf_counter() - epoch_begun
            events.send(
                EpochFinished(
                    epoch=epoch,
                    epochs=config.epochs,
                    train_loss=train_loss,
                    train_dsc=train_dsc,
                    validation_loss=validation_loss,
                    validation_dsc=validation_dsc,
                    learning_rate=rate,
                    seconds=spent,
                    remaining_s=spent * (config.epochs - epoch),
                    best_epoch=best_epoch,
                    best_validation_dsc=best_dsc if best_epoch else None,
                )
            )
            if enough:
                events.send(Message(text=f"No progress in {config.early_stopping} epochs: enough"))
                break
            if _stopped(fabric, stop) and epoch < config.epochs:
                return _cancelled(epoch, steps)

        # 8. publish, measure -----------------------------------------------------------------
        chosen, chosen_dsc = epoch, validation_dsc
        if config.keep == "best" and best_epoch is not None and (run_dir / BEST).is_file():
            chosen, chosen_dsc = best_epoch, best_dsc
            ema.network.load_state_dict(torch.load(run_dir / BEST, weights_only=True))
        if not fabric.is_global_zero:
            return RunFinished(reason=FinishReason.COMPLETED)
        bundle = publish(
            run_dir / "bundle",
            ema.network,
            config,
            recipe,
            base=base,
            train_patients=cohort.train_patients,
            validation_patients=tuple(case.patient for case in cases),
            data_sha256=cohort.sha256,
            epoch=chosen,
            metrics={} if chosen_dsc is None else {"validation_dsc": chosen_dsc},
        )
        events.send(
            BundleSaved(
                path=str(bundle.path),
                version=bundle.version,
                validation_dsc=chosen_dsc,
                parent_validation_dsc=parent_dsc,
            )
        )
        _measure(bundle, run_dir, cohort, fabric, events, stop)
    summary = {
        "network": config.network,
        "parameters": sum(p.numel() for p in network.parameters()),
        "device": str(fabric.device),
        "precision": fabric.strategy.precision.precision,
        "processes": fabric.world_size,
        "samples_per_second": steps_done * config.batch_size / train_s if train_s else None,
        "peak_memory_mb": monitor.peak.rss_mb if monitor.peak else None,
        "peak_gpu_memory_mb": monitor.peak.gpu_memory_mb if monitor.peak else None,
        "train_s": train_s,
        "wall_s": time.time() - begun_at,
        "epochs": epoch,
        "chosen_epoch": chosen,
        "validation_dsc": chosen_dsc,
    }
    write_atomically(run_dir / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return RunFinished(reason=FinishReason.COMPLETED, bundle=str(bundle.path))


def _like_parent(config: RunConfig, base: Bundle) -> RunConfig:
    spec, preprocessing = base.manifest.network, base.manifest.preprocessing
    return config.model_copy(
        update={
            "network": spec.name,
            "features": spec.features,
            "network_options": spec.options,
            "context_slices": preprocessing.context,
            "recipe": preprocessing.recipe,
        }
    )


def _freeze_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
            module.eval()


def _refuse_nan(unchecked: list[tuple[int, Tensor, Tensor]], epoch: int, cohort: Cohort) -> None:
    """Raise if a loss since the last look is no number, naming the batch; forget the others."""
    if unchecked:
        finite = torch.isfinite(torch.stack([loss for *_, loss in unchecked])).tolist()
        for (step, index, loss), fine in zip(unchecked, finite, strict=True):
            if not fine:
                raise ModelError(
                    f"The loss became {float(loss)} in epoch {epoch}, step {step}; the batch: "
                    f"{cohort.pool.describe(index)}.",
                    "Lower the learning rate, or train in fp32; the last checkpoint is kept.",
                )
        unchecked.clear()


def _stopped(fabric: Fabric, stop: StopFlag) -> bool:
    """Whether any process was told to stop; all of them learn it at the same step."""
    if fabric.world_size == 1:
        return bool(stop)
    told = torch.tensor(float(bool(stop)), device=fabric.device)
    return float(_over_processes(fabric, told, "max")) > 0


def _over_processes(fabric: Fabric, tensor: Tensor, how: str) -> Tensor:
    reduced = fabric.all_reduce(tensor, reduce_op=how)
    assert isinstance(reduced, torch.Tensor)
    return reduced


def _cancelled(epoch: int, step: int) -> RunFinished:
    return RunFinished(
        reason=FinishReason.CANCELLED,
        message=f"Stopped in epoch {epoch} after step {step}.",
        hint="The run can be resumed from its checkpoint.",
    )


def _measure(
    bundle: Bundle, run_dir: Path, cohort: Cohort, fabric: Fabric, events: EventStream,
    stop: StopFlag,
) -> None:  # fmt: skip
    """Measure the finished model on its validation and test patients, for the report."""
    for part, folders in (("validation", cohort.validation_folders), ("test", cohort.test)):
        if not folders or stop:
            continue
        events.send(Message(text=f"Measuring the model on {len(folders)} {part} patients"))
        try:
            measure(
                run_dir, bundle, folders, part,  # type: ignore[arg-type]
                device=str(fabric.device), cancelled=lambda: bool(stop),
            )  # fmt: skip
        except BrainSegError as error:  # the model is on disk; that must not be lost
            events.send(Message(level="error", text=f"Not measured: {error}"))
