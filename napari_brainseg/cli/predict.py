"""``brainseg predict``: masks for one patient or many."""

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
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.core.segmentation.predictor import Predictor

__all__ = ["predict"]


@dataclass(frozen=True, slots=True)
class _Job:
    """What one run of the command is to do."""

    out: Path
    tta: bool
    overwrite: bool


def predict(
    patients: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENT_OR_ROOT", help="A patient's folder, or a folder of patients."
        ),
    ],
    destination: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the masks; one folder a patient is made."),
    ],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average with the mirrored volume: twice the time."),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write the records of all patients to this file, too."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that an earlier run wrote.")
    ] = False,
) -> None:
    """Predict masks, slice by slice, named as in kaggle_3m.

    Writes `DIR/PATIENT/PATIENT_N_mask.tif` (0 and 255) for every slice and `PATIENT.json` beside
    them: model version, volume, seconds of each stage, engine and why it was chosen. The patients
    themselves are only read. A patient that cannot be read is named at the end; the others go on.

    For example:

        brainseg predict kaggle_3m/TCGA_CS_4944_20010208 --out masks
        brainseg predict kaggle_3m --out masks --device cpu --json masks.json
        brainseg predict kaggle_3m --out masks --model runs/second/bundle --tta
    """
    with faults_as_messages():
        from napari_brainseg.core.formats import discover
        from napari_brainseg.core.segmentation.predictor import Predictor

        found = discover(patients)
        faults = [(bad.path.name, bad.error) for bad in found.faults]
        job = _Job(destination.absolute(), tta, overwrite)
        for folder in found.folders:
            _refuse_to_touch(folder, job)
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
                    faults.append((folder.patient, error))
                bar.advance(total)
        if json_file is not None:
            _write_json(
                json_file,
                {
                    "patients": records,
                    "faults": [{"patient": name, "fault": str(fault)} for name, fault in faults],
                },
            )
    for _, fault in faults:
        say_fault(fault)
    done = f"{len(records)} of {len(records) + len(faults)} patients"
    out().print(f"{done} predicted with {bundle.version}; masks in {destination}.", markup=False)
    if faults:
        raise typer.Exit(EXIT_FAULT)


def _one(folder: StudyFolder, predictor: Predictor, job: _Job, bar: Progress) -> dict[str, Any]:
    from napari_brainseg.core.dataset.layout import write_patient
    from napari_brainseg.core.formats import load_study

    task: TaskID = bar.add_task(folder.patient, total=len(folder.images))
    try:
        start = time.perf_counter()
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
        target = write_patient(
            job.out, study.patient, None, prediction.mask, study.slice_numbers,
            overwrite=job.overwrite,
        )  # fmt: skip
        seconds = {"load": loaded - start, **prediction.timings}
        seconds["write"] = time.perf_counter() - predicted
        seconds["total"] = time.perf_counter() - start
        record = _record(study, prediction, target, seconds)
        _write_json(target / f"{study.patient}.json", record)
    finally:
        bar.remove_task(task)
    volume = f"{record['volume_vox']} voxels"
    out().print(f"{study.patient}: {volume}, {seconds['total']:.1f} s", markup=False)
    return record


def _record(
    study: Study, prediction: Prediction, target: Path, seconds: dict[str, float]
) -> dict[str, Any]:
    from napari_brainseg.core.segmentation.metrics import volume

    voxels = volume(prediction.mask)
    voxel_ml = study.image.geometry.voxel_volume_ml
    return {
        "patient": study.patient,
        "source": str(study.path),
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
    target = job.out / folder.patient
    source = folder.path.resolve()
    if target.resolve() == source or source in target.resolve().parents:
        raise DataError(
            f"The masks of {folder.patient} would go into its own folder {folder.path}.",
            "Choose another folder with --out: original data is never written to.",
        )
    if not target.exists():
        return
    foreign = sorted(
        p.name
        for p in target.iterdir()
        if not p.name.endswith("_mask.tif") and p.name != f"{folder.patient}.json"
    )
    if foreign:
        raise DataError(
            f"{target} is there already and holds more than masks, e.g. {foreign[0]}.",
            "Choose another folder with --out.",
        )
    if not job.overwrite:
        raise DataError(
            f"{target} is there already.",
            "Choose another folder with --out, or add --overwrite to replace these masks.",
        )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from napari_brainseg.core.dataset.durable import write_atomically

    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())
