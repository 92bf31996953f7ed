"""Run folders are found and read, resumed ones too; damage is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import EpochFinished, RunFinished, RunStarted, parse_config
from training.experiments.standing import Experiments, RunRecord, State
from training.report.runs_on_disk import find_runs, load_run, load_runs

if TYPE_CHECKING:
    from pathlib import Path


def started(first: int = 1, time: float = 0.0) -> RunStarted:
    return RunStarted(
        time=time, run_id="r", run_dir="r", device="cpu", precision="32-true", epochs=4,
        steps_per_epoch=2, first_epoch=first, train_patients=("a", "b"), validation_patients=("c",),
    )  # fmt: skip


def epoch(number: int, time: float = 0.0, **changes: Any) -> EpochFinished:
    fields = {
        "time": time, "epoch": number, "epochs": 4, "train_loss": 0.5, "train_dsc": 0.5,
        "learning_rate": 1e-3, "seconds": 1, "remaining_s": 0,
    }  # fmt: skip
    return EpochFinished(**(fields | changes))


def finished(reason: str, time: float = 0.0) -> RunFinished:
    return RunFinished(time=time, reason=reason)


def write(folder: Path, *events: Any, tail: str = "", **settings: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(parse_config(settings).model_dump_json())
    lines = "".join(event.model_dump_json() + "\n" for event in events)
    (folder / "events.jsonl").write_text(lines + tail)
    return folder


def test_runs_are_found_deep_down_and_named_from_the_folder_given(tmp_path: Path) -> None:
    for name in ("row-2", "row-10", "folds/fold-1", "folds/fold-2"):
        write(tmp_path / "all" / name)
    (tmp_path / "all" / "report" / "figures" / "row-2").mkdir(parents=True)

    assert [name for name, _ in find_runs([tmp_path / "all"])] == [
        "folds/fold-1", "folds/fold-2", "row-2", "row-10",
    ]  # fmt: skip
    assert [name for name, _ in find_runs([tmp_path / "all" / "row-2"])] == ["row-2"]


def test_a_run_given_twice_counts_once_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "monday" / "unet")
    write(tmp_path / "tuesday" / "unet")

    found = find_runs([tmp_path / "monday", tmp_path / "tuesday", tmp_path / "monday" / "unet"])

    assert [name for name, _ in found] == ["monday/unet", "tuesday/unet"]


def test_no_folder_and_no_runs_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match="no run in"):
        find_runs([tmp_path])


def test_a_resumed_run_has_each_epoch_once(tmp_path: Path) -> None:
    run = load_run(
        "r",
        write(
            tmp_path / "r",
            started(time=0), epoch(1, 10, train_loss=0.9), epoch(2, 20, train_loss=0.8),
            finished("cancelled", 25),
            started(2, time=1000), epoch(2, 1010, train_loss=0.7), epoch(3, 1020),
            finished("completed", 1030),
        ),
    )  # fmt: skip

    assert [e.epoch for e in run.epochs] == [1, 2, 3]
    assert [e.train_loss for e in run.epochs] == [0.9, 0.7, 0.5]
    assert run.outcome == "completed"
    assert run.wall_seconds == pytest.approx(25 + 30)


def test_a_run_that_goes_on_after_a_stop_has_not_ended(tmp_path: Path) -> None:
    run = load_run("r", write(tmp_path / "r", started(), finished("cancelled"), started(1)))

    assert run.outcome == "not ended"
    assert load_run("n", write(tmp_path / "n")).outcome == "not begun"


def test_a_torn_last_line_is_normal_a_damaged_one_is_told(tmp_path: Path) -> None:
    torn = load_run("t", write(tmp_path / "t", started(), epoch(1), tail='{"kind": "epo'))
    damaged = load_run("d", write(tmp_path / "d", started(), tail="nonsense\n"))

    assert torn.faults == ()
    assert len(torn.epochs) == 1
    assert damaged.faults == ("events.jsonl: 1 line could not be read and left out.",)
    assert damaged.started is not None


@pytest.mark.parametrize(("keep", "chosen"), [("best", 2), ("last", 3)])
def test_the_epoch_of_the_model_is_the_one_that_was_kept(
    tmp_path: Path, keep: str, chosen: int
) -> None:
    epochs = [epoch(n, best_epoch=min(n, 2), validation_dsc=0.5) for n in (1, 2, 3)]
    run = load_run("r", write(tmp_path / "r", started(), *epochs, keep=keep))

    assert run.chosen is not None
    assert run.chosen.epoch == chosen


def test_settings_of_another_version_do_not_hide_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "r", features=8)
    raw = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**raw, "future": 1}))

    run = load_run("r", path)

    assert run.config is not None
    assert run.config.features == 8
    assert run.faults == ("config.json was written by another version; settings left out: future.",)


def test_figures_come_from_the_summary_or_from_what_else_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "r", started())
    (path / "bundle").mkdir()
    weights = {
        "conv.weight": np.zeros((4, 3, 3, 3), np.float16),
        "norm.running_mean": np.zeros(4, np.float16),
        "norm.num_batches_tracked": np.zeros((), np.int64),
    }
    save_file(weights, path / "bundle" / "weights.safetensors")
    lines = [json.dumps({"time": n, "cpu_percent": 1.0, "rss_mb": 100.0 * n}) for n in (1, 3, 2)]
    (path / "resources.jsonl").write_text("\n".join(lines) + "\n")
    without = load_run("r", path)
    (path / "summary.json").write_text(
        json.dumps({"parameters": 5, "samples_per_second": 2.5, "peak_memory_mb": 7})
    )
    having = load_run("r", path)

    assert (without.parameters, without.samples_per_second, without.peak_memory_mb) == (
        108, None, 300.0,
    )  # fmt: skip
    assert [s.time for s in without.resources] == [1, 2, 3]
    assert (having.parameters, having.samples_per_second, having.peak_memory_mb) == (5, 2.5, 7)


def test_attempts_that_left_no_folder_are_there_too(tmp_path: Path) -> None:
    write(tmp_path / "ran", started(), epoch(1))
    records = (
        RunRecord(name="ran", state=State.FAILED, message="The process died."),
        RunRecord(name="child", state=State.BLOCKED, message="ran has no model."),
        RunRecord(name="later", state=State.WAITING),
    )
    Experiments(runs=records).write(tmp_path)

    runs = {run.name: run for run in load_runs([tmp_path])}

    assert set(runs) == {"ran", "child"}
    assert (runs["ran"].outcome, runs["child"].outcome) == ("failed", "blocked")


def test_names_for_folders_hold_nothing_strange(tmp_path: Path) -> None:
    write(tmp_path / "all" / "a b" / "unet++ & co")

    (name, path), = find_runs([tmp_path / "all"])  # fmt: skip

    assert load_run(name, path).slug == "a-b-unet++-co"
