"""Missing modalities, filled as kaggle_3m fills them: FLAIR stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from training.augment.draws import Draws

__all__ = ["MODALITIES", "draw_missing", "fill_missing"]

MODALITIES = 3
"""Channels of a slice: pre-contrast, FLAIR, post-contrast; several slices follow each other."""
FLAIR = 1


def draw_missing(
    slices: int, missing_all: float, missing_post: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw which slices lack which modality."""
    u = torch.rand((slices, 2), generator=generator)
    return {"missing_all": u[:, 0] < missing_all, "missing_post": u[:, 1] < missing_post}


def fill_missing(images: Tensor, draws: Draws) -> None:
    """Put FLAIR into the missing channels of (B, 3 * S, H, W), in place.

    All S slices of a sample lack the same modality, as those of a patient do.
    """
    if draws.missing_all is None or draws.missing_post is None or images.shape[1] % MODALITIES:
        return
    _replace(images, draws.missing_all, channel=0)
    _replace(images, draws.missing_all | draws.missing_post, channel=2)


def _replace(images: Tensor, where: Tensor, *, channel: int) -> None:
    chosen = torch.nonzero(where).flatten()
    if chosen.numel():
        at = chosen.to(images.device, non_blocking=True)
        slices, _, height, width = images.shape
        stacks = images.view(slices, -1, MODALITIES, height, width)
        stacks[at, :, channel] = stacks[at, :, FLAIR]
