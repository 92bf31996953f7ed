"""``brainseg training-set``: what was exported, any past state of it, and whether it is sound."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from napari_brainseg.cli.console import EXIT_FAULT, faults_as_messages, out, progress_bar
from napari_brainseg.core.imaging import ConfigError, DataError

if TYPE_CHECKING:
    from napari_brainseg.core.dataset.manifest import ManifestEntry

__all__ = ["app"]

app = typer.Typer(
    name="training-set",
    no_args_is_help=True,
    help="Exported corrections: list them, check them, make a past state of them again.",
)

PlaceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="WHERE",
        help="The folder `training_set`, the workspace it lies in, or the folder of patients that "
        "the workspace belongs to.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_entries(where: PlaceArgument, as_json: JsonOption = False) -> None:
    """List every correction that was exported, the oldest first.

    The number of a line is what `rebuild --at` takes.

    For example:

        brainseg training-set list kaggle_3m
        brainseg training-set list kaggle_3m --json
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.manifest import current_entries, read_manifest

        place = _training_set(where)
        entries = read_manifest(place)
        current = current_entries(entries)
    if as_json:
        _print_json(
            [
                {"line": number, "state": _state(entry, current)} | entry.model_dump(mode="json")
                for number, entry in enumerate(entries, start=1)
            ]
        )
        return
    table = Table(
        Column("line", justify="right"), "time", "patient", "state", "editor", "second reader",
        "from", Column("voxels", justify="right"), Column("strokes", justify="right"), "note",
    )  # fmt: skip
    for number, entry in enumerate(entries, start=1):
        table.add_row(
            str(number),
            entry.created.astimezone().strftime("%Y-%m-%d %H:%M"),
            _plain(entry.patient),
            _state(entry, current),
            _plain(entry.editor),
            _plain(entry.second_reader or ""),
            _plain(entry.base_model or entry.correction_base),
            f"+{entry.voxels_added} -{entry.voxels_removed}",
            str(entry.strokes),
            _plain(entry.note),
        )
    out().print(table)


@app.command("rebuild")
def rebuild_state(
    where: PlaceArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder to write to.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help="A line number, or a time such as 2026-11-21T14:05 (your time zone unless it "
            "names one). Now if not given.",
        ),
    ] = None,
) -> None:
    """Write the training set as it was at some moment, in kaggle_3m layout with its manifest.

    Every image and mask is compared with the hash that the manifest gives. Where one is missing,
    nothing is written.

    For example:

        brainseg training-set rebuild kaggle_3m before --at 12
        brainseg training-set rebuild kaggle_3m before --at 2026-11-01
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.rebuild import rebuild

        moment = None if at is None else _moment(at)
        with progress_bar() as bar:
            task = bar.add_task("Patients", total=None)
            patients = rebuild(
                _training_set(where),
                target,
                moment,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    count = "1 patient" if len(patients) == 1 else f"{len(patients)} patients"
    out().print(f"{target}: {count}", markup=False)


@app.command("verify")
def verify_set(where: PlaceArgument, as_json: JsonOption = False) -> None:
    """Check that files and manifest agree, and that every past state could be made again.

    The exit code is 1 if anything is wrong.

    For example:

        brainseg training-set verify kaggle_3m
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.rebuild import verify

        problems = verify(_training_set(where))
    if as_json:
        _print_json(
            [{"line": p.line, "patient": p.patient, "message": p.message} for p in problems]
        )
    elif problems:
        table = Table(Column("line", justify="right"), "patient", "what is wrong")
        for problem in problems:
            table.add_row(str(problem.line), _plain(problem.patient), _plain(problem.message))
        out().print(table)
    else:
        out().print("All files agree with the manifest.")
    if problems:
        raise typer.Exit(EXIT_FAULT)


def _training_set(where: Path) -> Path:
    """Find the training set that is meant."""
    from napari_brainseg.core.dataset.manifest import MANIFEST_NAME
    from napari_brainseg.session.workspace import Workspace

    if not where.is_dir():
        raise DataError(f"The folder {where} does not exist.", "Check the path.")
    places = [where, where / "training_set"]
    # Where no workspace can belong to it, it is no folder of patients.
    with contextlib.suppress(ConfigError):
        places.append(Workspace.for_studies(where).training_set)
    for place in places:
        if (place / MANIFEST_NAME).is_file():
            return place
    raise DataError(
        f"Nothing was exported to a training set of {where}.",
        "Approve a correction first, or name the folder training_set itself.",
    )


def _moment(text: str) -> int | datetime:
    if text.isdigit() and len(text) < len("20261121"):
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither a line number nor a time such as 2026-11-21T14:05",
            param_hint="--at",
        ) from error
    return found if found.tzinfo else found.astimezone()


def _state(entry: ManifestEntry, current: dict[str, ManifestEntry]) -> str:
    if entry.withdrawn:
        return "withdrawn"
    return "in the set" if current.get(entry.patient) is entry else "older version"


def _print_json(content: Any) -> None:
    import json

    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
