"""The training loop. It reads from top to bottom; there are no callbacks."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from napari_brainseg.core.imaging import ConfigError, ModelError
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
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network
from napari_brainseg.core.segmentation.inference import infer_logits, sigmoid
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.postprocessing import postprocess
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.augment import Augmentation, sample_windows
from training.data import load_cohort
from training.ema import EMA
from training.losses import build_loss
from training.publish import delivery, publish

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import BundleManifest
    from training.data import ValidationCase
    from training.losses import WeightedLoss
    from training.stream import EventStream, StopFlag

__all__ = ["CHECKPOINT", "run"]

CHECKPOINT = "checkpoints/last.pt"
BEST = "checkpoints/best.pt"
SECONDS_BETWEEN_STEP_EVENTS = 0.25
GRADIENT_NORM = 5.0


def run(
    config: RunConfig, run_dir: Path, events: EventStream, stop: StopFlag, *, resume: bool
) -> RunFinished:
    """Train a network and publish it as a bundle in ``<run_dir>/bundle``.

    Parameters
    ----------
    config : RunConfig
        What to do.
    run_dir : Path
        Folder of the run: checkpoints, TensorBoard, bundle.
    events : EventStream
        Where events go; `RunFinished` is returned, for the caller to send last.
    stop : StopFlag
        Asked after every step; then a checkpoint is written and the run ends as cancelled.
    resume : bool
        Go on from the last checkpoint; the result is that of an unbroken run.

    Raises
    ------
    BrainSegError
        If configuration, data, base model or checkpoint cannot be used.
    """
    # 1. device, seeds, precision ---------------------------------------------------------------
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fabric = _fabric(config)
    fabric.seed_everything(config.seed, verbose=False)
    generator = torch.Generator().manual_seed(config.seed)

    # 2. data -----------------------------------------------------------------------------------
    base = load_bundle(config.base) if config.base is not None else None
    if base is not None:  # a child keeps its parent's network and preprocessing
        config = config.model_copy(
            update={
                "features": base.manifest.network.features,
                "recipe": base.manifest.preprocessing.recipe,
            }
        )
        recipe = get_recipe(config.recipe, **base.manifest.preprocessing.parameters)
    else:
        recipe = get_recipe(config.recipe)
    settings = delivery(config, base)
    events.send(Message(text="Loading and preparing the patients"))
    cohort = load_cohort(config, recipe, fabric.device)
    for fault in cohort.faults:
        events.send(Message(level="warning", text=f"Left out: {fault.error}"))
    pool = cohort.pool
    steps = config.steps_per_epoch or math.ceil(len(pool) / config.batch_size)

    # 3. network, optimiser, schedule -----------------------------------------------------------
    network = load_network(base) if base else build_network("unet", features=config.features)
    network = network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss_of = build_loss(config.loss)
    optimizer = torch.optim.AdamW(
        _parameter_groups(network, config.weight_decay), lr=config.learning_rate
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.epochs * steps + 1,
        pct_start=0.25 if base is None else 0.1,
    )  # fmt: skip
    ema = EMA(network, config.ema)
    augmentation = Augmentation(missing_all=config.missing_all, missing_post=config.missing_post)

    # 4. resume ---------------------------------------------------------------------------------
    first_epoch, first_step = 1, 0
    totals = torch.zeros(4, dtype=torch.float64)  # loss, 2 TP, P + T, steps of this epoch
    best_epoch, best_dsc = None, -1.0
    if resume:
        state = _load_checkpoint(run_dir / CHECKPOINT, cohort.sha256)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        ema.network.load_state_dict(state["ema"])
        ema.updates = state["ema_updates"]
        generator.set_state(state["generator"])
        first_epoch, first_step = state["epoch"], state["step"]
        totals, best_epoch, best_dsc = state["totals"], state["best_epoch"], state["best_dsc"]
    fast: nn.Module = torch.compile(network) if config.compile else network  # type: ignore[assignment]
    model, optimizer = fabric.setup(fast, optimizer)

    def checkpoint(epoch: int, step: int) -> None:
        path = run_dir / CHECKPOINT
        _save_atomically(
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "ema": ema.network.state_dict(),
                "ema_updates": ema.updates,
                "generator": generator.get_state(),
                "epoch": epoch,
                "step": step,
                "totals": totals,
                "best_epoch": best_epoch,
                "best_dsc": best_dsc,
                "data_sha256": cohort.sha256,
            },
            path,
        )
        events.send(CheckpointSaved(epoch=epoch, path=str(path)))

    board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=first_epoch)
    parent_dsc = None
    if base is not None and cohort.validation:
        _, parent_dsc = _validate(load_network(base), fabric, cohort.validation, loss_of, settings)
    events.send(
        RunStarted(
            run_id=run_dir.name,
            run_dir=str(run_dir),
            device=str(fabric.device),
            precision=fabric._precision.precision,  # noqa: SLF001 (Fabric has no public name)
            epochs=config.epochs,
            steps_per_epoch=steps,
            first_epoch=first_epoch,
            train_patients=cohort.train_patients,
            validation_patients=tuple(case.patient for case in cohort.validation),
            parent=base.version if base else None,
            parent_validation_dsc=parent_dsc,
        )
    )

    # 5. epochs ---------------------------------------------------------------------------------
    begun, steps_done, validating_s, last_sent = time.perf_counter(), 0, 0.0, 0.0
    for epoch in range(first_epoch, config.epochs + 1):
        epoch_begun = time.perf_counter()
        model.train()
        if config.freeze_norm:
            _freeze_norm(network)
        for step in range(first_step + 1, steps + 1):
            index = pool.draw(config.batch_size, config.lesion_share, generator)
            images, target = _batch(pool, index, config, augmentation, generator)
            logits = model(images)
            loss = loss_of(logits, target)
            if not torch.isfinite(loss):
                patients = f"epoch {epoch}, step {step}, slices {index.tolist()}"
                raise ModelError(
                    f"The loss became {float(loss)} ({patients}).",
                    "Lower the learning rate, or train in fp32; the last checkpoint is kept.",
                )
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            ema.update(network)

            with torch.no_grad():
                guess = logits > 0
                totals += torch.tensor(
                    [float(loss), 2 * float((guess * target).sum()),
                     float(guess.sum() + target.sum()), 1.0], dtype=torch.float64
                )  # fmt: skip
            steps_done += 1
            now = time.perf_counter()
            if now - last_sent > SECONDS_BETWEEN_STEP_EVENTS or step == steps:
                last_sent = now
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
                    )
                )
            if stop and step < steps:
                checkpoint(epoch, step)
                return _cancelled(epoch, step)

        # 6. validation, best model, checkpoint -------------------------------------------------
        validation_begun = time.perf_counter()
        validation_loss, validation_dsc = None, None
        if cohort.validation:
            validation_loss, validation_dsc = _validate(
                ema.network, fabric, cohort.validation, loss_of, settings
            )
            if validation_dsc > best_dsc:
                best_epoch, best_dsc = epoch, validation_dsc
                _save_atomically(ema.network.state_dict(), run_dir / BEST)
        validating_s += time.perf_counter() - validation_begun
        train_loss, train_dsc = float(totals[0] / totals[3]), float(totals[1] / totals[2].clamp(1))
        rate = float(schedule.get_last_lr()[0])
        for name, value in (("loss/train", train_loss), ("dsc/train", train_dsc),
                            ("loss/validation", validation_loss),
                            ("dsc/validation", validation_dsc), ("rate", rate)):  # fmt: skip
            if value is not None:
                board.add_scalar(name, value, epoch)
        board.flush()
        totals.zero_()
        first_step = 0
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
        if stop and epoch < config.epochs:
            return _cancelled(epoch, steps)

    # 7. publish --------------------------------------------------------------------------------
    board.close()
    chosen, chosen_dsc = config.epochs, validation_dsc if cohort.validation else None
    if config.keep == "best" and best_epoch is not None:
        chosen, chosen_dsc = best_epoch, best_dsc
        ema.network.load_state_dict(torch.load(run_dir / BEST, weights_only=True))
    bundle = publish(
        run_dir / "bundle",
        ema.network,
        config,
        recipe,
        base=base,
        train_patients=cohort.train_patients,
        validation_patients=tuple(case.patient for case in cohort.validation),
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
    return RunFinished(reason=FinishReason.COMPLETED, bundle=str(bundle.path))


def _fabric(config: RunConfig) -> Fabric:
    kind, _, index = config.device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError("The config asks for CUDA, and no CUDA GPU was found.",
                          "Choose device auto or cpu.")  # fmt: skip
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else (
            "mps" if torch.backends.mps.is_available() else "cpu"
        )  # fmt: skip
    precision = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}.get(config.precision)
    if precision is None:
        cpu_bf16 = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 (no public query)
        fast = cpu_bf16 if kind == "cpu" else kind == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16-mixed" if fast else "32-true"
    return Fabric(
        accelerator=kind,
        devices=[int(index)] if index else 1,
        precision=precision,  # type: ignore[arg-type]
    )


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on convolution kernels only, not on norms and biases."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0}]


def _freeze_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _batch(
    pool: Any, index: Tensor, config: RunConfig, augmentation: Augmentation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    extents = pool.extents[index]
    if config.augmentation != "none":
        matrices = augmentation.geometry(extents, config.crop, generator)
    else:
        matrices = torch.eye(2, 3).expand(len(index), 2, 3)
    at = index.to(pool.images.device)
    images, masks = sample_windows(pool.images[at], pool.masks[at], matrices, config.crop)
    if config.augmentation != "none":
        images = augmentation.intensities(images, generator)
    return images.contiguous(memory_format=torch.channels_last), masks


@torch.inference_mode()
def _validate(
    network: nn.Module,
    fabric: Fabric,
    cases: tuple[ValidationCase, ...],
    loss_of: WeightedLoss,
    settings: BundleManifest,
) -> tuple[float, float]:
    """Mean loss, and mean DSC on the native grid as a bundle would deliver it."""
    engine = TorchEngine(network, str(fabric.device))
    losses, scores = [], []
    for case in cases:
        slices = case.prepared.data
        batch = engine.preferred_batch((slices.shape[1], slices.shape[2], slices.shape[3]))
        logits = infer_logits(engine, slices, batch=batch)
        target = torch.from_numpy(case.truth_on_network_grid)[:, None].float()
        losses.append(float(loss_of(torch.from_numpy(logits)[:, None], target)))
        probability = case.prepared.restore(sigmoid(logits, settings.temperature))
        mask = postprocess(probability, threshold=settings.threshold, steps=settings.postprocessing)
        scores.append(dsc(mask, case.truth))
    return float(np.mean(losses)), float(np.mean(scores))


def _cancelled(epoch: int, step: int) -> RunFinished:
    return RunFinished(
        reason=FinishReason.CANCELLED,
        message=f"Stopped in epoch {epoch} after step {step}.",
        hint="The run can be resumed from its checkpoint.",
    )


def _save_atomically(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _load_checkpoint(path: Path, sha256: str) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"There is no checkpoint {path} to resume from.", "Start the run anew.")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if state["data_sha256"] != sha256:
        raise ConfigError(
            f"The data has changed since {path} was written, so the run cannot go on as it was.",
            "Start a new run with the changed data.",
        )
    return state
