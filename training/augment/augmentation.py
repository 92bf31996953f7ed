"""From canvases to training windows: what is drawn, and how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from training.augment.draws import Draws
from training.augment.geometry import (
    centred_window,
    draw_elastic,
    draw_matrices,
    sample_windows,
)
from training.augment.intensity import change_intensities, draw_intensities
from training.augment.missing import MODALITIES, draw_missing, fill_missing
from training.augment.presets import PRESETS, Strength

if TYPE_CHECKING:
    from torch import Tensor

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Random windows of canvases.

    Drawing and doing are apart: `draw` takes all it needs from one generator, for the whole
    batch; `apply` then does the same to a slice whoever shares its batch. So a run can be
    resumed, and several processes that each apply their part of the draws get what one would.

    Parameters
    ----------
    crop : int
        Side of the window in pixels.
    strength : Strength, optional
        None is the centred window and nothing else.
    missing_all, missing_post : float
        Share of slices in which FLAIR replaces both other modalities, or the post-contrast one.
    """

    crop: int
    strength: Strength | None
    missing_all: float = 0.0
    missing_post: float = 0.0

    @classmethod
    def of(cls, config: RunConfig) -> Augmentation:
        """Take preset, window and shares of missing modalities from the config of a run."""
        strength = PRESETS[config.augmentation]
        return cls(config.crop, strength, config.missing_all, config.missing_post)

    def draw(self, extents: Tensor, channels: int, generator: torch.Generator) -> Draws:
        """Draw all that will be done to a batch.

        Parameters
        ----------
        extents : Tensor, shape (B, 2)
            Height and width of each head in pixels.
        channels : int
            3 for each slice of a sample: pre-contrast, FLAIR, post-contrast.
        generator : torch.Generator
            On the CPU; the only source of randomness.
        """
        strength, slices = self.strength, extents.shape[0]
        if strength is None:
            return Draws()
        parts = {"matrices": draw_matrices(strength, extents, self.crop, generator)}
        if strength.elastic_share:
            parts["elastic"] = draw_elastic(strength, slices, self.crop, generator)
        if self.missing_all or self.missing_post:
            parts |= draw_missing(slices, self.missing_all, self.missing_post, generator)
        modalities = channels if channels % MODALITIES else MODALITIES
        parts |= draw_intensities(strength, slices, modalities, generator)
        return Draws(**parts)

    @torch.no_grad()
    def apply(self, images: Tensor, masks: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Cut and change the windows.

        Parameters
        ----------
        images : Tensor of float, shape (B, C, H, W)
            Canvases, on any device; float16 will do.
        masks : Tensor of uint8, shape (B, H, W)
            On the same device.
        draws : Draws
            Of these slices.

        Returns
        -------
        tuple of Tensor
            Images (B, C, crop, crop) float32, channels last, and masks (B, 1, crop, crop)
            float32, on that device.
        """
        with torch.autocast(images.device.type, enabled=False):
            if self.strength is None or draws.matrices is None:
                out, mask = centred_window(images, masks, self.crop)
            else:
                out, mask = sample_windows(
                    images,
                    masks,
                    draws.matrices,
                    self.crop,
                    elastic=draws.elastic,
                    outside=self.strength.outside,
                )
                fill_missing(out, draws)
                change_intensities(out, draws)
            return out.contiguous(memory_format=torch.channels_last), mask
