"""Smooth random fields and soft edges: the building blocks of a phantom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Field", "band_noise", "ellipsoid", "ramp", "smooth_noise"]

Field = NDArray[np.float32]


def ramp(distance: Field, width: float) -> Field:
    """Soft inside: 0 below ``-width / 2``, 1 above ``width / 2``, linear between.

    Parameters
    ----------
    distance : ndarray of float32
        Signed distance, positive inside.
    width : float
        Width of the edge in the same unit; stands for the partial volume effect.
    """
    out = distance * np.float32(1.0 / width)
    out += np.float32(0.5)
    np.clip(out, 0.0, 1.0, out=out)
    return out


def _kernel(length: int, sigma: float, step: float) -> Field:
    centres = np.arange(-3.0 * sigma, length + 3.0 * sigma + step, step)
    delta = np.arange(length)[:, None] - centres[None, :]
    return np.exp(-0.5 * (delta / sigma) ** 2).astype(np.float32)


def _blend(white: Field, kernels: tuple[Field, Field, Field]) -> Field:
    # Three large products in place of one a plane: on a busy machine BLAS's threads lose most
    # of their time at the start and end of each product.
    az, ay, ax = kernels
    planes, rows, columns = white.shape
    turned = np.ascontiguousarray(white.transpose(1, 0, 2)).reshape(rows, -1)
    spread: Field = np.matmul(ay, turned)
    spread = np.matmul(spread.reshape(-1, columns), ax.T)
    spread = spread.reshape(len(ay), planes, len(ax)).transpose(1, 0, 2)
    out: Field = np.matmul(az, spread.reshape(planes, -1))
    return out.reshape(len(az), len(ay), len(ax))


def _unit(field: Field) -> Field:
    field -= field.mean()
    field /= max(float(field.std()), 1e-6)
    return field


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], sigma: tuple[float, float, float]
) -> Field:
    """Gaussian random field of mean 0 and standard deviation 1.

    White noise on a lattice as coarse as the correlation length, spread by separable Gaussian
    kernels: two matrix products instead of a filter over every voxel.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    shape : tuple of int
        (Z, Y, X) in voxels.
    sigma : tuple of float
        Standard deviation of the kernel along (z, y, x) in voxels.
    """
    kernels = tuple(_kernel(n, s, s) for n, s in zip(shape, sigma, strict=True))
    white = rng.standard_normal([k.shape[1] for k in kernels], dtype=np.float32)
    return _unit(_blend(white, (kernels[0], kernels[1], kernels[2])))


def band_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], sigma: tuple[float, float, float]
) -> Field:
    """Random field around one wavelength; its zero set winds like the sulci of a cortex.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    shape : tuple of int
        (Z, Y, X) in voxels.
    sigma : tuple of float
        Standard deviation of the narrow kernel along (z, y, x) in voxels; the wide one that is
        subtracted is 1.7 times as wide.
    """
    wide = tuple(1.7 * s for s in sigma)
    narrow_k = []
    wide_k = []
    for n, s, w in zip(shape, sigma, wide, strict=True):
        centres = np.arange(-3.0 * w, n + 3.0 * w + s, s)
        delta = np.arange(n)[:, None] - centres[None, :]
        narrow_k.append(np.exp(-0.5 * (delta / s) ** 2).astype(np.float32) / np.float32(s))
        wide_k.append(np.exp(-0.5 * (delta / w) ** 2).astype(np.float32) / np.float32(w))
    white = rng.standard_normal([k.shape[1] for k in narrow_k], dtype=np.float32)
    field = _blend(white, (narrow_k[0], narrow_k[1], narrow_k[2]))
    field -= _blend(white, (wide_k[0], wide_k[1], wide_k[2]))
    return _unit(field)


def ellipsoid(
    z: Field,
    y: Field,
    x: Field,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> Field:
    """Distance to an ellipsoid's surface along the ray to its centre, positive inside, in mm.

    Parameters
    ----------
    z, y, x : ndarray of float32
        Coordinates in mm; they broadcast.
    centre, radii : tuple of float
        (z, y, x) in mm.
    """
    (cz, cy, cx), (rz, ry, rx) = centre, radii
    dz, dy, dx = z - np.float32(cz), y - np.float32(cy), x - np.float32(cx)
    weight_z, weight_y, weight_x = (np.float32(1 / r**2) for r in radii)
    scaled: Field = np.add(dz * dz * weight_z + dy * dy * weight_y, dx * dx * weight_x, dtype="f4")
    # The gradient of the scaled radius lies between the inverse radii; the mean radius weighs
    # them well enough for edges a voxel wide.
    np.sqrt(scaled, out=scaled)
    np.subtract(np.float32(1.0), scaled, out=scaled)
    scaled *= np.float32((rz * ry * rx) ** (1.0 / 3.0))
    return scaled
