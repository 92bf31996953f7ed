"""What a scanner may do to a slice: contrast, brightness, gamma, bias field, blur, noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from training.augment.geometry import upsample

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from training.augment.draws import Draws
    from training.augment.presets import Strength

__all__ = ["change_intensities", "draw_intensities"]

BIAS_GRID = 4
"""Nodes of the bias field along each side of the window."""
BLUR_RADIUS = 3
"""Taps to either side: three SD of the widest Gaussian."""
LOWEST_SPREAD = 1e-6
"""Channels that are flat to this have no brightness to bend."""


def draw_intensities(
    strength: Strength, slices: int, modalities: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw the changes that this strength has; the names are those of `Draws`."""
    draws = {}
    if strength.gain or strength.offset:
        u = 2 * torch.rand((slices, modalities, 2), generator=generator) - 1
        draws["gain"] = torch.exp(u[..., 0] * math.log1p(strength.gain))
        draws["offset"] = u[..., 1] * strength.offset
    if strength.gamma_share:
        u, chosen = _chosen(slices, strength.gamma_share, generator)
        draws["gamma"] = (2 * u - 1) * math.log1p(strength.gamma) * chosen
    if strength.bias_share:
        u, chosen = _chosen(slices, strength.bias_share, generator)
        nodes = torch.randn((slices, BIAS_GRID, BIAS_GRID), generator=generator)
        draws["bias"] = nodes * (u * strength.bias * chosen)[:, None, None]
    if strength.blur_share:
        u, chosen = _chosen(slices, strength.blur_share, generator)
        draws["blur"] = (1 + u) / 2 * strength.blur_px * chosen
    if strength.noise_share:
        u, chosen = _chosen(slices, strength.noise_share, generator)
        draws["noise"] = u * strength.noise * chosen
        draws["seeds"] = torch.randint(2**62, (slices,), generator=generator)
    return draws


def _chosen(slices: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    u = torch.rand((slices, 2), generator=generator)
    return u[:, 0], u[:, 1] < share


def change_intensities(images: Tensor, draws: Draws) -> None:
    """Do to (B, C, H, W) float32, in place, what was drawn; slices left alone cost nothing."""
    _for_some(images, draws.bias, _bias)
    _for_some(images, draws.gamma, _gamma)
    _for_some(images, draws.blur, _blur)
    if draws.gain is not None and draws.offset is not None:
        # slices of a sample follow each other in the channels and share what a scanner does
        repeats = images.shape[1] // draws.gain.shape[1]
        both = torch.stack((draws.gain, draws.offset)).to(images.device, non_blocking=True)
        gain, offset = both.repeat(1, 1, repeats)[..., None, None]
        images.mul_(gain).add_(offset)
    if draws.noise is not None and draws.seeds is not None:
        _add_noise(images, draws.noise.tolist(), draws.seeds.tolist())


def _for_some(
    images: Tensor, strength: Tensor | None, change: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Change the slices whose strength is not 0."""
    if strength is None:
        return
    chosen = torch.nonzero(strength.flatten(1).any(dim=1) if strength.ndim > 1 else strength)
    if chosen.numel():
        own = strength[chosen[:, 0]].to(images.device, non_blocking=True)
        at = chosen[:, 0].to(images.device, non_blocking=True)
        images[at] = change(images[at], own)


def _bias(images: Tensor, nodes: Tensor) -> Tensor:
    """Multiply what lies above the darkest value by a smooth field, one for all modalities.

    As the sensitivity of a receiver coil does; the background stays dark.
    """
    darkest = images.amin(dim=(2, 3), keepdim=True)
    field = upsample(nodes[:, None], images.shape[-1]).exp_()
    return (images - darkest).mul_(field).add_(darkest)


def _gamma(images: Tensor, logarithm: Tensor) -> Tensor:
    """Bend brightness between a channel's darkest and brightest value."""
    darkest = images.amin(dim=(2, 3), keepdim=True)
    spread = images.amax(dim=(2, 3), keepdim=True).sub_(darkest).clamp_(min=LOWEST_SPREAD)
    exponent = logarithm.exp()[:, None, None, None]
    return (images - darkest).div_(spread).pow_(exponent).mul_(spread).add_(darkest)


def _blur(images: Tensor, sd: Tensor) -> Tensor:
    """Separable Gaussian of a width of its own for each slice; the edge goes on."""
    slices, channels, height, width = images.shape
    taps = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=images.device)
    kernel = torch.exp(-0.5 * (taps / sd[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    planes = images.reshape(1, slices * channels, height, width)
    planes = F.pad(planes, [BLUR_RADIUS] * 4, mode="replicate")
    planes = F.conv2d(planes, kernel[:, None, :, None], groups=slices * channels)
    planes = F.conv2d(planes, kernel[:, None, None, :], groups=slices * channels)
    return planes.view(images.shape)


def _add_noise(images: Tensor, sds: list[float], seeds: list[int]) -> None:
    """Gaussian noise whose every value follows from the slice's own seed."""
    generator = torch.Generator(images.device)
    noise = torch.empty_like(images[0])
    for image, sd, seed in zip(images, sds, seeds, strict=True):
        if sd:
            noise.normal_(generator=generator.manual_seed(seed))
            image.add_(noise, alpha=sd)
