"""NIfTI files as a study, and a mask for a study that is open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats.assembly import Loaded, assemble
from napari_brainseg.core.formats.grids import resample as bring
from napari_brainseg.core.formats.grids import same_grid
from napari_brainseg.core.formats.nifti.header import NiftiHeader, read_header
from napari_brainseg.core.formats.nifti.placement import AS_DRAWN
from napari_brainseg.core.formats.nifti.voxels import as_labels, loaded_volume, read_volumes
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    LabelVolume,
    Modality,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_brainseg.core.formats.kaggle3m import StudyFolder
    from napari_brainseg.core.imaging import Affine, Reorientation, Study

__all__ = ["as_labels", "load_nifti", "loaded_volume", "read_nifti_mask", "read_volumes"]

_READERS = 3


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
    loaded, shared = _said_once(loaded)
    return assemble(folder, loaded, truth=truth, warnings=shared)


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
        data = order.apply(series.grid.reorientation.undo(series.data))
        grid = replace(series.grid, reorientation=order, affine_lps=None)
        said = "laid on the reference as stored, voxel by voxel."
        return replace(
            series, data=data, affine_lps=None, grid=grid, warnings=(*series.warnings, said)
        )

    return {m: like(series) for m, series in loaded.items()}, None if truth is None else like(truth)


def _said_once(
    loaded: Mapping[Modality, Loaded],
) -> tuple[dict[Modality, Loaded], tuple[str, ...]]:
    """Take out the warnings that every series has, to be said once."""
    said = [series.warnings for series in loaded.values()]
    if len(said) < 2:
        return dict(loaded), ()
    shared = tuple(text for text in said[0] if all(text in others for others in said))
    return {
        modality: replace(series, warnings=tuple(t for t in series.warnings if t not in shared))
        for modality, series in loaded.items()
    }, shared


def _volume_of(key: str, path: Path) -> int:
    index = key.removeprefix(path.name).removeprefix("#")
    return int(index) if index.isdigit() else 0
