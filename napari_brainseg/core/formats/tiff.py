"""One slice from one TIFF, with errors that name the file, the value and the mend."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import KAGGLE_ORDER, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_image_slice", "read_mask_slice"]

_CHANNELS = len(KAGGLE_ORDER)
_MOST_BYTES = 2**28
"""Slices that claim more than this (9,400 x 9,400 pixels of three channels) are refused."""


def read_image_slice(path: Path) -> NDArray[np.uint8]:
    """Read a slice of three modalities.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        Channels in the order of `KAGGLE_ORDER`.

    Raises
    ------
    DataError
        If the file cannot be read or has another shape or dtype.
    """
    data = _read(path)
    if data.ndim != 3 or data.shape[-1] != _CHANNELS:
        raise DataError(
            f"The image {path} has shape {data.shape}; expected (Y, X, {_CHANNELS}).",
            f"Save it as one RGB page: {', '.join(KAGGLE_ORDER)}.",
        )
    if data.dtype != np.uint8:
        raise DataError(
            f"The image {path} holds {data.dtype} values; expected uint8.",
            "Scale the whole volume to 0-255 and save it as uint8.",
        )
    return data


def read_mask_slice(path: Path) -> tuple[NDArray[np.bool_], int]:
    """Read a slice of the ground truth.

    Returns
    -------
    lesion : ndarray of bool, shape (Y, X)
        True where the mask is not 0.
    value : int
        The value that marks the lesion in this file; 0 where it marks none.

    Raises
    ------
    DataError
        If the file cannot be read, has another shape or dtype, or holds more than one value
        besides 0.
    """
    data = _read(path)
    if data.ndim != 2:
        raise DataError(
            f"The mask {path} has shape {data.shape}; expected (Y, X).",
            "Save it as one page of one channel.",
        )
    if data.dtype != np.uint8 and data.dtype != np.bool_:
        raise DataError(
            f"The mask {path} holds {data.dtype} values; expected uint8.",
            "Save it as uint8 with 0 for background and 255 for lesion.",
        )
    value = int(data.max())
    lesion = data != 0
    if value and np.count_nonzero(data == value) != np.count_nonzero(lesion):
        values = np.unique(data)
        shown = ", ".join(str(int(v)) for v in values[:6]) + (", ..." if len(values) > 6 else "")
        raise DataError(
            f"The mask {path} holds {len(values)} values ({shown}); expected 0 and one other.",
            "Save it with 0 for background and 255 for lesion, without smoothing or compression "
            "that blurs.",
        )
    return lesion, value


def _read(path: Path) -> NDArray[Any]:
    """Read the only page of a file, whatever its shape."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            pages = len(tiff.pages)
            _require_plausible(tiff)
            data: NDArray[Any] = np.asarray(tiff.pages[0].asarray())
    except FileNotFoundError as error:
        raise DataError(
            f"The slice {path} does not exist any more.", "Open the study again."
        ) from error
    except PermissionError as error:
        raise DataError(
            f"No permission to read the slice {path}.",
            "Ask its owner for read access, or copy the study to a place of your own.",
        ) from error
    except OSError as error:
        raise DataError(
            f"The slice {path} cannot be read: {error.strerror or error}.",
            "Check that the disk or network drive is connected and sound.",
        ) from error
    # A damaged header makes tifffile fail in many ways (struct, index, key, memory); all of
    # them mean the same to the user.
    except Exception as error:
        if "imagecodecs" in str(error):
            raise DataError(
                f"The slice {path} is compressed in a way that cannot be read here: {error}.",
                "Save it without compression, or install the package imagecodecs.",
            ) from error
        raise DataError(
            f"The slice {path} cannot be read; it is damaged, cut short or no TIFF "
            f"({str(error) or type(error).__name__}).",
            "Copy or export it again from its source.",
        ) from error
    if pages != 1:
        raise DataError(
            f"The slice {path} holds {pages} pages; expected one.",
            "Save each slice as a file of its own.",
        )
    return data


def _require_plausible(tiff: Any) -> None:
    """Refuse a header that claims more than the file can hold, before memory is taken for it."""
    page, held = tiff.pages[0], tiff.filehandle.size
    for shape in (page.shape, page.chunks):
        if math.prod(shape) * page.dtype.itemsize > _MOST_BYTES:
            raise ValueError(f"it claims {' x '.join(map(str, shape))} values")
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    if any(offset + count > held for offset, count in segments):
        raise ValueError(f"it promises more than the {held:,} bytes that it has")
