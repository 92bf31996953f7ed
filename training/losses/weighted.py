"""A weighted sum of losses, over one output of a network or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.registry import LOSSES, OVER_THE_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Term", "WeightedLoss"]


class Term(NamedTuple):
    """A loss by name, its parameters and its weight."""

    name: str
    weight: float
    parameters: dict[str, float]


class WeightedLoss(nn.Module):
    """A weighted sum of named losses.

    Several outputs (deep supervision, Lee et al. 2015, arXiv 1409.5185) count the same: the mean
    of their losses. An output smaller than the target is compared with the target reduced by
    max-pooling, in which a cell is lesion if any of its voxels is: nearest neighbour would lose
    lesions smaller than a cell, and teach the coarse outputs that there are none.
    """

    def __init__(self, terms: tuple[Term, ...]) -> None:
        super().__init__()
        self.terms = terms

    @property
    def over_the_batch(self) -> bool:
        """Whether a term is no mean over samples.

        Such a loss changes when a batch is computed in parts: by several processes, or by
        accumulation.
        """
        return any(term.name in OVER_THE_BATCH for term in self.terms)

    def forward(self, logits: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """Loss of logits (B, 1, H, W), or of several such, against a target 0/1 of that shape.

        Returns
        -------
        Tensor
            A scalar, fp32.

        Raises
        ------
        ValueError
            If shapes do not fit; broadcasting would give a wrong loss without a word.
        """
        heads = (logits,) if isinstance(logits, Tensor) else tuple(logits)
        if not heads:
            raise ValueError("a loss needs at least one output of a network")
        return torch.stack([self._of_one(head, target) for head in heads]).mean()

    def extra_repr(self) -> str:
        """Write the terms as `build_loss` reads them."""
        return "+".join(_written(term) for term in self.terms)

    def _of_one(self, logits: Tensor, target: Tensor) -> Tensor:
        if logits.shape != target.shape:
            target = _reduced(target, logits.shape)
        total = logits.new_zeros((), dtype=torch.float32)
        for name, weight, parameters in self.terms:
            total = total + weight * LOSSES[name](logits, target, **parameters)
        return total


def _reduced(target: Tensor, shape: torch.Size) -> Tensor:
    fits = len(shape) == target.ndim == 4 and shape[:2] == target.shape[:2]
    if not fits or shape[2] > target.shape[2] or shape[3] > target.shape[3]:
        raise ValueError(f"logits {tuple(shape)} do not fit a target {tuple(target.shape)}")
    return F.adaptive_max_pool2d(target.float(), shape[2:])


def _written(term: Term) -> str:
    inside = ",".join(f"{key}={value:g}" for key, value in term.parameters.items())
    return term.name + (f"({inside})" if inside else "") + f":{term.weight:g}"
