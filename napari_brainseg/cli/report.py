"""``brainseg report``: one page a patient, as HTML and PDF."""

from __future__ import annotations

from contextlib import ExitStack
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
)
from napari_brainseg.core.imaging import BrainSegError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.reporting.patient_report_pdf import Paper
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.core.segmentation.predictor import Predictor
    from napari_brainseg.session.workspace import Workspace

__all__ = ["report"]


def report(
    patients: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENT_OR_ROOT",
            help="A patient (kaggle_3m, NIfTI, DICOM, zip), or a folder of patients.",
        ),
    ],
    destination: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the reports; made if it is missing.")
    ],
    workspace: Annotated[
        Path | None,
        typer.Option(
            help="Folder with corrections and predictions. [default: that of the patients]",
            show_default=False,
        ),
    ] = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Write an HTML page.")] = True,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Write a PDF.")] = True,
    letter: Annotated[
        bool, typer.Option("--letter", help="PDF on Letter in place of A4 paper.")
    ] = False,
    heading: Annotated[
        str, typer.Option(help="What stands on top, e.g. the name of the department.")
    ] = "",
    identifiers: Annotated[
        bool,
        typer.Option(
            "--identifiers", help="Say who the patient is (name, ID...), where the files tell."
        ),
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace reports that an earlier run wrote.")
    ] = False,
) -> None:
    """Write a one-page report a patient: key slices, volume, diameters, who corrected and approved.

    Stands on the correction in the workspace where there is one, else on a prediction that is
    kept there, else on one made now; the report says which. Where names end in a date, a
    patient's studies are followed up. Nothing is written but `DIR/PATIENT_report.html`,
    `DIR/PATIENT_report.pdf` and, for several patients, `DIR/index.html`.

    For example:

        brainseg report kaggle_3m/TCGA_CS_4944_20010208 --out reports
        brainseg report kaggle_3m --out reports --no-pdf --heading "Neuroradiology"
    """
    with faults_as_messages(), ExitStack() as open_things:
        if not html and not pdf:
            raise DataError("Neither HTML nor PDF is asked for.", "Leave one of --no-... out.")
        from napari_brainseg.core.formats import discover
        from napari_brainseg.core.formats.discreet import discreet_fault, discreet_reason
        from napari_brainseg.core.reporting import report_files
        from napari_brainseg.session.report_batch import ReportBatch
        from napari_brainseg.session.workspace import Workspace

        found = discover(patients)
        target = destination.absolute()
        _refuse_to_touch(found, target)
        if not overwrite:
            # Before an hour of predictions, not after it.
            for folder in found.folders:
                report_files.refuse_existing(
                    report_files.report_paths(target, folder.patient, html=html, pdf=pdf)
                )
        if workspace is not None and not Workspace(workspace).catalogue.is_file():
            raise DataError(
                f"{workspace} is no workspace: it has no {Workspace(workspace).catalogue.name}.",
                "`brainseg doctor` names the folder of the workspaces.",
            )
        if len(found.folders) > 1:
            lower_priority()
        faults: list[BrainSegError] = [bad.error for bad in found.faults]
        told = [discreet_fault(found, bad, hint=False) for bad in found.faults]
        batch = ReportBatch(
            _predictor(model, device, open_things),
            None if model is None else open_bundle(model).version,
            workspace=_workspace(found) if workspace is None else Workspace(workspace),
            heading=heading,
            identifiers=identifiers,
        )
        open_things.callback(batch.close)
        bar = open_things.enter_context(progress_bar())
        task = bar.add_task("Reports", total=len(found.folders))

        def failed(folder: StudyFolder, error: BrainSegError) -> None:
            faults.append(error)
            told.append((folder.patient, discreet_reason(folder, error, hint=False)))
            bar.advance(task)

        paper: Paper = "letter" if letter else "a4"
        rows = []
        for made in batch.reports(found.folders, failed):
            written = report_files.write_report(
                made, target, html=html, pdf=pdf, paper=paper, overwrite=overwrite
            )
            rows.append(report_files.index_row(made, written))
            bar.advance(task)
        if len(found.folders) > 1:
            lines = [f"{name}: {reason}" for name, reason in told]
            report_files.write_index(target, rows, lines)
    for fault in faults:
        say_fault(fault)
    whole = len(rows) + len(faults)
    out().print(f"{len(rows)} of {whole} reports written to {destination}.", markup=False)
    if faults:
        raise typer.Exit(EXIT_FAULT)


def _predictor(
    model: str | None, device: str, open_things: ExitStack
) -> Callable[[Study], Prediction]:
    """Open the model only when a patient needs it, and once."""
    opened: list[Predictor] = []

    def predict(study: Study) -> Prediction:
        from napari_brainseg.core.segmentation import predictor

        if not opened:
            opened.append(
                open_things.enter_context(predictor.Predictor(open_bundle(model), device))
            )
        return opened[0].predict(study)

    return predict


def _workspace(found: Discovery) -> Workspace | None:
    from napari_brainseg.session.workspace import Workspace

    parents = {folder.path.parent for folder in found.folders}
    root = parents.pop() if len(parents) == 1 else found.root
    return Workspace.for_studies(root, original=found.root)


def _refuse_to_touch(found: Discovery, target: Path) -> None:
    """Make sure that no report goes where images are: original data is only read."""
    from napari_brainseg.core.formats.sources import refuse_sources

    refuse_sources(found.folders, target)
