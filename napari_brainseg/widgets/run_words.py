"""What a run does, in words: its stage, its progress, what it costs, why it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.widgets import numbers

if TYPE_CHECKING:
    from napari_brainseg.core.protocol import StepFinished
    from napari_brainseg.widgets.run_state import RunState

__all__ = [
    "device_text",
    "facts_text",
    "notice_text",
    "progress_text",
    "purpose_text",
    "stage_text",
]

_MB_PER_GB = 1024


def _tr(text: str) -> str:
    return QCoreApplication.translate("Training", text)


def stage_text(state: RunState) -> str:
    """Name what the run is at."""
    if state.waiting is not None:
        return _tr("Waiting for its turn")
    stage, started = state.stage, state.started
    if started is None:
        return _tr("Starting")
    if stage is None or stage.stage == "training":
        step = state.last_step
        if step is None or not state.curves.loss[0]:
            return _tr("Training")
        return _tr("Epoch {i} of {n}").format(i=step.epoch, n=started.epochs)
    if stage.text:
        return stage.text
    return {
        "inner fold": _tr("Inner fold"),
        "interpolation": _tr("Interpolation"),
        "gate": _tr("Gate"),
    }[stage.stage]


def purpose_text(state: RunState) -> str:
    """Say what a stage is for, where its name does not."""
    if state.stage is None or state.waiting is not None:
        return ""
    return {
        "inner fold": _tr(
            "Measures each corrected patient with a model that has not seen it. The curves begin "
            "after that."
        ),
        "interpolation": _tr("Chooses how much of the new weights to take, on the inner folds."),
        "gate": _tr("Holds the new version against the one in use, on the locked patients."),
    }.get(state.stage.stage, "")


def progress_text(state: RunState, *, stopping: bool) -> str:
    """Text of the progress bar."""
    step, done = state.last_step, state.progress
    if stopping:
        return _tr("Stopping")
    if state.waiting is not None:
        return ""
    if step is None or done is None:
        return _tr("Preparing")
    share = f"{done:.0%}".replace("%", "\u202f%")
    if state.is_paused:
        return _tr("Paused at {share}").format(share=share)
    return _tr("{share}, {time} left").format(share=share, time=numbers.duration(step.remaining_s))


def facts_text(state: RunState) -> str:
    """Device, throughput, processor and memory; empty before the start."""
    if state.started is None:
        return ""
    parts = [device_text(state.started.device)]
    step = state.last_step
    if step is not None:
        if step.samples_per_second > 0:
            parts.append(_tr("{n} slices/s").format(n=_short(step.samples_per_second)))
        parts += _costs(step)
    # A line ends after a dot and nowhere else.
    return "\u00a0· ".join(part.replace(" ", "\u00a0") for part in parts)


def notice_text(state: RunState, *, stopping: bool) -> str:
    """Why nothing moves, or what the run said last; empty if there is nothing to say."""
    if stopping:
        return _tr("Finishing the step and writing a checkpoint.")
    if state.waiting is not None:
        if state.waiting.ahead == 1:
            return _tr("Waits for another run on this machine (1 ahead).")
        return _tr("Waits for other runs on this machine ({n} ahead).").format(
            n=state.waiting.ahead
        )
    if state.is_paused:
        return _tr("Rests after a whole step; a checkpoint is written.")
    if state.gives_way:
        return _tr("Gives way to a prediction; goes on by itself.")
    return "" if state.message is None else state.message.text


def device_text(device: str) -> str:
    """Name a device as people do."""
    kind, _colon, number = device.partition(":")
    name = {"cpu": _tr("CPU"), "cuda": _tr("GPU"), "mps": _tr("Apple GPU")}.get(kind, device)
    return f"{name} {number}".strip()


def _costs(step: StepFinished) -> list[str]:
    parts = []
    if step.cpu_percent is not None:
        parts.append(
            _tr("processor {n} cores").format(n=_short(step.cpu_percent / 100))
            if step.cpu_percent >= 10
            else _tr("processor idle")
        )
    if step.memory_mb is not None:
        parts.append(_tr("memory {gb} GB").format(gb=f"{step.memory_mb / _MB_PER_GB:.1f}"))
    if step.gpu_memory_mb is not None:
        parts.append(_tr("GPU memory {gb} GB").format(gb=f"{step.gpu_memory_mb / _MB_PER_GB:.1f}"))
    return parts


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
