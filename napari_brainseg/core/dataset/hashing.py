"""Hashes of what images and masks hold, whatever file they came from."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Study

__all__ = ["image_sha256", "mask_sha256", "sha256_of_arrays"]


def sha256_of_arrays(*arrays: NDArray[Any]) -> str:
    """Hash values, shapes and dtypes of arrays.

    Memory order and byte order do not matter, so the same voxels give the same digest on every
    machine and from every encoding of a TIFF.

    Parameters
    ----------
    *arrays : ndarray
        Any number of numeric arrays; their order counts.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = sha256()
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{array.shape};".encode())
        digest.update(little.data)
    return digest.hexdigest()


def image_sha256(study: Study) -> str:
    """Hash the intensities of a study, (C, Z, Y, X)."""
    return sha256_of_arrays(study.image.data)


def mask_sha256(mask: LabelVolume) -> str:
    """Hash a mask of 0 and 1, (Z, Y, X)."""
    return sha256_of_arrays(mask.data)
