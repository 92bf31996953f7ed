"""Learning rates over a run, by name."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["Schedule", "build_schedule"]

POLY_POWER = 0.9
"""Of nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z)."""


class Schedule:
    """The learning rate of each step.

    Steps whose gradients overflowed fp16, so that the optimiser left them out, count as well.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates are set.
    by_step : LRScheduler
        Moved on after each step.
    plateau : ReduceLROnPlateau, optional
        Takes over after `warmup` steps.
    warmup : int
        Steps.
    identity : dict
        What a state that is loaded must have been made with.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        by_step: LRScheduler,
        plateau: ReduceLROnPlateau | None,
        *,
        warmup: int,
        identity: dict[str, Any],
    ) -> None:
        self._optimizer = optimizer
        self._by_step = by_step
        self._plateau = plateau
        self._warmup = warmup
        self._identity = identity
        self.steps = 0

    @property
    def rate(self) -> float:
        """Learning rate of the step to come."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        """Go on to the next step; called after that of the optimiser."""
        self.steps += 1
        if self._plateau is not None and self.steps > self._warmup:
            return
        if self.steps > 1:
            self._by_step.step()
            return
        with warnings.catch_warnings():  # Torch suspects a mistake if fp16 left out the first one
            warnings.filterwarnings("ignore", r".*`optimizer\.step\(\)`", UserWarning)
            self._by_step.step()

    def end_epoch(self, validation_loss: float | None) -> None:
        """Take notice of an epoch's end; of its loss if the schedule is plateau.

        Raises
        ------
        ConfigError
            If the schedule follows the validation loss and there is none.
        """
        if self._plateau is None or self.steps < self._warmup:
            return
        if validation_loss is None:
            raise ConfigError(
                "The schedule plateau follows the loss on validation patients; there are none.",
                "Name validation_patients, or choose another schedule.",
            )
        self._plateau.step(validation_loss)

    def state_dict(self) -> dict[str, Any]:
        """Give what `load_state_dict` needs; ``torch.load(weights_only=True)`` reads it."""
        return {
            "identity": dict(self._identity),
            "steps": self.steps,
            "rates": [float(group["lr"]) for group in self._optimizer.param_groups],
            "by_step": self._by_step.state_dict(),
            "plateau": self._plateau.state_dict() if self._plateau is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the optimiser's own must be loaded too.

        Raises
        ------
        ConfigError
            If the state comes from another schedule, or from a run of another length.
        """
        if state["identity"] != self._identity:
            raise ConfigError(
                f"The checkpoint's schedule is {_written(state['identity'])}; "
                f"the config asks for {_written(self._identity)}.",
                "Resume with the config that the run was started with.",
            )
        self.steps = state["steps"]
        self._by_step.load_state_dict(state["by_step"])
        if self._plateau is not None:
            self._plateau.load_state_dict(state["plateau"])
        for group, rate in zip(self._optimizer.param_groups, state["rates"], strict=True):
            group["lr"] = rate


def build_schedule(optimizer: Optimizer, config: RunConfig, steps_per_epoch: int) -> Schedule:
    """Set up the schedule that `config` names.

    - ``one-cycle``: up to the learning rate and down to next to nothing (Smith and Topin 2018,
      arXiv 1708.07120); up takes a quarter of a run, a tenth when fine-tuning. Adam's beta1
      goes from 0.95 to 0.85 and back; the momentum of SGD stays as configured.
    - ``constant``
    - ``linear``, ``poly`` (power 0.9), ``cosine`` (Loshchilov and Hutter 2017, arXiv 1608.03983):
      down to the final learning rate, step by step.
    - ``step``: times the decay factor every so many epochs; ``exponential``: every epoch.
    - ``plateau``: times the decay factor, not below the final learning rate, once the validation
      loss has gone for so many epochs without falling by a ten-thousandth.

    All but one-cycle start after the warm-up, in which the rate rises by the same amount each
    step; epochs are counted from its end.

    Parameters
    ----------
    optimizer : Optimizer
        With the learning rate of `config`.
    config : RunConfig
        What to do.
    steps_per_epoch : int
        Steps of the optimiser.
    """
    total = config.epochs * steps_per_epoch
    warmup = min(round(config.warmup_epochs * steps_per_epoch), total - 1)
    by_step: LRScheduler
    if config.schedule == "one-cycle":
        by_step = _one_cycle(optimizer, config, total)
    else:
        after = _factor(config, steps_per_epoch, total - warmup)
        by_step = LambdaLR(
            optimizer, lambda k: (k + 1) / (warmup + 1) if k < warmup else after(k - warmup)
        )
    plateau = None
    if config.schedule == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer,
            factor=config.decay_factor,
            patience=config.decay_epochs - 1,  # Torch counts those that are let pass
            min_lr=config.final_learning_rate,
            eps=0.0,
        )
    identity = {"name": config.schedule, "steps": total, "warmup": warmup}
    return Schedule(optimizer, by_step, plateau, warmup=warmup, identity=identity)


def _one_cycle(optimizer: Optimizer, config: RunConfig, total: int) -> OneCycleLR:
    rising = 0.25 if config.base is None else 0.1
    if rising * (total + 1) == 1:  # the rise would have no length, and Torch divides by it
        rising = math.nextafter(rising, 1)
    return OneCycleLR(
        optimizer,
        max_lr=config.learning_rate,
        total_steps=total + 1,
        pct_start=rising,
        cycle_momentum=config.optimizer != "sgd",
    )


def _factor(config: RunConfig, steps_per_epoch: int, length: int) -> Callable[[int], float]:
    """Share of the learning rate, by steps since the warm-up, of which there are `length`."""
    end = config.final_learning_rate / config.learning_rate

    def left(k: int) -> float:
        return 1 - min(k / length, 1.0)

    def drops(k: int, epochs: int) -> float:
        return config.decay_factor ** (k // (steps_per_epoch * epochs))

    factors: dict[str, Callable[[int], float]] = {
        "constant": lambda _: 1.0,
        "plateau": lambda _: 1.0,
        "linear": lambda k: end + (1 - end) * left(k),
        "poly": lambda k: end + (1 - end) * left(k) ** POLY_POWER,
        "cosine": lambda k: end + (1 - end) * (1 - math.cos(math.pi * left(k))) / 2,
        "step": lambda k: drops(k, config.decay_epochs),
        "exponential": lambda k: drops(k, 1),
    }
    return factors[config.schedule]


def _written(identity: dict[str, Any]) -> str:
    return f"{identity['name']} over {identity['steps']} steps, {identity['warmup']} of warm-up"
