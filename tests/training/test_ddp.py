"""Two processes over gloo do what one does with the same global batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.protocol import EpochFinished, RunFinished, parse_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALIKE = {
    "network_options": {"norm": "group"},
    "loss": "bce:0.5+dice-per-sample:0.5",
    "features": 4,
    "epochs": 3,
}


def curve(run_dir: Path) -> list[EpochFinished]:
    lines = (run_dir / "events.jsonl").read_text().splitlines()
    return [e for e in map(parse_event, lines) if isinstance(e, EpochFinished)]


def fit(config: Path, run_dir: Path, processes: int) -> subprocess.CompletedProcess[str]:
    launcher = (
        ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        if processes > 1
        else []
    )
    return subprocess.run(
        [sys.executable, *launcher, "-m", "training", "fit", "--config", str(config),
         "--run-dir", str(run_dir), "--detached"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture
def both(
    write_config: Callable[[dict[str, Any]], Path], small_config: dict[str, Any], tmp_path: Path
) -> Callable[..., tuple[list[EpochFinished], list[EpochFinished]]]:
    def train(**changes: Any) -> tuple[list[EpochFinished], list[EpochFinished]]:
        config = write_config({**small_config, "cache": str(tmp_path / "cache"), **changes})
        for processes in (1, 2):
            done = fit(config, tmp_path / f"by-{processes}", processes)
            assert done.returncode == 0, done.stderr[-3000:]
        return curve(tmp_path / "by-1"), curve(tmp_path / "by-2")

    return train


def test_two_processes_have_the_curve_of_one(both, tmp_path: Path) -> None:
    one, two = both(**ALIKE)

    assert len(one) == len(two) == 3
    for a, b in zip(one, two, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, abs=1e-5)
        assert b.validation_loss == pytest.approx(a.validation_loss, abs=1e-5)
        assert b.train_dsc == pytest.approx(a.train_dsc, abs=1e-5)
        assert b.validation_dsc == pytest.approx(a.validation_dsc, abs=1e-5)
    assert one[0].train_loss != pytest.approx(one[-1].train_loss, abs=1e-3)
    # one voice: the second process writes nothing
    lines = (tmp_path / "by-2" / "events.jsonl").read_text().splitlines()
    events = [parse_event(line) for line in lines]
    assert sum(isinstance(e, RunFinished) for e in events) == 1
    assert json.loads((tmp_path / "by-2" / "summary.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_batch_norm_by_process_is_close_but_not_the_same(both) -> None:
    """Each process normalises by its own part of the batch; both curves are reported."""
    one, two = both(**{**ALIKE, "network_options": {"norm": "batch"}})
    losses = [[round(e.train_loss, 5) for e in curve] for curve in (one, two)]

    assert losses[0] != losses[1]
    assert losses[1][-1] == pytest.approx(losses[0][-1], abs=0.1)
    assert losses[1][-1] < losses[1][0]


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_out_is_refused(
    write_config: Callable[[dict[str, Any]], Path], small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config({**small_config, "batch_size": 3})
    done = fit(config, tmp_path / "run", 2)

    assert done.returncode != 0
    assert "A batch of 3 slices cannot be cut into 2 equal parts" in done.stderr
