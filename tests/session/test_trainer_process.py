from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import Message, RunConfig, load_config
from napari_brainseg.session.trainer_process import (
    RunOutcome,
    RunReason,
    TrainerProcess,
    resumable,
)

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name == "nt", reason="needs signals")
Start = Callable[..., TrainerProcess]


@pytest.fixture
def start(tmp_path: Path, trainer_command: tuple[str, ...]) -> Start:
    def make(name: str, *, resume: bool = False) -> TrainerProcess:
        trainer = TrainerProcess(
            RunConfig(name=name), tmp_path / "run", "fit", resume=resume, command=trainer_command
        )
        trainer.events = []  # type: ignore[attr-defined]
        trainer.outcomes = []  # type: ignore[attr-defined]
        trainer.event.connect(lambda e: trainer.events.append(e))  # type: ignore[attr-defined]
        trainer.finished.connect(lambda o: trainer.outcomes.append(o))  # type: ignore[attr-defined]
        trainer.start()
        return trainer

    return make


def ended(trainer: TrainerProcess) -> RunOutcome:
    assert trainer.wait(30)
    assert trainer.outcome is not None
    assert trainer.outcomes == [trainer.outcome]  # type: ignore[attr-defined]
    assert not trainer.is_running
    return trainer.outcome


def kinds(trainer: TrainerProcess) -> list[str]:
    return [event.kind for event in trainer.events]  # type: ignore[attr-defined]


def test_a_run_that_completes(start: Start, tmp_path: Path) -> None:
    trainer = start("completes")
    outcome = ended(trainer)
    assert outcome.reason is RunReason.COMPLETED
    assert kinds(trainer) == ["run-started", "checkpoint", "epoch", "run-finished"]
    assert load_config(tmp_path / "run" / "config.json") == trainer.config
    assert not [t for t in threading.enumerate() if t.name.startswith("brainseg-trainer")]


def test_stop_ends_a_run_as_cancelled(start: Start, until: Callable[..., None]) -> None:
    trainer = start("waits")
    until(lambda: "checkpoint" in kinds(trainer))
    trainer.stop()
    outcome = ended(trainer)
    assert (outcome.reason, outcome.message) == (RunReason.CANCELLED, "Stopped in epoch 1.")
    assert resumable(trainer.run_dir)
    trainer.stop()  # too late, and harmless


def test_the_end_of_the_viewer_ends_a_run_as_cancelled(
    start: Start, until: Callable[..., None]
) -> None:
    trainer = start("waits")
    until(lambda: "checkpoint" in kinds(trainer))
    trainer.hang_up()
    assert ended(trainer).reason is RunReason.CANCELLED


def test_a_run_that_was_let_go_does_not_end_with_the_viewer(
    start: Start, until: Callable[..., None]
) -> None:
    trainer = start("waits")
    trainer.detach()
    trainer.hang_up()
    until(lambda: "detach" in told(trainer.run_dir))
    assert not trainer.wait(0.5)
    (trainer.run_dir / "commands.jsonl").write_text('{"kind": "stop"}\n')
    assert ended(trainer).reason is RunReason.CANCELLED


def told(run_dir: Path) -> str:
    path = run_dir / "told.txt"
    return path.read_text() if path.exists() else ""


def test_a_failure_brings_message_hint_and_log(start: Start) -> None:
    outcome = ended(start("fails"))
    assert outcome.reason is RunReason.FAILED
    assert outcome.message == "The loss became nan."
    assert outcome.hint == "Lower the learning rate."
    assert "a long traceback" in outcome.stderr_tail


def test_an_exit_without_a_last_word_is_a_crash(start: Start) -> None:
    outcome = ended(start("crashes"))
    assert outcome.reason is RunReason.CRASHED
    assert "exit code 3" in outcome.message
    assert "Segmentation fault in a library" in outcome.stderr_tail
    assert "can be resumed" in outcome.hint


@posix
def test_a_killed_run_is_a_crash_that_can_be_resumed(
    start: Start, until: Callable[..., None]
) -> None:
    trainer = start("waits")
    until(lambda: "checkpoint" in kinds(trainer))
    assert trainer.pid is not None
    os.kill(trainer.pid, signal.SIGKILL)
    outcome = ended(trainer)
    assert outcome.reason is RunReason.CRASHED
    assert "SIGKILL (perhaps out of memory)" in outcome.message
    assert "lower the batch size" in outcome.hint
    assert outcome.exit_code == -signal.SIGKILL
    assert "fake trainer waits" in outcome.stderr_tail

    again = start("waits", resume=True)
    assert ended(again).reason is RunReason.COMPLETED
    assert again.events[0].first_epoch == 1  # type: ignore[attr-defined]


@posix
def test_workers_left_behind_do_not_hold_up_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    """A worker that inherited stdout would keep the stream open for its two minutes."""
    monkeypatch.setattr("napari_brainseg.session.trainer_process._DRAIN_S", 0.2)
    trainer = start("leaves-a-worker")
    assert ended(trainer).reason is RunReason.CRASHED
    until(lambda: not _living(trainer.pid))


def _living(group: int | None) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and _group(process.pid) == group
    ]


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_kill_ends_a_run_at_once(start: Start, until: Callable[..., None]) -> None:
    trainer = start("waits")
    until(lambda: "checkpoint" in kinds(trainer))
    trainer.kill()
    assert ended(trainer).reason is RunReason.CRASHED


@posix
def test_the_trainer_leaves_the_processor_to_the_window(start: Start) -> None:
    trainer = start("waits")
    assert trainer.pid is not None
    assert psutil.Process(trainer.pid).nice() == 19
    # Linux shares the processor out by session first: in one of its own it would mean nothing.
    assert os.getsid(trainer.pid) == os.getsid(0)
    assert os.getpgid(trainer.pid) != os.getpgid(0)
    trainer.kill()
    ended(trainer)


def test_a_stray_line_is_shown_and_does_not_break_the_stream(start: Start) -> None:
    trainer = start("babbles")
    assert ended(trainer).reason is RunReason.COMPLETED
    (message,) = [e for e in trainer.events if isinstance(e, Message)]  # type: ignore[attr-defined]
    assert "Downloading things..." in message.text


def test_a_listener_that_fails_does_not_end_the_run(start: Start) -> None:
    def broken(_event: object) -> None:
        raise ValueError

    trainer = start("waits")
    trainer.event.connect(broken)
    trainer.stop()
    assert ended(trainer).reason is RunReason.CANCELLED


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    trainer = TrainerProcess(
        RunConfig(), tmp_path / "run", "fit", command=(str(tmp_path / "no-such-python"),)
    )
    with pytest.raises(ConfigError, match="no-such-python"):
        trainer.start()
    assert not trainer.is_running


def test_a_complete_or_empty_run_cannot_be_resumed(tmp_path: Path) -> None:
    assert not resumable(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({}))
    (tmp_path / "checkpoints").mkdir()
    assert not resumable(tmp_path)
    (tmp_path / "checkpoints" / "last.pt").write_text("x")
    assert resumable(tmp_path)
    (tmp_path / "bundle").mkdir()
    assert resumable(tmp_path)  # killed before it was measured
    (tmp_path / "summary.json").write_text("{}")
    assert not resumable(tmp_path)
