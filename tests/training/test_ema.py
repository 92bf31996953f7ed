from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from training.ema import EMA


def test_averages_weights_and_statistics_and_follows_counters() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(0.0)
    ema = EMA(network, 0.9)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[1].num_batches_tracked.fill_(7)
    for _ in range(400):
        ema.update(network)
    assert float(ema.network[0].weight) > 0.999
    assert int(ema.network[1].num_batches_tracked) == 7
    assert not any(p.requires_grad for p in ema.network.parameters())


def test_the_first_updates_count_much_so_that_short_runs_learn() -> None:
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    ema = EMA(network, 0.999)
    with torch.no_grad():
        network.weight.fill_(1.0)
    ema.update(network)
    assert float(ema.network.weight) == torch.tensor(0.9)


def test_decay_zero_is_the_network_itself() -> None:
    network = nn.Linear(2, 2)
    ema = EMA(network, 0.0)
    with torch.no_grad():
        network.weight.add_(3.0)
    ema.update(network)
    torch.testing.assert_close(ema.network.weight, network.weight)


def test_follows_a_network_that_was_moved_or_replaced() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    ema = EMA(network, 0.0)
    for other in (network.double().float(), copy.deepcopy(network)):
        with torch.no_grad():
            other[0].weight.add_(1.0)
            other[1].running_mean.add_(2.0)
        ema.update(other)
        for mine, theirs in zip(ema.network.buffers(), other.buffers(), strict=True):
            assert torch.equal(mine, theirs)
        assert torch.equal(ema.network[0].weight, other[0].weight)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_tensor_moves_as_it_would_by_itself(layout: torch.memory_format) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=layout)
    ema = EMA(network, 0.9)
    expected = [v.clone() for v in network.state_dict().values()]
    for n in range(30):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(1)
        ema.update(network)
        weight = 1 - min(0.9, (1 + n) / (10 + n))
        for mine, other in zip(expected, network.state_dict().values(), strict=True):
            mine.lerp_(other, weight) if mine.is_floating_point() else mine.copy_(other)
    for mine, value in zip(ema.network.state_dict().values(), expected, strict=True):
        assert torch.equal(mine, value)
