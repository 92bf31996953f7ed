"""Volumes as grey PNG files without loss: eight bits as they are, other ranges in sixteen."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.convert_manifest import Scale
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["decoded", "png_bytes", "read_png", "scale_of", "stored"]

_TOP = 65535
_GREY_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I")


def scale_of(volume: NDArray[Any]) -> Scale:
    """Find the line between intensities and what a PNG can hold.

    Whole numbers that span no more than 65535 come back exactly, whatever their sign or type;
    anything else within half a step of 65536.

    Parameters
    ----------
    volume : ndarray
        Intensities of one modality, any real dtype; what is not finite is stored as the lowest.
    """
    if volume.dtype == np.uint8:
        return Scale(low=0, high=255, levels=255, exact=True)
    finite = volume
    if volume.dtype.kind == "f":
        finite = volume[np.isfinite(volume)]
    if finite.size == 0:
        return Scale(low=0, high=1, levels=_TOP, exact=False)
    low, high = float(finite.min()), float(finite.max())
    is_whole = volume.dtype.kind != "f" or (
        finite.size == volume.size and bool((np.rint(finite) == finite).all())
    )
    if is_whole and high - low <= _TOP:
        return Scale(low=low, high=low + _TOP, levels=_TOP, exact=True)
    return Scale(low=low, high=high if high > low else low + 1, levels=_TOP, exact=high == low)


def stored(volume: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Bring intensities to the whole numbers that files hold, uint8 or uint16, same shape."""
    kept = np.uint8 if scale.levels == 255 else np.uint16
    if volume.dtype == kept and scale.low == 0 and scale.step == 1:
        return volume
    line = volume.astype(np.float64)
    if volume.dtype.kind == "f":
        line[~np.isfinite(line)] = scale.low
    line -= scale.low
    line /= scale.step
    np.rint(line, out=line)
    np.clip(line, 0, scale.levels, out=line)
    return line.astype(kept)


def decoded(volume: NDArray[Any], scale: Scale | None, dtype: str) -> NDArray[Any]:
    """Bring stored numbers back to intensities of a dtype; the reverse of `stored`."""
    wanted = np.dtype(dtype)
    if scale is None:
        return volume.astype(wanted, copy=False)
    if volume.dtype == wanted and scale.low == 0 and scale.step == 1:
        return volume
    line = volume.astype(np.float64)
    line *= scale.step
    line += scale.low
    if wanted.kind in "iu":
        limits = np.iinfo(wanted)
        np.rint(line, out=line)
        np.clip(line, limits.min, limits.max, out=line)
    return line.astype(wanted)


def png_bytes(plane: NDArray[Any]) -> bytes:
    """Encode a plane (Y, X) of uint8 or uint16; the same plane always gives the same bytes."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(content, "PNG", compress_level=4)
    return content.getvalue()


def read_png(path: Path, shape: tuple[int, int]) -> NDArray[Any]:
    """Read a grey PNG of a known shape (Y, X).

    Raises
    ------
    DataError
        If it is missing, damaged, in colour, or of another size; nothing is decoded then.
    """
    from PIL import Image

    hint = "Restore it, or convert the source again."
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.size != (shape[1], shape[0]):
                raise DataError(
                    f"{path} has {image.size[0]} x {image.size[1]} pixels; expected "
                    f"{shape[1]} x {shape[0]}.",
                    "Save it at the size it had.",
                )
            if image.mode not in _GREY_MODES:
                raise DataError(
                    f"{path} is in colour ({image.mode}); expected grey.", "Save it as grey."
                )
            plane = np.asarray(image)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing.", hint) from error
    # Pillow tells of damage in several ways; a size that no slice has is an error of its own.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a PNG ({error}).", hint) from error
    return plane.astype(np.uint8 if plane.dtype in (np.uint8, np.bool_) else np.uint16)
