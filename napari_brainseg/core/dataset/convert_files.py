"""One study as the files of a format, with what the way back needs to know of it."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.convert_manifest import (
    Channel,
    ConvertedPatient,
    Scale,
    StoredGrid,
)
from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256, sha256_of_arrays
from napari_brainseg.core.formats.series_choices import chosen_words
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    Modality,
    ScalarVolume,
    Study,
    StudyFormat,
    eight_bit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.dataset.convert_manifest import Target
    from napari_brainseg.core.formats import StudyFolder

__all__ = [
    "MASK_SUFFIX",
    "SUFFIXES",
    "describe",
    "file_names",
    "kaggle_image",
    "mask_name",
    "safe_name",
    "volume_name",
    "write_volumes",
]

SUFFIXES = {Modality.PRE: "t1", Modality.FLAIR: "flair", Modality.POST: "t1ce"}
"""Endings of file names, as BraTS has them."""

MASK_SUFFIX = {"nifti": "seg", "png": "mask", "kaggle_3m": "mask"}

_ASKED_FOR = ("Name", "Patient ID")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def safe_name(name: str) -> str:
    """Bring a patient's name to letters, digits, ``.``, ``_`` and ``-``.

    Accents go; where anything is lost, six digits of a hash tell two names apart.
    """
    if _SAFE.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")
    digits = sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{plain or 'patient'}-{digits[:6]}"


def volume_name(patient: ConvertedPatient, suffix: str, number: int | None = None) -> str:
    """Name of a file of images or masks: of a volume (NIfTI), or of slice `number` (PNG)."""
    if patient.to == "nifti":
        return f"{suffix}.nii.gz" if patient.bare else f"{patient.name}_{suffix}.nii.gz"
    return f"{patient.name}_{number}_{suffix}.png"


def mask_name(patient: ConvertedPatient, number: int | None = None) -> str:
    """Name of a file of the mask."""
    return volume_name(patient, MASK_SUFFIX[patient.to], number)


def file_names(to: Target, name: str, numbers: Sequence[int], *, has_truth: bool) -> list[str]:
    """Names of the files that a patient becomes, all modalities there."""
    if to == "nifti":
        suffixes = [*SUFFIXES.values(), *(["seg"] if has_truth else [])]
        prefix = "" if _misleads(name) else f"{name}_"
        return [f"{prefix}{suffix}.nii.gz" for suffix in suffixes]
    if to == "png":
        suffixes = [*SUFFIXES.values(), *(["mask"] if has_truth else [])]
        return [f"{name}_{n}_{suffix}.png" for n in numbers for suffix in suffixes]
    endings = [".tif", "_mask.tif"] if has_truth else [".tif"]
    return [f"{name}_{n}{ending}" for n in numbers for ending in endings]


def describe(
    study: Study, folder: StudyFolder, name: str, to: Target, *, identifiers: bool
) -> ConvertedPatient:
    """Note all that the way back needs; nothing that tells who the patient is, unless asked for."""
    grid = study.image.geometry
    names_tell = study.format is StudyFormat.DICOM and not identifiers
    shape = study.image.grid_shape
    channels = tuple(_channel(study, folder, modality, to) for modality in KAGGLE_ORDER)
    if not any(channel.written for channel in channels):
        channels = tuple(c.model_copy(update={"written": True, "fill": None}) for c in channels)
    truth = study.truth
    kaggle = study.format is StudyFormat.KAGGLE_3M
    return ConvertedPatient(
        name=name,
        to=to,
        bare=to == "nifti" and _misleads(name),
        format=study.format,
        source_name=None if names_tell else folder.patient,
        identity={k: v for k, v in study.identity.items() if identifiers and k in _ASKED_FOR},
        shape=shape,
        spacing_mm=grid.spacing_mm,
        affine_lps=grid.affine_lps,
        stored=None if study.grid is None else StoredGrid.of(study.grid),
        slice_numbers=study.slice_numbers,
        source_names=_odd_names(folder) if kaggle else {},
        channels=channels,
        missing_modalities=study.missing_modalities,
        chosen_series=chosen_words(folder),
        has_truth=truth is not None,
        truth_value=_truth_value(study, folder) if kaggle else 255,
        truth_file=_truth_file(folder),
        image_sha256=image_sha256(study),
        mask_sha256=None if truth is None else mask_sha256(truth),
        notes=tuple(_notes(channels)),
    )


def kaggle_image(study: Study) -> ScalarVolume:
    """Eight bits in the order of kaggle_3m; without FLAIR what is missing is blank.

    kaggle_3m marks a missing sequence by a copy of FLAIR. Where FLAIR is missing itself, a copy
    of another one in its place would read as FLAIR.
    """
    if Modality.FLAIR not in study.missing_modalities or not study.native:
        return study.image
    data = study.image.data.copy()
    for modality in study.missing_modalities:
        data[KAGGLE_ORDER.index(modality)] = 0
    return ScalarVolume(data, geometry=study.image.geometry)


def write_volumes(study: Study, patient: ConvertedPatient, folder: Path) -> None:
    """Write a study's own intensities and its truth as NIfTI or PNG files into a folder."""
    write = _write_nifti if patient.to == "nifti" else _write_png
    for channel in patient.channels:
        if channel.written:
            write(study, patient, folder, channel)
    if study.truth is not None:
        write(study, patient, folder, None)


def _misleads(name: str) -> bool:
    """Whether file names with this name in front would be taken for other sequences."""
    from napari_brainseg.core.formats.nifti.names import name_facts
    from napari_brainseg.core.formats.nifti.words import Kind

    images = [(m, name_facts(f"{name}_{suffix}.nii.gz")) for m, suffix in SUFFIXES.items()]
    mask = name_facts(f"{name}_{MASK_SUFFIX['nifti']}.nii.gz")
    return mask.kind is not Kind.LESION or any(
        facts.kind is not Kind.IMAGE or facts.role is not modality for modality, facts in images
    )


def _write_nifti(
    study: Study, patient: ConvertedPatient, folder: Path, channel: Channel | None
) -> None:
    from napari_brainseg.core.formats.nifti.writing import write_nifti

    if channel is None:
        assert study.truth is not None
        path, data = folder / mask_name(patient), study.truth.data
    else:
        path = folder / volume_name(patient, SUFFIXES[channel.modality])
        data = study.shown(channel.modality)  # type: ignore[assignment]
    write_nifti(path, data, study.image.geometry, grid=study.grid)


def _write_png(
    study: Study, patient: ConvertedPatient, folder: Path, channel: Channel | None
) -> None:
    from napari_brainseg.core.dataset.png import png_bytes, stored

    if channel is None:
        assert study.truth is not None
        suffix, data = MASK_SUFFIX["png"], study.truth.data * np.uint8(255)
    else:
        assert channel.scale is not None
        suffix = SUFFIXES[channel.modality]
        data = stored(study.shown(channel.modality), channel.scale)
    for number, plane in zip(patient.slice_numbers, data, strict=True):
        (folder / volume_name(patient, suffix, number)).write_bytes(png_bytes(plane))


def _channel(study: Study, folder: StudyFolder, modality: Modality, to: Target) -> Channel:
    from napari_brainseg.core.dataset.png import scale_of

    volume = study.shown(modality)
    scale = None
    if to == "kaggle_3m":
        line = eight_bit(volume)
        exact = volume.dtype == np.uint8
        scale = Scale(low=line.low, high=line.high, levels=255, exact=exact)
    elif to == "png":
        scale = scale_of(volume)
    is_missing = modality in study.missing_modalities
    return Channel(
        modality=modality,
        written=not is_missing,
        fill=_blank(study, modality) if is_missing else None,
        dtype=volume.dtype.str,
        scale=scale,
        source_file=_source_file(study, folder, modality),
        sha256=sha256_of_arrays(volume),
    )


def _blank(study: Study, modality: Modality) -> int | None:
    """Value of a channel that holds only one; `None` for a copy of FLAIR."""
    if study.native:
        return None
    channel: NDArray[Any] = study.image.channel(modality)
    low, high = int(channel.min()), int(channel.max())
    return low if low == high else None


def _source_file(study: Study, folder: StudyFolder, modality: Modality) -> str | None:
    key = study.roles.get(modality)
    if study.format is not StudyFormat.NIFTI or key is None:
        return None
    files = folder.find(key).files
    # A volume of a 4D file becomes a file of its own, and two series may have one name.
    used = [folder.find(other).files[0].name for other in study.roles.values()]
    name = files[0].name
    return name if len(files) == 1 and used.count(name) == 1 else None


def _truth_file(folder: StudyFolder) -> str | None:
    if folder.format is not StudyFormat.NIFTI or not folder.truth:
        return None
    return folder.find(folder.truth).files[0].name


def _odd_names(folder: StudyFolder) -> dict[str, str]:
    names = {}
    for number, image, mask in zip(folder.slice_numbers, folder.images, folder.masks, strict=True):
        plain = f"{safe_name(folder.patient)}_{number}"
        if image.name != f"{plain}.tif":
            names[f"{plain}.tif"] = image.name
        if mask is not None and mask.name != f"{plain}_mask.tif":
            names[f"{plain}_mask.tif"] = mask.name
    return names


def _truth_value(study: Study, folder: StudyFolder) -> int:
    """Value that marks the lesion in the source's mask files."""
    from napari_brainseg.core.formats.tiff import read_mask_slice

    if study.truth is None or not study.truth.voxels:
        return 255
    z = int(np.flatnonzero(study.truth.data.any(axis=(1, 2)))[0])
    mask = folder.masks[z]
    return 255 if mask is None else read_mask_slice(mask)[1]


def _notes(channels: Sequence[Channel]) -> list[str]:
    notes = []
    for channel in channels:
        scale = channel.scale
        if channel.written and scale is not None and not scale.exact:
            notes.append(
                f"{channel.modality}: {scale.levels + 1} steps of {scale.step:.4g} from "
                f"{scale.low:.6g} to {scale.high:.6g}; what lies outside was clipped."
            )
    return notes
