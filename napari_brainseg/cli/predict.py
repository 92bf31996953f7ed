"""``brainseg predict``: masks for one patient or many, in the format that is asked for."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated, Any

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
from napari_brainseg.cli.mask_formats import MaskOption
from napari_brainseg.cli.searching import AsRecognisedOption, search
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.formats.masks import MaskFormat
    from napari_brainseg.core.imaging import BrainSegError, Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.core.segmentation.predictor import Predictor

__all__ = ["predict"]


_PICTURES = "pictures"
"""Folder beside those of the patients."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What one run of the command is to do."""

    out: Path
    format: MaskFormat
    tta: bool
    pictures: bool
    overwrite: bool
    roles: dict[str, str]


def predict(
    patients: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENT_OR_ROOT",
            help="A patient or a folder of patients: kaggle_3m, NIfTI, DICOM, or a zip of them.",
        ),
    ],
    destination: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the masks; one folder a patient is made."),
    ],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    mask_format: Annotated[
        MaskOption,
        typer.Option(
            "--format",
            "-f",
            help="Format of the masks; seg and seg-fractional are for DICOM patients only.",
        ),
    ] = MaskOption.TIFF,
    flair: Annotated[
        str,
        typer.Option(
            "--flair", help="Series that is FLAIR: its key, number or a part of its description."
        ),
    ] = "",
    pre: Annotated[str, typer.Option("--pre", help="Series that is pre-contrast T1.")] = "",
    post: Annotated[str, typer.Option("--post", help="Series that is post-contrast T1.")] = "",
    as_recognised: AsRecognisedOption = False,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average with the mirrored volume: twice the time."),
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option("--pictures", help="Draw overlays, triptych, film and contact sheet, too."),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write the records of all patients to this file, too."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that an earlier run wrote.")
    ] = False,
) -> None:
    """Predict masks: TIFF slices named as in kaggle_3m, NIfTI or DICOM SEG.

    Writes `DIR/PATIENT/PATIENT_N_mask.tif` (0 and 255) for every slice, or one NIfTI or DICOM
    file on the grid of the patient's own, and `PATIENT.json` beside: model version, volume,
    seconds of each stage, engine and why it was chosen. Pictures go to `DIR/pictures/PATIENT`.
    The patients themselves are only read. A patient that cannot be read is named at the end; the
    others go on.

    For example:

        brainseg predict kaggle_3m/TCGA_CS_4944_20010208 --out masks
        brainseg predict export.zip --out masks --format seg --flair "AX T2 FLAIR"
        brainseg predict kaggle_3m --out masks --device cpu --json masks.json
        brainseg predict kaggle_3m --out masks --model runs/second/bundle --tta --pictures
    """
    with faults_as_messages():
        from napari_brainseg.core.formats.discreet import discreet_fault, discreet_reason
        from napari_brainseg.core.formats.sources import refuse_sources
        from napari_brainseg.core.segmentation.predictor import Predictor

        found = search(patients, as_recognised=as_recognised)
        faults: list[BrainSegError] = [bad.error for bad in found.faults]
        told = [discreet_fault(found, bad) for bad in found.faults]
        job = _Job(
            destination.absolute(),
            mask_format.format,
            tta,
            pictures,
            overwrite,
            {"flair": flair, "pre": pre, "post": post},
        )
        if job.out.is_file():
            raise DataError(f"{job.out} is a file, not a folder.", "Choose a folder with --out.")
        for folder in found.folders:
            _refuse_to_touch(folder, job)
        if patients.is_dir() and job.out.resolve().is_relative_to(patients.resolve()):
            raise DataError(
                f"The masks would go into {patients}, where the patients are read from: the next "
                "run would take them for patients without images.",
                "Choose another folder with --out.",
            )
        if json_file is not None:
            refuse_sources(found.folders, json_file, searched=patients, file=True)
        bundle = open_bundle(model)
        if len(found.folders) > 1:
            lower_priority()
        records: list[dict[str, Any]] = []
        with Predictor(bundle, device) as predictor, progress_bar() as bar:
            total = bar.add_task("Patients", total=len(found.folders))
            for folder in found.folders:
                try:
                    records.append(_one(folder, predictor, job, bar))
                except DataError as error:
                    faults.append(error)
                    told.append((folder.patient, discreet_reason(folder, error)))
                bar.advance(total)
        if json_file is not None:
            _write_json(
                json_file,
                {
                    "patients": records,
                    "faults": [{"patient": name, "fault": fault} for name, fault in told],
                },
            )
    for fault in faults:
        say_fault(fault)
    done = f"{len(records)} of {len(records) + len(faults)} patients"
    where = f"; masks in {destination}" if records else ""
    out().print(f"{done} predicted with {bundle.version}{where}.", markup=False)
    if faults:
        raise typer.Exit(EXIT_FAULT)


def _one(folder: StudyFolder, predictor: Predictor, job: _Job, bar: Progress) -> dict[str, Any]:
    from napari_brainseg.core.formats import load_study
    from napari_brainseg.core.formats.series_choices import chosen_words

    task: TaskID = bar.add_task(folder.patient, total=folder.slices or None)
    try:
        start = time.perf_counter()
        folder = _with_roles(folder, job)
        study = load_study(folder)
        loaded = time.perf_counter()
        for warning in study.warnings:
            warn(f"{study.patient}: {warning}")
        prediction = predictor.predict(
            study,
            tta=job.tta,
            progress=lambda p: bar.update(task, completed=p.done, total=p.total),
        )
        for note in prediction.notes:
            warn(f"{study.patient}: {note}")
        predicted = time.perf_counter()
        target = _write(study, prediction, job)
        seconds = {"load": loaded - start, **prediction.timings}
        seconds["write"] = time.perf_counter() - predicted
        if job.pictures:
            seconds["pictures"] = _draw(study, prediction, job)
        seconds["total"] = time.perf_counter() - start
        record = _record(study, prediction, target, seconds) | {
            "chosen_series": chosen_words(folder)
        }
        _write_json(job.out / study.patient / f"{study.patient}.json", record)
    finally:
        bar.remove_task(task)
    volume = f"{record['volume_vox']} voxels"
    if record["volume_ml"] is not None:
        volume = f"{record['volume_ml']:.1f} ml"
    out().print(f"{study.patient}: {volume}, {seconds['total']:.1f} s", markup=False)
    return record


def _with_roles(folder: StudyFolder, job: _Job) -> StudyFolder:
    """Choose the series that the user named."""
    if not any(job.roles.values()):
        return folder
    from napari_brainseg.core.formats.dicom.series_options import roles_from_options

    return roles_from_options(folder, **job.roles)


def _write(study: Study, prediction: Prediction, job: _Job) -> Path:
    """Write the mask; returns the folder of slices, or the file."""
    from napari_brainseg.core.dataset.layout import write_patient
    from napari_brainseg.core.dataset.masks import write_mask
    from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker

    if job.format is MaskFormat.TIFF:
        return write_patient(
            job.out, study.patient, None, prediction.mask, study.slice_numbers,
            overwrite=job.overwrite, geometry=study.image.geometry,
        )  # fmt: skip
    fractional = job.format is MaskFormat.DICOM_SEG_FRACTIONAL
    return write_mask(
        _file(study.patient, job),
        study,
        prediction.probability if fractional else prediction.mask,
        job.format,
        maker=MaskMaker("AUTOMATIC", prediction.model_version),
        overwrite=job.overwrite,
    )


def _draw(study: Study, prediction: Prediction, job: _Job) -> float:
    """Draw the patient's pictures; returns the seconds that it took."""
    from napari_brainseg.core.reporting.study_pictures import write_pictures

    start = time.perf_counter()
    write_pictures(
        study,
        {"prediction": prediction.mask},
        job.out / _PICTURES,
        model=prediction.model_version,
    )
    return time.perf_counter() - start


def _file(patient: str, job: _Job) -> Path:
    from napari_brainseg.core.dataset.masks import mask_file_name

    return job.out / patient / mask_file_name(patient, "prediction", job.format)


def _record(
    study: Study, prediction: Prediction, target: Path, seconds: dict[str, float]
) -> dict[str, Any]:
    from napari_brainseg.core.imaging import StudyFormat
    from napari_brainseg.core.segmentation.metrics import volume

    voxels = volume(prediction.mask)
    voxel_ml = study.image.geometry.voxel_volume_ml
    return {
        "patient": study.patient,
        # Folders of a DICOM export are named after people.
        "source": None if study.format is StudyFormat.DICOM else str(study.path),
        "format": str(study.format),
        "masks": str(target),
        "slices": int(prediction.mask.shape[0]),
        "model": prediction.model_version,
        "engine": prediction.engine,
        "reason": prediction.reason,
        "notes": list(prediction.notes),
        "missing_modalities": [str(m) for m in study.missing_modalities],
        "volume_vox": voxels,
        "volume_ml": None if voxel_ml is None else voxels * voxel_ml,
        "slices_with_lesion": int(prediction.mask.any(axis=(1, 2)).sum()),
        "seconds": {stage: round(value, 4) for stage, value in seconds.items()},
    }


def _refuse_to_touch(folder: StudyFolder, job: _Job) -> None:
    """Masks never go where images are: original data is only read."""
    from napari_brainseg.core.dataset.masks import refuse_source, why_not
    from napari_brainseg.core.formats.masks import MaskFormat
    from napari_brainseg.core.formats.sidecar import GEOMETRY_FILE

    reason = why_not(folder, job.format)
    if reason:
        raise DataError(f"{folder.patient}: {reason}", "Choose --format nifti or tiff.")
    target = job.out / folder.patient
    try:
        refuse_source(folder.path, target)
    except DataError as error:
        raise DataError(
            f"The masks of {folder.patient} would go into its own folder {folder.path}.",
            "Choose another folder with --out: original data is never written to.",
        ) from error
    if job.format is not MaskFormat.TIFF:
        target = _file(folder.patient, job)
    elif target.exists():
        foreign = sorted(
            p.name
            for p in target.iterdir()
            if not p.name.endswith("_mask.tif")
            and p.name not in (f"{folder.patient}.json", GEOMETRY_FILE)
        )
        if foreign:
            raise DataError(
                f"{target} is there already and holds more than masks, e.g. {foreign[0]}.",
                "Choose another folder with --out.",
            )
    if target.exists() and not job.overwrite:
        raise DataError(
            f"{target} is there already.",
            "Choose another folder with --out, or add --overwrite to replace these masks.",
        )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from napari_brainseg.core.dataset.durable import write_atomically

    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())
