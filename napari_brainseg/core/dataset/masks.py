"""Masks to files, in every format, each wholly or not at all.

Here and not beside `core.formats.masks`, which reads them: patients in kaggle_3m layout and files
that are whole or absent are written by this room.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.durable import sync_folder, write_atomically
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker
from napari_brainseg.core.formats.sidecar import GEOMETRY_FILE
from napari_brainseg.core.imaging import DataError, LabelVolume, Study, StudyFormat
from napari_brainseg.core.imaging.unwritable import unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder

__all__ = ["mask_file_name", "mask_record", "refuse_source", "why_not", "write_mask"]

_ENDINGS = {
    MaskFormat.TIFF: "",
    MaskFormat.NIFTI: ".nii.gz",
    MaskFormat.DICOM_SEG: ".dcm",
    MaskFormat.DICOM_SEG_FRACTIONAL: ".dcm",
}
_MASK_NAME = "_mask.tif"


def why_not(study: Study | StudyFolder, format: MaskFormat) -> str:
    """Say why masks of a study cannot be written in a format; empty if they can."""
    if not format.is_dicom or study.format is StudyFormat.DICOM:
        return ""
    return (
        f"Only for studies opened from DICOM: this one is {study.format}. A DICOM segmentation "
        "refers to the images that it was drawn on."
    )


def mask_file_name(patient: str, which: str, format: MaskFormat, number: int = 1) -> str:
    """Name of a file, or of a folder of TIFF slices, e.g. ``PT-1a2b3c4d5e_20200131_truth.dcm``.

    Parameters
    ----------
    patient : str
        Name of the study, which holds patient and date.
    which : str
        ``prediction``, ``correction`` or ``truth``.
    format : MaskFormat
        Decides the ending. NIfTI masks say that they are masks, as they look like images.
    number : int
        From 2 up it stands in the name, so that nothing is overwritten.
    """
    middle = f"_{which}" + ("_mask" if format is MaskFormat.NIFTI else "")
    if format is MaskFormat.DICOM_SEG_FRACTIONAL:
        middle += "_fractional"
    again = f"_{number}" if number > 1 else ""
    return f"{patient}{middle}{again}{_ENDINGS[format]}"


def write_mask(
    dest: Path,
    study: Study,
    mask: LabelVolume | NDArray[Any],
    format: MaskFormat,
    *,
    maker: MaskMaker,
    overwrite: bool = False,
    record: Mapping[str, Any] | None = None,
) -> Path:
    """Write a mask of a study.

    Parameters
    ----------
    dest : Path
        File to write; for TIFF the folder that shall hold the slices. Its parents are made.
    study : Study
        The mask lies on its grid.
    mask : LabelVolume or ndarray, shape (Z, Y, X)
        Zeros and ones; for `DICOM_SEG_FRACTIONAL` a probability from 0 to 1, too.
    format : MaskFormat
        NIfTI and DICOM are written on the grid of the files that the study was read from.
    maker : MaskMaker
        Who or what made it; DICOM holds it, beside other formats `record` can.
    overwrite : bool
        Replace what an earlier call wrote there.
    record : mapping, optional
        Written as JSON beside the mask (in the folder of TIFF slices), not for DICOM; see
        `mask_record`.

    Returns
    -------
    Path
        `dest`.

    Raises
    ------
    DataError
        If the mask does not fit the study, the format is not for it, something is there already,
        the place lies in the folder of the images, or it cannot be written.
    """
    dest = Path(dest).absolute()
    data = mask.data if isinstance(mask, LabelVolume) else np.asarray(mask)
    _check(study, data, format)
    refuse_source(study.path, dest)
    if dest.exists() and not overwrite:
        raise DataError(
            f"{dest} is there already.", "Choose another name, or ask for it to be overwritten."
        )
    if format is MaskFormat.TIFF:
        _write_tiffs(dest, study, data, record)
        return dest
    if dest.is_dir():
        raise DataError(f"{dest} is a folder.", f"Choose a file ({_ENDINGS[format]}).")
    if format is MaskFormat.NIFTI:
        _write_nifti(dest, study, data)
        if record is not None:
            write_atomically(_beside(dest), _json(record))
        return dest
    from napari_brainseg.core.formats.dicom.segmentation import encode_segmentation

    fractional = format is MaskFormat.DICOM_SEG_FRACTIONAL
    write_atomically(dest, encode_segmentation(study, data, maker, fractional=fractional))
    return dest


def mask_record(
    study: Study, mask: NDArray[Any], maker: MaskMaker, *, which: str, approved: str = ""
) -> dict[str, Any]:
    """Facts that go with a mask and that its file cannot hold; nothing of the patient's identity.

    Parameters
    ----------
    study : Study
        Its name is the one in the window.
    mask : ndarray, shape (Z, Y, X)
        What is not 0 is lesion.
    maker : MaskMaker
        Who or what made it.
    which : str
        ``prediction``, ``correction`` or ``truth``.
    approved : str
        When it was approved, ISO 8601; empty if it was not.
    """
    voxels = int(np.count_nonzero(mask))
    voxel_ml = study.image.geometry.voxel_volume_ml
    return {
        "patient": study.patient,
        "mask": which,
        "made": maker.how.lower(),
        "model_version": maker.model_version or None,
        "editor": maker.editor or None,
        "approved": approved or None,
        "software_version": maker.software,
        "volume_vox": voxels,
        "volume_ml": None if voxel_ml is None else voxels * voxel_ml,
        "slices_with_lesion": int((mask != 0).any(axis=(1, 2)).sum()),
        "shape": [int(n) for n in mask.shape],
    }


def refuse_source(source: Path | None, dest: Path) -> None:
    """Raise `DataError` if something would be written into the folder of a study's images.

    Parameters
    ----------
    source : Path or None
        What the study was read from: a folder, or a file in it.
    dest : Path
        File or folder to be written.
    """
    if source is None:
        return
    folder = (source if source.is_dir() else source.parent).resolve()
    target = dest.resolve()
    if target == folder or folder in target.parents:
        raise DataError(
            f"{dest} lies in {folder}, the folder of the images.",
            "Choose another folder: original data is never written to.",
        )


def _check(study: Study, data: NDArray[Any], format: MaskFormat) -> None:
    reason = why_not(study, format)
    if reason:
        raise DataError(
            f"{study.patient}: {reason}", "Export the mask as NIfTI or TIFF, or open the DICOM."
        )
    if data.shape != study.image.grid_shape:
        raise DataError(
            f"{study.patient}: the mask has shape {data.shape}, the study "
            f"{study.image.grid_shape}.",
            "Give the mask on the grid of the study.",
        )
    if format is not MaskFormat.DICOM_SEG_FRACTIONAL and (
        data.dtype.kind not in "bui" or (data.size and (data.min() < 0 or data.max() > 1))
    ):
        raise DataError(
            f"{study.patient}: the mask holds other values than 0 and 1 ({data.dtype}).",
            "Apply the threshold first.",
        )


def _write_nifti(dest: Path, study: Study, data: NDArray[Any]) -> None:
    from napari_brainseg.core.formats.nifti.writing import write_nifti

    like = None
    if study.format is StudyFormat.NIFTI and study.grid is not None:
        like = study.grid.path
    write_nifti(
        dest, data.astype(np.uint8, copy=False), study.image.geometry, grid=study.grid, like=like
    )


def _write_tiffs(
    dest: Path, study: Study, data: NDArray[Any], record: Mapping[str, Any] | None
) -> None:
    """Write slices into a hidden folder beside `dest`, which then takes its name."""
    _require_masks_only(dest)
    scratch = dest.with_name(f".{dest.name}.masks-{uuid.uuid4().hex[:8]}")
    old = dest.with_name(f".{dest.name}.gone-{uuid.uuid4().hex[:8]}")
    try:
        written = write_patient(
            scratch,
            study.patient,
            None,
            data.astype(np.uint8, copy=False),
            study.slice_numbers,
            geometry=study.image.geometry,
        )
        if record is not None:
            (written / f"{study.patient}.json").write_bytes(_json(record))
        if dest.exists():
            dest.replace(old)
        written.replace(dest)
        sync_folder(dest.parent)
    except OSError as error:
        if old.exists() and not dest.exists():
            os.replace(old, dest)  # noqa: PTH105 -- the same act as above, the other way round
        raise unwritable(str(dest), dest.parent, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _require_masks_only(dest: Path) -> None:
    """Raise if a folder to be replaced holds anything that this program did not write there."""
    if not dest.exists():
        return
    if not dest.is_dir():
        raise DataError(f"{dest} is a file.", "Choose a folder for the slices.")
    foreign = sorted(
        p.name
        for p in dest.iterdir()
        if not p.name.endswith((_MASK_NAME, ".json")) and p.name != GEOMETRY_FILE
    )
    if foreign:
        raise DataError(
            f"{dest} is there already and holds more than masks, e.g. {foreign[0]}.",
            "Choose another folder.",
        )


def _beside(path: Path) -> Path:
    """Name of the record of a NIfTI file."""
    name = path.name
    for ending in (".nii.gz", ".nii"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return path.with_name(f"{name}.json")


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(content), indent=2, ensure_ascii=False) + "\n").encode()
