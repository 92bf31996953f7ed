"""A patient's slices as one study, read in parallel."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_brainseg.core.formats.attributes import attributes_of
from napari_brainseg.core.formats.discovery import discover
from napari_brainseg.core.formats.kaggle3m import StudyFolder, list_folder, slices_by_number
from napari_brainseg.core.formats.sidecar import read_geometry
from napari_brainseg.core.formats.tiff import read_image_slice, read_mask_slice
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
    StudyFormat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["load_masks", "load_study", "missing_modalities"]

_T = TypeVar("_T")

_READERS = min(8, (os.cpu_count() or 1) + 2)
"""Threads by default: a few more than cores, so that a slow disk or network is kept busy."""


def load_study(source: Path | str | StudyFolder, *, workers: int | None = None) -> Study:
    """Read one patient.

    Parameters
    ----------
    source : Path, str or StudyFolder
        The patient's folder, or what `discover` found there.
    workers : int, optional
        Reading threads.

    Returns
    -------
    Study
        Image uint8 (C, Z, Y, X) in `KAGGLE_ORDER`, truth (Z, Y, X) of 0 and 1 if there is one.
        kaggle_3m carries no spacing of its own; see `sidecar` for folders that this program wrote.

    Raises
    ------
    DataError
        If the path holds no patient or several, a file cannot be read, slices differ in shape,
        a mask holds more than two values, or images and masks do not pair up.
    """
    folder = source if isinstance(source, StudyFolder) else _only_folder(Path(source))
    if folder.format is StudyFormat.NIFTI:
        from napari_brainseg.core.formats.nifti.reading import load_nifti

        return _said(load_nifti(folder), folder)
    if folder.format is StudyFormat.DICOM:
        from napari_brainseg.core.formats.dicom.reading import load_dicom

        return _said(load_dicom(folder, workers=workers), folder)
    return _load_kaggle(folder, workers)


def _said(study: Study, folder: StudyFolder) -> Study:
    """Note which series it stands on."""
    from napari_brainseg.core.formats.series_choices import chosen_words

    words = chosen_words(folder)
    warnings = (*study.warnings, words) if words else study.warnings
    return replace(study, truth_key=folder.truth, warnings=warnings)


def _load_kaggle(folder: StudyFolder, workers: int | None) -> Study:
    image = _read_images(folder.images, workers)
    mask_paths = [mask for mask in folder.masks if mask is not None]
    truth = _read_masks(mask_paths, image.shape[2:], workers) if mask_paths else None
    warnings = folder.warnings
    geometry, doubt = read_geometry(folder.path, (len(folder.images), *image.shape[2:]))
    if doubt:
        warnings = (*warnings, doubt)
    try:
        attributes = attributes_of(folder.path.parent, folder.patient)
    except DataError as error:
        # The table is an extra: a fault in it must not keep the images from being read.
        attributes = {}
        warnings = (*warnings, f"No clinical attributes: {error}")
    return Study(
        patient=folder.patient,
        image=ScalarVolume(image, geometry=geometry),
        truth=None if truth is None else LabelVolume(truth, geometry),
        slice_numbers=folder.slice_numbers,
        path=folder.path,
        missing_modalities=missing_modalities(image),
        attributes=attributes,
        warnings=warnings,
    )


def load_masks(
    path: Path | str, *, workers: int | None = None
) -> tuple[LabelVolume, tuple[int, ...]]:
    """Read the masks of a folder that may hold no images, as exported corrections may.

    Parameters
    ----------
    path : Path or str
        The patient's folder.
    workers : int, optional
        Reading threads.

    Returns
    -------
    mask : LabelVolume, shape (Z, Y, X)
    slice_numbers : tuple of int, length Z
        Ascending.

    Raises
    ------
    DataError
        If the folder holds no masks, a slice number twice or several patients, or a mask cannot be
        read.
    """
    folder = Path(path)
    names = list_folder(folder).tiffs
    masks = slices_by_number(folder, names).masks if names else {}
    if not masks:
        raise DataError(
            f"The folder {folder} holds no masks.", "Choose a folder with PATIENT_N_mask.tif."
        )
    numbers = tuple(sorted(masks))
    paths = [folder / masks[n] for n in numbers]
    first, _ = read_mask_slice(paths[0])
    return LabelVolume(_read_masks(paths, first.shape, workers)), numbers


def missing_modalities(image: NDArray[np.generic]) -> tuple[Modality, ...]:
    """Name the channels that show nothing of their own.

    A channel is absent where it is constant, or where it is a copy of FLAIR: kaggle_3m fills
    the gap of a missing sequence so.

    Parameters
    ----------
    image : ndarray, shape (3, Z, Y, X)
        Channels in `KAGGLE_ORDER`.
    """
    flair = image[KAGGLE_ORDER.index(Modality.FLAIR)]
    missing = []
    for modality, channel in zip(KAGGLE_ORDER, image, strict=True):
        is_copy = modality is not Modality.FLAIR and np.array_equal(channel, flair)
        if is_copy or channel.min() == channel.max():
            missing.append(modality)
    return tuple(missing)


def _only_folder(path: Path) -> StudyFolder:
    found = discover(path)
    if len(found.folders) == 1 and not found.faults:
        return found.folders[0]
    names = [f.patient for f in found.folders] + [f.path.name for f in found.faults]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    raise DataError(
        f"{path} holds {len(names)} patients ({shown}); one was asked for.",
        "Choose the folder of one patient.",
    )


def _read_images(paths: Sequence[Path], workers: int | None) -> NDArray[np.uint8]:
    """Read slices into one array of shape (C, Z, Y, X)."""
    first = read_image_slice(paths[0])
    volume = np.empty((first.shape[2], len(paths), *first.shape[:2]), np.uint8)
    volume[:, 0] = first.transpose(2, 0, 1)

    def read(z: int) -> None:
        data = read_image_slice(paths[z])
        if data.shape != first.shape:
            raise _unlike(paths[z], data.shape, first.shape, f"{paths[0].name} has")
        volume[:, z] = data.transpose(2, 0, 1)

    _each(read, range(1, len(paths)), workers)
    return volume


def _read_masks(
    paths: Sequence[Path], shape: tuple[int, ...], workers: int | None
) -> NDArray[np.uint8]:
    """Read masks of in-plane `shape` into one array of 0 and 1, shape (Z, Y, X)."""
    volume = np.empty((len(paths), *shape), np.uint8)

    def read(z: int) -> int:
        lesion, value = read_mask_slice(paths[z])
        if lesion.shape != shape:
            raise _unlike(paths[z], lesion.shape, shape, "the study has")
        volume[z] = lesion
        return value

    seen: dict[int, Path] = {}
    for path, value in zip(paths, _each(read, range(len(paths)), workers), strict=True):
        if value and seen and value not in seen:
            other, where = next(iter(seen.items()))
            raise DataError(
                f"The mask {path} marks lesions with {value}, {where.name} with {other}.",
                "Save all masks of a patient with 0 for background and 255 for lesion.",
            )
        if value:
            seen.setdefault(value, path)
    return volume


def _unlike(
    path: Path, shape: tuple[int, ...], expected: tuple[int, ...], reference: str
) -> DataError:
    return DataError(
        f"The slice {path} has shape {shape}, {reference} {expected}.",
        "All slices and masks of a patient need the same size; export them again together.",
    )


def _each(work: Callable[[int], _T], slices: Sequence[int], workers: int | None) -> list[_T]:
    """Call `work` for every slice in parallel; the first slice that fails decides the error."""
    if workers == 1:
        return [work(z) for z in slices]
    pool = ThreadPoolExecutor(workers or _READERS, thread_name_prefix="brainseg-read")
    try:
        return list(pool.map(work, slices))
    finally:
        pool.shutdown(cancel_futures=True)
