"""``brainseg evaluate``: how good a model is on patients with ground truth."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

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
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.evaluation import Evaluation, Figure
    from napari_brainseg.core.segmentation.inference import Progress

__all__ = ["evaluate"]


def evaluate(
    root: Annotated[Path, typer.Argument(help="A folder of patients with masks.")],
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
    same with the largest component only (`dsc_native_lcc`), the 95 % Hausdorff distance in voxels,
    volumes, and seconds by stage. The summary has means and medians with 95 % bootstrap intervals.

    Patients that the model was trained on are named: figures on them are no test.

    For example:

        brainseg evaluate kaggle_3m --json figures.json
        brainseg evaluate kaggle_3m --patients validation.txt --json figures.json
        brainseg evaluate kaggle_3m --model runs/second/bundle --json second.json
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.durable import write_atomically
        from napari_brainseg.core.segmentation.evaluation import evaluate_root

        names = None if patients is None else _names(patients)
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


def _names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file.", "Give one name a line, UTF-8.") from error
    names = [line.strip() for line in lines]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise DataError(f"{path} names no patient.", "Give one name a line.")
    return names


def _show(evaluation: Evaluation) -> None:
    table = Table("patient", "slices", "DSC reference", "DSC native", "DSC largest", "HD95 vox",
                  "truth vox", "predicted vox", "s")  # fmt: skip
    for p in evaluation.patients:
        table.add_row(
            p.patient,
            str(p.slices),
            _text(p.dsc_reference),
            _text(p.dsc_native),
            _text(p.dsc_native_lcc),
            _text(p.hd95_vox, 1),
            str(p.volume_truth_vox),
            str(p.volume_prediction_vox),
            f"{p.seconds.total:.1f}",
        )
    console = out()
    console.print(table)
    summary = evaluation.summary
    console.print(f"{summary.model}, {summary.engine}, patients: {summary.patients}", markup=False)
    for name, figure, digits in (
        ("DSC reference", summary.dsc_reference, 4),
        ("DSC native", summary.dsc_native, 4),
        ("DSC native, largest component", summary.dsc_native_lcc, 4),
        ("HD95 in voxels", summary.hd95_vox, 1),
    ):
        console.print(f"{name}: {_figure(figure, digits)}", markup=False)
    if summary.missed_lesions:
        warn(f"{summary.missed_lesions} patients with a lesion got an empty mask.")
    if summary.trained_on:
        warn(
            f"The model was trained on {len(summary.trained_on)} of these patients, e.g. "
            f"{summary.trained_on[0]}: figures on them are no test."
        )
    for skipped in summary.not_measured:
        warn(f"{skipped.patient} was not measured: {skipped.reason}")


def _text(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _figure(figure: Figure, digits: int) -> str:
    if figure.mean is None or figure.mean_interval is None:
        return "undefined"
    low, high = (_text(v, digits) for v in figure.mean_interval)
    return (
        f"mean {_text(figure.mean, digits)} ({low} to {high}), "
        f"median {_text(figure.median, digits)}, least {_text(figure.least, digits)}"
    )
