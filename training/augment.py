"""Random changes of a batch, on whatever device it lies; every draw from one generator."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Augmentation", "sample_windows"]


@dataclass(frozen=True)
class Augmentation:
    """Strength of the random changes.

    Parameters
    ----------
    rotation_rad : float
        Largest rotation to either side.
    scale : tuple of float
        Smallest and largest zoom factor.
    shift_px : float
        Largest shift beyond what keeps the window on the head.
    flip : float
        Probability of a left-right flip.
    gain, offset : float
        Per-channel contrast factor in ``[1/(1+gain), 1+gain]``, brightness in ``+-offset`` SD.
    noise_sd : float
        Largest SD of added Gaussian noise.
    missing_all, missing_post : float
        Probability that FLAIR replaces both other channels, or the post-contrast one, as
        kaggle_3m does where a sequence is missing.
    """

    rotation_rad: float = 0.3
    scale: tuple[float, float] = (0.8, 1.25)
    shift_px: float = 12.0
    flip: float = 0.5
    gain: float = 0.35
    offset: float = 0.4
    noise_sd: float = 0.25
    missing_all: float = 0.15
    missing_post: float = 0.10

    def geometry(self, extents: Tensor, crop: int, generator: torch.Generator) -> Tensor:
        """Draw affine matrices (B, 2, 3) in pixels about the canvas centre, output to input."""
        n = extents.shape[0]
        u = torch.rand((n, 6), generator=generator)
        angle = (2 * u[:, 0] - 1) * self.rotation_rad
        low, high = (math.log(s) for s in self.scale)
        zoom = torch.exp(low + (high - low) * u[:, 1])
        mirror = torch.where(u[:, 2] < self.flip, -1.0, 1.0)
        room = ((extents.float() - crop) / 2).clamp(min=0) + self.shift_px
        shift = (2 * u[:, 3:5] - 1) * room  # (y, x)
        cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        row_x = torch.stack((cos * mirror, -sin, shift[:, 1]), dim=1)
        row_y = torch.stack((sin * mirror, cos, shift[:, 0]), dim=1)
        return torch.stack((row_x, row_y), dim=1)

    def intensities(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change contrast, brightness, noise and missing channels of (B, C, H, W)."""
        n, channels = images.shape[:2]
        u = torch.rand((n, 4), generator=generator).to(images.device)
        both = (u[:, 0] < self.missing_all).view(n, 1, 1)
        post = (u[:, 1] < self.missing_post).view(n, 1, 1)
        flair = images[:, 1]
        if channels == 3:
            images = torch.stack(
                (
                    torch.where(both, flair, images[:, 0]),
                    flair,
                    torch.where(both | post, flair, images[:, 2]),
                ),
                dim=1,
            )
        draw = torch.rand((n, channels, 2), generator=generator).to(images.device) * 2 - 1
        gain = torch.exp(draw[..., 0] * math.log1p(self.gain))[..., None, None]
        offset = (draw[..., 1] * self.offset)[..., None, None]
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        strength = (u[:, 2] * self.noise_sd).view(n, 1, 1, 1) * (u[:, 3] < 0.5).view(n, 1, 1, 1)
        return images * gain + offset + noise * strength


def sample_windows(
    images: Tensor, masks: Tensor, matrices: Tensor, crop: int
) -> tuple[Tensor, Tensor]:
    """Cut affine windows out of canvases.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W)
        Canvases; beyond their edge the edge goes on (it is background).
    masks : Tensor of uint8, shape (B, H, W)
        Masks; nearest neighbour, 0 beyond the edge.
    matrices : Tensor, shape (B, 2, 3)
        From window to canvas, pixels about the centres, rows (x, y).
    crop : int
        Side of the window.

    Returns
    -------
    tuple of Tensor
        Images (B, C, crop, crop) float32 and masks (B, 1, crop, crop) float32.
    """
    height, width = images.shape[2:]
    size = torch.tensor([width, height], dtype=torch.float32, device=images.device).view(1, 2, 1)
    theta = matrices.to(images.device).clone()
    theta[:, :, :2] *= crop / size
    theta[:, :, 2:] *= 2.0 / size
    shape = [images.shape[0], images.shape[1], crop, crop]
    grid = F.affine_grid(theta, shape, align_corners=False)
    out = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border",
                        align_corners=False)  # fmt: skip
    mask = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="zeros",
                         align_corners=False)  # fmt: skip
    return out, mask
