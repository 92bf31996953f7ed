"""Other intensities on the same grid: missing sequences, other gains, noise, coding."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import Modality, ScalarVolume
from training.robustness.changed import with_intensities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["coded", "noisy", "offset", "scaled", "with_gamma", "without"]


def without(study: Study, *modalities: Modality) -> Study | None:
    """Put FLAIR where sequences are missing, as kaggle_3m does; ``None`` if it is there already."""
    image = study.image
    data = image.data.copy()
    for modality in modalities:
        data[image.modalities.index(modality)] = image.channel(Modality.FLAIR)
    if np.array_equal(data, image.data):
        return None
    missing = {*study.missing_modalities, *modalities}
    return replace(
        study,
        image=ScalarVolume(data, image.modalities, image.geometry),
        missing_modalities=tuple(m for m in image.modalities if m in missing),
    )


def scaled(study: Study, factor: float, modality: Modality | None = None) -> Study | None:
    """Multiply intensities, of one modality or of all; ``None`` if that modality is missing.

    The result is float32: a scanner has no largest grey level at 255.
    """
    if modality in study.missing_modalities:
        return None
    data = study.image.data.astype(np.float32)
    data[slice(None) if modality is None else study.image.modalities.index(modality)] *= factor
    return with_intensities(study, data)


def offset(study: Study, share: float) -> Study:
    """Add a share of the volume's maximum to every voxel, air too; float32."""
    data = study.image.data.astype(np.float32)
    data += np.float32(share) * data.max()
    return with_intensities(study, data)


def with_gamma(study: Study, exponent: float) -> Study:
    """Raise each channel, in units of its maximum, to a power; float32, its maximum stays."""
    data = study.image.data.astype(np.float32).clip(min=0)
    for channel in data:
        if (top := channel.max()) > 0:
            channel[:] = top * (channel / top) ** np.float32(exponent)
    return with_intensities(study, data)


def noisy(study: Study, share: float) -> Study:
    """Add Gaussian noise with a standard deviation of a share of each channel's maximum.

    The same for the same patient's name; float32, what falls below 0 becomes 0.
    """
    rng = np.random.default_rng(zlib.crc32(study.patient.encode()))
    data = study.image.data.astype(np.float32)
    for channel in data:
        spread = np.float32(share) * channel.max()
        channel += spread * rng.standard_normal(channel.shape, dtype=np.float32)
    return with_intensities(study, data.clip(min=0))


def coded(study: Study, quality: int) -> Study:
    """Code each slice of each channel as a grey JPEG and read it back.

    Other types than uint8 are brought to 0 to 255 first, and back afterwards as float32.
    """
    original = study.image.data
    if original.dtype == np.uint8:
        return with_intensities(study, _coded(original, quality))
    factor = max(float(original.max()), 1e-6) / 255
    levels = np.clip(np.rint(original.astype(np.float32) / factor), 0, 255).astype(np.uint8)
    return with_intensities(study, _coded(levels, quality) * np.float32(factor))


def _coded(data: NDArray[np.generic], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    out = np.empty(data.shape, np.uint8)
    for place in np.ndindex(data.shape[:2]):
        file = io.BytesIO()
        Image.fromarray(data[place]).save(file, "JPEG", quality=quality)
        out[place] = np.asarray(Image.open(file))
    return out
