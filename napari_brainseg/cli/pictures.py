"""``brainseg pictures``: pictures of one patient or many, in a folder, a zip, or a window."""

from __future__ import annotations

import json
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from napari_brainseg.cli.console import (
    EXIT_FAULT,
    DeviceOption,
    ModelOption,
    faults_as_messages,
    lower_priority,
    open_bundle,
    out,
    progress_bar,
    say_fault,
    warn,
)
from napari_brainseg.core.imaging import ConfigError, DataError, Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import LabelVolume, Study
    from napari_brainseg.core.reporting.root_pictures import MadePictures, PictureCase
    from napari_brainseg.core.reporting.study_pictures import PictureKind
    from napari_brainseg.core.segmentation.predictor import Predictor

__all__ = ["pictures"]

_STEPS = 1000


class _MaskName(StrEnum):
    """What the masks given are."""

    PREDICTION = "prediction"
    CORRECTION = "correction"
    TRUTH = "truth"


class _Channel(StrEnum):
    """The modality to draw."""

    PRE = "pre"
    FLAIR = "flair"
    POST = "post"


_MODALITIES = {
    _Channel.PRE: Modality.PRE,
    _Channel.FLAIR: Modality.FLAIR,
    _Channel.POST: Modality.POST,
}


def pictures(
    patients: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENT_OR_ROOT",
            help="A patient or a folder of patients: kaggle_3m, NIfTI, DICOM, or a zip of them.",
        ),
    ],
    destination: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the pictures; one folder a patient is made."),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Pack all pictures into this zip.")
    ] = None,
    kinds: Annotated[
        str,
        typer.Option("--kinds", help="Which ones, separated by commas."),
    ] = "overlay,triptych,gif,sheet,chart",
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="Masks to draw in place of predicting: of one patient its file or folder, of "
            "many a folder with one named like each (what `brainseg predict` wrote).",
        ),
    ] = None,
    masks_are: Annotated[
        _MaskName, typer.Option("--masks-are", help="What the masks given are.")
    ] = _MaskName.PREDICTION,
    modality: Annotated[
        _Channel | None,
        typer.Option(
            "--modality",
            help="What to draw. [default: FLAIR, or what there is]",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Leaf through one patient in a window (Matplotlib).")
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw pictures that can be handed on: overlays, triptychs, GIFs, contact sheets, a chart.

    Predicts the patients first, unless `--masks` gives their masks. Prediction red, ground truth
    green (where there is one), at the true aspect. Nothing of the patient's identity is in
    pictures or names. A patient that cannot be drawn is named at the end; the others go on.

    For example:

        brainseg pictures kaggle_3m/TCGA_CS_4944_20010208 --out pictures
        brainseg pictures kaggle_3m --archive pictures.zip --kinds triptych,gif,chart
        brainseg pictures kaggle_3m --masks masks --out pictures
        brainseg pictures scan.nii.gz --masks mask.nii.gz --show
    """
    with faults_as_messages():
        from napari_brainseg.core.formats import discover
        from napari_brainseg.core.formats.sources import refuse_sources
        from napari_brainseg.core.reporting.root_pictures import write_root_pictures

        wanted = _kinds(kinds)
        if destination is None and archive is None and not show:
            raise ConfigError(
                "There is no place for the pictures.",
                "Give --out DIR, --archive FILE.zip, or --show.",
            )
        if archive is not None and archive.resolve() == patients.resolve():
            raise ConfigError(
                f"{archive} is what the patients are read from.", "Choose another name."
            )
        found = discover(patients)
        if destination is not None:
            refuse_sources(found.folders, destination)
        if archive is not None:
            refuse_sources(found.folders, archive, searched=patients, file=True)
        folders = {folder.patient: folder for folder in found.folders}
        if show and len(folders) != 1:
            raise ConfigError(
                f"{patients} holds {len(folders)} patients; a window shows one.",
                "Give the folder of one patient.",
            )
        if masks is None and len(folders) > 1:
            lower_priority()
        channel = None if modality is None else _MODALITIES[modality]
        with ExitStack() as stack:
            reader = _Reader(folders, masks, str(masks_are), lambda: _predictor(model, device))
            stack.callback(reader.close)
            if show:
                _show(reader(next(iter(folders))), channel)
            if destination is None and archive is None:
                return
            bar = stack.enter_context(progress_bar())
            task = bar.add_task("Pictures", total=len(folders) * _STEPS)
            made = write_root_pictures(
                list(folders),
                reader,
                folder=None if destination is None else destination.absolute(),
                archive=None if archive is None else archive.absolute(),
                kinds=wanted,
                modality=channel,
                progress=lambda p: bar.update(
                    task, completed=int((p.done + p.share) * _STEPS), description=p.patient
                ),
            )
    for bad in found.faults:
        say_fault(bad.error)
    _tell(made, len(found.faults))


def _tell(made: MadePictures, unreadable: int) -> None:
    for patient in made.unmarked:
        warn(f"{patient} has no mask; it is drawn as it is.")
    for fault in made.faults.values():
        say_fault(fault)
    total = len(made.patients) + len(made.faults) + unreadable
    places = " and ".join(str(p) for p in (made.folder, made.archive) if p is not None)
    where = f" in {places}" if made.files else "; nothing was written"
    out().print(
        f"{made.files} pictures of {len(made.patients)} of {total} patients{where}.", markup=False
    )
    if made.faults or unreadable:
        raise typer.Exit(EXIT_FAULT)


def _show(case: PictureCase, modality: Modality | None) -> None:
    from napari_brainseg.core.reporting.interactive import show_interactive

    show_interactive(case.study, case.masks, modality=modality, model=case.model, block=True)


def _kinds(text: str) -> list[PictureKind]:
    from napari_brainseg.core.reporting.study_pictures import PictureKind

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(PictureKind)]
    if unknown or not names:
        raise ConfigError(
            f"'{unknown[0] if unknown else text}' is no kind of picture.",
            f"Choose among {', '.join(PictureKind)}, separated by commas.",
        )
    return [kind for kind in PictureKind if kind in names]


def _predictor(model: str | None, device: str) -> Predictor:
    from napari_brainseg.core.segmentation.predictor import Predictor

    return Predictor(open_bundle(model), device)


class _Reader:
    """Reads a patient and its mask, or predicts it; the model is opened when it is needed."""

    def __init__(
        self,
        folders: dict[str, StudyFolder],
        masks: Path | None,
        masks_are: str,
        predictor: Callable[[], Predictor],
    ) -> None:
        self._folders = folders
        self._masks = masks
        self._masks_are = masks_are
        self._open = predictor
        self._predictor: Predictor | None = None
        self._latest: PictureCase | None = None

    def __call__(self, patient: str) -> PictureCase:
        from napari_brainseg.core.formats import load_study
        from napari_brainseg.core.reporting.root_pictures import PictureCase

        if self._latest is not None and self._latest.study.patient == patient:
            return self._latest
        study = load_study(self._folders[patient])
        for warning in study.warnings:
            warn(f"{study.patient}: {warning}")
        if self._masks is not None:
            mask, version = self._given(study, self._masks)
            is_made = self._masks_are == _MaskName.PREDICTION
            case = PictureCase(study, {self._masks_are: mask}, version if is_made else None)
        else:
            if self._predictor is None:
                self._predictor = self._open()
            prediction = self._predictor.predict(study)
            for note in prediction.notes:
                warn(f"{study.patient}: {note}")
            case = PictureCase(study, {"prediction": prediction.mask}, prediction.model_version)
        if len(self._folders) == 1:
            # Shown in a window and drawn: read and predicted once.
            self._latest = case
        return case

    def close(self) -> None:
        if self._predictor is not None:
            self._predictor.close()

    def _given(self, study: Study, place: Path) -> tuple[LabelVolume, str | None]:
        from napari_brainseg.core.formats.masks import read_mask

        path = _mask_of(place, study.patient, only=len(self._folders) == 1)
        return read_mask(path, study), _version_beside(path, study.patient)


def _mask_of(place: Path, patient: str, *, only: bool) -> Path:
    """Find the masks of a patient: a file, a folder of slices, or a file named like the patient."""
    if not place.exists():
        raise DataError(f"{place} does not exist.", "Check the path after --masks.")
    if place.is_file():
        if not only:
            raise DataError(
                f"{place} is one file, but there are several patients.",
                "Give a folder with masks named like the patients.",
            )
        return place
    own = place / patient
    if own.is_dir():
        files = _volumes(own)
        return files[0] if len(files) == 1 else own
    named = [f for f in _volumes(place) if _is_named(f.name, patient)]
    if not named and only:
        files = _volumes(place)
        return files[0] if len(files) == 1 else place
    if len(named) == 1:
        return named[0]
    raise DataError(
        f"{place} holds {len(named) or 'no'} masks of {patient}.",
        f"One is needed: a folder {patient}, or a file {patient}.nii.gz or {patient}.dcm.",
    )


def _volumes(folder: Path) -> list[Path]:
    from napari_brainseg.core.formats.probing import is_dicom, is_nifti_name

    return sorted(
        f for f in folder.iterdir() if f.is_file() and (is_nifti_name(f.name) or is_dicom(f))
    )


def _is_named(name: str, patient: str) -> bool:
    """Whether a file is called PATIENT or PATIENT_something, and not PATIENT2."""
    rest = name.removeprefix(patient)
    return rest != name and not rest[:1].isalnum()


def _version_beside(path: Path, patient: str) -> str | None:
    """Model version from the record that `brainseg predict` writes beside its masks."""
    folder = path if path.is_dir() else path.parent
    try:
        record = json.loads((folder / f"{patient}.json").read_text(encoding="utf-8"))
        version = record["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) else None
