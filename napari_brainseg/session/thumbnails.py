"""Small pictures for the worklist: FLAIR at the slice that shows most, cropped to the head."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import Modality
from napari_brainseg.core.imaging.window import tissue_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["THUMBNAIL_SIZE", "make_thumbnail", "pack_thumbnail", "unpack_thumbnail"]

THUMBNAIL_SIZE = 48
"""Pixels of the longer side."""

_BACKGROUND = 0.1
"""Share of the brightest intensity below which there is air."""

_PER_LINE = 0.02
"""A row or column with a smaller share of tissue holds noise only."""

_WHITE_PERCENTILE = 99.5

_HEADER = struct.Struct("<HH")


def make_thumbnail(study: Study) -> NDArray[np.uint8]:
    """Draw a study small.

    Parameters
    ----------
    study : Study
        Without FLAIR the first sequence that it has is taken; CT under the window of the brain.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Grey levels; the longer side has at most `THUMBNAIL_SIZE` pixels.
    """
    image, index = study.image, _slice_to_show(study)
    there = [m for m in image.modalities if m not in study.missing_modalities]
    name = Modality.FLAIR if Modality.FLAIR in there or not there else there[0]
    name = name if name in image.modalities else image.modalities[0]
    plane, spacing_mm = image.channel(name)[index].astype(np.float32), image.geometry.spacing_mm
    native = study.shown(name)[index]
    if native.min() < 0 and (tissue := tissue_of(native)).hounsfield:
        # From air to bone the brain would be one grey.
        low, high = tissue.auto
        plane = _shrink(_crop_to_head(np.clip(native.astype(np.float32), low, high)), spacing_mm)
    else:
        plane = _shrink(_crop_to_head(plane), spacing_mm)
        low, high = float(plane.min()), float(np.percentile(plane, _WHITE_PERCENTILE))
    if high <= low:
        return np.zeros(plane.shape, np.uint8)
    grey: NDArray[np.uint8] = np.clip((plane - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return grey


def pack_thumbnail(picture: NDArray[np.uint8]) -> bytes:
    """Put a picture (H, W) of uint8 into bytes: height, width, compressed pixels."""
    return _HEADER.pack(*picture.shape) + zlib.compress(np.ascontiguousarray(picture).data)


def unpack_thumbnail(blob: bytes) -> NDArray[np.uint8]:
    """Inverse of `pack_thumbnail`; the array is read-only.

    Raises
    ------
    ValueError
        If the bytes are no picture.
    """
    try:
        shape = _HEADER.unpack_from(blob)
        pixels = zlib.decompress(blob[_HEADER.size :])
        return np.frombuffer(pixels, np.uint8).reshape(shape)
    except (struct.error, zlib.error, ValueError) as error:
        raise ValueError(f"{len(blob)} bytes are no thumbnail: {error}") from error


def _slice_to_show(study: Study) -> int:
    if study.truth is not None:
        areas = study.truth.data.sum(axis=(1, 2), dtype=np.int64)
        if areas.any():
            return int(areas.argmax())
    return study.image.grid_shape[0] // 2


def _crop_to_head(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(plane.min()), float(np.percentile(plane, _WHITE_PERCENTILE))
    tissue = plane > low + _BACKGROUND * (high - low)
    spans = []
    for axis in (1, 0):
        lines = np.flatnonzero(tissue.mean(axis=axis) > _PER_LINE)
        if not lines.size:
            return plane
        # One more line on each side: the skin must not touch the frame.
        spans.append(slice(max(0, int(lines[0]) - 1), int(lines[-1]) + 2))
    return plane[spans[0], spans[1]]


def _shrink(
    plane: NDArray[np.float32], spacing_mm: tuple[float, float, float] | None
) -> NDArray[np.float32]:
    """Average blocks of pixels; a picture that is small enough stays as it is.

    Pixels that are not square are repeated along their longer side, so that a head looks like one.
    """
    _, *sides = spacing_mm or (1.0, 1.0, 1.0)
    lengths = [n * side / min(sides) for n, side in zip(plane.shape, sides, strict=True)]
    scale = max(1.0, max(lengths) / THUMBNAIL_SIZE)
    for axis in (0, 1):
        length = plane.shape[axis]
        wanted = max(1, round(lengths[axis] / scale))
        starts = np.linspace(0, length, wanted + 1).round().astype(np.intp)[:-1]
        starts = np.minimum(starts, length - 1)
        # Where a pixel is repeated, `reduceat` gives it alone.
        counts = np.maximum(np.diff(starts, append=length), 1).astype(np.float32)
        plane = np.add.reduceat(plane, starts, axis=axis)
        plane /= counts[:, None] if axis == 0 else counts
    return plane
