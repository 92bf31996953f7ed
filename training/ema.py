"""Exponential moving average of a network's weights and statistics."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["EMA"]


class EMA:
    """A slowly moving copy of a network, which generalises better than the network itself.

    The decay grows as (1 + n) / (10 + n) up to `decay`, so that short runs are averaged over
    their own length (Tarvainen and Valpola 2017, arXiv 1703.01780, as implemented in
    TensorFlow's ``ExponentialMovingAverage``).

    Parameters
    ----------
    network : Module
        Copied, not kept.
    decay : float
        0 follows the network exactly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards `network`."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        self.updates += 1
        for mine, other in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mine.is_floating_point():
                mine.lerp_(other, 1 - decay)
            else:
                mine.copy_(other)
