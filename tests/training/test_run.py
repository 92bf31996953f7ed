"""The trainer as a process: what its parent sees, and what lies on disk afterwards."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_brainseg.core.protocol import (
    BundleSaved,
    EpochFinished,
    Event,
    FinishReason,
    RunFinished,
    RunStarted,
    StepFinished,
    Stop,
    parse_event,
)
from napari_brainseg.core.segmentation.bundle import load_bundle

if TYPE_CHECKING:
    import subprocess

Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[[dict[str, Any]], Path]


def finish(process: subprocess.Popen[str]) -> tuple[list[Event], str]:
    """All events, with stdin left open."""
    assert process.stdout is not None
    assert process.stderr is not None
    events = [parse_event(line) for line in process.stdout]
    stderr = process.stderr.read()
    process.wait(30)
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    return events, stderr


def after_first_epoch(process: subprocess.Popen[str]) -> list[Event]:
    assert process.stdout is not None
    events: list[Event] = []
    for line in process.stdout:
        events.append(parse_event(line))
        if isinstance(events[-1], EpochFinished):
            break
    return events


def test_a_run_from_start_to_bundle(
    start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start("fit", "--config", write_config(small_config), "--run-dir", run)
    events, stderr = finish(process)

    assert process.returncode == 0, stderr
    kinds = [type(event) for event in events]
    assert kinds.count(RunStarted) == kinds.count(BundleSaved) == kinds.count(RunFinished) == 1
    assert kinds[-1] is RunFinished
    assert kinds.count(EpochFinished) == 3
    steps = [e for e in events if isinstance(e, StepFinished)]
    assert steps[-1].step == steps[-1].steps_per_epoch == 4
    assert steps[-1].remaining_s < 60
    epochs = [e for e in events if isinstance(e, EpochFinished)]
    assert all(e.validation_dsc is not None and 0 <= e.validation_dsc <= 1 for e in epochs)
    log = [parse_event(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert log == events
    assert list((run / "tensorboard").iterdir())

    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.reason is FinishReason.COMPLETED
    assert finished.bundle is not None
    bundle = load_bundle(Path(finished.bundle))
    assert bundle.ir_path is not None
    assert bundle.train_patients == tuple(f"SITE_A_{n:04d}" for n in (0, 1, 2, 4))
    saved = next(e for e in events if isinstance(e, BundleSaved))
    assert saved.validation_dsc == max(e.validation_dsc for e in epochs)
    assert bundle.manifest.metrics["validation_dsc"] == saved.validation_dsc


@pytest.mark.slow
def test_stop_then_resume_gives_the_weights_of_an_unbroken_run(
    start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    small_config["steps_per_epoch"] = 60
    config = write_config(small_config)
    whole, _ = finish(start("fit", "--config", config, "--run-dir", tmp_path / "whole"))
    assert isinstance(whole[-1], RunFinished)
    assert whole[-1].reason is FinishReason.COMPLETED

    process = start("fit", "--config", config, "--run-dir", tmp_path / "broken")
    after_first_epoch(process)
    assert process.stdin is not None
    process.stdin.write(Stop().model_dump_json() + "\n")
    process.stdin.flush()
    events, _ = finish(process)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason is FinishReason.CANCELLED
    assert process.returncode == 130
    assert not (tmp_path / "broken" / "bundle").exists()

    resumed, stderr = finish(start("fit", "--run-dir", tmp_path / "broken", "--resume"))
    assert isinstance(resumed[-1], RunFinished), stderr
    assert resumed[-1].reason is FinishReason.COMPLETED, resumed[-1]
    first, second = (
        load_file(tmp_path / name / "bundle" / "weights.safetensors")
        for name in ("whole", "broken")
    )
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)


@pytest.mark.parametrize("how", ["end of stdin", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_a_parent_that_leaves_ends_the_run_with_a_checkpoint(
    how: str, start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    small_config |= {"epochs": 1000, "steps_per_epoch": 50}
    process = start("fit", "--config", write_config(small_config), "--run-dir", tmp_path / "run")
    after_first_epoch(process)
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        assert process.stdin is not None
        process.stdin.close()
    begun = time.monotonic()
    events, stderr = finish(process)
    assert time.monotonic() - begun < 20
    assert isinstance(events[-1], RunFinished), stderr
    assert events[-1].reason is FinishReason.CANCELLED
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()


def test_fine_tuning_starts_from_its_base_and_remembers_its_patients(
    start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config({**small_config, "epochs": 1})
    finish(start("fit", "--config", config, "--run-dir", tmp_path / "base"))
    base = load_bundle(tmp_path / "base" / "bundle")
    tune = {
        **small_config, "epochs": 1, "steps_per_epoch": 1, "learning_rate": 1e-8,
        "train_patients": ["SITE_A_0001"], "base": str(base.path), "freeze_norm": True,
        "weight_decay": 0,
    }  # fmt: skip
    path = tmp_path / "tune.json"
    path.write_text(json.dumps(tune))
    events, stderr = finish(start("fine-tune", "--config", path, "--run-dir", tmp_path / "child"))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason is FinishReason.COMPLETED, stderr
    child = load_bundle(tmp_path / "child" / "bundle")
    assert child.manifest.parent == base.version
    assert set(base.train_patients) <= set(child.train_patients)
    # a rate of nearly nothing must leave the weights, norm statistics too, where they were
    old, new = load_file(base.weights_path), load_file(child.weights_path)
    for key, value in old.items():
        np.testing.assert_allclose(value, new[key], atol=2e-3, err_msg=key)
    started = next(e for e in events if isinstance(e, RunStarted))
    assert started.parent == base.version
    assert started.parent_validation_dsc is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lerning_rate": 1}, "lerning_rate"),
        pytest.param({"data": ["/nowhere/at/all"]}, "/nowhere/at/all", marks=pytest.mark.slow),
        ({"loss": "dise"}, "bce, dice"),
        pytest.param({"device": "cuda:9"}, "CUDA", marks=pytest.mark.slow),
        pytest.param({"train_patients": ["SITE_A_0003"]}, "SITE_A_0003", marks=pytest.mark.slow),
    ],
)
def test_a_bad_config_ends_as_failed_with_its_mend(
    change: dict[str, Any],
    words: str,
    start: Start,
    write_config: Write,
    small_config: dict[str, Any],
    tmp_path: Path,
) -> None:
    config = write_config({**small_config, **change})
    process = start("fit", "--config", config, "--run-dir", tmp_path / "run")
    events, stderr = finish(process)
    assert process.returncode == 1
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason is FinishReason.FAILED
    assert words in events[-1].message + events[-1].hint
    assert events[-1].hint
    assert "Traceback" not in stderr


def test_a_finished_run_is_never_overwritten(
    start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    events, _ = finish(
        start("fit", "--config", write_config(small_config), "--run-dir", tmp_path / "run")
    )
    assert isinstance(events[-1], RunFinished)
    assert "never overwritten" in events[-1].message


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    start: Start, write_config: Write, small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config({**small_config, "learning_rate": 1e30, "weight_decay": 0})
    events, _ = finish(start("fit", "--config", config, "--run-dir", tmp_path / "run"))
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.reason is FinishReason.FAILED
    assert "loss became" in finished.message
    assert "epoch" in finished.message
