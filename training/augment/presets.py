"""How strongly slices are changed, by name."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians
from typing import Literal

__all__ = ["PRESETS", "Strength"]


@dataclass(frozen=True)
class Strength:
    """Strength of the random changes; the defaults change nothing.

    Intensities are those of a prepared slice, about 1 SD of a modality to a unit.

    Parameters
    ----------
    rotation_rad : float
        Largest rotation to either side, about the centre of the window.
    scale : tuple of float
        Smallest and largest zoom factor.
    log_scale : bool
        Whether the logarithm of the zoom is uniform (as likely to halve as to double), or the
        zoom itself.
    shift_px : float
        Largest shift beyond what keeps the window on the head.
    flip : float
        Probability of a left-right flip.
    outside : {"border", "zeros"}
        What lies beyond the canvas: its edge goes on (background), or 0 (the modality's mean).
    elastic_share, elastic_px : float
        Share of slices that are deformed, and the largest SD of the displacement there.
    gain, offset : float
        Per-modality contrast factor in ``[1/(1+gain), 1+gain]``, brightness in ``+-offset``.
    gamma_share, gamma : float
        Share of slices whose brightness is bent, with exponents in ``[1/(1+gamma), 1+gamma]``.
    bias_share, bias : float
        Share of slices under a smooth multiplicative field, and the largest SD of its logarithm.
    blur_share, blur_px : float
        Share of slices that are blurred, and the largest SD of the Gaussian.
    noise_share, noise : float
        Share of slices with Gaussian noise, and its largest SD.
    """

    rotation_rad: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    log_scale: bool = True
    shift_px: float = 0.0
    flip: float = 0.0
    outside: Literal["border", "zeros"] = "border"
    elastic_share: float = 0.0
    elastic_px: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    gamma_share: float = 0.0
    gamma: float = 0.0
    bias_share: float = 0.0
    bias: float = 0.0
    blur_share: float = 0.0
    blur_px: float = 0.0
    noise_share: float = 0.0
    noise: float = 0.0


PRESETS: dict[str, Strength | None] = {
    "none": None,
    # Buda et al. 2019 (doi 10.1016/j.compbiomed.2019.05.002); scikit-image fills up with 0
    "reference": Strength(
        rotation_rad=radians(15), scale=(0.95, 1.05), log_scale=False, flip=0.5, outside="zeros"
    ),
    "standard": Strength(
        rotation_rad=0.3,
        scale=(0.8, 1.25),
        shift_px=12.0,
        flip=0.5,
        gain=0.35,
        offset=0.4,
        noise_share=0.5,
        noise=0.25,
    ),
    # kinds and shares after nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z); the
    # elastic grid after Ronneberger et al. 2015 (arXiv 1505.04597)
    "strong": Strength(
        rotation_rad=0.5,
        scale=(0.7, 1.4),
        shift_px=16.0,
        flip=0.5,
        elastic_share=0.4,
        elastic_px=6.0,
        gain=0.5,
        offset=0.5,
        gamma_share=0.3,
        gamma=0.5,
        bias_share=0.3,
        bias=0.3,
        blur_share=0.2,
        blur_px=1.0,
        noise_share=0.5,
        noise=0.4,
    ),
}
"""Presets by name; None is the window about the centre of the canvas, and nothing else."""
