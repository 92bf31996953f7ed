"""Where the voxels of a kaggle_3m folder lie, in a file beside its slices.

kaggle_3m carries no spacing. A folder that this program writes from a NIfTI or DICOM study gets a
small JSON file, so that volumes stay in millilitres and networks see pixels of the nominal size.
Programs that know only TIFF slices leave it aside.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import DataError, Geometry

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GEOMETRY_FILE", "geometry_json", "read_geometry"]

GEOMETRY_FILE = "geometry.json"
"""Name of the file in a patient's folder."""


def geometry_json(geometry: Geometry, shape: tuple[int, int, int]) -> bytes | None:
    """Content of the file; `None` where nothing is known.

    Parameters
    ----------
    geometry : Geometry
        Of the volume.
    shape : tuple of int
        (Z, Y, X) in voxels: a folder that lost slices does not fit any more.
    """
    if geometry.spacing_mm is None:
        return None
    affine = geometry.affine_lps
    content = {
        "shape": list(shape),
        "spacing_mm": list(geometry.spacing_mm),
        "affine_lps": None if affine is None else [list(row) for row in affine],
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def read_geometry(folder: Path, shape: tuple[int, ...]) -> tuple[Geometry, str]:
    """Read the file of a folder.

    Parameters
    ----------
    folder : Path
        The patient's folder.
    shape : tuple of int
        (Z, Y, X) of the volume that was read.

    Returns
    -------
    geometry : Geometry
        Empty where there is no file, or it does not fit.
    doubt : str
        Why a file that is there was not used; else empty.
    """
    path = folder / GEOMETRY_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Geometry(), ""
    except OSError as error:
        return Geometry(), f"{path} cannot be read: {error.strerror or error}; spacing is unknown."
    try:
        content = json.loads(text)
        if list(content["shape"]) != list(shape):
            return Geometry(), (
                f"{path} is for a volume of {content['shape']}, the slices make {list(shape)}; "
                "spacing is unknown."
            )
        spacing = _numbers(content["spacing_mm"], 3)
        rows = content.get("affine_lps")
        affine = None if rows is None else tuple(_numbers(row, 4) for row in _some(rows, 4))
        return Geometry((spacing[0], spacing[1], spacing[2]), affine), ""
    except (ValueError, KeyError, TypeError, RecursionError, DataError) as error:
        return Geometry(), f"{path} is damaged ({error}); spacing is unknown."


def _some(values: Any, count: int) -> list[Any]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"expected {count} values, found {values!r}")
    return values


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in _some(values, count))
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError(f"{values!r} is not finite")
    return numbers
