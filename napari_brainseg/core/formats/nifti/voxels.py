"""Voxels of one NIfTI file: read, scaled and turned upright, or taken as labels."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.assembly import Loaded
from napari_brainseg.core.formats.nifti.header import (
    MOST_STREAMED,
    NiftiHeader,
    is_gzip,
    unreadable,
)
from napari_brainseg.core.formats.nifti.placement import AS_DRAWN
from napari_brainseg.core.imaging import DataError, SourceGrid, upright

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

__all__ = ["as_labels", "loaded_volume", "read_volumes"]

_CHUNK = 4 * 2**20
_WHOLE = 1e-3
"""Labels that a scale turned into floats may be this far from a whole number."""
_NAMED_LABELS = 8


def read_volumes(header: NiftiHeader, indices: Sequence[int]) -> list[NDArray[Any]]:
    """Read some volumes of a file as stored, without scale.

    Parameters
    ----------
    header : NiftiHeader
        Of the file.
    indices : sequence of int
        Which volumes, from 0.

    Returns
    -------
    list of ndarray, shape (i, j, k)
        In the byte order of this machine, in the order asked for.

    Raises
    ------
    DataError
        If the file ends before, or is damaged.
    """
    last = max(indices)
    if last >= header.volumes:
        raise DataError(
            f"{header.path} has no volume {last + 1}, only {header.volumes}.", "Choose another."
        )
    end = header.offset + (last + 1) * header.volume_bytes
    if is_gzip(header.path) and end > MOST_STREAMED:
        raise DataError(
            f"{header.path} unpacks to {end / 2**30:.1f} GiB; up to "
            f"{MOST_STREAMED / 2**30:.0f} GiB are unpacked while reading.",
            "Unpack the file to .nii first, or take out the volumes that are needed.",
        )
    blocks: dict[int, NDArray[Any]] = {}
    try:
        opened: Any = gzip.open if is_gzip(header.path) else open
        with opened(header.path, "rb") as file:
            at = 0
            for index in sorted(set(indices)):
                start = header.offset + index * header.volume_bytes
                _skip(file, start - at)
                blocks[index] = _volume(header, file)
                at = start + header.volume_bytes
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(header.path, getattr(error, "strerror", None) or error) from error
    return [blocks[index] for index in indices]


def loaded_volume(header: NiftiHeader, stored: NDArray[Any]) -> Loaded:
    """Scale a stored volume (i, j, k) and turn it upright.

    Parameters
    ----------
    header : NiftiHeader
        Of its file.
    stored : ndarray, shape (i, j, k)
        As `read_volumes` gives it.
    """
    place = header.placement
    if place.affine_lps is None:
        order, affine = AS_DRAWN, None
    else:
        order, affine = upright(place.affine_lps, header.shape)
    spacing = place.spacing_mm
    z, y, x = order.axes
    return Loaded(
        data=order.apply(_scaled(stored, header)),
        affine_lps=affine,
        grid=SourceGrid(header.shape, place.affine_lps, order, header.path),
        warnings=place.warnings,
        spacing_mm=None if spacing is None else (spacing[z], spacing[y], spacing[x]),
    )


def as_labels(header: NiftiHeader, volume: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Make a mask of 0 and 1 of labels.

    Parameters
    ----------
    header : NiftiHeader
        Of the file, for the message.
    volume : ndarray
        Scaled values; every one above 0 counts.

    Returns
    -------
    mask : ndarray of uint8
        Same shape.
    warning : str
        Which labels were taken together; empty for a single one.

    Raises
    ------
    DataError
        If the values are no whole numbers: probabilities, or an image.
    """
    if volume.dtype.kind == "f":
        volume = np.where(np.isfinite(volume), volume, 0)
        rounded = np.rint(volume)
        off = np.abs(volume - rounded) > _WHOLE
        if off.any():
            raise DataError(
                f"{header.path} is no mask: it holds {float(volume[off][0]):.4g}, and labels are "
                "whole numbers.",
                "Export labels instead of probabilities, or leave the file out.",
            )
        volume = rounded
    labels = np.unique(volume)
    labels = labels[labels > 0]
    warning = ""
    if len(labels) > 1:
        shown = ", ".join(f"{label:g}" for label in labels[:_NAMED_LABELS])
        more = len(labels) - _NAMED_LABELS
        shown += f" and {more} more" if more > 0 else ""
        warning = f"labels {shown} of {header.path.name} count as one lesion."
    return (volume > 0).astype(np.uint8), warning


def _skip(file: BinaryIO, count: int) -> None:
    while count > 0:
        got = len(file.read(min(count, _CHUNK)))
        if not got:
            raise EOFError("it ends before its voxels")
        count -= got


def _volume(header: NiftiHeader, file: BinaryIO) -> NDArray[Any]:
    """Read one volume; memory grows with what the file holds, not with what it claims."""
    needed = header.volume_bytes
    buffer = bytearray()
    while len(buffer) < needed:
        piece = file.read(min(needed - len(buffer), _CHUNK))
        if not piece:
            raise EOFError(f"it ends {needed - len(buffer):,} bytes early")
        buffer += piece
    stored = np.frombuffer(buffer, header.dtype).reshape(header.shape, order="F")
    return stored.astype(header.dtype.newbyteorder("="), copy=False)


def _scaled(stored: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    """Apply slope and intercept; whole numbers stay whole where both are."""
    slope, inter = header.slope, header.inter
    if (slope, inter) == (1.0, 0.0):
        return stored
    if stored.dtype.kind in "iu" and slope.is_integer() and inter.is_integer():
        ends = [float(stored.min()) * slope + inter, float(stored.max()) * slope + inter]
        for narrow in (np.int16, np.uint16, np.int32):
            limits = np.iinfo(narrow)
            if limits.min <= min(ends) and max(ends) <= limits.max:
                whole = stored.astype(np.int64) * int(slope) + int(inter)
                return whole.astype(narrow)
    wide: Any = np.float64 if stored.dtype.itemsize > 4 else np.float32
    with np.errstate(all="ignore"):
        values: NDArray[Any] = stored.astype(wide)
        np.multiply(values, wide(slope), out=values)
        np.add(values, wide(inter), out=values)
    return values
