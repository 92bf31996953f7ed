from __future__ import annotations

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
