"""``brainseg effort``: what correcting cost, by case and model version."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from napari_brainseg.cli.console import faults_as_messages, out

if TYPE_CHECKING:
    from napari_brainseg.session.effort import EffortRow, VersionEffort

__all__ = ["effort"]


def effort(
    workspace: Annotated[
        Path,
        typer.Argument(
            metavar="WORKSPACE",
            help="Folder of a workspace: the one that holds catalogue.sqlite.",
        ),
    ],
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a line a case to this file (UTF-8).")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print cases and summary as JSON, not as tables.")
    ] = False,
) -> None:
    """Show what correcting cost: time, strokes and voxels by case and model version.

    A case's row is its correction as it stands now. Editing time leaves pauses out and counts
    strokes that were taken back; strokes and voxels count those in force. Reading time is that
    with the case open, pauses left out. The model version is that of the prediction the
    correction started from. The summary has medians over the cases that were begun.

    For example:

        brainseg effort ~/.local/share/napari-brainseg/workspaces/kaggle_3m-1a2b3c4d5e
        brainseg effort WORKSPACE --csv effort.csv
    """
    with faults_as_messages():
        from napari_brainseg.session.effort import effort_of_workspace, summary, to_json, write_csv

        rows = effort_of_workspace(workspace)
        if csv_file is not None:
            write_csv(rows, csv_file)
        if as_json:
            typer.echo(to_json(rows))
            return
        _show(rows, summary(rows))


def _show(rows: tuple[EffortRow, ...], versions: tuple[VersionEffort, ...]) -> None:
    console = out()
    if not rows:
        console.print("Nothing was corrected in this workspace yet.")
        return
    figures = ("editing s", "reading s", "strokes", "added vox", "removed vox")
    cases = Table(
        Column("patient", no_wrap=True),
        Column("started from", no_wrap=True),
        "editor",
        "status",
        *(Column(name, justify="right") for name in figures),
    )
    for row in rows:
        cases.add_row(
            row.patient,
            _start(row),
            row.editor,
            row.status,
            f"{row.seconds:.0f}",
            f"{row.reading_seconds:.0f}",
            str(row.strokes),
            str(row.voxels_added),
            str(row.voxels_removed),
        )
    console.print(cases)
    medians = Table(
        "started from",
        *(Column(n, justify="right") for n in ("cases", "editing s", "reading s", "strokes")),
        Column("voxels", justify="right"),
        title="Medians of a case",
        title_justify="left",
    )
    for version in versions:
        medians.add_row(
            _start(version),
            str(version.cases),
            f"{version.seconds:.0f}",
            f"{version.reading_seconds:.0f}",
            f"{version.strokes:g}",
            f"{version.voxels:g}",
        )
    console.print(medians)


def _start(of: EffortRow | VersionEffort) -> str:
    if of.base == "prediction":
        return of.model_version or "prediction"
    return "ground truth" if of.base == "truth" else "empty mask"
