"""What goes wrong in a run: killed, out of memory, disk full, no number, damaged checkpoint.

Each ends with a word that names it or is survived, and resuming gives what an unbroken run gives.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.protocol import (
    CheckpointSaved,
    Continue,
    Event,
    FinishReason,
    GiveWay,
    Message,
    Pause,
    Paused,
    Resumed,
    RunConfig,
    RunFinished,
    RunStarted,
    parse_config,
    parse_event,
)
from napari_brainseg.core.protocol.run_folder import can_resume, is_complete
from training import checkpoints
from training.faults import finished_by
from training.loop import run
from training.pool import SlicePool
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = {
    "features": 2, "crop": 32, "batch_size": 4, "epochs": 3, "steps_per_epoch": 4,
    "precision": "fp32", "device": "cpu", "threads": 1, "seed": 5,
}  # fmt: skip
"""As `small_config`."""
posix = pytest.mark.skipif(os.name == "nt", reason="needs signals and limits")


class Ear(EventStream):
    """Keeps events; may do something about one."""

    def __init__(self, react: Callable[[Event], None] | None = None) -> None:
        super().__init__(None, show=self._hear)
        self.events: list[Event] = []
        self._react = react

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self._react is not None:
            self._react(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def train(small_config: dict[str, Any], tmp_path: Path) -> Callable[..., tuple[RunFinished, Ear]]:
    def start(
        name: str = "run", *, stop: StopFlag | None = None, resume: bool = False,
        react: Callable[[Event], None] | None = None, **changes: Any,
    ) -> tuple[RunFinished, Ear]:  # fmt: skip
        ear, stop = Ear(react), StopFlag() if stop is None else stop
        config = parse_config({**small_config, "cache": str(tmp_path / "cache"), **changes})
        threads = torch.get_num_threads()
        try:
            return run(config, tmp_path / name, ear, stop, resume=resume), ear
        finally:
            torch.set_num_threads(threads)

    return start


@pytest.fixture(scope="module")
def whole(cohort_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an unbroken run of `small_config`."""
    root = tmp_path_factory.mktemp("whole")
    config = parse_config(
        {
            **SMALL, "data": [str(cohort_root)], "validation_patients": ["SITE_A_0003"],
            "cache": str(root / "cache"),
        }
    )  # fmt: skip
    threads = torch.get_num_threads()
    try:
        run(config, root / "run", EventStream(None), StopFlag(), resume=False)
    finally:
        torch.set_num_threads(threads)
    return root / "run"


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run_dir / "best_model.pth", weights_only=True)
    return state


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


# rests ------------------------------------------------------------------------------------------


def test_rests_leave_no_trace_in_the_weights(train, whole: Path, tmp_path: Path) -> None:
    stop = StopFlag()
    after = iter([Pause(), GiveWay(), None])

    def react(event: Event) -> None:
        if isinstance(event, RunStarted | Resumed) and (command := next(after)) is not None:
            stop.obey(command)
        elif isinstance(event, Paused):
            threading.Timer(0.05, lambda: stop.obey(Continue())).start()

    finished, ear = train("rested", stop=stop, react=react)
    assert finished.reason is FinishReason.COMPLETED
    kinds = [event.kind for event in ear.events]
    assert kinds.count("paused") == kinds.count("resumed") == 2
    # the pause that was asked for left a checkpoint before
    assert kinds.index("checkpoint") < kinds.index("paused")
    assert same(whole, tmp_path / "rested")


# memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)  # fmt: skip
def test_too_little_memory_says_what_to_lower(error: Exception) -> None:
    finished = finished_by(error, RunConfig(batch_size=48, crop=256))
    assert finished.reason is FinishReason.FAILED
    assert "too little memory" in finished.message
    assert "batch size (now 48)" in finished.hint
    assert "crop (now 256)" in finished.hint


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device", "/data/x"), OSError(errno.EDQUOT, "Quota")],
)
def test_a_full_disk_says_so(error: Exception) -> None:
    finished = finished_by(error, None)
    assert "disk is full" in finished.message
    assert "Free some space" in finished.hint


def test_any_other_error_is_named_and_the_log_too() -> None:
    finished = finished_by(ZeroDivisionError("division by zero"), None)
    assert finished.message == "ZeroDivisionError: division by zero"
    assert "stderr.log" in finished.hint


CHILD = """
import sys
from training.__main__ import main
FAULT
sys.exit(main(sys.argv[1:]))
"""

OUT_OF_MEMORY = """
from training.pool import SlicePool
batch, calls = SlicePool.batch, []
def fails(self, index):
    calls.append(1)
    if len(calls) > 6:  # in the second epoch
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    return batch(self, index)
SlicePool.batch = fails
"""

FULL_DISK = """
import resource
limit = int(__import__("os").environ["LIMIT"])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
"""


def child(fault: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD.replace("FAULT", fault), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def last(done: subprocess.CompletedProcess[str]) -> RunFinished:
    event = parse_event(done.stdout.splitlines()[-1])
    assert isinstance(event, RunFinished), done.stderr
    return event


def test_a_run_out_of_memory_can_be_resumed(
    train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, calls = SlicePool.batch, []

    def fails(self: SlicePool, index: Any) -> Any:
        calls.append(1)
        if len(calls) > 6:  # in the second epoch
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return batch(self, index)

    with monkeypatch.context() as patched:
        patched.setattr(SlicePool, "batch", fails)
        with pytest.raises(RuntimeError) as caught:
            train("broken")
    assert "too little memory" in finished_by(caught.value, None).message
    finished, _ = train("broken", resume=True)
    assert finished.reason is FinishReason.COMPLETED
    assert same(whole, tmp_path / "broken")


@pytest.mark.slow
def test_a_process_out_of_memory_says_so_as_its_last_word(
    write_config, small_config: dict[str, Any], tmp_path: Path
) -> None:
    done = child(
        OUT_OF_MEMORY, "fit", "--detached", "--config", write_config(small_config),
        "--run-dir", tmp_path / "broken",
    )  # fmt: skip
    assert done.returncode == 1
    assert "too little memory" in last(done).message
    assert "batch size (now 4)" in last(done).hint


# disk -------------------------------------------------------------------------------------------


def test_a_checkpoint_that_finds_no_space_is_told_and_the_run_goes_on(
    train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = torch.save, []

    def full(state: object, file: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            file.write(b"half a file")
            raise RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed")
        original(state, file)

    monkeypatch.setattr(checkpoints.torch, "save", full)
    finished, ear = train("full")
    assert finished.reason is FinishReason.COMPLETED
    assert any("could not be written" in m.text for m in ear.of(Message) if m.level == "error")
    monkeypatch.undo()
    assert same(whole, tmp_path / "full")


@posix
@pytest.mark.slow
def test_a_disk_that_is_full_for_good_ends_the_run_with_a_hint(
    train, write_config, small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = {**small_config, "cache": str(tmp_path / "cache"), "epochs": 2}
    train("whole", epochs=2)  # the prepared patients are in the cache now
    done = child(
        FULL_DISK, "fit", "--detached", "--config", write_config(config),
        "--run-dir", tmp_path / "full", LIMIT="20000",
    )  # fmt: skip
    assert done.returncode == 1
    finished = last(done)
    assert finished.reason is FinishReason.FAILED
    assert "space" in finished.hint, finished
    assert not list(tmp_path.glob("full/**/*.partial"))
    finished, _ = train("full", epochs=2)
    assert finished.reason is FinishReason.COMPLETED
    assert same(tmp_path / "whole", tmp_path / "full")


# no number, damage ------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_keeps_the_checkpoint_before(
    train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, calls = SlicePool.batch, []

    def spoilt(self: SlicePool, index: Any) -> Any:
        calls.append(1)
        canvases, masks, extents = batch(self, index)
        return (canvases * float("nan") if len(calls) > 6 else canvases), masks, extents

    with monkeypatch.context() as patched:
        patched.setattr(SlicePool, "batch", spoilt)
        with pytest.raises(ModelError, match="loss became") as caught:
            train("nan")
    assert "Lower the learning rate" in caught.value.hint
    finished, _ = train("nan", resume=True)
    assert finished.reason is FinishReason.COMPLETED
    assert same(whole, tmp_path / "nan")


def test_a_damaged_checkpoint_costs_an_epoch_and_nothing_else(
    train, whole: Path, tmp_path: Path
) -> None:
    stop, saved = StopFlag(), []

    def react(event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            saved.append(event.epoch)
            if len(saved) == 2:
                stop.set()

    train("broken", stop=stop, react=react)
    path = tmp_path / "broken" / "checkpoints" / "last.pt"
    path.write_bytes(path.read_bytes()[:-100])
    finished, ear = train("broken", resume=True)
    assert finished.reason is FinishReason.COMPLETED
    assert [m.text for m in ear.of(Message) if "damaged" in m.text]
    assert same(whole, tmp_path / "broken")


# killed -----------------------------------------------------------------------------------------


def killed_and_resumed(
    start: Callable[..., subprocess.Popen[str]], config: Path, run_dir: Path, moments: list[float]
) -> None:
    """Kill a run after so many seconds each time, then let it come to its end."""
    for moment in moments:
        resume = ["--resume"] if can_resume(run_dir) else []
        process = start("fit", "--config", config, "--run-dir", run_dir, *resume)
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["kind"] in ("run-started", "run-finished"):
                break
        time.sleep(moment)  # any moment will do: that is what is tried
        process.send_signal(signal.SIGKILL)
        _close(process)
    if not is_complete(run_dir):
        resume = ["--resume"] if can_resume(run_dir) else []
        process = start("fit", "--config", config, "--run-dir", run_dir, *resume)
        assert process.stdout is not None
        events = [parse_event(line) for line in process.stdout]
        _close(process)
        assert isinstance(events[-1], RunFinished)
        assert events[-1].reason is FinishReason.COMPLETED, events[-1]


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    process.wait(60)


@posix
def test_a_killed_run_that_is_resumed_gives_what_an_unbroken_one_gives(
    start, train, write_config, whole: Path, small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config(small_config)
    # after the first checkpoint, whenever that is
    process = start("fit", "--config", config, "--run-dir", tmp_path / "killed")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["kind"] == "checkpoint":
            break
    process.send_signal(signal.SIGKILL)
    _close(process)
    if not (tmp_path / "killed" / "summary.json").is_file():
        finished, _ = train("killed", resume=True)
        assert finished.reason is FinishReason.COMPLETED
    assert same(whole, tmp_path / "killed")


@posix
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_again_and_again_gives_what_an_unbroken_one_gives(
    start, train, write_config, small_config: dict[str, Any], tmp_path: Path, seed: int
) -> None:
    shape = {"epochs": 6, "steps_per_epoch": 40, "cache": str(tmp_path / "cache")}
    train("whole", **shape)
    config = write_config({**small_config, **shape})
    dice = random.Random(seed)
    moments = [dice.uniform(0, 3) for _ in range(4)]
    killed_and_resumed(start, config, tmp_path / "killed", moments)
    assert same(tmp_path / "whole", tmp_path / "killed")
