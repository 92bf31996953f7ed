"""The loop in this process: settings that decide what it does, and what it leaves on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION
from napari_brainseg.core.imaging import ConfigError, ModelError
from napari_brainseg.core.protocol import (
    CheckpointSaved,
    EpochFinished,
    Event,
    FinishReason,
    Message,
    RunStarted,
    StepFinished,
    parse_config,
)
from napari_brainseg.core.segmentation.bundle import load_bundle
from training.loop import run
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.protocol import RunFinished

Weights = dict[str, torch.Tensor]


class Ear(EventStream):
    """Keeps events; can ask for a stop after so many steps."""

    def __init__(self, stop: StopFlag, after_epochs: int | None = None) -> None:
        super().__init__(None, show=self._hear)
        self.events: list[Event] = []
        self._stop, self._after = stop, after_epochs

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self._after is not None and isinstance(event, EpochFinished):
            self._after -= 1
            if self._after == 0:
                self._stop.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def train(small_config: dict[str, Any], tmp_path: Path) -> Callable[..., tuple[RunFinished, Ear]]:
    def start(
        name: str = "run", *, resume: bool = False, stop_after: int | None = None, **changes: Any
    ) -> tuple[RunFinished, Ear]:
        stop = StopFlag()
        ear = Ear(stop, stop_after)
        config = parse_config({**small_config, "cache": str(tmp_path / "cache"), **changes})
        threads = torch.get_num_threads()
        try:
            return run(config, tmp_path / name, ear, stop, resume=resume), ear
        finally:
            torch.set_num_threads(threads)

    return start


def weights(run_dir: Path) -> Weights:
    state: Weights = torch.load(run_dir / "best_model.pth", weights_only=True)
    return state


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_finished_run_is_measured_and_summed_up(train, tmp_path: Path) -> None:
    finished, ear = train(test_patients=["SITE_A_0002"], validation_patients=["SITE_A_0003"])

    assert finished.reason is FinishReason.COMPLETED
    folder = tmp_path / "run"
    validation = json.loads((folder / "evaluation" / "validation.json").read_text())
    test = json.loads((folder / "evaluation" / "test.json").read_text())
    assert [p["patient"] for p in validation["patients"]] == ["SITE_A_0003"]
    assert [p["patient"] for p in test["patients"]] == ["SITE_A_0002"]
    assert "SITE_A_0002" not in ear.of(RunStarted)[0].train_patients
    with np.load(folder / "evaluation" / "test_masks.npz") as masks:
        assert any(key.startswith("SITE_A_0002") for key in masks.files)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["network"] == "unet"
    assert summary["parameters"] == sum(
        v.numel() for k, v in weights(folder).items() if "running" not in k and "num_b" not in k
    )
    assert summary["samples_per_second"] > 0
    assert summary["peak_memory_mb"] > 50
    assert list((folder / "tensorboard").iterdir())
    assert (folder / "resources.jsonl").read_text().count("\n") >= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "nesterov": True, "schedule": "plateau", "context_slices": 3},
        pytest.param(
            {"network": "unet++", "network_options": {"deep_supervision": True},
             "schedule": "cosine", "warmup_epochs": 1.0, "augmentation": "strong",
             "early_stopping": 9}, marks=pytest.mark.slow),
        pytest.param(
            {"optimizer": "adam", "schedule": "step", "decay_epochs": 1, "sampling": "uniform",
             "accumulation": 2, "loss": "focal+dice-per-sample"}, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_resuming_gives_the_weights_of_an_unbroken_run(
    train, tmp_path: Path, changes: dict[str, Any]
) -> None:
    train("whole", **changes)
    finished, _ = train("broken", stop_after=2, **changes)
    assert finished.reason is FinishReason.CANCELLED
    finished, ear = train("broken", resume=True, **changes)

    assert finished.reason is FinishReason.COMPLETED
    assert ear.of(RunStarted)[0].first_epoch == 3
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))


def test_two_runs_of_one_config_are_the_same_and_other_seeds_are_not(train, tmp_path) -> None:
    train("a")
    train("b")
    train("c", seed=6)

    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_a_batch_in_parts_makes_the_same_step(train, tmp_path: Path) -> None:
    alike = {"network_options": {"norm": "group"}, "loss": "dice-per-sample+bce", "epochs": 2}
    _, whole = train("whole", **alike)
    _, parts = train("parts", accumulation=4, **alike)

    for a, b in zip(whole.of(EpochFinished), parts.of(EpochFinished), strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, abs=1e-5)
        assert a.validation_loss == pytest.approx(b.validation_loss, abs=1e-5)


def test_a_batch_that_cannot_be_cut_is_refused(train) -> None:
    with pytest.raises(ConfigError, match="cannot be cut into 3 equal parts"):
        train(accumulation=3)


def test_without_progress_the_run_ends_early_and_publishes(train, tmp_path: Path) -> None:
    # a rate this small changes no voxel of the mask
    finished, ear = train(
        epochs=50, early_stopping=2, learning_rate=1e-12, schedule="constant", ema=0
    )

    assert finished.reason is FinishReason.COMPLETED
    assert len(ear.of(EpochFinished)) == 3
    assert any("No progress in 2 epochs" in m.text for m in ear.of(Message))
    assert load_bundle(tmp_path / "run" / "bundle").manifest.training["epoch"] == 1


def test_a_loss_that_is_no_number_names_the_batch_and_keeps_the_checkpoint(
    train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import setting

    built = setting.build_loss
    calls = 0

    def poisoned(spec: str) -> Any:
        real = built(spec)

        def poison(_: Any, __: Any, loss: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += torch.is_grad_enabled()
            return loss * (float("nan") if calls == 6 else 1.0)

        real.register_forward_hook(poison)
        return real

    monkeypatch.setattr(setting, "build_loss", poisoned)
    with pytest.raises(ModelError, match=r"became nan in epoch 2, step 2; .*SITE_A_000\d"):
        train()
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (2, 0)
    assert all(torch.isfinite(v).all() for v in state["network"].values())


def test_a_full_disk_keeps_the_checkpoint_before_and_the_run_goes_on(
    train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import checkpoints

    whole = torch.save
    epochs: list[int] = []

    def save(state: dict[str, Any], file: Any) -> None:
        if "epoch" in state:
            epochs.append(state["epoch"])
            if state["epoch"] == 3:
                file.write(b"half a checkpoint")
                raise OSError(28, "No space left on device")
        whole(state, file)

    monkeypatch.setattr(checkpoints.torch, "save", save)
    finished, ear = train()

    assert finished.reason is FinishReason.COMPLETED
    assert [e.epoch for e in ear.of(CheckpointSaved)] == [2, 4]
    errors = [m.text for m in ear.of(Message) if m.level == "error"]
    assert len(errors) == 1
    assert "No space left" in errors[0]
    assert "The one before is kept" in errors[0]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_best_model_that_cannot_be_written_leaves_the_one_before_the_best(
    train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import checkpoints, epochs

    whole = torch.save
    scores = iter([0.5, 0.9, 0.7])
    best: list[str] = []
    validate = epochs.validate

    def scored(*args: Any, **kwargs: Any) -> Any:
        return validate(*args, **kwargs)._replace(dsc=next(scores))

    def save(state: dict[str, Any], file: Any) -> None:
        if "/best." in file.name:
            best.append(file.name)
            if len(best) == 2:
                raise OSError(28, "No space left on device")
        whole(state, file)

    monkeypatch.setattr(epochs, "validate", scored)
    monkeypatch.setattr(checkpoints.torch, "save", save)
    finished, ear = train(epochs=3, keep="best")

    assert finished.reason is FinishReason.COMPLETED
    assert [e.best_epoch for e in ear.of(EpochFinished)] == [1, 1, 3]
    assert [m.text for m in ear.of(Message) if "No space left" in m.text]


def test_good_models_on_the_way_stay_within_the_budget(train, tmp_path: Path) -> None:
    train(epochs=4, intermediate_mb=1)
    good = sorted((tmp_path / "run" / "checkpoints" / "good").iterdir())

    assert len(good) == 4  # a 2-feature network is small
    state = torch.load(good[0], weights_only=True)
    assert state.keys() == weights(tmp_path / "run").keys()
    assert sum(p.stat().st_size for p in good) < 2**20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "unett"}, "unett"),
        ({"network_options": {"norn": "group"}}, "norn"),
        ({"loss": "dise"}, "dise"),
    ],
)
def test_unknown_names_fail_before_data_is_read(train, changes, message) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train(data=["/nowhere/at/all"], **changes)
    assert "Known" in caught.value.hint or "nown" in str(caught.value)


@pytest.fixture(scope="session")
def reference_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four of the ten reference patients by name and three others, with a blob each."""
    root = tmp_path_factory.mktemp("reference")
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:48, :48]
    for name in (*REFERENCE_VALIDATION[:4], *(f"TCGA_DU_{n}_20000101" for n in (1, 2, 3))):
        head = (y - 24) ** 2 + (x - 24) ** 2 < 20**2
        image = np.where(head, rng.integers(60, 110, (3, 7, 48, 48)), 0).astype(np.uint8)
        mask = np.zeros((7, 48, 48), dtype=np.uint8)
        mask[2:5] = (y - rng.integers(18, 30)) ** 2 + (x - rng.integers(18, 30)) ** 2 < 6**2
        image[1][mask > 0] = 230
        write_patient(root, name, image, mask, range(1, 8), durable=False)
    return root


def test_reference_protocol_validates_on_the_ten_by_name(
    train, reference_root: Path, tmp_path: Path
) -> None:
    _, ear = train(
        protocol="reference", data=[str(reference_root)], epochs=1, steps_per_epoch=1,
        batch_size=2, crop=256, validation_patients=None,
    )  # fmt: skip
    started = ear.of(RunStarted)[0]

    assert set(started.validation_patients) == set(REFERENCE_VALIDATION[:4])
    assert set(started.train_patients) == {f"TCGA_DU_{n}_20000101" for n in (1, 2, 3)}
    assert any("TCGA_DU_7014_19860618" in m.text for m in ear.of(Message))  # absent, said so
    manifest = load_bundle(tmp_path / "run" / "bundle").manifest
    assert manifest.preprocessing.recipe == "reference"
    assert manifest.postprocessing.largest_component


def test_clean_protocol_keeps_the_ten_for_the_end(
    train, reference_root: Path, tmp_path: Path
) -> None:
    _, ear = train(
        protocol="clean", data=[str(reference_root)], epochs=1, validation_share=0.4,
        keep="last", validation_patients=None,
    )  # fmt: skip
    started = ear.of(RunStarted)[0]

    assert not {*started.train_patients, *started.validation_patients} & {*REFERENCE_VALIDATION}
    assert len(started.validation_patients) == 1
    test = json.loads((tmp_path / "run" / "evaluation" / "test.json").read_text())
    assert {p["patient"] for p in test["patients"]} == set(REFERENCE_VALIDATION[:4])


def test_speed_and_time_left_are_told(train) -> None:
    _, ear = train()
    steps = ear.of(StepFinished)

    assert steps[-1].remaining_s == pytest.approx(0, abs=1)
    assert all(s.samples_per_second > 0 for s in steps)
