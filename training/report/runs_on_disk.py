"""Run folders, read for a report; damage is told and does not stop the reading."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.core.protocol.run_folder import CONFIG, EVENTS
from training.experiments.standing import State, read_experiments
from training.run_files import (
    Sample,
    count_parameters,
    read_config,
    read_evaluation,
    read_history,
    read_resources,
    read_summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_brainseg.core.protocol import (
        EpochFinished,
        Message,
        RunConfig,
        RunFinished,
        RunStarted,
        StepFinished,
    )
    from napari_brainseg.core.segmentation.evaluation_results import Evaluation
    from training.experiments.standing import RunRecord

__all__ = ["PARTS", "Part", "Run", "Sample", "find_runs", "load_run", "load_runs"]

Part = Literal["validation", "test"]
PARTS: tuple[Part, ...] = ("test", "validation")
"""In the order in which a report looks for them."""
SUMMARY, RESOURCES = "summary.json", "resources.jsonl"
NOTED = {
    State.RUNNING: "running",
    State.FAILED: "failed",
    State.STOPPED: "cancelled",
    State.REFUSED: "refused",
    State.BLOCKED: "blocked",
}
LEVELS = 4
"""How deep below a given folder runs are looked for."""
WEIGHTS = "bundle/weights.safetensors"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left behind.

    Parameters
    ----------
    name : str
        Unique within a report.
    path : Path
        Its folder.
    config : RunConfig or None
        ``None`` where it cannot be read; `faults` says why.
    started : RunStarted or None
        The last start, if it came that far.
    epochs : tuple of EpochFinished
        Ascending, each epoch once: of a resumed run, what counts.
    finished : RunFinished or None
        ``None`` where no end was recorded.
    last_step : StepFinished or None
        The last step told.
    seconds : float or None
        From the first event to the last, without pauses between an end and the next start.
    messages : tuple of Message
        Warnings and errors.
    summary : mapping
        Of ``summary.json``; empty where there is none.
    resources : tuple of Sample
        Processor, memory and GPU over time.
    evaluations : mapping of {'validation', 'test'} to Evaluation
        What was measured.
    record : RunRecord or None
        What the program that started it noted of it.
    faults : tuple of str
        What could not be read.
    """

    name: str
    path: Path
    config: RunConfig | None = None
    started: RunStarted | None = None
    epochs: tuple[EpochFinished, ...] = ()
    finished: RunFinished | None = None
    last_step: StepFinished | None = None
    seconds: float | None = None
    messages: tuple[Message, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    resources: tuple[Sample, ...] = ()
    evaluations: dict[Part, Evaluation] = field(default_factory=dict)
    record: RunRecord | None = None
    faults: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """Name for folders and anchors."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.name).strip("-.") or "run"

    @property
    def outcome(self) -> str:
        """How it ended, in a word or two.

        ``completed``, ``cancelled`` or ``failed`` as it said itself; else as the program that
        started it noted; else ``not ended`` or ``not begun``.
        """
        if self.finished is not None:
            return str(self.finished.reason)
        if self.record is not None and self.record.state in NOTED:
            return NOTED[self.record.state]
        return "not ended" if self.started is not None or self.epochs else "not begun"

    @property
    def chosen(self) -> EpochFinished | None:
        """The epoch that became the model; of an unfinished run, the one that would.

        ``None`` where no epoch was finished.
        """
        if not self.epochs:
            return None
        last = self.epochs[-1]
        if self.config is None or self.config.keep == "last" or last.best_epoch is None:
            return last
        return next((e for e in self.epochs if e.epoch == last.best_epoch), last)

    @property
    def wall_seconds(self) -> float | None:
        """Time it took: by its events, which know of every part of a resumed run."""
        told = self.summary.get("wall_s")
        return float(told) if self.seconds is None and isinstance(told, int | float) else (
            self.seconds
        )  # fmt: skip

    @property
    def parameters(self) -> int | None:
        """Parameters of the network, from the summary or counted in the model's file."""
        told = self.summary.get("parameters")
        return int(told) if isinstance(told, int) else count_parameters(self.path / WEIGHTS)

    @property
    def samples_per_second(self) -> float | None:
        """Training speed, from the summary or the last step told."""
        told = self.summary.get("samples_per_second")
        if isinstance(told, int | float):
            return float(told)
        return self.last_step.samples_per_second if self.last_step is not None else None

    @property
    def peak_memory_mb(self) -> float | None:
        """Largest resident memory in MiB, from the summary or the samples."""
        told = self.summary.get("peak_memory_mb")
        if isinstance(told, int | float):
            return float(told)
        return max((s.rss_mb for s in self.resources if s.rss_mb is not None), default=None)

    @property
    def peak_gpu_memory_mb(self) -> float | None:
        """Most memory on all GPUs in MiB, from the summary or the samples."""
        told = self.summary.get("peak_gpu_memory_mb")
        if isinstance(told, int | float):
            return float(told)
        known = (s.gpu_memory_mb for s in self.resources if s.gpu_memory_mb is not None)
        return max(known, default=None)

    @property
    def completed(self) -> bool:
        """Whether it came to its planned end."""
        return self.finished is not None and self.finished.reason is FinishReason.COMPLETED


def load_runs(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> list[Run]:
    """Find and read runs, with those that experiments noted but that left no folder.

    Parameters
    ----------
    paths : sequence of Path
        Run folders, or folders of them, up to four levels deep.
    progress : callable, optional
        Called with the number of runs read and found, after each.

    Returns
    -------
    list of Run
        Each once, by name with numbers by value.

    Raises
    ------
    ConfigError
        If a path does not exist, or none holds a run.
    """
    found = find_runs(paths)
    roots = {p.expanduser().resolve() for p in paths} | {path.parent for _, path in found}
    records = {root / r.name: r for root in sorted(roots) for r in _records(root)}
    runs = []
    for name, path in found:
        runs.append(load_run(name, path, records.pop(path, None)))
        if progress is not None:
            progress(len(runs), len(found))
    names = {run.name for run in runs}
    runs += [
        Run(name=record.name if record.name not in names else str(path), path=path, record=record)
        for path, record in records.items()
        if record.state in (State.FAILED, State.REFUSED, State.BLOCKED)
    ]
    return sorted(runs, key=lambda run: _natural(run.name))


def find_runs(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Find run folders in folders.

    Parameters
    ----------
    paths : iterable of Path
        Run folders, or folders of them, up to four levels deep.

    Returns
    -------
    list of (str, Path)
        Unique name and folder of each run, once, by name with numbers by value.

    Raises
    ------
    ConfigError
        If a path does not exist, or none holds a run.
    """
    given = list(paths)
    found: dict[Path, str] = {}
    for path in given:
        root = path.expanduser().resolve()
        if not root.is_dir():
            raise ConfigError(f"There is no folder {path}.", "Give folders of runs.")
        for run in _below(root, LEVELS):
            found.setdefault(run, run.name if run == root else run.relative_to(root).as_posix())
    if not found:
        raise ConfigError(
            f"There is no run in {', '.join(map(str, given))}.",
            f"The folder of a run holds {CONFIG} and {EVENTS}; give one, or a folder of some.",
        )
    return sorted(_unique(found), key=lambda pair: _natural(pair[0]))


def load_run(name: str, path: Path, record: RunRecord | None = None) -> Run:
    """Read a run folder; what is damaged is named in ``faults``, the rest is there."""
    faults: list[str] = []
    evaluations: dict[Part, Evaluation] = {}
    for part in PARTS:
        evaluation = read_evaluation(path / "evaluation" / f"{part}.json", faults)
        if evaluation is not None:
            evaluations[part] = evaluation
    return Run(
        name=name,
        path=path,
        config=read_config(path / CONFIG, faults),
        summary=read_summary(path / SUMMARY, faults),
        resources=read_resources(path / RESOURCES, faults),
        evaluations=evaluations,
        record=record,
        **read_history(path / EVENTS, faults),
        faults=tuple(faults),
    )


def _records(root: Path) -> tuple[RunRecord, ...]:
    try:
        return read_experiments(root).runs
    except ConfigError:
        return ()  # the runs' own folders say what counts


def _below(folder: Path, levels: int) -> list[Path]:
    if (folder / CONFIG).is_file() or (folder / EVENTS).is_file():
        return [folder]
    if not levels:
        return []
    try:
        folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []
    return [run for inner in folders for run in _below(inner, levels - 1)]


def _unique(found: dict[Path, str]) -> list[tuple[str, Path]]:
    """Names with as many parents in front as it takes."""
    names = dict(found)
    for parents in range(1, LEVELS):
        taken = list(names.values())
        for path, name in found.items():
            if taken.count(names[path]) > 1 and len(path.parts) > parents + 1:
                names[path] = f"{path.parts[-1 - parents - name.count('/')]}/{names[path]}"
    seen: dict[str, int] = {}
    pairs = []
    for path, name in names.items():
        seen[name] = seen.get(name, 0) + 1
        pairs.append((name if seen[name] == 1 else f"{name} ({seen[name]})", path))
    return pairs


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
