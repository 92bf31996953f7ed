"""Where a window lies on its canvas: affine and elastic in one pass of interpolation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from training.augment.presets import Strength

__all__ = ["centred_window", "draw_elastic", "draw_matrices", "sample_windows", "upsample"]

ELASTIC_GRID = 6
"""Nodes of the coarse grid along each side of the window."""
LARGEST_NORMAL = 2.0
"""In SD: displacements are cut here."""


def draw_matrices(
    strength: Strength, extents: Tensor, crop: int, generator: torch.Generator
) -> Tensor:
    """Draw affine matrices (B, 2, 3) in pixels about the centres, window to canvas.

    The window may move as far as it stays on the head, whose extents (B, 2) are (y, x) in
    pixels, and `Strength.shift_px` beyond. Seen from the slice: zoom, then rotation, then flip.
    """
    u = torch.rand((extents.shape[0], 5), generator=generator)
    angle = (2 * u[:, 0] - 1) * strength.rotation_rad
    low, high = strength.scale
    if strength.log_scale:
        zoom = low * torch.exp(math.log(high / low) * u[:, 1])
    else:
        zoom = low + (high - low) * u[:, 1]
    mirror = torch.where(u[:, 2] < strength.flip, -1.0, 1.0)
    room = ((extents.cpu().float() - crop) / 2).clamp(min=0) + strength.shift_px
    shift = (2 * u[:, 3:5] - 1) * room  # (y, x)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    row_x = torch.stack((cos * mirror, -sin, shift[:, 1]), dim=1)
    row_y = torch.stack((sin * mirror, cos, shift[:, 0]), dim=1)
    return torch.stack((row_x, row_y), dim=1)


def draw_elastic(strength: Strength, slices: int, crop: int, generator: torch.Generator) -> Tensor:
    """Draw displacements (B, 2, G, G) in pixels; 0 where a slice stays as it is.

    In a small window they are smaller than asked for, so that neighbouring nodes of the grid
    can't pass each other and fold the slice.
    """
    u = torch.rand((slices, 2), generator=generator)
    largest = min(strength.elastic_px, crop / (ELASTIC_GRID - 1) / (2 * LARGEST_NORMAL))
    sd = u[:, 0] * largest * (u[:, 1] < strength.elastic_share)
    shape = (slices, 2, ELASTIC_GRID, ELASTIC_GRID)
    normal = torch.randn(shape, generator=generator).clamp(-LARGEST_NORMAL, LARGEST_NORMAL)
    return normal * sd[:, None, None, None]


def upsample(coarse: Tensor, side: int) -> Tensor:
    """Smooth field (B, C, side, side) through the nodes of a coarse one (bicubic)."""
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)


def sample_windows(
    images: Tensor,
    masks: Tensor,
    matrices: Tensor,
    crop: int,
    *,
    elastic: Tensor | None = None,
    outside: str = "border",
) -> tuple[Tensor, Tensor]:
    """Cut windows out of canvases.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W)
        Canvases; bilinear.
    masks : Tensor of uint8, shape (B, H, W)
        Masks; nearest neighbour, 0 beyond the edge.
    matrices : Tensor, shape (B, 2, 3)
        From window to canvas, pixels about the centres, rows (x, y).
    crop : int
        Side of the window.
    elastic : Tensor, shape (B, 2, G, G), optional
        Displacement (x, y) in pixels of the window on a coarse grid over it.
    outside : {"border", "zeros"}
        What the image is beyond the canvas.

    Returns
    -------
    tuple of Tensor
        Images (B, C, crop, crop) float32 and masks (B, 1, crop, crop) float32.
    """
    height, width = images.shape[2:]
    size = torch.tensor([width, height], dtype=torch.float32)
    linear = matrices[:, :, :2] * (crop / size)[:, None]
    theta = torch.cat((linear, matrices[:, :, 2:] * (2.0 / size)[:, None]), dim=2)
    theta = theta.to(images.device, non_blocking=True)
    centres = (2 * torch.arange(crop, device=images.device) + 1) / crop - 1
    x, y = centres[None, None, :], centres[None, :, None]
    grid = _mapped(theta, x, y)
    bent = torch.nonzero(elastic.flatten(1).any(dim=1)).flatten() if elastic is not None else None
    if elastic is not None and bent is not None and bent.numel():
        at = bent.to(images.device, non_blocking=True)
        coarse = elastic[bent].to(images.device, non_blocking=True)
        # in the units of the window before the affine map, so that it turns with the window
        moved = upsample(coarse, crop) * (2.0 / crop)
        grid[at] = _mapped(theta[at], x + moved[:, 0], y + moved[:, 1])
    out = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode=outside,
                        align_corners=False)  # fmt: skip
    mask = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="zeros",
                         align_corners=False)  # fmt: skip
    return out, mask


def _mapped(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Grid (B, crop, crop, 2) of affine maps (B, 2, 3).

    By sums of products, not by a matrix product: that may run in TF32, a tenth of a pixel off.
    """
    rows = theta[:, :, :, None, None].unbind(1)
    return torch.stack([row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in rows], dim=-1)


def centred_window(images: Tensor, masks: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Cut the window about the centre, voxel for voxel; shapes as in `sample_windows`.

    Beyond a smaller canvas its edge goes on, and the mask is 0.
    """
    height, width = images.shape[2:]
    inner = (
        slice(max(height - crop, 0) // 2, max(height - crop, 0) // 2 + crop),
        slice(max(width - crop, 0) // 2, max(width - crop, 0) // 2 + crop),
    )
    left, top = max(crop - width, 0) // 2, max(crop - height, 0) // 2
    pad = [left, max(crop - width, 0) - left, top, max(crop - height, 0) - top]
    out = images[:, :, inner[0], inner[1]].float()
    mask = masks[:, None, inner[0], inner[1]].float()
    if any(pad):
        out, mask = F.pad(out, pad, mode="replicate"), F.pad(mask, pad)
    return out, mask
