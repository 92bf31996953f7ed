"""Optimisers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from training.devices import precision_of

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["build_optimizer"]


def build_optimizer(network: nn.Module, config: RunConfig) -> Optimizer:
    """Set up the optimiser that `config` names for a network that is on its device already.

    - ``adam``: Kingma and Ba 2015 (arXiv 1412.6980); weight decay is an L2 term of the gradient,
      which Adam's scaling takes the edge off.
    - ``adamw``: Loshchilov and Hutter 2019 (arXiv 1711.05101); weight decay is apart from it.
    - ``sgd``: with momentum, Nesterov's if asked for; weight decay is an L2 term.

    Weights decay only where they have more than one dimension: not norms and biases.

    Returns
    -------
    Optimizer
        Two groups: what decays, and the rest.
    """
    common: dict[str, Any] = {"lr": config.learning_rate, "fused": _fused(network, config)}
    groups = _parameter_groups(network, config.weight_decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, momentum=config.momentum, nesterov=config.nesterov, **common
        )  # fmt: skip
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, **common)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    learning = [p for p in network.parameters() if p.requires_grad]
    kernels = [p for p in learning if p.ndim > 1]
    rest = [p for p in learning if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def _fused(network: nn.Module, config: RunConfig) -> bool | None:
    """Tell whether one kernel takes the whole step; None leaves it to Torch.

    Not on the CPU: it saves less than 1 % of a step there, and Torch 2.13 gives wrong weights
    without a word where a gradient's strides are not its parameter's. Not with fp16 either:
    gradients would be unscaled inside, and Fabric could not clip them.
    """
    kind = next(network.parameters()).device.type
    return True if kind == "cuda" and precision_of(config, kind) != "16-mixed" else None
