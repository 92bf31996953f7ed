"""Runs across windows: kept running, found again, steered, taken over once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.core.segmentation.gate import GateEvidence, save_evidence
from napari_brainseg.session.fine_tuning import FineTuningPlan
from napari_brainseg.session.gates import Gates
from napari_brainseg.session.run_follower import RunFollower, past_events
from napari_brainseg.session.run_handle import RunOutcome, RunReason
from napari_brainseg.session.shelf import Shelf
from napari_brainseg.session.trainings import Trainings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.workspace import Workspace

posix = pytest.mark.skipif(os.name == "nt", reason="needs signals")

WINDOW = """
import sys, time
from pathlib import Path
from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.session.fine_tuning import FineTuningPlan
from napari_brainseg.session.shelf import Shelf
from napari_brainseg.session.trainings import Trainings
from napari_brainseg.session.workspace import Workspace
workspace, trainer, base = sys.argv[1:]
class Window(Trainings):
    def plan(self, studies, **changes):
        return FineTuningPlan(RunConfig(**changes), base, ("P",), (), None, False, ())
shelf = Shelf(Workspace(Path(workspace)), bundled=lambda: ())
window = Window(shelf, command=(sys.executable, "-P", trainer))
window.keep_running = True
run = window.start(None, name="until-told")
while not (run.run_dir / "checkpoints" / "last.pt").exists():
    time.sleep(0.01)
print(run.pid, flush=True)
time.sleep(600)
"""


class Window(Trainings):
    """Trainings of a window, with a plan that needs no patients."""

    def __init__(self, workspace: Workspace, bundle: Bundle, command: tuple[str, ...]) -> None:
        self.shelf = Shelf(workspace, bundled=lambda: (bundle,))
        super().__init__(self.shelf, command=command)
        self.kinds: list[str] = []
        self.outcomes: list[RunOutcome] = []
        self.faults: list[BrainSegError] = []
        self._base = bundle.version
        self.event.connect(lambda event: self.kinds.append(event.kind))
        self.finished.connect(self.outcomes.append)
        self.fault.connect(self.faults.append)

    def plan(self, studies: object, **changes: Any) -> FineTuningPlan:
        return FineTuningPlan(RunConfig(**changes), self._base, ("P",), (), None, False, ())

    @property
    def versions(self) -> list[str]:
        return [v.version for v in self.shelf.registry.versions()]

    def leave(self) -> None:
        self.close(30)
        self.shelf.close()


@pytest.fixture
def window(
    workspace: Workspace, make_bundle: Callable[..., Bundle], trainer_command: tuple[str, ...]
) -> Iterator[Callable[[], Window]]:
    bundle = make_bundle()
    made: list[Window] = []

    def make() -> Window:
        made.append(Window(workspace, bundle, trainer_command))
        return made[-1]

    yield make
    for each in made:
        if each.trainer is not None and each.trainer.is_running:
            each.trainer.kill()
            each.trainer.wait(30)
        each.leave()


def told(run_dir: Path) -> list[str]:
    path = run_dir / "told.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["kind"] for line in lines]


def begun(window: Window, until: Callable[..., None], name: str = "until-told") -> Path:
    run_dir = window.start(None, name=name).run_dir
    until(lambda: "checkpoint" in window.kinds)
    return run_dir


def test_a_window_that_closes_ends_its_run_with_a_checkpoint(
    window: Callable[[], Window], until: Callable[..., None]
) -> None:
    first = window()
    begun(first, until)
    first.close(30)
    assert [o.reason for o in first.outcomes] == [RunReason.CANCELLED]
    second = window()
    assert second.follow() is None
    assert [(r.state, r.can_resume) for r in second.runs()] == [("cancelled", True)]


def test_a_kept_run_goes_on_and_the_next_window_finds_steers_and_takes_it_over(
    window: Callable[[], Window],
    until: Callable[..., None],
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    candidate = make_bundle("tuned", folder="runs")
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    first = window()
    first.keep_running = True
    run_dir = begun(first, until)
    first.leave()
    assert first.outcomes == []

    second = window()
    found = second.follow()
    assert isinstance(found, RunFollower)
    assert second.trainer is found
    assert second.follow() is found
    assert second.keep_running
    assert [r.state for r in second.runs()] == ["running"]
    with pytest.raises(ConfigError, match="under way"):
        second.start(None)
    # from the start of the run, not from now on
    until(lambda: second.kinds[:2] == ["run-started", "checkpoint"])

    second.pause()
    until(lambda: second.is_paused)
    assert "pause" in told(run_dir)
    third = window()
    third.follow()
    until(lambda: third.is_paused)  # it was paused before this window came
    second.go_on()
    assert found.wait(30)
    until(lambda: third.outcomes)
    assert [o.reason for o in second.outcomes] == [RunReason.COMPLETED]
    assert second.kinds[-1] == "run-finished"
    assert not second.is_paused
    for each in (second, third):
        assert each.versions.count(candidate.version) == 1
        assert each.faults == []
    assert [r.state for r in second.runs()] == ["completed"]


def test_a_run_that_was_completed_without_a_window_is_taken_over(
    window: Callable[[], Window],
    until: Callable[..., None],
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    candidate = make_bundle("tuned", folder="runs")
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    first = window()
    first.keep_running = True
    handle = first.start(None, name="until-told")
    until(lambda: "checkpoint" in first.kinds)
    # it may end after the window let go of the catalogue: nobody adopts the bundle then
    monkeypatch.setattr(first.shelf.registry, "adopt", lambda *_a, **_k: _gone())
    first.go_on()
    assert handle.wait(30)
    first.leave()
    second = window()
    assert candidate.version not in second.versions
    assert second.follow() is None
    until(lambda: candidate.version in second.versions)
    assert second.faults == []
    assert second.outcomes == []  # it is no news


def test_the_gate_that_a_run_measured_is_kept_with_it(
    window: Callable[[], Window],
    until: Callable[..., None],
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    candidate = make_bundle("tuned", folder="runs")
    evidence = GateEvidence(candidate=candidate.version, current="v", locked=(), corrections=())
    save_evidence(tmp_path / "evidence.json", evidence)
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    monkeypatch.setenv("FAKE_TRAINER_GATE", str(tmp_path / "evidence.json"))
    first = window()
    run_id = first.start(None, name="completes").run_dir.name
    until(lambda: first.outcomes)
    assert first.faults == []
    gate = Gates(first.shelf.catalogue).latest(candidate.version, "v")
    assert gate is not None
    assert gate.run_id == run_id


def _gone() -> None:
    raise BrainSegError("The window is gone.")


@posix
def test_a_run_outlives_a_window_that_is_killed(
    window: Callable[[], Window],
    workspace: Workspace,
    trainer_command: tuple[str, ...],
    until: Callable[..., None],
    tmp_path: Path,
) -> None:
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    other = subprocess.Popen(
        [sys.executable, str(script), str(workspace.root), trainer_command[-1], "v"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    pid = int(other.stdout.readline())
    other.send_signal(signal.SIGKILL)
    other.wait(30)
    other.stdout.close()

    mine = window()
    found = mine.follow()
    assert found is not None
    assert found.pid == pid
    mine.stop()
    assert found.wait(30)
    assert [o.reason for o in mine.outcomes] == [RunReason.CANCELLED]
    assert [(r.state, r.can_resume) for r in mine.runs()] == [("cancelled", True)]
    until(lambda: not psutil.pid_exists(pid))


@posix
def test_a_followed_run_that_is_killed_has_crashed_and_can_go_on_here(
    window: Callable[[], Window], until: Callable[..., None]
) -> None:
    first = window()
    first.keep_running = True
    begun(first, until)
    first.leave()
    second = window()
    found = second.follow()
    assert found is not None
    found.kill()
    assert found.wait(30)
    assert second.outcomes[0].reason is RunReason.CRASHED
    assert "can be resumed" in second.outcomes[0].hint
    (record,) = second.runs()
    assert (record.state, record.can_resume) == ("crashed", True)
    resumed = second.resume(record.id)
    until(lambda: second.kinds.count("run-started") == 2)
    second.stop()
    assert resumed.wait(30)


def test_keeping_it_running_after_all_and_not_after_all(
    window: Callable[[], Window], until: Callable[..., None]
) -> None:
    first = window()
    run_dir = begun(first, until)
    first.keep_running = True
    until(lambda: "detach" in told(run_dir))
    assert first.runs()[0].is_detached
    first.keep_running = False
    first.close(30)
    assert [o.reason for o in first.outcomes] == [RunReason.CANCELLED]


def test_a_pause_is_told_and_ends(window: Callable[[], Window], until: Callable[..., None]) -> None:
    first = window()
    changes: list[bool] = []
    first.paused_changed.connect(changes.append)
    run_dir = begun(first, until)
    first.pause()
    until(lambda: first.is_paused)
    first.go_on()
    until(lambda: changes == [True, False])
    until(lambda: told(run_dir) == ["pause", "continue"])
    first.pause()  # too late or not, nothing breaks
    first.stop()


def test_the_end_of_a_resumed_run_is_its_last_one(
    window: Callable[[], Window], until: Callable[..., None]
) -> None:
    first = window()
    run_dir = begun(first, until)
    first.stop()
    until(lambda: first.outcomes)
    first.keep_running = True
    first.resume(run_dir.name)
    until(lambda: first.kinds.count("checkpoint") == 2)
    first.leave()
    second = window()
    found = second.follow()
    assert found is not None
    until(lambda: second.kinds.count("checkpoint") == 2)
    assert "run-finished" not in second.kinds
    assert [e.kind for e in past_events(run_dir)].count("run-finished") == 0
    second.go_on()
    assert found.wait(30)
    assert second.outcomes[0].reason is RunReason.COMPLETED


def test_a_clock_that_is_set_back_mixes_nothing_up(
    window: Callable[[], Window], until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = window()
    begun(first, until)
    first.stop()
    until(lambda: first.outcomes)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 7_200)
    # psutil counts start times back from the clock of the machine
    original = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: original(self) - 7_200)
    second = window()
    begun(second, until)
    ids = [r.id for r in second.runs()]
    assert ids[0] == second.trainer.run_dir.name  # type: ignore[union-attr]
    assert len(set(ids)) == 2
    # another window sees that it runs, whatever its clock says
    assert [r.state for r in window().runs()] == ["running", "cancelled"]
    assert second.runs()[0].updated >= 0


def test_two_runs_of_one_moment_have_two_folders(
    window: Callable[[], Window], until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_brainseg.session import trainings

    class Stopped(trainings.datetime):  # type: ignore[misc, name-defined]
        @classmethod
        def now(cls, tz: object = None) -> Any:
            return cls(2026, 1, 1)

    monkeypatch.setattr(trainings, "datetime", Stopped)
    first = window()
    a = first.start(None, name="completes")
    assert a.wait(30)
    b = first.start(None, name="completes")
    assert b.wait(30)
    assert a.run_dir != b.run_dir
    assert len(first.runs()) == 2


def test_a_window_does_not_follow_a_run_that_another_window_holds(
    window: Callable[[], Window], until: Callable[..., None]
) -> None:
    begun(window(), until)
    second = window()
    assert second.follow() is None
    assert [r.state for r in second.runs()] == ["running"]
