"""Losses that are means over voxels.

`logits` are (B, 1, H, W) in any floating dtype and are computed with in fp32; `target` has the
same shape and holds 0 and 1. p is the sigmoid of the logits, p_t the probability given to the
true class: p where the target is 1, 1 - p elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["bce", "focal", "mse"]


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, mean of -log(p_t) over voxels."""
    return F.binary_cross_entropy_with_logits(logits.float(), target.float())


def focal(logits: Tensor, target: Tensor, *, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Focal loss, mean of -alpha_t (1 - p_t)^gamma log(p_t) over voxels.

    Lin et al. 2017 (doi 10.1109/ICCV.2017.324) and their values. `alpha` weighs voxels of a
    lesion, 1 - alpha all others; gamma 0 and alpha 0.5 is half of `bce`. They divide the sum by a
    number of anchors; segmentation has none, and takes the mean.
    """
    logits, target = logits.float(), target.float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # as a logarithm: (1 - p_t)^gamma with gamma below 1 has an endless slope at p_t = 1
    log_doubt = F.logsigmoid(logits * (1 - 2 * target))
    weight = alpha * target + (1 - alpha) * (1 - target)
    return (weight * torch.exp(gamma * log_doubt) * entropy).mean()


def mse(logits: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the probabilities, mean of (p - t)^2 over voxels (Brier 1950)."""
    return F.mse_loss(torch.sigmoid(logits.float()), target.float())
