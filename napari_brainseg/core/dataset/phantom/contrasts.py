"""What a scanner makes of a phantom head: three contrasts, coil, noise, eight bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_brainseg.core.dataset.phantom.fields import ramp, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.phantom.anatomy import Anatomy, Frame
    from napari_brainseg.core.dataset.phantom.fields import Field
    from napari_brainseg.core.dataset.phantom.lesions import GrownLesion

__all__ = ["acquire"]

# (T1 before contrast, FLAIR, T1 after contrast), grey values of an average kaggle_3m study.
MUSCLE = (48.0, 50.0, 52.0)
FAT = (138.0, 132.0, 128.0)
BONE = (14.0, 14.0, 14.0)
MARROW = (80.0, 78.0, 76.0)
AIR = (3.0, 3.0, 3.0)
GLOBE = (22.0, 14.0, 24.0)
CSF = (24.0, 20.0, 26.0)
WHITE = (66.0, 50.0, 66.0)
GREY = (53.0, 63.0, 55.0)
DEEP_GREY = (57.0, 58.0, 59.0)
SINUS = (30.0, 24.0, 150.0)
NECROSIS = (32.0, 62.0, 32.0)


def _paint(image: Field, membership: Field, values: tuple[float, ...]) -> None:
    for channel, value in zip(image, values, strict=True):
        channel += membership * (np.float32(value) - channel)


def _varied(values: tuple[float, ...], rng: np.random.Generator, sd: float) -> tuple[float, ...]:
    return tuple(float(v) for v in np.asarray(values) * np.exp(rng.normal(0, sd, len(values))))


def _head(image: Field, head: Anatomy, rng: np.random.Generator, texture: Field) -> None:
    _paint(image, ramp(head.head, 1.5), _varied(MUSCLE, rng, 0.1))
    fat = ramp(head.head, 1.5) * head.fat * (1 + 0.12 * texture)
    _paint(image, fat, _varied(FAT, rng, 0.18))
    _paint(image, head.air, AIR)
    _paint(image, head.globes, _varied(GLOBE, rng, 0.1))
    _paint(image, head.bone, BONE)
    _paint(image, head.bone * head.marrow, _varied(MARROW, rng, 0.2))
    _paint(image, ramp(head.brain + 2.0, 1.2), _varied(CSF, rng, 0.12))


def _lesion(image: Field, lesion: GrownLesion, rng: np.random.Generator, texture: Field) -> None:
    """Add the abnormality: bright on FLAIR, dark on T1, a rim after contrast."""
    bright = rng.uniform(24, 62)
    mottle = 1 + np.float32(rng.uniform(0.03, 0.15)) * texture
    oedema = rng.uniform(0.55, 0.9)
    signal = lesion.abnormal * np.float32(oedema) + lesion.core * np.float32(1 - oedema)
    signal *= mottle
    t1 = rng.uniform(0.1, 0.4)
    image[1] += signal * np.float32(bright)
    for channel in (0, 2):
        image[channel] *= 1 - signal * np.float32(t1)
    _paint(image, lesion.necrosis * np.float32(0.85), _varied(NECROSIS, rng, 0.2))
    image[2] += lesion.rim * np.float32(rng.uniform(45, 95))
    image[1] += lesion.rim * np.float32(8)


def acquire(
    anatomy: Anatomy,
    lesions: list[GrownLesion],
    frame: Frame,
    rng: np.random.Generator,
    *,
    skull_stripped: bool,
) -> NDArray[np.uint8]:
    """Image a head.

    Parameters
    ----------
    anatomy : Anatomy
        Where the tissues lie.
    lesions : list of GrownLesion
        Abnormalities.
    frame : Frame
        Coordinates.
    rng : numpy.random.Generator
        Source of contrast, bias field and noise.
    skull_stripped : bool
        Whether everything outside the brain is black.

    Returns
    -------
    ndarray of uint8, shape (3, Z, Y, X)
        T1 before contrast, FLAIR, T1 after contrast.
    """
    shape = frame.shape
    texture = smooth_noise(rng, shape, (0.6, 1.6, 1.6))
    image = np.zeros((3, *shape), np.float32)
    if not skull_stripped:
        _head(image, anatomy, rng, texture)
    inside = ramp(anatomy.brain, 1.4)
    white, grey = _varied(WHITE, rng, 0.06), _varied(GREY, rng, 0.04)
    csf = _varied(CSF, rng, 0.12)
    _paint(image, inside, white)
    _paint(image, inside * anatomy.deep_grey, _varied(DEEP_GREY, rng, 0.03))
    _paint(image, inside * anatomy.grey, grey)
    image *= 1 + np.float32(0.035) * texture * inside
    # Caps at the ventricles: bright on FLAIR in many healthy people, not part of any mask.
    caps = np.stack([ndimage.gaussian_filter(s, 2.2) for s in anatomy.ventricles])
    image[1] += caps * inside * np.float32(rng.uniform(0, 26))
    for lesion in lesions:
        _lesion(image, lesion, rng, texture)
    # Swelling closes the sulci it reaches.
    sulci = anatomy.sulci * np.float32(0.85)
    for lesion in lesions:
        sulci *= 1 - lesion.abnormal * np.float32(rng.uniform(0.6, 0.95))
    _paint(image, sulci * inside, csf)
    _paint(image, anatomy.ventricles * inside, csf)
    speck = ramp(smooth_noise(rng, shape, (0.6, 1.1, 1.1)) - 1.7, 0.6)
    vessels = speck * np.clip(anatomy.sulci * 1.2, 0, 1) * inside
    plexus = speck * anatomy.ventricles
    image[2] += (vessels + plexus) * np.float32(rng.uniform(40, 90))
    image[1] -= vessels * np.float32(8)
    _paint(image, anatomy.sinus * (1.0 if not skull_stripped else inside), SINUS)
    return _scan(image, anatomy, frame, rng, skull_stripped=skull_stripped)


def _scan(
    image: Field, anatomy: Anatomy, frame: Frame, rng: np.random.Generator, *, skull_stripped: bool
) -> NDArray[np.uint8]:
    """Apply point spread, gain, coil shading and Rician noise, and round to eight bits."""
    gain = np.exp(rng.normal(0.08, 0.2)) * np.exp(rng.normal(0, 0.08, 3))
    sigma = rng.uniform(1.0, 3.2)
    blur = rng.uniform(0.45, 0.75) * 0.9375 / frame.spacing_mm[1]
    radius2 = (frame.x / 90) ** 2 + (frame.y / 105) ** 2
    surface = np.float32(rng.uniform(-0.03, 0.12))
    out = np.empty(image.shape, np.uint8)
    keep = anatomy.brain > -1.0
    for c in range(3):
        bias = smooth_noise(rng, frame.shape, frame.sigma(55)) * np.float32(rng.uniform(0.02, 0.09))
        bias += surface * radius2 + 1
        channel = ndimage.gaussian_filter(image[c], (0.0, blur, blur))
        channel *= bias
        channel *= np.float32(gain[c])
        noise = rng.standard_normal((2, *frame.shape), dtype=np.float32) * np.float32(sigma)
        channel += noise[0]
        np.hypot(channel, noise[1], out=channel)
        channel -= np.float32(sigma)
        if skull_stripped:
            channel *= keep
        out[c] = np.clip(np.rint(channel), 0, 255).astype(np.uint8)
    return out
