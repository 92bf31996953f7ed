"""``brainseg evaluate``: how good a model is on patients with ground truth."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from napari_brainseg.cli.console import (
    DeviceOption,
    ModelOption,
    faults_as_messages,
    lower_priority,
    open_bundle,
    out,
    progress_bar,
    warn,
)

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.evaluation import Evaluation
    from napari_brainseg.core.segmentation.inference import Progress

__all__ = ["evaluate"]


def evaluate(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="A folder of patients with masks.")],
    json_file: Annotated[Path, typer.Option("--json", help="Write the figures to this file.")],
    patients: Annotated[
        Path | None,
        typer.Option(
            "--patients",
            help="Text file with one patient's name a line, with or without the date; "
            "lines with # are left out. All patients with masks if not given.",
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average with the mirrored volume: twice the time."),
    ] = False,
) -> None:
    """Measure a model against ground truth.

    For each patient: DSC on the published program's grid (`dsc_reference`: cropped 256 x 256,
    largest component), DSC of the mask as delivered on the full input grid (`dsc_native`), the
    same with the largest component only (`dsc_native_lcc`), sensitivity, precision, the 95 %
    Hausdorff distance in voxels (and in mm where the spacing is known), volumes, slices without
    lesion and how many of them were marked, and seconds by stage. The summary has means and medians
    with 95 % bootstrap intervals, patients under 0.5 DSC, and the calibration near the outlines.

    Patients that the model was trained on are named: figures on them are no test.

    For example:

        brainseg evaluate kaggle_3m --json figures.json
        brainseg evaluate kaggle_3m --patients validation.txt --json figures.json
        brainseg evaluate kaggle_3m --model runs/second/bundle --json second.json
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.durable import write_atomically
        from napari_brainseg.core.formats import discover, read_patient_list
        from napari_brainseg.core.formats.sources import refuse_sources
        from napari_brainseg.core.segmentation.evaluation import evaluate_root

        if json_file.resolve().is_relative_to(root.resolve()):
            refuse_sources(discover(root).folders, json_file, searched=root, file=True)
        names = None if patients is None else read_patient_list(patients)
        bundle = open_bundle(model)
        lower_priority()
        with progress_bar() as bar:
            task = bar.add_task("Evaluating", total=None)

            def show(progress: Progress) -> None:
                bar.update(
                    task,
                    description=progress.stage,
                    completed=progress.done,
                    total=progress.total,
                )

            evaluation = evaluate_root(
                root, bundle, patients=names, device=device, tta=tta, progress=show
            )
        write_atomically(json_file.absolute(), evaluation.to_json().encode())
        _show(evaluation)


def _show(evaluation: Evaluation) -> None:
    from napari_brainseg.core.segmentation.evaluation_text import summary_lines

    in_mm = evaluation.summary.hd95_mm.patients > 0
    # a name that is cut is no name
    table = Table(Column("patient", no_wrap=True), "slices", "DSC reference", "DSC native",
                  "DSC largest", "sens.", "prec.", "HD95 mm" if in_mm else "HD95 vox", "truth vox",
                  "predicted vox", "wrong slices", "s")  # fmt: skip
    for p in evaluation.patients:
        table.add_row(
            p.patient,
            str(p.slices),
            _text(p.dsc_reference),
            _text(p.dsc_native),
            _text(p.dsc_native_lcc),
            _text(p.sensitivity),
            _text(p.precision),
            _text(p.hd95_mm if in_mm else p.hd95_vox, 1),
            str(p.volume_truth_vox),
            str(p.volume_prediction_vox),
            f"{p.lesion_free_slices_marked} of {p.lesion_free_slices}",
            f"{p.seconds.total:.1f}",
        )
    console = out()
    console.print(table)
    summary = evaluation.summary
    console.print(f"{summary.model}, {summary.engine}, patients: {summary.patients}", markup=False)
    for line in summary_lines(evaluation):
        console.print(line, markup=False)
    if summary.missed_lesions:
        warn(f"{summary.missed_lesions} patients with a lesion got an empty mask.")
    if summary.trained_on:
        warn(
            f"The model was trained on {len(summary.trained_on)} of these patients, e.g. "
            f"{summary.trained_on[0]}: figures on them are no test."
        )
    for skipped in summary.not_measured:
        warn(f"{skipped.patient} was not measured: {skipped.reason}")
    for result in evaluation.patients:
        if result.chosen_series:
            warn(f"{result.patient}: {result.chosen_series}")


def _text(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
