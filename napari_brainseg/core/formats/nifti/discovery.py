"""Patients among the NIfTI files of a folder: by names and headers, no voxels."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.kaggle3m import StudyFolder, list_folder
from napari_brainseg.core.formats.nifti.grouping import NamedFile, by_owner
from napari_brainseg.core.formats.nifti.header import NiftiHeader, read_header
from napari_brainseg.core.formats.nifti.names import NameFacts, plain, session_name
from napari_brainseg.core.formats.nifti.placement import AS_DRAWN
from napari_brainseg.core.formats.nifti.volumes import volume_roles
from napari_brainseg.core.formats.nifti.words import Kind
from napari_brainseg.core.formats.probing import is_nifti_name
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    Modality,
    SeriesInfo,
    StudyFormat,
    upright,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["nifti_file", "nifti_folders", "volume_key"]

_LABELS = re.compile(r"labels(T[rs])?", re.IGNORECASE)
_PLACE = re.compile(r"downloads?|desktop|documents?|te?mp|home|data", re.IGNORECASE)
"""Folders that hold anybody's files: no names of patients."""
_LISTED = 32
"""Volumes of a 4D file that are listed; diffusion and functional MRI have hundreds."""
_CHOOSE = "Choose which series is which."


class _Header(NamedTuple):
    header: NiftiHeader | None
    fault: str


def nifti_folders(folder: Path, names: Sequence[str]) -> list[StudyFolder]:
    """Sort the NIfTI files of one folder into patients.

    Parameters
    ----------
    folder : Path
        Where they lie; files of several patients may lie together.
    names : sequence of str
        Names of the NIfTI files in it.

    Returns
    -------
    list of StudyFolder
        One for each patient and session. Empty for folders of BIDS without anatomy (``func``,
        ``dwi``...), and for ``labelsTr`` beside ``imagesTr``. A file whose header is damaged is
        listed all the same; reading it says what is wrong.

    Raises
    ------
    DataError
        If there are only masks.
    """
    if _LABELS.fullmatch(folder.name) and _images_beside(folder).is_dir():
        return []
    groups = by_owner(folder, names)
    found = [
        study
        for owner, files in groups.items()
        if (study := _study(folder, owner, files, alone=len(groups) == 1)) is not None
    ]
    if not found and any(f.facts.kind is not Kind.FUNCTION for fs in groups.values() for f in fs):
        raise DataError(
            f"The folder {folder} holds masks but no images: {', '.join(sorted(names)[:3])}.",
            "Put the images beside their masks.",
        )
    return found


def nifti_file(path: Path) -> StudyFolder:
    """Find the patient that a file belongs to, with its other files in the same folder.

    Parameters
    ----------
    path : Path
        A ``.nii`` or ``.nii.gz`` file.

    Raises
    ------
    DataError
        If the folder cannot be read, or the file is a mask without an image.
    """
    names = [name for name in list_folder(path.parent).others if is_nifti_name(name)]
    groups = by_owner(path.parent, names)
    for owner, files in groups.items():
        if any(file.path.name == path.name for file in files):
            # Whoever names one file of diffusion or functional MRI wants to see it.
            files = [_as_image(f) if f.path.name == path.name else f for f in files]
            study = _study(path.parent, owner, files, alone=len(groups) == 1, shown=path.name)
            if study is not None:
                known = dict(study.roles).values()
                own = {s.key for s in study.series if s.role is not None} & set(known)
                return study if len(groups) == 1 and own else replace(study, path=path)
    raise DataError(
        f"{path} is a mask, and there is no image of the same name beside it.",
        "Open the folder of the patient, or import the mask into an open patient.",
    )


def _as_image(file: NamedFile) -> NamedFile:
    """Take diffusion, functional MRI and field maps for images."""
    if file.facts.kind is not Kind.FUNCTION:
        return file
    return replace(file, facts=replace(file.facts, kind=Kind.IMAGE))


def volume_key(name: str, volume: int, volumes: int) -> str:
    """Key of one volume of a file: its name, with ``#2`` for the third volume of several."""
    return name if volumes == 1 else f"{name}#{volume}"


def _study(
    folder: Path, owner: str, files: list[NamedFile], *, alone: bool, shown: str = ""
) -> StudyFolder | None:
    images = [f for f in files if f.facts.kind is Kind.IMAGE]
    masks = [f for f in files if f.facts.kind in (Kind.LESION, Kind.OTHER_MASK)]
    if not images:
        return None
    warnings: list[str] = []
    headers = {file.path: _header(file.path) for file in [*images, *masks]}
    series = [info for file in images for info in _series(file, headers[file.path], warnings)]
    roles = _chosen_roles(series, images, warnings, shown)
    lesions = [f for f in masks if f.facts.kind is Kind.LESION]
    if not masks and (labels := _labels_beside(folder, images)) is not None:
        file = NamedFile(
            labels, NameFacts(owner, Kind.LESION, None, "lies in the folder of labels")
        )
        headers[labels] = _header(labels)
        masks, lesions = [file], [file]
    truth = _truth(lesions, warnings)
    series += [_mask_info(f, headers[f.path], folder) for f in masks]
    return StudyFolder(
        path=folder if alone else images[0].path,
        patient=_patient(folder, owner, files, alone=alone),
        images=tuple(file.path for file in images),
        masks=() if truth is None else (truth.path,),
        slice_numbers=(),
        warnings=tuple(warnings),
        format=StudyFormat.NIFTI,
        series=tuple(series),
        roles=tuple(sorted(roles.items())),
        truth="" if truth is None else _mask_key(truth, folder),
    )


def _patient(folder: Path, owner: str, files: list[NamedFile], *, alone: bool) -> str:
    """Name by what the files share where that looks like a patient's, else by the folders."""
    if owner and (not alone or files[0].facts.is_bids or re.search(r"[0-9]", owner)):
        return plain(owner)
    if owner and _PLACE.fullmatch(folder.name):
        return plain(owner)
    return session_name(folder.parts[-3:])


def _header(path: Path) -> _Header:
    try:
        return _Header(read_header(path), "")
    except DataError as error:
        return _Header(None, error.message)


def _series(file: NamedFile, found: _Header, warnings: list[str]) -> list[SeriesInfo]:
    """List the volumes of a file, each a series."""
    header, name = found.header, file.path.name
    stem = re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)
    if header is None:
        # Reading it says what is wrong; its name says all that is known.
        facts = file.facts
        return [SeriesInfo(name, stem, (file.path,), facts.role, facts.why, details=found.fault)]
    if header.volumes == 1:
        facts = file.facts
        return [
            SeriesInfo(
                name, stem, (file.path,), facts.role, facts.why, _slices(header), _details(header)
            )
        ]  # fmt: skip
    # What is named T2 or DTI is no triple of the three, also where it has three volumes.
    plain_name = file.facts.role is not None or file.facts.why == "name says no sequence"
    named = volume_roles(file.path, header, guess=plain_name)
    if named.warning:
        warnings.append(named.warning)
    if header.volumes > _LISTED:
        warnings.append(
            f"{name} holds {header.volumes} volumes; the first {_LISTED} can be chosen from."
        )
    listed = min(header.volumes, _LISTED)
    return [
        SeriesInfo(
            volume_key(name, index, header.volumes),
            f"{stem}, volume {index + 1} of {header.volumes}",
            (file.path,),
            named.roles.get(index),
            named.why if index in named.roles else "volumes of a 4D file carry no names",
            _slices(header),
            _details(header),
        )
        for index in range(listed)
    ]


def _mask_key(file: NamedFile, folder: Path) -> str:
    """Key of a mask; one in the folder of labels may have the name of its image."""
    parent = file.path.parent
    return file.path.name if parent == folder else f"{parent.name}/{file.path.name}"


def _mask_info(file: NamedFile, found: _Header, folder: Path) -> SeriesInfo:
    header = found.header
    return SeriesInfo(
        _mask_key(file, folder),
        re.sub(r"\.nii(\.gz)?$", "", file.path.name, flags=re.IGNORECASE),
        (file.path,),
        why=file.facts.why,
        slices=0 if header is None else _slices(header),
        details=found.fault if header is None else _details(header),
        is_mask=True,
    )


def _slices(header: NiftiHeader) -> int:
    """Count the slices of the upright volume."""
    affine = header.placement.affine_lps
    order = AS_DRAWN if affine is None else upright(affine, header.shape)[0]
    return header.shape[order.axes[0]]


def _details(header: NiftiHeader) -> str:
    spacing = header.placement.spacing_mm
    shape = " x ".join(map(str, header.shape))
    if spacing is None:
        return f"{shape} voxels, spacing unknown"
    return f"{shape} voxels, {' x '.join(f'{step:.3g}' for step in spacing)} mm"


def _chosen_roles(
    series: list[SeriesInfo], images: list[NamedFile], warnings: list[str], shown: str
) -> dict[Modality, str]:
    """One series for each sequence; the plainest name where several claim it.

    Where no name tells, the file `shown` that was asked for, else the first.
    """
    extras = {file.path: file.facts.extras for file in images}
    roles: dict[Modality, str] = {}
    for modality in KAGGLE_ORDER:
        claims = [info for info in series if info.role is modality]
        if not claims:
            continue
        best = min(
            claims, key=lambda info: (bool(info.slices == 0), extras[info.files[0]], info.key)
        )
        roles[modality] = best.key
        if len(claims) > 1:
            others = ", ".join(info.key for info in claims if info is not best)
            warnings.append(f"{best.key} is taken as {modality}; so could {others}. {_CHOOSE}")
    if not roles:
        first = next((info for info in series if info.files[0].name == shown), series[0])
        roles[Modality.PRE] = first.key
        warnings.append(
            f"No name says which sequence the files show; {first.key} is shown as {Modality.PRE}. "
            f"{_CHOOSE}"
        )
    return roles


def _truth(lesions: list[NamedFile], warnings: list[str]) -> NamedFile | None:
    """Choose the mask of the lesion; of several the plainest name, if there is one plainest."""
    if not lesions:
        return None
    ranked = sorted(lesions, key=lambda file: (file.facts.extras, file.path.name))
    if len(ranked) > 1:
        names = ", ".join(file.path.name for file in ranked)
        if ranked[0].facts.extras == ranked[1].facts.extras:
            warnings.append(f"Several masks could be the ground truth: {names}. Choose one.")
            return None
        warnings.append(f"Of the masks {names} the first is taken as ground truth.")
    return ranked[0]


def _images_beside(labels: Path) -> Path:
    return labels.with_name(re.sub("labels", "images", labels.name, flags=re.IGNORECASE))


def _labels_beside(folder: Path, images: list[NamedFile]) -> Path | None:
    """``labelsTr/BRATS_001.nii.gz`` for ``imagesTr/BRATS_001.nii.gz`` (Medical Decathlon)."""
    if re.fullmatch(r"images(T[rs])?", folder.name, re.IGNORECASE) is None:
        return None
    beside = folder.with_name(folder.name.replace("images", "labels").replace("Images", "Labels"))
    for name in (images[0].path.name, re.sub(r"_[0-9]{4}(\.nii)", r"\1", images[0].path.name)):
        if (beside / name).is_file():
            return beside / name
    return None
