from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_brainseg.core.protocol import RunConfig
from training.optimisation import build_optimizer


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)).to(
        memory_format=torch.channels_last  # type: ignore[call-overload]
    )


def train(config: RunConfig, steps: int = 5) -> list[torch.Tensor]:
    model = network()
    optimizer = build_optimizer(model, config)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(2, 2, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_norms_and_biases_do_not_decay(name: str) -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = build_optimizer(
        model, RunConfig(optimizer=name, weight_decay=0.5, learning_rate=0.1)
    )
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, new) is (new.ndim == 1)


def test_weight_decay_is_l2_in_adam_and_apart_in_adamw() -> None:
    """AdamW shrinks a weight by rate x decay; Adam scales the decay like any other gradient."""
    for name, change in (("adamw", 0.1 * 0.02), ("adam", 0.1)):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(layer.weight)
        config = RunConfig(optimizer=name, learning_rate=0.1, weight_decay=0.02)
        optimizer = build_optimizer(layer, config)
        layer.weight.grad = torch.zeros_like(layer.weight)
        optimizer.step()
        assert 1 - layer.weight.item() == pytest.approx(change, rel=1e-4)


def test_sgd_has_the_momentum_asked_for() -> None:
    for nesterov, momentum, second in ((False, 0.0, 1.0), (False, 0.5, 1.5), (True, 0.5, 1.75)):
        layer = nn.Linear(1, 1, bias=False)
        config = RunConfig(
            optimizer="sgd", learning_rate=1.0, weight_decay=0, momentum=momentum, nesterov=nesterov
        )
        optimizer = build_optimizer(layer, config)
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step()
        at = layer.weight.item()
        optimizer.step()
        assert at - layer.weight.item() == pytest.approx(second, rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_same_run_gives_the_same_weights(name: str) -> None:
    config = RunConfig(optimizer=name, learning_rate=0.01)
    for one, other in zip(train(config), train(config), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_layout_of_gradients_in_memory_does_not_matter(name: str) -> None:
    """Fused optimisers of Torch 2.13 take wrong gradients on the CPU here."""
    moved = []
    for layout in (torch.channels_last, torch.contiguous_format):
        layer = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        nn.init.zeros_(layer.weight)
        gradient = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
        layer.weight.grad = gradient.contiguous(memory_format=layout)
        build_optimizer(layer, RunConfig(optimizer=name, learning_rate=0.1)).step()
        moved.append(layer.weight.detach())
    assert torch.equal(*moved)


def test_frozen_parameters_are_left_alone() -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer = build_optimizer(model, RunConfig())
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("precision", "fused"), [("fp32", True), ("bf16", True), ("fp16", None)])
def test_fused_on_cuda_where_gradients_can_be_clipped(precision: str, fused: bool | None) -> None:
    optimizer = build_optimizer(network().cuda(), RunConfig(precision=precision))
    assert optimizer.defaults["fused"] is fused
