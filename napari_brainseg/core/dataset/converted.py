"""What a converted patient's files hold now: intensities as the source had them, and the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.convert_files import MASK_SUFFIX, SUFFIXES, mask_name, volume_name
from napari_brainseg.core.dataset.png import decoded, read_png
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    StudyFormat,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.convert_manifest import ConvertedPatient
    from napari_brainseg.core.formats.nifti.header import NiftiHeader

__all__ = ["read_channels", "read_mask"]


def read_channels(patient: ConvertedPatient, folder: Path) -> dict[Modality, NDArray[Any]]:
    """Read the images of a patient.

    Returns
    -------
    dict of Modality to ndarray, shape (Z, Y, X)
        Upright, in the source's unit and dtype; modalities without voxels of their own are left
        out.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another shape than the manifest tells.
    """
    if patient.to == "kaggle_3m":
        image = _kaggle_image(patient, folder)
        stored = {m: image[KAGGLE_ORDER.index(m)] for m in KAGGLE_ORDER}
    elif patient.to == "png":
        stored = {
            c.modality: _pngs(patient, folder, SUFFIXES[c.modality])
            for c in patient.channels
            if c.written
        }
    else:
        stored = {
            c.modality: _nifti(patient, folder / volume_name(patient, SUFFIXES[c.modality]))[1]
            for c in patient.channels
            if c.written
        }
    return {
        c.modality: decoded(stored[c.modality], c.scale, c.dtype)
        for c in patient.channels
        if c.written
    }


def read_mask(patient: ConvertedPatient, folder: Path) -> LabelVolume | None:
    """Read the mask of a patient as it stands now, (Z, Y, X) upright; `None` where there is none.

    Raises
    ------
    DataError
        If it is damaged, incomplete, of another shape or grid, or no mask.
    """
    if patient.to == "kaggle_3m":
        return _kaggle_mask(patient, folder)
    if patient.to == "nifti":
        from napari_brainseg.core.formats.nifti.reading import as_labels

        path = folder / mask_name(patient)
        lesion = as_labels(*_nifti(patient, path))[0] if path.exists() else None
    else:
        lesion = _png_mask(patient, folder)
    geometry = Geometry(patient.spacing_mm, patient.affine_lps)
    return None if lesion is None else LabelVolume(lesion, geometry)


def _png_mask(patient: ConvertedPatient, folder: Path) -> NDArray[np.uint8] | None:
    names = [folder / mask_name(patient, number) for number in patient.slice_numbers]
    if not any(path.exists() for path in names):
        return None
    data = _pngs(patient, folder, MASK_SUFFIX["png"])
    top, lesion = data.max(), data != 0
    if np.count_nonzero(data == top) != np.count_nonzero(lesion) and top:
        raise DataError(
            f"The mask of {patient.name} in {folder} holds more than two values (up to {top}).",
            "Save it with 0 for background and one other value for lesion.",
        )
    mask: NDArray[np.uint8] = lesion.astype(np.uint8)
    return mask


def _kaggle_image(patient: ConvertedPatient, folder: Path) -> NDArray[Any]:
    from napari_brainseg.core.formats import load_study

    study = load_study(folder)
    _require_slices(patient, study.slice_numbers, folder)
    if study.image.grid_shape != patient.shape:
        raise _other_shape(folder, study.image.grid_shape, patient)
    return study.image.data


def _kaggle_mask(patient: ConvertedPatient, folder: Path) -> LabelVolume | None:
    from napari_brainseg.core.formats import load_masks

    if not any(folder.glob("*_mask.tif")):
        return None
    mask, numbers = load_masks(folder)
    _require_slices(patient, numbers, folder)
    if mask.data.shape != patient.shape:
        raise _other_shape(folder, mask.data.shape, patient)
    return mask


def _pngs(patient: ConvertedPatient, folder: Path, suffix: str) -> NDArray[Any]:
    planes = [
        read_png(folder / volume_name(patient, suffix, number), patient.shape[1:])
        for number in patient.slice_numbers
    ]
    return np.stack(planes)


def _nifti(patient: ConvertedPatient, path: Path) -> tuple[NiftiHeader, NDArray[Any]]:
    """Read a volume upright; where the source had no orientation, in the order it was written.

    Programs that need an orientation invent one: then the order of the voxels tells.
    """
    from napari_brainseg.core.formats.grids import same_grid
    from napari_brainseg.core.formats.nifti.header import AS_DRAWN, read_header
    from napari_brainseg.core.formats.nifti.reading import loaded_volume, read_volumes

    header = read_header(path)
    loaded = loaded_volume(header, read_volumes(header, [0])[0])
    data, affine = loaded.data, patient.affine_lps
    if affine is None:
        by_file = patient.format is StudyFormat.NIFTI and patient.stored is not None
        order = patient.stored.grid().reorientation if by_file and patient.stored else AS_DRAWN
        data = order.apply(loaded.grid.reorientation.undo(data))
    if data.shape != patient.shape:
        raise _other_shape(path, data.shape, patient)
    if affine is not None and not (
        loaded.affine_lps is not None and same_grid(loaded.affine_lps, affine, patient.shape)
    ):
        raise DataError(
            f"{path} lies on another grid than the one it was written on.",
            "Save it on that grid again; corrections go back voxel by voxel.",
        )
    return header, np.ascontiguousarray(data)


def _require_slices(patient: ConvertedPatient, numbers: tuple[int, ...], folder: Path) -> None:
    if numbers != patient.slice_numbers:
        lost = sorted(set(patient.slice_numbers) - set(numbers))
        more = sorted(set(numbers) - set(patient.slice_numbers))
        raise DataError(
            f"{folder} has other slices than the conversion wrote (missing: {lost[:5]}, "
            f"new: {more[:5]}).",
            "Restore the slices, or convert the source again.",
        )


def _other_shape(where: Path, shape: tuple[int, ...], patient: ConvertedPatient) -> DataError:
    return DataError(
        f"{where} has shape {shape}; the manifest tells of {patient.shape}.",
        "Save it on the grid that it had.",
    )
