"""What a training run has told so far, in one place that views are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.core.protocol import (
    BundleSaved,
    EpochFinished,
    ExampleSaved,
    GateMeasured,
    Message,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    StageStarted,
    StepFinished,
    Waiting,
)
from napari_brainseg.widgets.run_curves import RunCurves, epochs_done

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.core.protocol import Event

__all__ = ["ExamplePair", "RunState"]


@dataclass(frozen=True)
class ExamplePair:
    """One slice of a locked patient: as the run found it, and as it is now."""

    before: ExampleSaved
    now: ExampleSaved | None = None


@dataclass
class RunState:
    """Reduces the events of a run.

    Attributes
    ----------
    curves : RunCurves
    examples : dict of str to ExamplePair
        By patient, in the order of their first picture.
    """

    started: RunStarted | None = None
    stage: StageStarted | None = None
    last_step: StepFinished | None = None
    last_epoch: EpochFinished | None = None
    waiting: Waiting | None = None
    paused: Paused | None = None
    message: Message | None = None
    bundle: BundleSaved | None = None
    gate: GateMeasured | None = None
    finished: RunFinished | None = None
    curves: RunCurves = field(default_factory=RunCurves)
    examples: dict[str, ExamplePair] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Event]) -> RunState:
        """Take all these events in."""
        state = cls()
        for event in events:
            state.add(event)
        return state

    @property
    def is_paused(self) -> bool:
        """Whether it rests because a person asked for it."""
        return self.paused is not None and self.paused.why == "asked"

    @property
    def gives_way(self) -> bool:
        """Whether it rests for a prediction."""
        return self.paused is not None and self.paused.why == "prediction"

    @property
    def progress(self) -> float | None:
        """Share of the whole run that is done, 0 to 1; `None` before the first step."""
        step, started = self.last_step, self.started
        if step is None or started is None:
            return None
        if step.progress is not None:
            return step.progress
        done = step.epoch - 1 + step.step / max(step.steps_per_epoch, 1)
        return min(done / max(started.epochs, 1), 1.0)

    @property
    def in_training(self) -> bool:
        """Whether the training proper is under way: the curves are of it alone."""
        return self.stage is None or self.stage.stage == "training"

    def add(self, event: Event) -> None:
        """Take an event in."""
        if not isinstance(event, Waiting | Message):
            self.waiting = None
        match event:
            case RunStarted():
                self._begin(event)
            case StageStarted():
                self.stage = event
                self.message = None
            case StepFinished():
                self.last_step = event
                self.paused = None
                if self.in_training:
                    self.curves.step(event)
            case EpochFinished():
                self.last_epoch = event
                self.curves.epoch(event)
            case ExampleSaved():
                self._add_example(event)
            case Waiting():
                self.waiting = event
            case Paused():
                self.paused = event
            case Resumed():
                self.paused = None
            case Message():
                self.message = event
            case BundleSaved():
                self.bundle = event
            case GateMeasured():
                self.gate = event
            case RunFinished():
                self.finished = event
                self.paused = None

    def _begin(self, event: RunStarted) -> None:
        fresh = self.started is None or self.started.run_id != event.run_id
        if fresh or not epochs_done(event):
            self.curves = RunCurves()
            self.examples = {}
        self.curves.begin(event)
        self.started, self.finished = event, None
        self.stage = self.last_step = self.paused = self.message = None
        self.bundle = self.gate = None

    def _add_example(self, event: ExampleSaved) -> None:
        pair = self.examples.get(event.patient)
        if pair is None or event.epoch <= pair.before.epoch:
            self.examples[event.patient] = ExamplePair(event)
        else:
            self.examples[event.patient] = ExamplePair(pair.before, event)
