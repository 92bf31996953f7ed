"""Exponential moving average of a network's weights and statistics."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["EMA"]


class EMA:
    """A slowly moving copy of a network, which generalises better than the network itself.

    The decay grows as (1 + n) / (10 + n) up to `decay`, so that short runs are averaged over
    their own length (Tarvainen and Valpola 2017, arXiv 1703.01780, as implemented in
    TensorFlow's ``ExponentialMovingAverage``).

    Parameters
    ----------
    network : Module
        Copied.
    decay : float
        0 follows the network exactly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0
        self._mine = _places(self.network)
        self._followed, self._theirs = network, _places(network)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards `network`."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        self.updates += 1
        if network is not self._followed:
            self._followed, self._theirs = network, _places(network)
        averages: list[Tensor] = []
        values: list[Tensor] = []
        for mine, theirs in zip(_tensors(self._mine), _tensors(self._theirs), strict=True):
            if mine.is_floating_point():
                averages.append(mine)
                values.append(theirs)
            else:
                mine.copy_(theirs)
        get_ema_multi_avg_fn(decay)(averages, values, None)  # type: ignore[no-untyped-call]


def _places(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Where the entries of a state dict live; asking for it anew takes a millisecond.

    The tensors themselves would not do: moving a network to a device replaces its buffers.
    """
    paths = (key.rpartition(".") for key in network.state_dict())
    return [(network.get_submodule(module), name) for module, _, name in paths]


def _tensors(places: list[tuple[nn.Module, str]]) -> list[Tensor]:
    return [getattr(module, name) for module, name in places]
