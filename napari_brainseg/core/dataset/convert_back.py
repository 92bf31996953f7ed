"""The way back from a converted folder: patients as their source had them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.convert import (
    ConversionReport,
    Job,
    asked,
    refuse_nesting,
    run_all,
)
from napari_brainseg.core.dataset.convert_files import SUFFIXES
from napari_brainseg.core.dataset.convert_manifest import (
    CONVERSION_MANIFEST,
    ConvertedPatient,
    read_conversion,
)
from napari_brainseg.core.dataset.converted import read_channels, read_mask
from napari_brainseg.core.dataset.hashing import mask_sha256, sha256_of_arrays
from napari_brainseg.core.dataset.layout import place_folder, write_patient
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    StudyFormat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["convert_back"]

_LESION = 255


def convert_back(
    converted: Path | str,
    destination: Path | str,
    *,
    patients: Sequence[str] = (),
    overwrite: bool = False,
    durable: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ConversionReport:
    """Bring patients that `convert` wrote back to the format and the grid that they came from.

    Masks are taken as they stand now, corrected or not, and go back exactly. Images go back
    exactly where the conversion kept them so, else within the step that the manifest names. Of a
    DICOM patient only the mask goes back, as NIfTI on the grid of the source.

    Parameters
    ----------
    converted : Path or str
        Folder that `convert` wrote, with ``manifest.json``.
    destination : Path or str
        Folder for the patients, apart from `converted`; made where missing.
    patients, overwrite, durable, progress, cancelled
        As in `convert`.

    Returns
    -------
    ConversionReport

    Raises
    ------
    DataError
        If `converted` holds no manifest, one of the folders cannot be used or lies in the other,
        or a patient asked for is not there.
    CancelledError
        If `cancelled` said so; patients that are done stand.
    """
    root, target = Path(converted).absolute(), Path(destination).absolute()
    refuse_nesting(root, target)
    known = read_conversion(root)
    if not known:
        raise DataError(
            f"{root} holds no {CONVERSION_MANIFEST} of a conversion.",
            "Give the folder that brainseg convert wrote; without it nothing tells of the source.",
        )
    notes: list[str] = []

    def one(patient: ConvertedPatient) -> Path:
        if not (root / patient.name).is_dir():
            raise DataError(
                f"The folder {root / patient.name} is not there any more.",
                "Restore it, or leave the patient out with --patients.",
            )
        said, folder = _back(patient, root, target, overwrite, durable)
        notes.extend(f"{patient.name}: {note}" for note in said)
        return folder

    names = asked(sorted(known), patients, lambda name: _find(name, known, root))
    jobs = [Job(name, root / name, partial(one, known[name])) for name in names]
    written, faults = run_all(jobs, progress, cancelled)
    return ConversionReport(target, tuple(written), (), tuple(faults), tuple(notes))


def _find(name: str, known: Mapping[str, ConvertedPatient], root: Path) -> str:
    hits = [
        key for key, patient in known.items() if name in (key, patient.source_name, undated(key))
    ]
    if len(hits) != 1:
        raise DataError(
            f"{len(hits)} patients in {root} are called {name}.", "Give the name of the folder."
        )
    return hits[0]


def _back(
    patient: ConvertedPatient, root: Path, target: Path, overwrite: bool, durable: bool
) -> tuple[list[str], Path]:
    mask = read_mask(patient, root / patient.name)
    notes = [] if patient.format is StudyFormat.DICOM else list(patient.notes)
    if mask is not None and mask_sha256(mask) != patient.mask_sha256:
        notes.append("the mask was changed since the conversion; it goes back as it is now.")
    if patient.format is StudyFormat.KAGGLE_3M:
        channels = read_channels(patient, root / patient.name)
        notes.extend(_changed(patient, channels))
        write = partial(_write_kaggle, patient, channels, mask)
    elif patient.format is StudyFormat.NIFTI:
        channels = read_channels(patient, root / patient.name)
        notes.extend(_changed(patient, channels))
        write = partial(_write_nifti, patient, channels, mask)
    else:
        if mask is None:
            raise DataError(
                f"{patient.name} came from DICOM and has no mask that could go back.",
                "Its images are where they were: in the DICOM files.",
            )
        notes.append("from DICOM, so only the mask went back, as NIfTI on the grid of the source.")
        write = partial(_write_nifti, patient, {}, mask)
    name = patient.source_name or patient.name
    return notes, place_folder(target, name, write, overwrite=overwrite, durable=durable)


def _changed(patient: ConvertedPatient, channels: Mapping[Modality, NDArray[Any]]) -> list[str]:
    return [
        f"{channel.modality} was changed since the conversion; it goes back as it is now."
        for channel in patient.channels
        if channel.modality in channels
        and (channel.scale is None or channel.scale.exact)
        and sha256_of_arrays(channels[channel.modality]) != channel.sha256
    ]


def _write_kaggle(
    patient: ConvertedPatient,
    channels: Mapping[Modality, NDArray[Any]],
    mask: LabelVolume | None,
    folder: Path,
) -> None:
    image = np.zeros((len(KAGGLE_ORDER), *patient.shape), np.uint8)
    for channel in patient.channels:
        data = channels.get(channel.modality)
        if data is None and channel.fill is None:
            data = channels.get(Modality.FLAIR)
        image[KAGGLE_ORDER.index(channel.modality)] = (channel.fill or 0) if data is None else data
    geometry = Geometry(patient.spacing_mm, patient.affine_lps)
    made = write_patient(
        folder, patient.name, image, mask, patient.slice_numbers, durable=False, geometry=geometry
    )
    if patient.truth_value != _LESION and mask is not None:
        _mark(made, patient)
    for path in made.iterdir():
        path.rename(folder / patient.source_names.get(path.name, path.name))
    made.rmdir()


def _mark(folder: Path, patient: ConvertedPatient) -> None:
    """Mark lesions with the value that the source's files have."""
    import tifffile

    for path in folder.glob("*_mask.tif"):
        lesion = tifffile.imread(path) != 0
        tifffile.imwrite(
            path,
            lesion * np.uint8(patient.truth_value),
            photometric="minisblack",
            metadata=None,
            software=False,
        )


def _write_nifti(
    patient: ConvertedPatient,
    channels: Mapping[Modality, NDArray[Any]],
    mask: LabelVolume | None,
    folder: Path,
) -> None:
    from napari_brainseg.core.formats.nifti.writing import write_nifti

    geometry = Geometry(patient.spacing_mm, patient.affine_lps)
    # The order of a DICOM series (slice, row, column) is none that programs expect in NIfTI.
    by_file = patient.format is StudyFormat.NIFTI and patient.stored is not None
    grid = patient.stored.grid() if by_file and patient.stored is not None else None
    for channel in patient.channels:
        if channel.modality in channels:
            standard = f"{patient.name}_{SUFFIXES[channel.modality]}.nii.gz"
            path = folder / (channel.source_file or standard)
            write_nifti(path, channels[channel.modality], geometry, grid=grid)
    if mask is not None:
        path = folder / (patient.truth_file or f"{patient.name}_seg.nii.gz")
        write_nifti(path, mask.data, geometry, grid=grid)
