"""Volumes as NIfTI files, on the grid of the file that they belong to."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_brainseg.core.formats.nifti.header import read_header
from napari_brainseg.core.formats.nifti.placement import AS_DRAWN
from napari_brainseg.core.formats.probing import is_nifti_name
from napari_brainseg.core.imaging import DataError, Reorientation, upright
from napari_brainseg.core.imaging.unwritable import unwritable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Affine, Geometry, SourceGrid

__all__ = ["write_nifti"]

_MM = 2
_SCANNER = 1
_LEVEL = 6
_PLACE_FIELDS = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_UPRIGHT_SHAPE = "The volume has shape"


class _Target(NamedTuple):
    """How a volume is stored: its order, and a header that places it."""

    order: Reorientation
    header: Any


def write_nifti(
    path: Path,
    data: NDArray[Any],
    geometry: Geometry,
    *,
    grid: SourceGrid | None = None,
    like: Path | None = None,
) -> None:
    """Write an upright volume as one NIfTI file, wholly or not at all.

    Where the grid came from a NIfTI file, the volume is stored in the order of that file, and
    sform, qform, their codes, spacing and unit are copied from it bit by bit; nothing else of its
    header is. Otherwise the volume is stored to the left, to the front and to the head, with the
    affine of `geometry` in RAS; where nothing is known, the codes are 0. A volume that leans (a
    tilted gantry) gets a sform alone, as a qform cannot say how it lies: ITK then refuses it
    rather than show it elsewhere.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``; what stands there is replaced.
    data : ndarray, shape (Z, Y, X)
        Upright, any real dtype; bool is stored as uint8.
    geometry : Geometry
        Of `data`.
    grid : SourceGrid, optional
        How the files of the study store the grid.
    like : Path, optional
        A NIfTI file on the same grid; by default, or where it is gone, that of `grid`.

    Raises
    ------
    DataError
        If the volume does not fit the grid, has no dtype of NIfTI, or the place cannot be written.
    """
    if not is_nifti_name(path.name):
        raise DataError(
            f"{path.name!r} is no name of a NIfTI file.", "Let the name end in .nii.gz or .nii."
        )
    stored = _storable(data)
    target = _target(stored.shape, geometry, grid, like)
    volume = target.order.undo(stored)
    header = target.header
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    _write(path, header, volume)


def _storable(data: NDArray[Any]) -> NDArray[Any]:
    if data.ndim != 3 or 0 in data.shape or data.dtype.kind not in "buif":
        raise DataError(
            f"{_UPRIGHT_SHAPE} {data.shape} and type {data.dtype}; NIfTI gets volumes of three "
            "axes and real numbers."
        )
    if data.dtype == bool:
        return data.view(np.uint8)
    if data.dtype == np.float16:
        return data.astype(np.float32)
    # Little-endian everywhere: the same volume makes the same file on every machine.
    return data.astype(data.dtype.newbyteorder("<"), copy=False)


def _target(
    shape: tuple[int, ...], geometry: Geometry, grid: SourceGrid | None, like: Path | None
) -> _Target:
    source = like if like is not None and like.is_file() else _nifti_of(grid)
    if source is not None:
        target, stored = _like_file(source, grid)
    elif grid is not None and not grid.frames and not grid.series_uid:
        target, stored = _like_grid(grid, geometry), grid.shape
    else:
        return _from_geometry(geometry, shape)
    expected = tuple(stored[axis] for axis in target.order.axes)
    if shape != expected:
        raise DataError(
            f"{_UPRIGHT_SHAPE} {shape}, the grid that it belongs to {expected}.",
            "Write it with the grid of its own study.",
        )
    return target


def _nifti_of(grid: SourceGrid | None) -> Path | None:
    if grid is None or grid.path is None or not is_nifti_name(grid.path.name):
        return None
    return grid.path if grid.path.is_file() else None


def _like_file(source: Path, grid: SourceGrid | None) -> tuple[_Target, tuple[int, int, int]]:
    found = read_header(source)
    affine = found.placement.affine_lps
    if grid is not None and grid.shape == found.shape:
        # The study may have been read in the order of another of its files.
        order = grid.reorientation
    else:
        order = AS_DRAWN if affine is None else upright(affine, found.shape)[0]
    header = type(found.raw)(endianness="<")
    for name in _PLACE_FIELDS:
        header[name] = found.raw[name]
    header["pixdim"][:4] = found.raw["pixdim"][:4]
    header["xyzt_units"] = int(found.raw["xyzt_units"]) & 7
    return _Target(order, header), found.shape


def _like_grid(grid: SourceGrid, geometry: Geometry) -> _Target:
    """Header for a grid whose file is gone."""
    spacing = None
    if geometry.spacing_mm is not None:
        spacing = [0.0, 0.0, 0.0]
        for axis, step in zip(grid.reorientation.axes, geometry.spacing_mm, strict=True):
            spacing[axis] = step
    return _Target(grid.reorientation, _placed(grid.affine_lps, spacing, grid.shape))


def _from_geometry(geometry: Geometry, shape: tuple[int, ...]) -> _Target:
    """Header for an upright volume without a source in NIfTI."""
    spacing = None if geometry.spacing_mm is None else list(reversed(geometry.spacing_mm))
    if geometry.affine_lps is None:
        return _Target(AS_DRAWN, _placed(None, spacing, shape))
    # Upright (z, y, x) to stored (i, j, k) = (x, -y, z).
    matrix = np.array(geometry.affine_lps, float)
    stored = matrix[:, [2, 1, 0, 3]]
    stored[:3, 3] += stored[:3, 1] * (shape[1] - 1)
    stored[:3, 1] *= -1
    affine = tuple(tuple(float(value) for value in row) for row in stored)
    return _Target(AS_DRAWN, _placed(affine, spacing, shape[::-1]))


def _placed(affine_lps: Affine | None, spacing: list[float] | None, shape: Sequence[int]) -> Any:
    """Header with a matrix, else with spacing, else with nothing."""
    from nibabel import nifti1

    kind: Any = nifti1.Nifti1Header
    header = kind(endianness="<")
    if affine_lps is None:
        if spacing is not None:
            header["pixdim"][1:4] = spacing
            header["xyzt_units"] = _MM
        return header
    ras = np.array(affine_lps, float)
    ras[:2] *= -1
    header["pixdim"][1:4] = np.linalg.norm(ras[:3, :3], axis=0)
    header.set_sform(ras, _SCANNER)
    header.set_qform(ras, _SCANNER)
    if _leans(ras, header.get_qform(), shape):
        # A qform knows right angles only: readers that prefer it would lay slices elsewhere.
        header.set_qform(None, 0)
    header["xyzt_units"] = _MM
    return header


def _leans(sform: NDArray[Any], qform: NDArray[Any], shape: Sequence[int]) -> bool:
    """Whether a corner lies half a voxel or more from where a qform puts it."""
    ends = [(0.0, n - 1.0) for n in shape]
    corners = np.array([(i, j, k, 1.0) for i in ends[0] for j in ends[1] for k in ends[2]]).T
    apart = np.linalg.norm(((qform - sform) @ corners)[:3], axis=0).max()
    return bool(apart >= np.linalg.norm(sform[:3, :3], axis=0).min() / 2)


def _write(path: Path, header: Any, volume: NDArray[Any]) -> None:
    """Stream a file beside its place, then put it there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                if path.name.lower().endswith(".gz"):
                    # Neither name nor time in the stream: the same volume makes the same bytes.
                    with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
                        _stream(packed, header, volume)
                else:
                    _stream(file, header, volume)
                file.flush()
                os.fsync(file.fileno())
            scratch.chmod(0o644)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(str(path), path.parent, error) from error


def _stream(file: BinaryIO | gzip.GzipFile, header: Any, volume: NDArray[Any]) -> None:
    file.write(header.binaryblock)
    file.write(b"\0" * (int(header["vox_offset"]) - header.sizeof_hdr))
    # First axis fastest (nifti1.h): slice by slice, without a second copy of the volume.
    for k in range(volume.shape[2]):
        file.write(volume[:, :, k].tobytes(order="F"))
