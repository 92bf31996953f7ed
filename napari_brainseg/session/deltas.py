"""Changed voxels as bytes: small enough to store every stroke, exact enough to replay it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Voxels", "pack_bits", "pack_indices", "unpack_bits", "unpack_indices", "unpack_voxels"]

Voxels = tuple["NDArray[np.int64]", "NDArray[np.uint8]", "NDArray[np.uint8]"]
"""What a stroke changed: flat indices, values before, values after."""

_LEVEL = 1  # a stroke must be on disk at once; higher levels gain a few per cent only


def pack_indices(indices: NDArray[np.int64]) -> bytes:
    """Compress ascending flat voxel indices (C order, below 2**32).

    Neighbouring voxels differ by one, so the steps compress far better than the indices.
    """
    steps = np.diff(indices, prepend=0).astype("<u4")
    return zlib.compress(steps.tobytes(), _LEVEL)


def unpack_indices(blob: bytes) -> NDArray[np.int64]:
    """Inverse of `pack_indices`."""
    steps = np.frombuffer(zlib.decompress(blob), dtype="<u4")
    return np.cumsum(steps, dtype=np.int64)


def pack_bits(values: NDArray[np.uint8]) -> bytes:
    """Compress zeros and ones of any shape."""
    return zlib.compress(np.packbits(values.reshape(-1)).tobytes(), _LEVEL)


def unpack_bits(blob: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Inverse of `pack_bits`; the array is writable.

    Raises
    ------
    ValueError
        If the bytes hold fewer values than `shape` needs.
    """
    count = int(np.prod(shape))
    packed = np.frombuffer(zlib.decompress(blob), dtype=np.uint8)
    if packed.size * 8 < count:
        raise ValueError(f"{packed.size * 8} stored values do not fill the shape {shape}")
    return np.unpackbits(packed, count=count).reshape(shape)


def unpack_voxels(indices: bytes, before: bytes, after: bytes) -> Voxels:
    """Read what a stroke changed.

    Raises
    ------
    ValueError, zlib.error
        If it is damaged.
    """
    found = unpack_indices(indices)
    return found, unpack_bits(before, found.shape), unpack_bits(after, found.shape)
