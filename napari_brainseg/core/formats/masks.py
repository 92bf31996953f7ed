"""Masks from files, whatever their format, onto the grid of a study: exact, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats.mask_kinds import MaskFormat, MaskHow, MaskMaker
from napari_brainseg.core.formats.names import is_tiff
from napari_brainseg.core.formats.probing import is_dicom, is_nifti_name
from napari_brainseg.core.imaging import DataError, LabelVolume

if TYPE_CHECKING:
    from napari_brainseg.core.formats.dicom.segmentation_reading import Segment, Segmentation
    from napari_brainseg.core.imaging import Study

__all__ = [
    "MaskFormat",
    "MaskHow",
    "MaskInfo",
    "MaskMaker",
    "describe_mask",
    "read_mask",
    "read_mask_and_info",
]

_HINT = (
    "Choose a folder of masks (PATIENT_N_mask.tif), a NIfTI file (.nii, .nii.gz) or a DICOM "
    "segmentation."
)


@dataclass(frozen=True, slots=True)
class MaskInfo:
    """What a file of masks says of itself.

    Parameters
    ----------
    path : Path
        Folder or file.
    format : MaskFormat
        What it is.
    shape : tuple of int
        As stored: (slices, rows, columns); the frames of a DICOM segmentation.
    lesion_voxels : int
        Voxels that are not background, of all segments.
    segments : tuple of Segment
        DICOM only.
    """

    path: Path
    format: MaskFormat
    shape: tuple[int, ...]
    lesion_voxels: int
    segments: tuple[Segment, ...] = ()


def read_mask(
    path: Path | str, study: Study, *, segment: int | str | None = None, resample: bool = False
) -> LabelVolume:
    """Read a mask onto the grid of a study.

    Parameters
    ----------
    path : Path or str
        A folder of kaggle_3m masks, a NIfTI file (every value over 0 is lesion) or a DICOM
        segmentation (all its segments together; fractional ones from half up).
    study : Study
        Whose grid it shall lie on.
    segment : int or str, optional
        DICOM only: number or label of the one segment to take.
    resample : bool
        Take a mask from another grid, too, by the nearest voxel.

    Returns
    -------
    LabelVolume
        On the grid of the study. The very voxels of the file where the grids are the same.

    Raises
    ------
    DataError
        If the path holds no mask, it is damaged, it lies on another grid and `resample` is False,
        or nothing tells where it lies.
    """
    return read_mask_and_info(path, study, segment=segment, resample=resample)[0]


def read_mask_and_info(
    path: Path | str, study: Study, *, segment: int | str | None = None, resample: bool = False
) -> tuple[LabelVolume, MaskInfo]:
    """Read a mask as `read_mask` does, and tell what the file says of itself."""
    place = Path(path)
    kind = _kind(place)
    if segment is not None and not kind.is_dicom:
        raise DataError(
            f"{place} has no segments to choose from.", "Only DICOM segmentations have them."
        )
    if kind.is_dicom:
        from napari_brainseg.core.formats.dicom.segmentation_placing import place_segmentation
        from napari_brainseg.core.formats.dicom.segmentation_reading import read_segmentation

        found = read_segmentation(place).of(segment)
        return place_segmentation(found, study, resample_it=resample), _told(found)
    if kind is MaskFormat.TIFF:
        mask = _read_folder(place, study, resample)
    else:
        from napari_brainseg.core.formats.nifti.reading import read_nifti_mask

        mask = read_nifti_mask(place, study, resample=resample)
    return mask, MaskInfo(place, kind, mask.data.shape, mask.voxels)


def describe_mask(path: Path | str) -> MaskInfo:
    """Tell what a file of masks holds, without a study.

    Raises
    ------
    DataError
        As `read_mask`.
    """
    place = Path(path)
    kind = _kind(place)
    if kind is MaskFormat.TIFF:
        from napari_brainseg.core.formats.loading import load_masks

        mask, _ = load_masks(place)
        return MaskInfo(place, kind, mask.data.shape, mask.voxels)
    if kind is MaskFormat.NIFTI:
        return _describe_nifti(place)
    from napari_brainseg.core.formats.dicom.segmentation_reading import read_segmentation

    return _told(read_segmentation(place))


def _told(found: Segmentation) -> MaskInfo:
    fractional = found.kind == "FRACTIONAL"
    return MaskInfo(
        found.path,
        MaskFormat.DICOM_SEG_FRACTIONAL if fractional else MaskFormat.DICOM_SEG,
        found.frames.shape,
        int(np.count_nonzero(found.frames)),
        found.segments,
    )


def _kind(path: Path) -> MaskFormat:
    if path.is_dir():
        return MaskFormat.TIFF
    if not path.exists():
        raise DataError(f"{path} does not exist.", "Check the path.")
    if is_nifti_name(path.name):
        return MaskFormat.NIFTI
    if is_dicom(path):
        return MaskFormat.DICOM_SEG
    if is_tiff(path.name):
        raise DataError(f"{path} is one slice of a mask.", "Choose the folder that holds all.")
    raise DataError(f"{path} is no mask that can be read.", _HINT)


def _read_folder(path: Path, study: Study, resample: bool) -> LabelVolume:
    from napari_brainseg.core.formats.loading import load_masks
    from napari_brainseg.core.formats.sidecar import read_geometry

    mask, numbers = load_masks(path)
    geometry = study.image.geometry
    if mask.data.shape == study.image.grid_shape and numbers == study.slice_numbers:
        return LabelVolume(mask.data, geometry)
    own, _ = read_geometry(path, mask.data.shape)
    if resample and own.affine_lps is not None and geometry.affine_lps is not None:
        from napari_brainseg.core.formats.grids import resample as look_up

        data = look_up(
            mask.data, own.affine_lps, geometry.affine_lps, study.image.grid_shape, order=0
        )
        return LabelVolume(data, geometry)
    raise DataError(
        f"The masks in {path} lie on another grid than {study.patient}: shape "
        f"{mask.data.shape} with slices {_span(numbers)}; the study has shape "
        f"{study.image.grid_shape} with slices {_span(study.slice_numbers)}.",
        "Choose the masks of this patient."
        if own.affine_lps is None
        else "Choose the masks of this patient, or ask for them to be resampled (nearest voxel).",
    )


def _span(numbers: tuple[int, ...]) -> str:
    has_gaps = numbers[-1] - numbers[0] + 1 != len(numbers)
    return f"{numbers[0]}-{numbers[-1]}" + (f" ({len(numbers)} of them)" if has_gaps else "")


def _describe_nifti(path: Path) -> MaskInfo:
    from napari_brainseg.core.formats.nifti.header import read_header
    from napari_brainseg.core.formats.nifti.reading import read_volumes
    from napari_brainseg.core.formats.nifti.voxels import as_labels

    header = read_header(path)
    mask, _ = as_labels(header, read_volumes(header, [0])[0])
    return MaskInfo(path, MaskFormat.NIFTI, mask.shape, int(np.count_nonzero(mask)))
