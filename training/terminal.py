"""A run at a terminal: lines for what happened, a bar with the time left for what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from napari_brainseg.core.protocol import (
    EpochFinished,
    Event,
    Message,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    StageStarted,
    StepFinished,
    Waiting,
)

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["TerminalView"]


class TerminalView:
    """Shows events of a run to a person.

    Parameters
    ----------
    file : file object, optional
        Where to write; stdout if left out.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        console = Console(file=file, highlight=False)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=True,
        )
        self._say = console.print
        self._task = self._bar.add_task("", total=1, epoch="", told="", visible=False)
        self._epochs = 0

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Message):
            style = {"warning": "yellow", "error": "red"}.get(event.level)
            self._say(escape(event.text), style=style)
        elif isinstance(event, Waiting | StageStarted):
            self._say(escape(event.text), style="bold")
        elif isinstance(event, Paused):
            self._say("paused" if event.why == "asked" else "giving way to a prediction")
        elif isinstance(event, Resumed):
            self._say("going on")
        elif isinstance(event, RunStarted):
            self._epochs = event.epochs
            self._say(
                f"{len(event.train_patients)} patients to train on, "
                f"{len(event.validation_patients)} to validate with; {event.device}, "
                f"{event.precision}"
            )
            self._bar.start()
        elif isinstance(event, StepFinished):
            self._bar.update(
                self._task,
                completed=(event.epoch - 1) * event.steps_per_epoch + event.step,
                total=self._epochs * event.steps_per_epoch,
                epoch=f"{event.epoch}/{self._epochs}",
                told=f"loss {event.loss:.4f}  {event.samples_per_second:.1f} slices/s  "
                f"{_span(event.remaining_s)} left{_used(event)}",
                visible=True,
            )
        elif isinstance(event, EpochFinished):
            validation = "-" if event.validation_dsc is None else f"{event.validation_dsc:.4f}"
            self._say(
                f"epoch {event.epoch}/{event.epochs}  loss {event.train_loss:.4f}  "
                f"DSC {event.train_dsc:.4f}  validation {validation}"
            )
        elif isinstance(event, RunFinished):
            self._bar.stop()
            self._say(escape(f"{event.reason}: {event.bundle or event.message} {event.hint}"))


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _used(event: StepFinished) -> str:
    told = ""
    if event.cpu_percent is not None and event.memory_mb is not None:
        told = f"  CPU {event.cpu_percent:.0f} %  {event.memory_mb / 1024:.1f} GB"
    if event.gpu_memory_mb is not None:
        told += f"  GPU {event.gpu_memory_mb / 1024:.1f} GB"
    return told
