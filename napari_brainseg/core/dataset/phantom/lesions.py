"""Lesions of a phantom: where they grow, how far, and what they push aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_brainseg.core.dataset.phantom.fields import ramp, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.phantom.anatomy import Anatomy, Frame
    from napari_brainseg.core.dataset.phantom.fields import Field

__all__ = ["GrownLesion", "Seedling", "draw_seedlings", "grow", "push"]

SMALLEST_VOX, LARGEST_VOX = 2_000, 60_000


@dataclass(frozen=True, slots=True)
class Seedling:
    """A lesion before it meets the anatomy; lengths in mm, volume in voxels."""

    centre: tuple[float, float, float]
    voxels: int
    radius_mm: float
    axes: NDArray[np.float32]
    necrotic: bool
    enhancing: bool


@dataclass(frozen=True, slots=True)
class GrownLesion:
    """A lesion in its head: all (Z, Y, X), memberships in [0, 1]."""

    mask: NDArray[np.bool_]
    abnormal: Field
    core: Field
    necrosis: Field
    rim: Field


def draw_seedlings(rng: np.random.Generator, count: int, frame: Frame) -> list[Seedling]:
    """Draw places in the white matter of the cerebrum and volumes like those of kaggle_3m.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.
    count : int
        Number of lesions.
    frame : Frame
        Coordinates; the volume shrinks with a smaller image or a shorter stack.
    """
    spacing = frame.spacing_mm
    # Real volumes: median 18,600 voxels, 5 % under 4,400, 5 % over 69,000.
    share = (spacing[1] / 0.9375) ** 2 * max(1.0, 20 / frame.shape[0])
    total = float(np.clip(np.exp(rng.normal(np.log(17_000), 0.8)), 2_600, 58_000))
    weights = rng.dirichlet(np.full(count, 3.0)) if count > 1 else np.ones(count)
    levels = frame.z[:, frame.shape[1] // 2, frame.shape[2] // 2]
    low, high = float(max(levels[0] + 8, -8.0)), float(min(levels[-1] - 8, 50.0))
    low, high = min(low, high), max(low, high)
    seedlings = []
    for weight in weights:
        voxels = int(np.clip(total * weight, SMALLEST_VOX * 1.1, LARGEST_VOX) / share)
        radius = float((voxels * np.prod(spacing) * 3 / (4 * np.pi)) ** (1 / 3))
        side = 1 if rng.random() < 0.5 else -1
        for _ in range(200):
            centre = (rng.uniform(low, high), rng.uniform(-52, 52), side * rng.uniform(15, 50))
            reach = (centre[0] / 71) ** 2 + (centre[1] / 83) ** 2 + (centre[2] / 65) ** 2
            if 0.08 < reach < (0.60 if radius < 22 else 0.42):
                break
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        stretch = np.exp(rng.normal(0, 0.22, 3))
        axes = (turn / (stretch / np.prod(stretch) ** (1 / 3))).astype(np.float32)
        necrotic = bool(radius > 14 and rng.random() < 0.35)
        seedlings.append(Seedling(centre, voxels, radius, axes, necrotic, bool(rng.random() < 0.4)))
    return seedlings


def push(frame: Frame, seedlings: list[Seedling], strength: float) -> tuple[Field, Field, Field]:
    """Coordinates (z, y, x) in mm at which to look up what the lesions have displaced."""
    z, y, x = frame.z, frame.y, frame.x
    for seed in seedlings:
        dz, dy, dx = (a - np.float32(c) for a, c in zip((z, y, x), seed.centre, strict=True))
        reach = np.float32(max(seed.radius_mm, 8.0) * 1.3)
        pull = np.exp(-(dz * dz + dy * dy + dx * dx) / (2 * reach * reach)) * np.float32(strength)
        z, y, x = z - dz * pull, y - dy * pull, x - dx * pull
    return z, y, x


def grow(
    seed: Seedling, frame: Frame, anatomy: Anatomy, rng: np.random.Generator
) -> GrownLesion | None:
    """Grow a lesion to its volume within the parenchyma of one hemisphere.

    A distance field roughened by noise of two scales; the oedema runs further in white matter
    than in the cortex. ``None`` where nothing of the brain is in reach.

    Parameters
    ----------
    seed : Seedling
        Place, volume and kind.
    frame : Frame
        Coordinates.
    anatomy : Anatomy
        Where brain, cortex and ventricles lie.
    rng : numpy.random.Generator
        Source of the draws.
    """
    shape, r = frame.shape, seed.radius_mm
    offsets = [
        np.broadcast_to(a - np.float32(c), shape)
        for a, c in zip((frame.z, frame.y, frame.x), seed.centre, strict=True)
    ]
    squared = np.zeros(shape, np.float32)
    for row in seed.axes:
        along = row[0] * offsets[0] + row[1] * offsets[1] + row[2] * offsets[2]
        squared += along * along
    distance = np.sqrt(squared)
    lobes = smooth_noise(rng, shape, frame.sigma(max(0.45 * r, 5.0)))
    rough = smooth_noise(rng, shape, frame.sigma(2.6))
    field = distance + lobes * np.float32(0.22 * r) + rough * np.float32(min(1.3, 0.07 * r))
    # Oedema: follows white matter, shuns cortex, hardly crosses the midline.
    field += anatomy.grey * np.float32(0.16 * r) - anatomy.deep_grey * np.float32(0.05 * r)
    midline = np.clip(-np.sign(seed.centre[2]) * frame.x + 1, 0, None)
    field += midline * np.float32(0.8) + anatomy.sulci * np.float32(0.05 * r)
    allowed = (anatomy.cerebrum > 0.8) & (anatomy.ventricles < 0.4)
    reachable = field[allowed]
    voxels = min(seed.voxels, int(0.25 * reachable.size))
    if voxels < 30:
        return None
    level = np.float32(np.partition(reachable, voxels)[voxels])
    mask = allowed & (field < level)
    labels, found = ndimage.label(mask)
    if found > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    near = ndimage.binary_dilation(mask, iterations=2)
    inner = (level - field) * near
    abnormal = ramp(inner - (1 - near) * np.float32(9), rng.uniform(1.5, 4.5)) * near
    abnormal *= 1 - anatomy.ventricles
    core_margin = np.float32(rng.uniform(0.1, 0.45) * r)
    core = ramp(inner - core_margin, 0.2 * r + 1) * near
    pit = inner - np.float32(rng.uniform(0.5, 0.68) * r) + lobes * np.float32(0.1 * r)
    necrosis = ramp(pit, 2.0) * near * np.float32(seed.necrotic)
    edge = pit if seed.necrotic else inner - core_margin
    rim = ramp(np.float32(rng.uniform(1.2, 2.6)) - np.abs(edge), 1.5) * near
    rim *= ramp(rough + lobes + 0.4, 1.0) * np.float32(seed.enhancing)
    return GrownLesion(mask, abnormal, core, necrosis, rim)
