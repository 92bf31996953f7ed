"""Several runs carried out: what is started, skipped, resumed, refused, and what is told of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import RunConfig
from training.experiments.attempt import Attempt
from training.experiments.campaign import Campaign, carry_out
from training.experiments.standing import Experiments, State, read_experiments
from training.run_folder import ClaimedBy

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FAKE = (sys.executable, str(HERE / "fake_fit.py"))

Carry = Callable[..., int]
Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def carry(folder: Path) -> Carry:
    def runs(*names: str, settings: dict[str, Any] | None = None, **more: Any) -> int:
        attempts = []
        for name in names:
            name, _, base = name.partition(" from ")
            bundle = {"base": folder / base / "bundle"} if base else {}
            config = RunConfig(name=name, phantoms=1, **(settings or {}), **bundle)
            attempts.append(Attempt(name, config, base or None))
        return carry_out(Campaign("Fake", "none", folder, tuple(attempts), trainer=FAKE, **more))

    return runs


def starts(folder: Path, name: str) -> list[str]:
    """The command lines that a run was started with."""
    file = folder / name / "starts.txt"
    return file.read_text().splitlines() if file.is_file() else []


def state(folder: Path, name: str) -> tuple[State, str]:
    record = next(r for r in read_experiments(folder).runs if r.name == name)
    return record.state, record.message


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_each_run_in_its_folder_and_their_state_in_one_file(carry: Carry, folder: Path) -> None:
    assert carry("a", "b", settings={"what": "a try", "why": "to see"}, workers=2) == 0

    told = json.loads((folder / "experiments.json").read_text())
    assert [(r["name"], r["state"], r["epoch"], r["epochs"]) for r in told["runs"]] == [
        ("a", "completed", 2, 2),
        ("b", "completed", 2, 2),
    ]
    assert told["runs"][0]["validation_dsc"] == pytest.approx(0.82)
    assert (told["runs"][0]["what"], told["runs"][0]["why"]) == ("a try", "to see")
    assert told["runs"][0]["started"] <= told["runs"][0]["ended"]
    assert told["pid"] is None
    for name in "ab":
        assert json.loads((folder / name / "config.json").read_text())["name"] == name
        assert not ClaimedBy(folder / name)


def test_completed_runs_are_left_alone(carry: Carry, folder: Path) -> None:
    assert carry("a") == 0
    assert carry("a", "b") == 0

    assert len(starts(folder, "a")) == len(starts(folder, "b")) == 1


def test_a_model_that_was_not_measured_is_told(
    carry: Carry, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    carry("a")
    model = folder / "a" / "bundle" / "model.json"
    model.write_text(json.dumps({"training": {"validation_patients": ["P"]}}))
    assert carry("a") == 0
    assert f"python -m training evaluate {folder / 'a'} does it" in capsys.readouterr().err

    (folder / "a" / "evaluation").mkdir()
    (folder / "a" / "evaluation" / "validation.json").write_text("{}")
    assert carry("a") == 0
    assert capsys.readouterr().err == ""


def test_records_of_other_runs_in_the_folder_stay(carry: Carry, folder: Path) -> None:
    carry("a")
    carry("b")

    assert {r.name for r in read_experiments(folder).runs} == {"a", "b"}


def test_state_is_found_again_without_the_file(carry: Carry, folder: Path) -> None:
    carry("a")
    (folder / "experiments.json").unlink()
    carry("a")

    record = read_experiments(folder).runs[0]
    assert (record.state, record.epoch) == (State.COMPLETED, 2)
    assert record.best_validation_dsc == pytest.approx(0.82)


def test_one_failure_does_not_stop_the_others_and_is_not_tried_again_unasked(
    carry: Carry, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry("fails", "good") == 1
    assert state(folder, "good")[0] is State.COMPLETED
    assert state(folder, "fails") == (State.FAILED, "The loss became nan. Lower it.")
    errors = capsys.readouterr().err
    assert "fails failed: The loss became nan. Lower it." in errors
    assert "| a long traceback" in errors

    assert carry("fails", "good") == 1
    assert len(starts(folder, "fails")) == 1
    assert "fails failed: The loss became nan." in capsys.readouterr().err

    assert carry("fails", "good", retry_failed=True) == 0
    assert [line.split()[1:2] for line in starts(folder, "fails")] == [[], ["--resume"]]


def test_a_failure_is_remembered_without_the_file(carry: Carry, folder: Path) -> None:
    carry("fails")
    (folder / "experiments.json").unlink()

    assert carry("fails") == 1
    assert state(folder, "fails") == (State.FAILED, "The loss became nan.")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_run_is_a_failure_with_its_last_words(
    carry: Carry, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry("killed", "good") == 1

    assert state(folder, "killed") == (
        State.FAILED,
        "Its process was ended by SIGKILL without finishing the run.",
    )
    assert "| last words" in capsys.readouterr().err
    assert state(folder, "good")[0] is State.COMPLETED
    # `nothing_left_behind` finds the worker that the killed child left


def test_a_run_that_cannot_start_is_a_failure(folder: Path) -> None:
    attempt = Attempt("a", RunConfig(name="a", phantoms=1))
    campaign = Campaign("", "", folder, (attempt,), trainer=(str(folder / "no-such-program"),))

    assert carry_out(campaign) == 1
    assert "could not be started" in state(folder, "a")[1]


def test_a_run_waits_for_the_model_it_starts_from(carry: Carry, folder: Path) -> None:
    assert carry("a", "b from a", workers=2) == 0

    records = {r.name: r for r in read_experiments(folder).runs}
    assert records["b"].base == "a"
    assert records["a"].ended <= records["b"].started
    assert starts(folder, "b") == ["fine-tune"]


def test_a_run_without_its_base_model_is_blocked(carry: Carry, folder: Path) -> None:
    assert carry("fails", "b from fails", "c from b") == 1

    assert state(folder, "b") == (State.BLOCKED, "fails has no model to start from.")
    assert state(folder, "c") == (State.BLOCKED, "b has no model to start from.")
    assert not (folder / "b").exists()


def test_a_changed_run_is_refused_with_the_difference(carry: Carry, folder: Path) -> None:
    carry("a")
    before = (folder / "a" / "config.json").read_bytes()

    assert carry("a", "b", settings={"epochs": 7, "seed": 5}) == 1
    assert state(folder, "a")[0] is State.REFUSED
    assert "epochs 20, now 7; seed 42, now 5" in state(folder, "a")[1]
    assert state(folder, "b")[0] is State.COMPLETED
    assert (folder / "a" / "config.json").read_bytes() == before


def test_what_only_decides_how_it_runs_may_change(carry: Carry) -> None:
    assert carry("a") == 0
    assert carry("a", settings={"threads": 1, "device": "cpu", "why": "better words"}) == 0


def test_a_folder_of_something_else_is_refused(carry: Carry, folder: Path) -> None:
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "letters.txt").write_text("mine")

    assert carry("a", "b") == 1
    assert "holds something else than a run" in state(folder, "a")[1]
    assert [p.name for p in (folder / "a").iterdir()] == ["letters.txt"]


@pytest.fixture
def started(folder: Path) -> Iterator[Started]:
    processes: list[subprocess.Popen[str]] = []

    def start(*names: str, workers: int = 1, scheduler: str = "") -> subprocess.Popen[str]:
        program = [sys.executable, str(HERE / "fake_campaign.py")]
        line = [*program, str(folder), str(workers), scheduler, *names]
        processes.append(
            subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_the_runs_and_the_next_start_resumes_them(
    carry: Carry, folder: Path, started: Started
) -> None:
    """Ctrl-C goes to a process of its own: this one holds threads of Qt and of engines."""
    parent = started("waits-1", "waits-2", "late", workers=2)
    wait_for(lambda: (folder / "waits-1" / "checkpoints" / "last.pt").exists())
    parent.send_signal(signal.SIGINT)
    _, errors = parent.communicate(timeout=60)

    assert parent.returncode == 130
    assert state(folder, "waits-1") == (State.STOPPED, "Stopped in epoch 2.")
    assert state(folder, "late")[0] is State.WAITING
    assert not (folder / "late").exists()
    assert "The same command goes on" in errors

    assert carry("waits-1", "waits-2", "late", workers=2, settings={"threads": 1}) == 0
    assert [line.split()[1:2] for line in starts(folder, "waits-1")] == [[], ["--resume"]]
    assert "--threads 1" in starts(folder, "waits-1")[1]
    assert len(starts(folder, "late")) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_second_ctrl_c_ends_runs_at_once_and_they_can_be_resumed(
    carry: Carry, folder: Path, started: Started
) -> None:
    parent = started("deaf")
    wait_for(lambda: (folder / "deaf" / "checkpoints" / "last.pt").exists())
    parent.send_signal(signal.SIGINT)
    time.sleep(1.5)
    assert parent.poll() is None
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=60)

    assert parent.returncode == 130
    assert state(folder, "deaf") == (
        State.STOPPED,
        "It was ended at once; what came after its last checkpoint is lost.",
    )
    assert carry("deaf") == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_children_of_a_killed_parent_leave_and_can_be_resumed(
    carry: Carry, folder: Path, started: Started
) -> None:
    parent = started("waits")
    wait_for(lambda: (folder / "waits" / "checkpoints" / "last.pt").exists())
    with pytest.raises(ConfigError, match=f"Process {parent.pid} is carrying out the runs"):
        carry("waits")
    claim = json.loads((folder / "waits" / "process.json").read_text())

    parent.kill()
    parent.wait()
    assert carry("waits") == 0  # waits for the child of the killed parent to leave
    assert not psutil.pid_exists(claim["pid"])
    assert [line.split()[1:2] for line in starts(folder, "waits")] == [[], ["--resume"]]


def test_lines_in_a_pipe_one_for_each_change(folder: Path, started: Started) -> None:
    out, _ = started("a").communicate(timeout=60)

    assert out.splitlines() == [
        "a: running",
        "a: epoch 1 of 2, validation DSC 0.8100, 1 min 00 s left",
        "a: epoch 2 of 2, validation DSC 0.8200, 0 min 00 s left",
        "a: completed",
    ]


def test_threads_are_shared_among_the_workers(
    carry: Carry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.experiments.campaign._cores", lambda: 8)
    carry("a", "b", workers=3)
    carry("c", "d", settings={"threads": 5}, workers=3)
    carry("e")

    logs = {name: (folder / name / "stderr.log").read_text() for name in "ace"}
    assert "2 threads" in logs["a"]
    assert "5 threads" in logs["c"]
    assert "None threads" in logs["e"]


def test_a_damaged_state_file_is_named(carry: Carry, folder: Path) -> None:
    folder.mkdir()
    (folder / "experiments.json").write_text("{")

    with pytest.raises(ConfigError, match=r"experiments\.json cannot be read"):
        carry("a")


def test_no_workers_are_refused(carry: Carry) -> None:
    with pytest.raises(ConfigError, match="0 workers"):
        carry("a", workers=0)


def test_a_dead_process_of_the_same_number_does_not_block(carry: Carry, folder: Path) -> None:
    import socket

    folder.mkdir()
    Experiments(pid=os.getppid(), host=socket.gethostname(), created=1.0).write(folder)

    assert carry("a") == 0
