from __future__ import annotations

import io
import itertools
import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.fabric import Fabric
from torch import nn

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import RunConfig
from training.optimisation import build_optimizer
from training.schedules import Schedule, build_schedule

NAMES = get_args(RunConfig.model_fields["schedule"].annotation)


def start(steps_per_epoch: int, **changes: Any) -> tuple[nn.Module, Any, Schedule]:
    config = RunConfig(**{"learning_rate": 1e-2, "epochs": 5, **changes})
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    optimizer = build_optimizer(network, config)
    return network, optimizer, build_schedule(optimizer, config, steps_per_epoch)


def one_step(network: nn.Module, optimizer: Any, schedule: Schedule) -> None:
    optimizer.zero_grad()
    network(torch.ones(3, 2)).square().sum().backward()
    optimizer.step()
    schedule.step()


def rates(steps_per_epoch: int, losses: list[float] | None = None, **changes: Any) -> list[float]:
    """Rate of every step, and that after the last."""
    network, optimizer, schedule = start(steps_per_epoch, **changes)
    epochs = RunConfig(**changes).epochs if "epochs" in changes else 5
    found = [schedule.rate]
    for epoch in range(epochs):
        for _ in range(steps_per_epoch):
            one_step(network, optimizer, schedule)
            found.append(schedule.rate)
        schedule.end_epoch(losses[epoch] if losses else 1.0)
        found[-1] = schedule.rate
    return found


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize(("base", "rising"), [(None, 0.25), (Path("bundle"), 0.1)])
def test_one_cycle_is_torchs(base: Path | None, rising: float, optimizer: str) -> None:
    changes = {"base": base, "optimizer": optimizer, "momentum": 0.8}
    network, ours, schedule = start(7, **changes)
    theirs = build_optimizer(nn.Linear(2, 1), RunConfig(learning_rate=1e-2, **changes))
    reference = torch.optim.lr_scheduler.OneCycleLR(
        theirs, max_lr=1e-2, total_steps=5 * 7 + 1, pct_start=rising,
        cycle_momentum=optimizer != "sgd",
    )  # fmt: skip
    for _ in range(5 * 7):
        for mine, other in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert mine["lr"] == other["lr"]
            assert mine.get("betas") == other.get("betas")
            assert mine.get("momentum") == (0.8 if optimizer == "sgd" else None)
        one_step(network, ours, schedule)
        theirs.step()
        reference.step()
    assert schedule.rate == pytest.approx(1e-2 / 25 / 1e4)


def test_constant() -> None:
    assert set(rates(4, schedule="constant")) == {1e-2}


def test_linear_as_in_row_4_of_the_reference_table() -> None:
    found = rates(10, schedule="linear", learning_rate=1e-4, final_learning_rate=1e-5, epochs=20)
    assert found[0] == 1e-4
    assert found[100] == pytest.approx(5.5e-5)
    assert found[-1] == pytest.approx(1e-5)
    falls = [a - b for a, b in itertools.pairwise(found)]
    assert falls == pytest.approx([falls[0]] * len(falls))


def test_poly_and_cosine_end_at_the_final_rate() -> None:
    poly = rates(8, schedule="poly", final_learning_rate=1e-3)
    cosine = rates(8, schedule="cosine", final_learning_rate=1e-3)
    assert poly[20] == pytest.approx(1e-3 + 9e-3 * 0.5**0.9)
    assert cosine[20] == pytest.approx(5.5e-3)
    assert cosine[10] == pytest.approx(1e-3 + 9e-3 * (1 + math.cos(math.pi / 4)) / 2)
    for found in (poly, cosine):
        assert found[0] == 1e-2
        assert found[-1] == pytest.approx(1e-3)
        assert sorted(found, reverse=True) == found
    assert rates(8, schedule="poly")[-1] == 0


def test_step_and_exponential_fall_between_epochs() -> None:
    step = rates(3, schedule="step", decay_epochs=2, decay_factor=0.5)
    assert step[:-1] == pytest.approx([1e-2] * 6 + [5e-3] * 6 + [2.5e-3] * 3)
    exponential = rates(3, schedule="exponential", decay_factor=0.9)
    assert exponential[:-1] == pytest.approx([1e-2 * 0.9 ** (k // 3) for k in range(15)])


def test_plateau_waits_then_falls_to_its_floor() -> None:
    losses = [1.0, 0.8, 0.8, math.nan, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    found = rates(
        2, losses, schedule="plateau", decay_epochs=2, decay_factor=0.1, epochs=10,
        final_learning_rate=5e-4,
    )  # fmt: skip
    by_epoch = found[2::2]
    assert by_epoch == pytest.approx([1e-2] * 3 + [1e-3] * 3 + [5e-4] * 4)


def test_plateau_says_that_it_needs_validation_patients() -> None:
    _, _, schedule = start(1, schedule="plateau")
    with pytest.raises(ConfigError, match="validation"):
        schedule.end_epoch(None)
    for name in NAMES:
        if name != "plateau":
            start(1, schedule=name)[2].end_epoch(None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "one-cycle"])
def test_warm_up_rises_evenly_to_the_whole_rate(name: str) -> None:
    found = rates(4, schedule=name, warmup_epochs=1.5, decay_epochs=1)
    assert found[:7] == pytest.approx([1e-2 * k / 7 for k in range(1, 8)])
    assert max(found) == found[6] == 1e-2


def test_epochs_count_from_the_end_of_the_warm_up() -> None:
    found = rates(2, schedule="step", warmup_epochs=1, decay_epochs=2, decay_factor=0.5)
    assert found[2:-1] == pytest.approx([1e-2] * 4 + [5e-3] * 4)


def test_plateau_takes_no_notice_of_the_warm_up() -> None:
    found = rates(
        2, schedule="plateau", warmup_epochs=2, decay_epochs=1, epochs=4, decay_factor=0.5,
        losses=[0.1, 0.5, 0.6, 0.7],
    )  # fmt: skip
    assert found[4:] == pytest.approx([1e-2, 1e-2, 5e-3, 5e-3, 2.5e-3])


@pytest.mark.parametrize("name", NAMES)
@given(
    at=st.integers(0, 15),
    warmup=st.sampled_from([0, 0.5, 2]),
    kind=st.sampled_from(["adamw", "sgd"]),
)
@settings(max_examples=12)
def test_an_interrupted_run_goes_on_bit_for_bit(
    name: str, at: int, warmup: float, kind: str
) -> None:
    changes: dict[str, Any] = {
        "schedule": name,
        "warmup_epochs": 0 if name == "one-cycle" else warmup,
        "decay_epochs": 1,
        "optimizer": kind,
    }
    losses = [1.0, 2.0, 0.5, 0.6, 0.7]

    def go_on(parts: tuple[nn.Module, Any, Schedule], first: int, last: int) -> list[float]:
        network, optimizer, schedule = parts
        found = []
        for step in range(first, last):
            one_step(network, optimizer, schedule)
            if step % 3 == 2:
                schedule.end_epoch(losses[step // 3])
            found += [schedule.rate, *map(float, optimizer.param_groups[0].get("betas", ()))]
        return found + [p.tolist() for p in network.parameters()]

    unbroken = start(3, **changes)
    go_on(unbroken, 0, at)
    file = io.BytesIO()
    torch.save([part.state_dict() for part in unbroken], file)
    resumed = start(3, **changes)
    file.seek(0)
    for part, state in zip(resumed, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(state)
    assert resumed[2].rate == unbroken[2].rate
    assert go_on(resumed, at, 15) == go_on(unbroken, at, 15)


def test_another_schedules_state_is_refused() -> None:
    state = start(3, schedule="linear")[2].state_dict()
    with pytest.raises(ConfigError, match=r"linear over 15 steps.*cosine over 15 steps"):
        start(3, schedule="cosine")[2].load_state_dict(state)
    with pytest.raises(ConfigError, match=r"over 15 steps.*over 20 steps"):
        start(4, schedule="linear")[2].load_state_dict(state)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("base", [None, "bundle"])
def test_runs_of_any_length(name: str, base: str | None) -> None:
    for steps in range(1, 13):
        found = rates(steps, schedule=name, base=base, epochs=1, warmup_epochs=0)
        assert len(found) == steps + 1
        assert max(found) <= 1e-2
    if name != "one-cycle":
        rates(1, schedule=name, epochs=1, warmup_epochs=0.9)


@pytest.mark.parametrize("name", NAMES)
def test_steps_that_overflow_fp16_make_no_warning(name: str) -> None:
    network, optimizer, schedule = start(2, schedule=name, epochs=2)
    scaler = torch.amp.GradScaler("cpu")
    for scale in (math.inf, math.inf, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale(network(torch.ones(3, 2)).sum() * scale).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert schedule.steps == 4


@pytest.mark.parametrize("name", NAMES)
def test_works_on_an_optimizer_that_fabric_wraps_afterwards(name: str) -> None:
    network, optimizer, schedule = start(2, schedule=name, decay_epochs=1, epochs=2)
    fabric = Fabric(accelerator="cpu", devices=1)
    model, wrapped = fabric.setup(network, optimizer)
    for _ in range(2):
        for _ in range(2):
            wrapped.zero_grad()
            fabric.backward(model(torch.ones(3, 2)).square().sum())
            wrapped.step()
            schedule.step()
        schedule.end_epoch(1.0)
    assert wrapped.param_groups[0]["lr"] == schedule.rate
