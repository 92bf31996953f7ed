"""Where the tissues of a phantom head lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.phantom.fields import band_noise, ellipsoid, ramp, smooth_noise

if TYPE_CHECKING:
    from napari_brainseg.core.dataset.phantom.fields import Field

__all__ = ["Anatomy", "Frame", "build_anatomy", "draw_frame"]

PIXEL_MM = 0.9375
CSF_MM = 2.0
TOP_MM = 71.0
"""Height of the brain's vertex over the origin, which lies between the thalami."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Coordinates of a head in its scanner: anterior is at small y, as in kaggle_3m.

    Parameters
    ----------
    z, y, x : ndarray of float32, broadcast to (Z, Y, X)
        Millimetres in the head's frame, (0, 0, 0) between the thalami.
    spacing_mm : tuple of float
        (z, y, x).
    shift_px : float
        Offset of the head's midline from the middle of the image.
    """

    z: Field
    y: Field
    x: Field
    spacing_mm: tuple[float, float, float]
    shift_px: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) in voxels."""
        return self.z.shape[0], self.y.shape[1], self.x.shape[2]

    def sigma(self, mm: float) -> tuple[float, float, float]:
        """Give a length in mm as voxels along (z, y, x), never under half a slice."""
        sz, sy, sx = self.spacing_mm
        return max(mm / sz, 0.5), mm / sy, mm / sx


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Tissue memberships in [0, 1] and distances in mm, all (Z, Y, X) float32."""

    head: Field
    brain: Field
    cerebrum: Field
    grey: Field
    sulci: Field
    ventricles: Field
    deep_grey: Field
    bone: Field
    marrow: Field
    fat: Field
    air: Field
    globes: Field
    sinus: Field


def draw_frame(rng: np.random.Generator, slices: int, size: int) -> Frame:
    """Draw head size, position and tilt, and lay the slices from the vertex downwards.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.
    slices : int
        Number of slices.
    size : int
        Rows and columns of a slice in pixels; the field of view stays 240 mm.
    """
    pixel = PIXEL_MM * 256 / size
    spacing = float(np.clip(rng.uniform(118, 140) / slices, 4.0, 6.0))
    scale = rng.uniform(0.92, 1.07)
    angle, tilt = np.deg2rad(rng.normal(0, 3.0)), np.deg2rad(rng.normal(4, 5.0))
    cy, cx = rng.normal(-2, 4.0), rng.normal(0, 3.0)
    top = TOP_MM + rng.uniform(2, 11)
    if slices * spacing < 110:
        # A short stack shows the middle of the brain, where lesions are.
        top = min(top, 12 + slices * spacing / 2)
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(pixel)
    row, column = (axis - cy)[None, :, None], (axis - cx)[None, None, :]
    cos, sin = np.cos(angle), np.sin(angle)
    x = ((cos * column + sin * row) / scale).astype(np.float32)
    y = ((cos * row - sin * column) / scale).astype(np.float32)
    height = (top - spacing * (slices - 1 - np.arange(slices))).astype(np.float32)
    z = (height[:, None, None] / scale + np.sin(tilt) * y).astype(np.float32)
    y = (y - np.sin(tilt) * 0.15 * height[:, None, None]).astype(np.float32)
    x = np.broadcast_to(x, z.shape)
    return Frame(z, y, x, (spacing, pixel, pixel), float(cx / pixel))


def _smooth_min(a: Field, b: Field, width: float) -> Field:
    h = np.clip(0.5 + (b - a) * np.float32(0.5 / width), 0.0, 1.0)
    out: Field = b + (a - b) * h - np.float32(width) * h * (1 - h)
    return out


def _surfaces(frame: Frame, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Distances to cerebrum, whole brain and head surface in mm, positive inside."""
    z, y, x = frame.z, frame.y, frame.x
    width, length = rng.uniform(63, 68), rng.uniform(80, 86)
    # Occiput wider than the brow.
    xs = x * (1 - np.float32(0.0011) * np.clip(y, -70, 45))
    up = np.where(z > 0, z * np.float32(1 / TOP_MM), z * np.float32(1 / 66.0))
    radius = np.sqrt(up * up + (y / np.float32(length)) ** 2 + (xs / np.float32(width)) ** 2)
    shell = (1 - radius) * np.float32(72)
    wobble = smooth_noise(rng, frame.shape, frame.sigma(22)) * np.float32(1.1)
    side = np.abs(x)
    # Skull base: the frontal lobes end higher than the temporal ones, over domed orbits; the
    # sella lies between the temporal lobes, the tentorium slopes down to the sides.
    rugged = smooth_noise(rng, frame.shape, frame.sigma(9)) * np.float32(2.2)
    orbit = np.exp(-(((side - 30) / 21) ** 2) - ((y + 55) / 30) ** 2)
    frontal = np.float32(-21) + orbit * np.float32(8)
    middle = np.float32(-37) + np.clip(19 - side, 0, 16) * np.float32(1.3)
    tentorium = np.float32(-11) - side * np.float32(0.14)
    floor = middle + (frontal - middle) * ramp(-34 - y, 8.0)
    floor += (tentorium - floor) * ramp(y - 22, 12.0)
    floor += rugged
    cerebrum = _smooth_min(shell, z - floor, 4.0) + wobble * np.float32(0.5)
    cerebellum = ellipsoid(z, y, side, (-32, 42, 15), (27, 32, 37))
    stem = np.minimum(ellipsoid(z, y, x, (-40, 12, 0), (60, 13, 15)), -4 - z)
    brain = np.maximum(np.maximum(cerebrum, cerebellum), stem)
    # Under the widest level the head goes on as face and neck.
    low = np.where(z > -4, up, 0.0)
    margin = rng.uniform(9.5, 12.0)
    neck = 1 + np.float32(0.0035) * np.clip(-z - 25, 0, 80)
    outer = np.sqrt(
        (low * np.float32(TOP_MM / (TOP_MM + margin))) ** 2
        + (y * neck / np.float32(length + margin)) ** 2
        + (xs * neck / np.float32(width + margin)) ** 2
    )
    head = (1 - outer) * np.float32(84)
    head += wobble
    nose = ellipsoid(z, y, x, (-50, -90, 0), (24, 17, 13))
    return cerebrum, brain, np.maximum(head, nose)


def _ventricles(
    z: Field, y: Field, x: Field, rng: np.random.Generator, noise: Field
) -> tuple[Field, Field]:
    side = np.abs(x)
    s = rng.uniform(0.75, 1.35)
    parts = [
        ellipsoid(z, y, side + (y + 24) * 0.42, (11, -24, 9 * s), (13, 14 * s, 4.6 * s)),
        ellipsoid(z, y, side - np.abs(y) * np.float32(0.12), (24, 4, 10), (8 * s, 30, 6.5 * s)),
        ellipsoid(z, y, side - (y - 32) * 0.35, (9, 34, 22), (14, 19 * s, 5.2 * s)),
        ellipsoid(z, y, x, (-1, 3, 0), (13, 14, 2.0 * s)),
        ellipsoid(z, y, x, (-36, 27, 0), (9, 5, 6 * s)),
    ]
    distance = parts[0]
    for part in parts[1:3]:
        np.maximum(distance, part, out=distance)
    distance = np.minimum(distance, side - np.float32(0.8))
    for part in parts[3:]:
        np.maximum(distance, part, out=distance)
    deep = ellipsoid(z, y, side, (10, -20, 16), (11, 10, 5))
    for centre, radii in (((6, -4, 27), (10, 17, 6)), ((7, 13, 10), (9, 13, 8))):
        np.maximum(deep, ellipsoid(z, y, side, centre, radii), out=deep)
    return ramp(distance + noise, 1.6), ramp(deep + noise, 3.0)


def build_anatomy(
    frame: Frame, rng: np.random.Generator, pushed: tuple[Field, Field, Field]
) -> Anatomy:
    """Lay out one head.

    Parameters
    ----------
    frame : Frame
        Coordinates.
    rng : numpy.random.Generator
        Source of the draws.
    pushed : tuple of ndarray
        (z, y, x) in mm after the lesions' mass effect: what lies inside the brain is looked up
        there, so that a lesion presses the ventricles and shifts the midline.
    """
    cerebrum, brain, head = _surfaces(frame, rng)
    shape, sigma = frame.shape, frame.sigma
    fold_mm = rng.uniform(3.4, 4.3)
    fold = np.abs(band_noise(rng, shape, sigma(fold_mm)))
    fold *= np.float32(fold_mm * 1.15)
    reach = rng.uniform(13, 20)
    coarse = smooth_noise(rng, shape, sigma(12))
    depth = np.clip(brain - np.float32(reach) - 4 * coarse, 0, None)
    fold += depth * np.float32(0.7)
    zp, yp, xp = pushed
    # Interhemispheric fissure, open in front, behind and over the callosum; Sylvian fissures.
    callosum = ellipsoid(zp, yp, xp, (8, 4, 0), (24, 44, 60))
    midline = np.abs(xp + coarse * np.float32(0.45)) + np.clip(callosum + 2, 0, None)
    midline += np.clip(-8 - zp, 0, None)
    lateral = np.abs(xp)
    sylvian = np.abs(yp + 15 - (56 - lateral) * np.float32(0.5) + 3 * coarse - 0.3 * zp)
    sylvian += np.clip(33 + 3 * coarse - lateral, 0, None) * np.float32(0.5)
    sylvian += np.clip(np.abs(zp - 2) - 14, 0, None) * np.float32(0.4)
    atrophy = rng.uniform(0.45, 1.0)
    crease = np.minimum(np.minimum(fold, midline), sylvian)
    sulci = ramp(np.float32(atrophy) - crease, 0.9)
    thickness = np.float32(rng.uniform(2.6, 3.3))
    grey = ramp(thickness + 0.5 * coarse - np.minimum(crease, brain), 1.4)
    noise = smooth_noise(rng, shape, sigma(5)) * np.float32(0.7)
    ventricles, deep_grey = _ventricles(zp, yp, xp, rng, noise)
    # Bone wraps the brain; whatever lies further out is scalp, or face below the skull base.
    wall = rng.uniform(4.2, 6.0)
    outside = -brain - np.float32(CSF_MM)
    bone = ramp(outside, 1.2) * ramp(np.float32(wall) - outside, 1.2)
    marrow = ramp(1.1 - np.abs(outside - np.float32(wall / 2)), 1.2)
    marrow *= np.clip(0.5 + 0.5 * coarse, 0, 1)
    half = smooth_noise(rng, shape, sigma(4.5))
    mirrored = half + np.roll(half[:, :, ::-1], round(2 * frame.shift_px), axis=2)
    deep = head - np.float32(rng.uniform(3.8, 6.5))
    fat = np.maximum(ramp(-deep, 3.0), ramp(mirrored - 0.5, 0.6))
    globe = ellipsoid(frame.z, frame.y, np.abs(frame.x), (-27, -66, 31), (12, 12, 12))
    fat = np.maximum(fat, ramp(globe + 6, 3.0))
    nasal = ellipsoid(frame.z, frame.y, frame.x, (-50, -62, 0), (26, 28, 13))
    air = ramp(deep, 4.0) * np.maximum(ramp(-mirrored - 1.1, 0.4), ramp(nasal + 4 * mirrored, 2))
    cord = np.abs(frame.x) * np.float32(0.8) + np.abs(brain + np.float32(0.5))
    sinus = ramp(2.6 - cord, 3.0) * ramp(frame.y - 10 + frame.z * 0.5, 6.0)
    return Anatomy(
        head=head,
        brain=brain,
        cerebrum=cerebrum,
        grey=grey,
        sulci=sulci,
        ventricles=ventricles,
        deep_grey=deep_grey,
        bone=bone,
        marrow=marrow,
        fat=fat,
        air=air,
        globes=ramp(globe, 1.5),
        sinus=sinus,
    )
