"""Voxels of NIfTI files: one volume, a study of several, or a mask for a study that is open."""

from __future__ import annotations

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.assembly import Loaded, assemble
from napari_brainseg.core.formats.grids import resample as bring
from napari_brainseg.core.formats.grids import same_grid
from napari_brainseg.core.formats.nifti.header import (
    AS_DRAWN,
    MOST_STREAMED,
    NiftiHeader,
    is_gzip,
    read_header,
    unreadable,
)
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    LabelVolume,
    Modality,
    SourceGrid,
    upright,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.kaggle3m import StudyFolder
    from napari_brainseg.core.imaging import Affine, Reorientation, Study

__all__ = ["as_labels", "load_nifti", "loaded_volume", "read_nifti_mask", "read_volumes"]

_CHUNK = 4 * 2**20
_READERS = 3
_WHOLE = 1e-3
"""Labels that a scale turned into floats may be this far from a whole number."""
_NAMED_LABELS = 8


def load_nifti(folder: StudyFolder) -> Study:
    """Read one patient.

    Parameters
    ----------
    folder : StudyFolder
        As `nifti_folders` found it, perhaps with other roles.

    Returns
    -------
    Study
        Upright, on the grid of FLAIR (else of the first sequence that is there). Nothing of the
        header's free text is kept.

    Raises
    ------
    DataError
        If a file cannot be read, holds no intensities, or the truth no labels.
    """
    wanted: dict[Path, list[tuple[Modality, int]]] = {}
    for modality, key in folder.roles:
        info = folder.find(key)
        wanted.setdefault(info.files[0], []).append((modality, _volume_of(key, info.files[0])))

    def read(path: Path) -> list[tuple[Modality, Loaded]]:
        header = read_header(path)
        volumes = read_volumes(header, [index for _, index in wanted[path]])
        return [
            (modality, loaded_volume(header, volume))
            for (modality, _), volume in zip(wanted[path], volumes, strict=True)
        ]

    with ThreadPoolExecutor(_READERS, thread_name_prefix="brainseg-nifti") as pool:
        found = dict(pair for pairs in pool.map(read, wanted) for pair in pairs)
    loaded = {modality: found[modality] for modality in KAGGLE_ORDER if modality in found}
    truth = None
    if folder.truth:
        header = read_header(folder.find(folder.truth).files[0])
        truth = _truth(header)
    loaded, truth = _on_shared_storage(loaded, truth)
    return assemble(folder, loaded, truth=truth)


def read_nifti_mask(path: Path, study: Study, *, resample: bool = False) -> LabelVolume:
    """Read a mask for a study that is open.

    Parameters
    ----------
    path : Path
        A ``.nii`` or ``.nii.gz`` file of labels; every one above 0 is lesion.
    study : Study
        Whose mask it is.
    resample : bool
        Bring a mask of another grid to that of the study, by nearest voxel.

    Returns
    -------
    LabelVolume
        On the grid of the study: the same voxels, where the file has that grid. Where the mask or
        the study does not say how it lies, voxels are matched as they are stored.

    Raises
    ------
    DataError
        If the file cannot be read, holds no labels, or has another grid and `resample` is off.
    """
    mask = _truth(read_header(path))
    geometry, shape = study.image.geometry, study.image.grid_shape
    here, there = mask.affine_lps, geometry.affine_lps
    if here is not None and there is not None:
        if mask.shape == shape and same_grid(here, there, shape):
            return LabelVolume(np.ascontiguousarray(mask.data), geometry)
        if resample:
            brought = bring(mask.data, here, there, shape, order=0)
            return LabelVolume(np.ascontiguousarray(brought), geometry)
    else:
        grid = study.grid
        order = AS_DRAWN if grid is None or grid.frames else grid.reorientation
        laid = order.apply(mask.grid.reorientation.undo(mask.data))
        if laid.shape == shape:
            return LabelVolume(np.ascontiguousarray(laid), geometry)
    raise DataError(
        f"{path} lies on another grid than {study.patient}: the mask has "
        f"{_described(mask.shape, here, mask.spacing_mm)}, the study "
        f"{_described(shape, there, geometry.spacing_mm)}.",
        "Choose the mask of this patient"
        + (", or let it be brought to the grid of the study." if here and there else "."),
    )


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


def _described(
    shape: tuple[int, ...], affine: Affine | None, spacing: tuple[float, float, float] | None
) -> str:
    """Grid in words: slices, rows and columns, spacing, and where its first voxel lies."""
    text = " x ".join(map(str, shape)) + " voxels"
    if spacing is not None:
        text += " of " + " x ".join(f"{step:.4g}" for step in spacing) + " mm"
    if affine is None:
        return f"{text}, place unknown"
    return text + " from (" + ", ".join(f"{row[3]:.1f}" for row in affine[:3]) + ") mm"


def _truth(header: NiftiHeader) -> Loaded:
    if header.volumes > 1:
        raise DataError(
            f"The mask {header.path} holds {header.volumes} volumes, not one.",
            "Export one volume of labels, or choose no ground truth.",
        )
    found = loaded_volume(header, read_volumes(header, [0])[0])
    mask, warning = as_labels(header, found.data)
    said = (warning,) if warning else ()
    return replace(found, data=mask, warnings=(*found.warnings, *said))


def _on_shared_storage(
    loaded: Mapping[Modality, Loaded], truth: Loaded | None
) -> tuple[dict[Modality, Loaded], Loaded | None]:
    """Lay series of which one does not say how it lies on each other as they are stored."""
    if not loaded:
        return dict(loaded), truth
    reference = loaded.get(Modality.FLAIR) or next(iter(loaded.values()))

    def like(series: Loaded) -> Loaded:
        known = series.affine_lps is not None and reference.affine_lps is not None
        if known or series.grid.shape != reference.grid.shape:
            return series
        order: Reorientation = reference.grid.reorientation
        if series.grid.reorientation == order:
            return series
        stored = series.grid.reorientation.undo(series.data)
        grid = replace(series.grid, reorientation=order, affine_lps=None)
        return replace(series, data=order.apply(stored), affine_lps=None, grid=grid)

    return {m: like(series) for m, series in loaded.items()}, None if truth is None else like(truth)


def _volume_of(key: str, path: Path) -> int:
    index = key.removeprefix(path.name).removeprefix("#")
    return int(index) if index.isdigit() else 0


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
