"""The training loop. It reads from top to bottom; there are no callbacks."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_brainseg.core.imaging import CancelledError, ModelError
from napari_brainseg.core.protocol import CheckpointSaved, EpochFinished, Message, StepFinished
from training.board import Board
from training.checkpoints import BEST, LAST, PREVIOUS, keep_good, load_checkpoint, save_atomically
from training.early_stopping import EarlyStopping
from training.ema import EMA
from training.optimisation import build_optimizer
from training.schedules import build_schedule
from training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning.fabric import Fabric
    from torch import Tensor, nn

    from training.course import Course
    from training.data import ValidationCase
    from training.examples import Examples
    from training.monitor import ResourceMonitor
    from training.pool import SlicePool
    from training.setting import Setting
    from training.stream import EventStream, StopFlag

__all__ = ["Trained", "Work", "beginning", "first_epoch_of", "has_checkpoint", "steps_of", "train"]

SECONDS_BETWEEN_STEP_EVENTS = 0.25
SECONDS_BETWEEN_CHECKPOINTS = 30.0
"""Within an epoch, on the monotonic clock: what a crash or a power cut may cost."""
VALIDATION_SHARE = 0.2
"""Most of the time that validation may take where nothing is chosen by it."""


@dataclass(frozen=True, eq=False)
class Work:
    """One training: the run's own, or that of an inner fold.

    Parameters
    ----------
    run_dir : Path
        Where its checkpoints go.
    pool : SlicePool
        What it draws from.
    sha256 : str
        Of the run's data; a checkpoint made with other data is refused.
    seed : int
        Of every draw.
    cases : tuple of ValidationCase
        Validated with after epochs.
    examples : Examples or None
        Shows some of them.
    is_inner : bool
        A fold: its epochs and checkpoints are not told, and it has no curves.
    """

    run_dir: Path
    pool: SlicePool
    sha256: str
    seed: int
    cases: tuple[ValidationCase, ...] = ()
    examples: Examples | None = None
    is_inner: bool = False


class Trained(NamedTuple):
    """What a training made."""

    network: nn.Module
    """Averaged, of the epoch that was chosen; on the device, in evaluation mode."""
    epoch: int
    """The last one."""
    chosen: int
    """The one whose weights these are."""
    chosen_dsc: float | None
    steps: int
    """Taken by this process."""
    seconds: float
    """That they took."""


def steps_of(setting: Setting, pool: SlicePool) -> int:
    """Give the steps of an epoch."""
    config = setting.config
    return config.steps_per_epoch or math.ceil(len(pool) / config.batch_size)


def beginning(data_sha256: str) -> dict[str, Any]:
    """Checkpoint of a training that is still to begin, when stages before it have begun."""
    return {"epoch": 1, "step": 0, "data_sha256": data_sha256}


def has_checkpoint(run_dir: Path) -> bool:
    """Tell whether there is something to resume from."""
    return any((run_dir / name).is_file() for name in (LAST, PREVIOUS))


def first_epoch_of(work: Work, events: EventStream) -> int:
    """Read at which epoch a training that is resumed goes on, 1-based."""
    state = load_checkpoint(work.run_dir / LAST, work.sha256, tell=partial(_tell, events))
    epoch: int = state["epoch"]
    return epoch


def train(
    setting: Setting,
    work: Work,
    course: Course,
    monitor: ResourceMonitor,
    events: EventStream,
    stop: StopFlag,
    *,
    resume: bool,
) -> Trained:
    """Train from the setting's first network.

    Parameters
    ----------
    setting : Setting
        What all trainings of the run share.
    work : Work
        What this one is about.
    course : Course
        Where the run is; this training is its stage at hand.
    monitor : ResourceMonitor
        Figures for step events.
    events : EventStream
        Where events go.
    stop : StopFlag
        Asked after every step; then a checkpoint is written.
    resume : bool
        Go on from the last checkpoint; on a CPU the result is that of an unbroken run, bit for
        bit. Checkpoints are written after each epoch and, within one, every 30 s.

    Raises
    ------
    CancelledError
        If `stop` said so; the checkpoint is written.
    BrainSegError
        If the checkpoint cannot be used, or the loss is no number.

    Notes
    -----
    Where validation chooses nothing (the last epoch is kept, no early stopping, no plateau), it is
    left out after an epoch if it would take more than a fifth of the time; never after the last.
    """
    config, fabric, pool, cases = setting.config, setting.fabric, work.pool, work.cases
    run_dir, settings, loss_of = work.run_dir, setting.delivered, setting.loss_of
    augmentation, half = setting.augmentation, setting.half
    steps = steps_of(setting, pool)

    # 1. network, optimiser, schedule, averaging ------------------------------------------------
    fabric.seed_everything(work.seed, verbose=False)  # stages do not depend on those before
    generator = torch.Generator().manual_seed(work.seed)
    network = setting.network()
    optimizer = build_optimizer(network, config)
    schedule = build_schedule(optimizer, config, steps)
    ema = EMA(network, config.ema)
    patience = None if config.early_stopping is None else EarlyStopping(config.early_stopping)
    chooses = config.base is None or (
        config.keep == "best" or patience is not None or config.schedule == "plateau"
    )

    # 2. what was reached before ----------------------------------------------------------------
    first_epoch, first_step = 1, 0
    totals = torch.zeros(4, dtype=torch.float64)  # loss, 2 TP, P + T, steps of this epoch
    best_epoch, best_dsc, train_s = None, -1.0, 0.0
    validation_loss, validation_dsc = None, None
    state = load_checkpoint(run_dir / LAST, work.sha256) if resume else beginning(work.sha256)
    if "network" in state:
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
        validation_dsc = state.get("validation_dsc")
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
        if (
            write(
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
                        "validation_dsc": validation_dsc,
                        "data_sha256": work.sha256,
                    },
                    run_dir / LAST,
                )
            )
            and not work.is_inner
        ):
            events.send(CheckpointSaved(epoch=epoch, path=str(run_dir / LAST)))

    # 3. epochs ---------------------------------------------------------------------------------
    epoch = first_epoch - 1
    with nullcontext() if work.is_inner else Board(run_dir, first_epoch) as board:
        begun, steps_done, idle_s, last_sent = time.perf_counter(), 0, 0.0, 0.0
        validating_s, validations = 0.0, 0
        last_checkpoint = time.monotonic()
        for epoch in range(first_epoch, config.epochs + 1):
            epoch_begun, epoch_idle_s = time.perf_counter(), idle_s
            model.train()
            if config.freeze_norm:
                _freeze_norm(network)
            unchecked: list[tuple[int, Tensor, Tensor]] = []  # step, slices, loss
            for step in range(first_step + 1, steps + 1):
                index = pool.draw(config.batch_size, generator)
                draws = augmentation.draw(pool.extents[index], 3 * config.context_slices, generator)
                # 4. the step: this process' share of the batch, in one or several parts
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

                # 5. events and commands; on a GPU only these wait for the step to be done
                steps_done += 1
                now = time.perf_counter()
                if now - last_sent > SECONDS_BETWEEN_STEP_EVENTS or step == steps:
                    _refuse_nan(unchecked, epoch, pool)
                    last_sent = now = time.perf_counter()
                    speed = steps_done / max(now - begun - idle_s, 1e-9)
                    left = (config.epochs - epoch) * steps + steps - step
                    validation_s = validating_s / validations if validations else 0.0
                    events.send(
                        StepFinished(
                            epoch=epoch,
                            step=step,
                            steps_per_epoch=steps,
                            loss=float(totals[0] / totals[3]),
                            samples_per_second=speed * config.batch_size,
                            remaining_s=(left + course.steps_later) / speed
                            + validation_s * (config.epochs - epoch + 1),
                            progress=course.progress((epoch - 1) * steps + step),
                            cpu_percent=monitor.latest and monitor.latest.cpu_percent,
                            memory_mb=monitor.latest and monitor.latest.rss_mb,
                            gpu_memory_mb=monitor.latest and monitor.latest.gpu_memory_mb,
                        )
                    )
                resting = time.perf_counter()
                if step < steps:
                    stop.rest(events, partial(checkpoint, epoch, step))
                else:
                    stop.rest(events)
                idle_s += time.perf_counter() - resting
                if _stopped(fabric, stop) and step < steps:
                    _refuse_nan(unchecked, epoch, pool)
                    checkpoint(epoch, step)
                    raise _cancelled(course, epoch, step)
                if time.monotonic() - last_checkpoint > SECONDS_BETWEEN_CHECKPOINTS:
                    last_checkpoint = time.monotonic()
                    if step < steps:  # else the epoch's own follows
                        _refuse_nan(unchecked, epoch, pool)
                        checkpoint(epoch, step)

            # 6. validation, best model, checkpoint ---------------------------------------------
            validation_begun = time.perf_counter()
            train_s += validation_begun - epoch_begun - (idle_s - epoch_idle_s)
            validation_loss, validation_dsc = None, None
            spared = not chooses and epoch < config.epochs and validations > 0
            dear = validating_s * (1 + 1 / max(validations, 1)) > VALIDATION_SHARE * (
                train_s + validating_s
            )
            if cases and not fabric.broadcast(spared and dear):
                if fabric.is_global_zero:
                    found = validate(
                        ema.network, fabric.device, cases, loss_of, settings,
                        half=half, reference=config.protocol == "reference",
                    )  # fmt: skip
                    validation_loss, validation_dsc = found.loss, found.dsc
                    if board is not None:
                        board.images(epoch, zip(cases, found.masks, strict=True))
                    if work.examples is not None:
                        work.examples.save(epoch, found, events)
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
                validations += 1
                validating_s += time.perf_counter() - validation_begun
                idle_s += time.perf_counter() - validation_begun
            sums = _over_processes(fabric, totals, "sum").cpu()
            train_loss, train_dsc = float(sums[0] / sums[3]), float(sums[1] / sums[2].clamp(1))
            rate = schedule.rate
            schedule.end_epoch(validation_loss)
            if fabric.is_global_zero and board is not None:
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
            last_checkpoint = time.monotonic()
            spent = time.perf_counter() - epoch_begun
            if not work.is_inner:
                later_s = course.steps_later * train_s / max(steps_done, 1)
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
                        remaining_s=spent * (config.epochs - epoch) + later_s,
                        best_epoch=best_epoch,
                        best_validation_dsc=best_dsc if best_epoch else None,
                    )
                )
            if enough:
                events.send(Message(text=f"No progress in {config.early_stopping} epochs: enough"))
                break
            if _stopped(fabric, stop) and epoch < config.epochs:
                raise _cancelled(course, epoch, steps)

    # 7. which epoch ----------------------------------------------------------------------------
    chosen, chosen_dsc = epoch, validation_dsc
    if config.keep == "best" and best_epoch is not None and (run_dir / BEST).is_file():
        chosen, chosen_dsc = best_epoch, best_dsc
        ema.network.load_state_dict(torch.load(run_dir / BEST, weights_only=True))
    return Trained(ema.network.eval(), epoch, chosen, chosen_dsc, steps_done, train_s)


def _tell(events: EventStream, text: str) -> None:
    events.send(Message(level="warning", text=text))


def _freeze_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
            module.eval()


def _refuse_nan(unchecked: list[tuple[int, Tensor, Tensor]], epoch: int, pool: SlicePool) -> None:
    """Raise if a loss since the last look is no number, naming the batch; forget the others."""
    if unchecked:
        finite = torch.isfinite(torch.stack([loss for *_, loss in unchecked])).tolist()
        for (step, index, loss), fine in zip(unchecked, finite, strict=True):
            if not fine:
                raise ModelError(
                    f"The loss became {float(loss)} in epoch {epoch}, step {step}; the batch: "
                    f"{pool.describe(index)}.",
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


def _cancelled(course: Course, epoch: int, step: int) -> CancelledError:
    where = f" ({course.text})" if course.text else ""
    return CancelledError(
        f"Stopped in epoch {epoch} after step {step}{where}.",
        "The run can be resumed from its checkpoint.",
    )
