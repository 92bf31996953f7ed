"""``brainseg locked``: the patients that measure every version and never train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from napari_brainseg.cli.console import faults_as_messages, out, warn
from napari_brainseg.cli.preflight import RootArgument, WorkspaceOption, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.dataset.locked import LockedSet
    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.session.locked_patients import LockedPatients

__all__ = ["app"]

app = typer.Typer(
    name="locked",
    no_args_is_help=True,
    help="Locked patients: they measure every version of a workspace and never train.",
)

PatientsOption = Annotated[
    Path | None,
    typer.Option(
        "--patients", help="Text file with one name a line: lock these in place of a draw."
    ),
]
NumberOption = Annotated[
    int | None,
    typer.Option(
        "--number", "-n", min=1, help="How many in all. [default: a fifth, from 5 to 10]",
        show_default=False,
    ),
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_locked(
    root: RootArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the locked patients of a workspace.

    Nothing is changed.

    For example:

        brainseg locked list kaggle_3m
    """
    with faults_as_messages(), open_workspace(root, workspace) as (place, _, catalogue):
        from napari_brainseg.session.locked_patients import LockedPatients

        locked = LockedPatients(place, catalogue).current()
    if locked is not None:
        _show(locked, as_json)
    elif as_json:
        typer.echo("null")
    else:
        out().print("No patients are locked yet: the first fine-tuning run locks some.")


@app.command("choose")
def choose_locked(
    root: RootArgument,
    workspace: WorkspaceOption = None,
    patients: PatientsOption = None,
    number: NumberOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lock patients for the first time: a draw, stratified, or those named in a file.

    Only patients with ground truth or an approved correction that no model was trained on are
    locked. Without this command the first fine-tuning run draws them.

    For example:

        brainseg locked choose kaggle_3m --number 8
        brainseg locked choose kaggle_3m --patients ten.txt
    """
    _change(root, workspace, patients, as_json, lambda locked, studies, names: locked.choose(
        studies, names, wanted=number
    ))  # fmt: skip


@app.command("extend")
def extend_locked(
    root: RootArgument,
    workspace: WorkspaceOption = None,
    patients: PatientsOption = None,
    number: NumberOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lock more patients: a new generation of the set.

    Earlier figures do not compare with it.

    For example:

        brainseg locked extend kaggle_3m --number 10
    """
    _change(root, workspace, patients, as_json, lambda locked, studies, names: locked.extend(
        studies, names, wanted=number
    ))  # fmt: skip
    warn("Figures on the earlier set do not compare with those on this one.")


def _change(
    root: Path,
    workspace: Path | None,
    patients: Path | None,
    as_json: bool,
    act: Callable[[LockedPatients, Discovery, tuple[str, ...] | None], LockedSet],
) -> None:
    with faults_as_messages(), open_workspace(root, workspace) as (place, studies, catalogue):
        from napari_brainseg.core.formats import read_patient_list
        from napari_brainseg.session.fine_tuning import base_of
        from napari_brainseg.session.locked_patients import LockedPatients
        from napari_brainseg.session.model_registry import ModelRegistry

        registry = ModelRegistry(place, catalogue)
        models = (base_of(registry), registry.current)
        names = None if patients is None else tuple(read_patient_list(patients))
        locked = LockedPatients(place, catalogue, models=lambda: models)
        found = act(locked, studies, names)
    _show(found, as_json)


def _show(locked: LockedSet, as_json: bool) -> None:
    if as_json:
        import json

        from napari_brainseg.core.dataset.locked_places import without_place

        content = locked.model_dump(mode="json")
        content["patients"] = [without_place(p) for p in content["patients"]]
        typer.echo(json.dumps(content, indent=2))
        return
    table = Table(
        "patient",
        "institution",
        "mask",
        Column("lesion voxels", justify="right"),
        title=f"Generation {locked.generation}, {locked.created:%Y-%m-%d}, {locked.digest[:12]}",
        title_justify="left",
    )
    for patient in locked.patients:
        table.add_row(
            escape(patient.patient),
            escape(patient.institution),
            patient.mask_source,
            str(patient.lesion_vox),
        )
    out().print(table)
    if not locked.is_enough:
        from napari_brainseg.core.dataset.locked import LEAST_LOCKED

        warn(f"The gate needs {LEAST_LOCKED} locked patients, there are {len(locked.patients)}.")
