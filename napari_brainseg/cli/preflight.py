"""``brainseg preflight``: whether a fine-tuning run may start, and what it would be made of."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from napari_brainseg.cli.console import EXIT_FAULT, err, faults_as_messages, out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.core.dataset.preflight import PreflightReport
    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

__all__ = ["RootArgument", "WorkspaceOption", "open_workspace", "preflight"]

STYLES = {"stop": "bold red", "warning": "yellow", "note": "cyan"}

RootArgument = Annotated[
    Path, typer.Argument(metavar="ROOT", help="Folder of patients that the corrections belong to.")
]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        help="Folder of the workspace. [default: the one of ROOT]",
        show_default=False,
    ),
]


def preflight(
    root: RootArgument,
    workspace: WorkspaceOption = None,
    start: Annotated[
        Literal["base", "current"],
        typer.Option(
            "--start", help="What the run would start from: the bundled base, or the model in use."
        ),
    ] = "base",
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure a step of the run, to tell how long it takes; some seconds."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look whether a fine-tuning run may start: corrections, locked patients, masks, machine.

    Nothing is started and nothing but a cache is written. The exit code is 0 if a run can start,
    1 if something stops it; warnings leave it at 0.

    For example:

        brainseg preflight kaggle_3m
        brainseg preflight kaggle_3m --measure --json
    """
    with faults_as_messages(), open_workspace(root, workspace) as (place, studies, catalogue):
        report = _look(place, studies, catalogue, start, measure)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _show(report)
    if not report.can_start:
        raise typer.Exit(EXIT_FAULT)


@contextmanager
def open_workspace(
    root: Path, workspace: Path | None
) -> Iterator[tuple[Workspace, Discovery, Catalogue]]:
    """Open the workspace of a folder of patients, as the window does.

    Raises
    ------
    BrainSegError
        If the folder holds no patients, or the workspace cannot be opened.
    """
    from napari_brainseg.core.formats import discover
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

    studies = discover(root)
    if workspace is None:
        parents = {folder.path.parent for folder in studies.folders}
        home = parents.pop() if len(parents) == 1 else studies.root
        place = Workspace.for_studies(home, original=studies.root)
    else:
        place = Workspace(workspace.expanduser().resolve())
        place.refuse_inside(studies.root)
    catalogue = Catalogue(place.create().catalogue)
    try:
        yield place, studies, catalogue
    finally:
        catalogue.close()


def _look(
    place: Workspace,
    studies: Discovery,
    catalogue: Catalogue,
    start: Literal["base", "current"],
    measure: bool,
) -> PreflightReport:
    from napari_brainseg.session.fine_tuning import base_of, plan_fine_tuning
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.preflight import preflight_of

    registry = ModelRegistry(place, catalogue)
    report = preflight_of(place, catalogue, registry, studies, start=start)
    if not measure or not report.can_start:
        return report
    from napari_brainseg.session.expected_time import StepMeasurement

    plan = plan_fine_tuning(
        place,
        base_of(registry),
        studies,
        current=registry.current,
        catalogue=catalogue,
        start=start,
    )
    with err().status("Measuring a step..."):
        expected = StepMeasurement(plan.config).measure()
    return preflight_of(place, catalogue, registry, studies, expected=expected, start=start)


def _show(report: PreflightReport) -> None:
    console = out()
    if report.findings:
        table = Table("", "found", "what to do")
        for finding in report.findings:
            table.add_row(
                f"[{STYLES[finding.level]}]{finding.level}[/]",
                escape(finding.message),
                escape(finding.hint),
            )
        console.print(table)
    for name, patients in (
        ("Corrections", report.corrections),
        ("of them new", report.new_corrections),
        ("Replayed", report.replayed),
        ("Locked", report.locked),
    ):
        listed = f": {', '.join(patients)}" if patients else ""
        console.print(f"{name} ({len(patients)}){listed}", markup=False)
    if not report.can_start:
        console.print("A run cannot start.", style="bold red")
    elif report.needs_expert:
        console.print("A run can start, if you know what the warnings mean.", style="yellow")
    else:
        console.print("A run can start.", style="green")
