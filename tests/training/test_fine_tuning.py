"""Fine-tuning in stages, in this process: folds, share of the new weights, what is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.protocol import (
    EpochFinished,
    Event,
    FinishReason,
    RunFinished,
    RunStarted,
    StageStarted,
    StepFinished,
    parse_config,
)
from napari_brainseg.core.segmentation.bundle import Bundle, load_bundle
from training.loop import run
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def base(
    cohort_root: Path, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A network of two features, trained a little."""
    folder = tmp_path_factory.mktemp("base")
    config = {
        **small, "data": [str(cohort_root)], "train_patients": ["SITE_A_0000"], "epochs": 2,
        "validation_patients": [], "cache": str(folder / "cache"),
    }  # fmt: skip
    threads = torch.get_num_threads()
    try:
        run(parse_config(config), folder / "run", EventStream(None), StopFlag(), resume=False)
    finally:
        torch.set_num_threads(threads)
    return load_bundle(folder / "run" / "bundle")


@pytest.fixture
def tune(small: dict[str, Any], cohort_root: Path, base: Bundle, tmp_path: Path) -> Any:
    def start(
        name: str = "run", *, resume: bool = False, stop_after: int | None = None, **changes: Any
    ) -> tuple[RunFinished, list[Event]]:
        stop, events = StopFlag(), []

        def hear(event: Event) -> None:
            events.append(event)
            steps = sum(isinstance(e, StepFinished) for e in events)
            if stop_after is not None and steps >= stop_after:
                stop.set()

        config = parse_config(
            {
                **small, "data": [str(cohort_root)], "base": str(base.path), "epochs": 2,
                "steps_per_epoch": 2, "keep": "last", "freeze_norm": True,
                "train_patients": [f"SITE_A_000{n}" for n in (0, 1, 2, 4)],
                "replay_patients": ["SITE_A_0000"], "replay_share": 0.5,
                "validation_patients": ["SITE_A_0003"], "inner_folds": 4,
                "interpolation": "choose", "cache": str(tmp_path / "cache"), **changes,
            }
        )  # fmt: skip
        threads = torch.get_num_threads()
        try:
            finished = run(config, tmp_path / name, EventStream(None, show=hear), stop,
                           resume=resume)  # fmt: skip
        finally:
            torch.set_num_threads(threads)
        return finished, events

    return start


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def weights(run_dir: Path) -> dict[str, Any]:
    return load_file(run_dir / "bundle" / "weights.safetensors")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_stages_come_in_order_and_what_they_found_is_kept(
    tune: Any, base: Bundle, cohort_root: Path, tmp_path: Path
) -> None:
    finished, events = tune()

    assert finished.reason is FinishReason.COMPLETED
    stages = of(events, StageStarted)
    # three corrected patients: leave-one-out, though four folds are asked for
    assert [s.stage for s in stages] == ["inner fold"] * 3 + ["training", "interpolation", "gate"]
    assert [s.number for s in stages] == [1, 2, 3, 4, 5, 6]
    assert {s.stages for s in stages} == {6}
    assert len(of(events, RunStarted)) == 1
    assert [e.epoch for e in of(events, EpochFinished)] == [1, 2]
    progress = [e.progress for e in of(events, StepFinished)]
    assert progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] <= 1
    assert of(events, StepFinished)[0].remaining_s > of(events, StepFinished)[-1].remaining_s

    evidence = json.loads((tmp_path / "run" / "folds" / "evidence.json").read_text())
    assert {p["patient"] for p in evidence["patients"]} == {f"SITE_A_000{n}" for n in (1, 2, 4)}
    assert [p["fold"] for p in evidence["patients"]] == [1, 2, 3]
    assert set(evidence["interpolation"]) == {"0", "0.25", "0.5", "0.75", "1"}
    for patient in evidence["patients"]:
        assert patient["base"]["patient"] == patient["candidate"]["patient"] == patient["patient"]
        assert patient["base"]["dsc_native"] == patient["dsc"]["0"]
        assert patient["candidate"]["dsc_native"] == patient["dsc"][f"{evidence['chosen']:g}"]

    training = load_bundle(tmp_path / "run" / "bundle").manifest.training
    assert training["interpolation"] == evidence["chosen"]
    assert training["inner_folds"]["dsc"] == evidence["interpolation"]
    assert training["replay_patients"] == ["SITE_A_0000"]
    study = load_study(cohort_root / "SITE_A_0002")
    assert training["image_sha256"]["SITE_A_0002"] == image_sha256(study)
    assert training["mask_sha256"]["SITE_A_0002"] == mask_sha256(study.truth)
    assert set(training["image_sha256"]) == {f"SITE_A_000{n}" for n in (0, 1, 2, 4)}


def test_stopped_in_any_stage_it_goes_on_to_the_same_weights(tune: Any, tmp_path: Path) -> None:
    tune("whole")
    finished, events = tune("broken", stop_after=1)
    assert finished.reason is FinishReason.CANCELLED
    assert "Inner fold 1 of 3" in finished.message
    for _ in range(40):
        finished, _ = tune("broken", resume=True, stop_after=2)
        if finished.reason is FinishReason.COMPLETED:
            break
    assert finished.reason is FinishReason.COMPLETED
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    first, second = (
        json.loads((tmp_path / name / "folds" / "evidence.json").read_text())["interpolation"]
        for name in ("whole", "broken")
    )
    assert first == second
