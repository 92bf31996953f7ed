"""Runs on the workers of a real dask scheduler, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import RunConfig
from training.experiments.cluster import LEASE, ClusterFleet, supervise_leased
from training.experiments.fleet import Job
from training.experiments.standing import State, read_experiments

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
Started = Callable[..., "subprocess.Popen[str]"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler with two workers, each a process with a nanny."""
    pytest.importorskip("distributed")
    home = tmp_path_factory.mktemp("dask")
    file = home / "scheduler.json"
    line = [sys.executable, "-m"]
    hidden = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home}
    started = [
        subprocess.Popen(
            [*line, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard", "--no-show", "--scheduler-file", str(file)],
            **hidden,
        )
    ]  # fmt: skip
    try:
        wait_for(file.exists)
        started.append(
            subprocess.Popen(
                [*line, "distributed.cli.dask_worker", "--scheduler-file", str(file),
                 "--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
                **hidden,
            )
        )  # fmt: skip
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in children:  # workers outlive a killed nanny
                if child.is_running():
                    child.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def started(folder: Path, scheduler: str) -> Iterator[Started]:
    processes: list[subprocess.Popen[str]] = []

    def start(*names: str) -> subprocess.Popen[str]:
        line = [sys.executable, str(HERE / "fake_campaign.py"), str(folder), "1", scheduler, *names]
        processes.append(
            subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def states(folder: Path) -> dict[str, State]:
    return {record.name: record.state for record in read_experiments(folder).runs}


def starts(folder: Path, name: str) -> list[list[str]]:
    lines = (folder / name / "starts.txt").read_text().splitlines()
    return [line.split()[1:2] for line in lines]


def has_begun(folder: Path, *names: str) -> bool:
    return all((folder / name / "checkpoints" / "last.pt").exists() for name in names)


@pytest.mark.slow
def test_runs_go_to_the_workers_side_by_side_and_stop_with_a_checkpoint(
    folder: Path, started: Started
) -> None:
    parent = started("waits-1", "waits-2", "late")
    wait_for(lambda: has_begun(folder, "waits-1", "waits-2"))
    supervisors = {
        psutil.Process(json.loads((folder / name / "process.json").read_text())["pid"]).ppid()
        for name in ("waits-1", "waits-2")
    }
    assert len(supervisors) == 2
    assert parent.pid not in supervisors

    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=60)
    assert parent.returncode == 130, errors
    assert states(folder) == {
        "waits-1": State.STOPPED,
        "waits-2": State.STOPPED,
        "late": State.WAITING,
    }
    assert not (folder / LEASE).exists()

    again = started("waits-1", "waits-2", "late")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert set(states(folder).values()) == {State.COMPLETED}
    assert starts(folder, "waits-1") == [[], ["--resume"]]


@pytest.mark.slow
def test_failures_of_a_run_come_back(folder: Path, started: Started) -> None:
    parent = started("fails", "killed", "good")
    _, errors = parent.communicate(timeout=60)

    assert parent.returncode == 1
    assert states(folder) == {
        "fails": State.FAILED,
        "killed": State.FAILED,
        "good": State.COMPLETED,
    }
    assert "fails failed: The loss became nan. Lower it." in errors
    assert "killed failed: Its process was ended by SIGKILL" in errors


@pytest.mark.slow
def test_a_run_of_a_killed_worker_goes_on_on_another(folder: Path, started: Started) -> None:
    parent = started("waits")
    wait_for(lambda: has_begun(folder, "waits"))
    child = json.loads((folder / "waits" / "process.json").read_text())["pid"]
    psutil.Process(psutil.Process(child).ppid()).kill()

    _, errors = parent.communicate(timeout=90)
    assert parent.returncode == 0, errors
    assert starts(folder, "waits") == [[], ["--resume"]]


@pytest.mark.slow
def test_a_suite_of_real_runs_on_the_workers(
    scheduler: str, cohort_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "suite.toml").write_text(
        "[defaults]\nfeatures = 2\ncrop = 32\nepochs = 1\nsteps_per_epoch = 2\nthreads = 1\n"
        'validation_share = 0.3\n[[run]]\nname = "first"\n'
        '[[run]]\nname = "second"\nbase = "run:first"\n'
    )
    command = [
        sys.executable, "-P", "-m", "training", "experiments", str(tmp_path / "suite.toml"),
        "--out", str(tmp_path / "runs"), "--data", str(cohort_root), "--scheduler", scheduler,
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    assert run.returncode == 0, run.stderr
    assert set(states(tmp_path / "runs").values()) == {State.COMPLETED}
    for name in ("first", "second"):
        assert (tmp_path / "runs" / name / "bundle" / "weights.safetensors").is_file()
    assert "second: epoch 1 of 1" in run.stdout


def job(folder: Path, name: str) -> Job:
    return Job(
        name, str(folder / name), "fit", RunConfig(name=name, phantoms=1).model_dump_json(),
        trainer=(sys.executable, str(HERE / "fake_fit.py")),
    )  # fmt: skip


def test_runs_stop_when_nobody_renews_the_lease(folder: Path) -> None:
    folder.mkdir()
    (folder / LEASE).write_text("me 0 1\n")

    outcome = supervise_leased(job(folder, "waits"), str(folder / LEASE), "me", patience_s=2)
    assert outcome.end == "stopped"


def test_runs_stop_when_another_process_takes_over(folder: Path) -> None:
    folder.mkdir()
    (folder / LEASE).write_text("me 0 1\n")

    def take_over() -> None:
        wait_for(lambda: has_begun(folder, "waits"))
        (folder / LEASE).write_text("another 0 1\n")

    threading.Thread(target=take_over, daemon=True).start()
    outcome = supervise_leased(job(folder, "waits"), str(folder / LEASE), "me")
    assert outcome.end == "stopped"


def test_a_worker_without_the_shared_folder_says_so(folder: Path) -> None:
    outcome = supervise_leased(job(folder, "a"), str(folder / LEASE), "me")

    assert outcome.end == "failed"
    assert "has to share" in outcome.message
    assert not folder.exists()


def test_without_dask_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(ConfigError, match=r"dask\.distributed") as caught:
        ClusterFleet("tcp://127.0.0.1:9", folder)
    assert "napari-brainseg[cluster]" in caught.value.hint


@pytest.mark.parametrize("address", ["nonsense://", "host", "tcp://host:port"])
def test_what_is_no_address_is_refused_at_once(folder: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a dask scheduler"):
        ClusterFleet(address, folder)


def test_an_address_without_a_scheduler_is_refused(folder: Path) -> None:
    pytest.importorskip("distributed")
    script = (
        "import sys; from pathlib import Path; "
        "from training.experiments.cluster import ClusterFleet; "
        "ClusterFleet('tcp://127.0.0.1:9', Path(sys.argv[1]), timeout_s=0.5)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert "ConfigError: There is no dask scheduler at tcp://127.0.0.1:9" in run.stderr
    assert not folder.exists()
