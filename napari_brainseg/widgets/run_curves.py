"""What the curves of a run are made of: loss by step, DSC by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_brainseg.core.protocol import EpochFinished, RunStarted, StepFinished

__all__ = ["RunCurves", "Series", "epochs_done"]

Series = tuple[list[float], list[float]]
"""Epochs, counted from the start of the run, and the values there."""

_STEPS_KEPT = 2000


def epochs_done(event: RunStarted) -> int:
    """Whole epochs that a resumed run has behind it; the event counts from 1."""
    return max(event.first_epoch - 1, 0)


@dataclass
class RunCurves:
    """Points of one run, as its events tell them.

    Attributes
    ----------
    loss : Series
        Training loss.
    train_dsc : Series
        Mean DSC on the training slices.
    locked_dsc : Series
        Mean DSC on the locked patients; begins with the model that the run started from.
    base_dsc : float or None
        DSC of that model.
    last_epoch : int
        Where the run will end.
    """

    loss: Series = field(default_factory=lambda: ([], []))
    train_dsc: Series = field(default_factory=lambda: ([], []))
    locked_dsc: Series = field(default_factory=lambda: ([], []))
    base_dsc: float | None = None
    last_epoch: int = 1

    @property
    def epochs(self) -> int:
        """How many epochs of the training have ended."""
        return len(self.train_dsc[0])

    def begin(self, event: RunStarted) -> None:
        """Take the start of a run in; of one that goes on, what came before stays."""
        done = epochs_done(event)
        self.last_epoch = event.epochs
        for series in (self.loss, self.train_dsc, self.locked_dsc):
            keep = sum(1 for epoch in series[0] if epoch <= done)
            del series[0][keep:], series[1][keep:]
        self.base_dsc = event.parent_validation_dsc
        if self.base_dsc is not None and not self.locked_dsc[0]:
            self.locked_dsc[0].append(0.0 if done == 0 else float(done))
            self.locked_dsc[1].append(self.base_dsc)

    def step(self, event: StepFinished) -> None:
        """Take a step of the training proper in."""
        self.loss[0].append(event.epoch - 1 + event.step / max(event.steps_per_epoch, 1))
        self.loss[1].append(event.loss)
        if len(self.loss[0]) > _STEPS_KEPT:
            self.loss = (self.loss[0][::2], self.loss[1][::2])

    def epoch(self, event: EpochFinished) -> None:
        """Take an epoch in."""
        if not self.loss[0] or self.loss[0][-1] <= event.epoch - 1:
            # Of a run that is followed from its files the steps are left out.
            self.loss[0].append(float(event.epoch))
            self.loss[1].append(event.train_loss)
        self.last_epoch = max(self.last_epoch, event.epochs)
        for series, value in (
            (self.train_dsc, event.train_dsc),
            (self.locked_dsc, event.validation_dsc),
        ):
            if value is not None:
                series[0].append(float(event.epoch))
                series[1].append(value)
