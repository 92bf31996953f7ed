"""A fine-tuning run beside the viewer: what a prediction costs, how soon it ends, what it leaves.

    python -m pytest tests/benchmarks/test_training_beside.py -s

One process plays the viewer; the trainer is its child as in the window. Idle and busy predictions
take turns: for the idle ones the child is stopped (SIGSTOP), so that what else the machine does
slows both alike; the ratio is the median over rounds. BRAINSEG_BENCH_ROUNDS sets how many
(default 7), BRAINSEG_BENCH_STOPS how often a run is stopped at a random moment (default 10).
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.dataset.phantom import write_phantoms
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.protocol import (
    RunConfig,
    RunStarted,
    StageStarted,
    StepFinished,
    parse_config,
)
from napari_brainseg.core.segmentation.bundle import bundled_models
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.foreground import ForegroundPredictions
from napari_brainseg.session.memory import give_large_blocks_back
from napari_brainseg.session.prediction import PredictionService
from napari_brainseg.session.prediction_store import PredictionStore
from napari_brainseg.session.trainer_process import RunReason, TrainerProcess
from napari_brainseg.session.way import RightOfWay
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGSTOP")

ROUNDS = int(os.environ.get("BRAINSEG_BENCH_ROUNDS", "7"))
STOPS = int(os.environ.get("BRAINSEG_BENCH_STOPS", "10"))
SLOWER_AT_MOST, STOPPED_WITHIN_S, BASELINE_MB = 2.0, 2.0, 60.0
PATIENCE_S = 600.0


class Viewer:
    """The parts of a window that predict and train."""

    def __init__(self, root: Path) -> None:
        give_large_blocks_back()
        self.bundle = bundled_models()[0]
        self.workspace = Workspace(root / "workspace").create()
        self.catalogue = Catalogue(self.workspace.catalogue)
        self.service = PredictionService()
        self.foreground = ForegroundPredictions(self.service)
        self.trainer: TrainerProcess | None = None
        self.way = RightOfWay(lambda command: self.trainer and self.trainer.send(command))
        self.way.watch(self.foreground)
        self._store = PredictionStore(self.workspace, self.catalogue)

    def predict(self, study: Study) -> float:
        """Seconds from asking to the mask."""
        case = Case(study, self.catalogue, image_sha256="0" * 64)
        begun = time.perf_counter()
        job = self.foreground.predict(case, self.bundle, device="cpu", tta=False, store=self._store)
        shown = threading.Event()
        job.finished.connect(lambda *_: shown.set())
        while not (shown.wait(0.001) or job.is_finished):
            pass
        seconds = time.perf_counter() - begun
        assert job.wait(PATIENCE_S)
        assert job.prediction is not None
        case.close()
        return seconds

    def close(self) -> None:
        if self.trainer is not None and self.trainer.is_running:
            self.trainer.kill()
            self.trainer.wait(60)
        self.service.close()
        self.catalogue.close()


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    made = Viewer(tmp_path)
    yield made
    made.close()


class Watched:
    """A run and what it said."""

    def __init__(self, config: RunConfig, run_dir: Path) -> None:
        self.trainer = TrainerProcess(config, run_dir, "fine-tune")
        self.heard: dict[type, threading.Event] = {}
        self._lock = threading.Lock()
        self.stages: list[str] = []
        self.trainer.event.connect(self._hear)
        self.trainer.start()

    def _of(self, kind: type) -> threading.Event:
        with self._lock:
            return self.heard.setdefault(kind, threading.Event())

    def _hear(self, event: object) -> None:
        if isinstance(event, StageStarted):
            self.stages.append(event.stage)
        self._of(type(event)).set()

    def until(self, kind: type) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self._of(kind).wait(0.1):
            assert time.monotonic() < end
            assert self.trainer.outcome is None, self.trainer.outcome


def test_a_prediction_during_training(data_root: Path, viewer: Viewer, tmp_path: Path) -> None:
    folders = [f for f in discover(data_root).folders if f.has_masks][:2]
    study = load_study(folders[0])
    config = parse_config(
        {
            "base": viewer.bundle.path, "data": [data_root], "device": "cpu",
            "train_patients": [folders[0].patient], "validation_patients": [folders[1].patient],
            "epochs": 1000, "steps_per_epoch": 1000, "lock_reference": False,
            "cache": tmp_path / "cache",
        }
    )  # fmt: skip
    run = Watched(config, tmp_path / "run")
    viewer.trainer = run.trainer
    run.until(StepFinished)
    group = run.trainer.pid
    assert group is not None
    viewer.predict(study)  # compiles the network
    idle, busy = [], []
    for _ in range(ROUNDS):
        os.killpg(group, signal.SIGSTOP)
        idle.append(viewer.predict(study))
        os.killpg(group, signal.SIGCONT)
        time.sleep(1.0)  # it has gone on and is in the middle of a step
        busy.append(viewer.predict(study))
    run.trainer.stop()
    assert run.trainer.wait(PATIENCE_S)
    ratios = [b / i for b, i in zip(busy, idle, strict=True)]
    print(
        f"\n{study.patient}: {statistics.median(idle):.2f} s idle, "
        f"{statistics.median(busy):.2f} s during training, median ratio of {ROUNDS} rounds "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    assert statistics.median(ratios) <= SLOWER_AT_MOST


def test_a_run_that_is_stopped_ends_soon_and_leaves_nothing(tmp_path: Path, viewer: Viewer) -> None:
    root = tmp_path / "phantoms"
    names = [path.name for path in write_phantoms(root, patients=8, seed=3)]
    config = {
        "base": viewer.bundle.path, "data": [root], "device": "cpu", "inner_folds": 2,
        "interpolation": "choose", "train_patients": names[:6], "replay_patients": names[4:6],
        "replay_share": 0.5, "validation_patients": names[6:], "epochs": 2, "steps_per_epoch": 3,
        "cache": tmp_path / "cache", "keep": "last", "batch_size": 8,
    }  # fmt: skip
    me, dice = psutil.Process(), random.Random(7)
    before_mb = me.memory_info().rss / 2**20
    took, where, after_mb = [], [], []
    for number in range(STOPS):
        run = Watched(parse_config(config), tmp_path / f"run-{number}")
        viewer.trainer = run.trainer
        run.until(RunStarted)
        time.sleep(dice.uniform(0, 60))
        if run.trainer.outcome is not None:
            where.append("over")
            continue
        begun = time.perf_counter()
        run.trainer.stop()
        assert run.trainer.wait(PATIENCE_S)
        took.append(time.perf_counter() - begun)
        where.append(run.stages[-1] if run.stages else "data")
        outcome = run.trainer.outcome
        assert outcome is not None
        assert outcome.reason in (RunReason.CANCELLED, RunReason.COMPLETED), outcome
        end = time.monotonic() + 5
        while time.monotonic() < end and psutil.pid_exists(run.trainer.pid or 0):
            time.sleep(0.1)
        assert not psutil.pid_exists(run.trainer.pid or 0)
        after_mb.append(me.memory_info().rss / 2**20)
    print(
        f"\nstopped {len(took)} runs at random moments: median {statistics.median(took):.2f} s, "
        f"at most {max(took):.2f} s; in {', '.join(where)}; the viewer had {before_mb:.0f} MB "
        f"before and {after_mb[-1]:.0f} MB after"
    )
    assert max(took) < STOPPED_WITHIN_S
    assert after_mb[-1] - before_mb < BASELINE_MB
