"""Losses that compare regions: how much of prediction and truth is shared.

`logits` are (B, 1, H, W) in any floating dtype and are computed with in fp32; `target` has the
same shape and holds 0 and 1. With p the sigmoid of the logits and t the target,

    I = sum(p t)        P = sum(p)        T = sum(t)
    FP = sum(p (1 - t))        FN = sum((1 - p) t)

Smooth 1 keeps every loss finite where there is neither lesion nor prediction.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["dice", "dice_per_sample", "focal_tversky", "iou", "soft_iou", "tversky"]

SMOOTH = 1.0
SMALLEST = 1e-6
"""Below this the root of `focal_tversky` would have an endless slope."""


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss over the flattened batch: 1 - (2 I + 1) / (P + T + 1).

    The definition of Buda et al. 2019 (doi 10.1016/j.compbiomed.2019.05.002); first in Milletari
    et al. 2016 (doi 10.1109/3DV.2016.79), with squares in the denominator.
    """
    p, t = _flat(logits, target, per_sample=False)
    return _dice(p, t).mean()


def dice_per_sample(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss of each sample, 1 - (2 I + 1) / (P + T + 1), then the mean over samples.

    Unlike `dice` it is the same however a batch is shared out; an empty slice counts as much as
    one full of tumour.
    """
    p, t = _flat(logits, target, per_sample=True)
    return _dice(p, t).mean()


def iou(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Jaccard loss over the flattened batch: 1 - (I + 1) / (P + T - I + 1).

    Rahman and Wang 2016 (doi 10.1007/978-3-319-50835-1_22), with smooth 1.
    """
    p, t = _flat(logits, target, per_sample=False)
    return _jaccard(p, t).mean()


def soft_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Jaccard loss of each sample, 1 - (I + 1) / (P + T - I + 1), then the mean over samples.

    It differs from `iou` in that mean only: `iou` adds up I, P and T over the batch first. The
    program behind row 5 of the reference table put a second sigmoid on probabilities; here there
    is one, on logits.
    """
    p, t = _flat(logits, target, per_sample=True)
    return _jaccard(p, t).mean()


def tversky(logits: Tensor, target: Tensor, *, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """Tversky loss over the flattened batch: 1 - (I + 1) / (I + alpha FP + beta FN + 1).

    Salehi et al. 2017 (doi 10.1007/978-3-319-67389-9_44) and their best weights: `alpha` for
    what is marked wrongly, `beta` for what is missed. 0.5 and 0.5 is Dice with smooth 2, 1 and 1
    is Jaccard.
    """
    p, t = _flat(logits, target, per_sample=False)
    return _tversky(p, t, alpha, beta).mean()


def focal_tversky(
    logits: Tensor, target: Tensor, *, alpha: float = 0.3, beta: float = 0.7, gamma: float = 4 / 3
) -> Tensor:
    """Focal Tversky loss over the flattened batch: `tversky` to the power of 1 / gamma.

    Abraham and Khan 2019 (doi 10.1109/ISBI.2019.8759329) and their best values. Their alpha, 0.7,
    weighs what is missed; it is `beta` here, as in `tversky`.
    """
    p, t = _flat(logits, target, per_sample=False)
    return _tversky(p, t, alpha, beta).clamp(min=SMALLEST).pow(1 / gamma).mean()


def _flat(logits: Tensor, target: Tensor, *, per_sample: bool) -> tuple[Tensor, Tensor]:
    """Probabilities and target, (B, voxels), or (1, voxels) of the whole batch."""
    shape = (len(logits) if per_sample else 1, -1)
    return torch.sigmoid(logits.float()).reshape(shape), target.float().reshape(shape)


def _dice(p: Tensor, t: Tensor) -> Tensor:
    overlap = (p * t).sum(1)
    return 1 - (2 * overlap + SMOOTH) / (p.sum(1) + t.sum(1) + SMOOTH)


def _jaccard(p: Tensor, t: Tensor) -> Tensor:
    overlap = (p * t).sum(1)
    return 1 - (overlap + SMOOTH) / (p.sum(1) + t.sum(1) - overlap + SMOOTH)


def _tversky(p: Tensor, t: Tensor, alpha: float, beta: float) -> Tensor:
    # (1 - index) as one fraction: never below 0, which a root could not take
    overlap = (p * t).sum(1)
    missed = alpha * (p * (1 - t)).sum(1) + beta * ((1 - p) * t).sum(1)
    return missed / (overlap + missed + SMOOTH)
