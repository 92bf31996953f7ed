"""What the header of a NIfTI file says: shape, numbers, and where its voxels lie.

The formats are those of https://nifti.nimh.nih.gov/nifti-1 (2003) and nifti-2 (2011). Fields of
free text (``descrip``, ``aux_file``, ``intent_name``...) may hold names and are read into nothing.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats.nifti.placement import AS_DRAWN, Placement, placement_of
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = [
    "AS_DRAWN",
    "MOST_STREAMED",
    "MOST_VOXELS",
    "NiftiHeader",
    "is_gzip",
    "read_header",
    "unreadable",
]

MOST_VOXELS = 2**27
"""Volumes of more voxels (512 along each side) are refused before memory is taken."""
MOST_STREAMED = 2**30
"""Bytes that are decompressed of one file at most: a small file may claim to hold any number."""

_HEADERS = {348: (344, (b"n+1\0",)), 540: (4, (b"n+2\0",))}
_PAIRS = (b"ni1\0", b"ni2\0")
_LONGEST = 540
_GZIP = b"\x1f\x8b"
_DEFLATE_AT_MOST = 1032
"""No stream of deflate grows by more than this factor (zlib, technical details)."""
_KEPT_DTYPES = "iuf"


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """The header of one file, checked as far as reading its volumes needs.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int, length 3
        (i, j, k) of one volume.
    volumes : int
        Number of volumes, 1 for a 3D file.
    dtype : dtype
        Of the stored numbers, in the byte order of the file.
    offset : int
        Bytes before the first voxel.
    slope, inter : float
        Stored number times `slope` plus `inter` is the intensity; (1, 0) where nothing is to do.
    placement : Placement
        Where the voxels lie.
    raw : nibabel.Nifti1Header
        All fields.
    """

    path: Path
    shape: tuple[int, int, int]
    volumes: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    placement: Placement
    raw: Any

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume as stored."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_whole_numbers(self) -> bool:
        """Whether the file holds whole numbers without a scale, as masks do."""
        return self.dtype.kind in "iu" and (self.slope, self.inter) == (1.0, 0.0)


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed: by its first bytes, by its name where it cannot be read."""
    try:
        with path.open("rb") as file:
            first = file.read(len(_GZIP))
    except OSError:
        first = b""
    return first == _GZIP if first else path.name.lower().endswith(".gz")


def unreadable(path: Path, why: object) -> DataError:
    """Error of a file that is no NIfTI volume, or a damaged one."""
    return DataError(
        f"{path} cannot be read as NIfTI: {why}.", "Copy or export the file again, or leave it out."
    )


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a file; no voxel is read.

    Parameters
    ----------
    path : Path
        A ``.nii`` or ``.nii.gz`` file.

    Returns
    -------
    NiftiHeader

    Raises
    ------
    DataError
        If the file cannot be read, is no NIfTI file of one piece, holds colours or complex
        numbers, claims more than the file can hold, or is larger than `MOST_VOXELS`.
    """
    block = _first_bytes(path)
    raw, size = _parse(path, block)
    shape, volumes = _shape(path, raw)
    dtype = _dtype(path, raw)
    offset = _offset(path, raw, size)
    slope, inter = _scale(raw)
    header = NiftiHeader(
        path, shape, volumes, dtype, offset, slope, inter, placement_of(raw, shape), raw
    )
    _require_plausible_size(header)
    return header


def _first_bytes(path: Path) -> bytes:
    try:
        if not is_gzip(path):
            with path.open("rb") as file:
                return file.read(_LONGEST)
        with gzip.open(path, "rb") as packed:
            return packed.read(_LONGEST)
    except FileNotFoundError as error:
        raise DataError(f"The file {path} does not exist.", "Check the path.") from error
    except PermissionError as error:
        raise DataError(
            f"No permission to read {path}.",
            "Ask its owner for read access, or copy it to a place of your own.",
        ) from error
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise unreadable(path, getattr(error, "strerror", None) or error) from error


def _parse(path: Path, block: bytes) -> tuple[Any, int]:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    if len(block) < min(_HEADERS):
        raise unreadable(path, f"it ends after {len(block)} bytes, a header has {min(_HEADERS)}")
    for order in "<>":
        (size,) = struct.unpack(f"{order}i", block[:4])
        if size not in _HEADERS:
            continue
        at, magics = _HEADERS[size]
        magic = block[at : at + 4]
        if magic in _PAIRS or (size == 348 and magic not in magics):
            raise DataError(
                f"{path} is one half of an Analyze or NIfTI pair (.hdr and .img), which cannot be "
                "opened.",
                "Convert the pair to one NIfTI file (.nii.gz), e.g. with nibabel or dcm2niix.",
            )
        if magic not in magics or len(block) < size:
            break
        kind: Any = Nifti1Header if size == 348 else Nifti2Header
        return kind(block[:size], endianness=order, check=False), size
    raise unreadable(path, "it does not begin with a NIfTI header")


def _shape(path: Path, raw: Any) -> tuple[tuple[int, int, int], int]:
    dims = [int(n) for n in raw["dim"]]
    axes = dims[0]
    if not 1 <= axes <= 7 or any(n < 1 for n in dims[1 : axes + 1]):
        raise unreadable(path, f"its axes make no sense: {dims}")
    sizes = dims[1 : axes + 1] + [1] * (7 - axes)
    shape = (sizes[0], sizes[1], sizes[2])
    if sum(n > 1 for n in shape) < 2:
        raise DataError(
            f"{path} holds no image: its volumes are {' x '.join(map(str, shape))} voxels.",
            "Choose another file; surfaces, connectivity matrices and time courses are no images.",
        )
    voxels, volumes = math.prod(shape), math.prod(sizes[3:])
    if voxels > MOST_VOXELS:
        raise DataError(
            f"{path} claims {' x '.join(map(str, shape))} voxels; up to {MOST_VOXELS:,} can be "
            "opened.",
            "Crop it or resample it to larger voxels; or the header is damaged.",
        )
    return shape, volumes


def _dtype(path: Path, raw: Any) -> np.dtype[Any]:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype: np.dtype[Any] = raw.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise unreadable(path, f"type {int(raw['datatype'])} of voxels is unknown") from error
    if dtype.names or dtype.kind == "c":
        kind = "complex numbers" if dtype.kind == "c" else "colours"
        raise DataError(
            f"{path} holds {kind}, not intensities of one sequence.",
            "Export the magnitude."
            if dtype.kind == "c"
            else "Export the original greyscale image.",
        )
    if dtype.kind not in _KEPT_DTYPES or dtype.itemsize == 0:
        raise unreadable(path, f"voxels of type {int(raw['datatype'])} are no intensities")
    return dtype


def _offset(path: Path, raw: Any, size: int) -> int:
    offset = float(raw["vox_offset"])
    if not math.isfinite(offset) or offset < 0 or offset > MOST_STREAMED:
        raise unreadable(path, f"its voxels are said to start at byte {offset:g}")
    # 0 is how some programs say "right behind the header and its four bytes of extensions".
    return int(offset) if offset >= size else size + 4


def _scale(raw: Any) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or nan means none (nifti1.h)."""
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if not math.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    return slope, inter if math.isfinite(inter) else 0.0


def _require_plausible_size(header: NiftiHeader) -> None:
    path, needed = header.path, header.offset + header.volume_bytes * header.volumes
    try:
        held = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error.strerror or error) from error
    if is_gzip(path):
        held *= _DEFLATE_AT_MOST
    if needed > held:
        raise DataError(
            f"{path} is cut off or its header is damaged: the header promises {needed:,} bytes, "
            f"the file {'can at most hold' if is_gzip(path) else 'holds'} {held:,}.",
            "Copy or export the file again.",
        )
