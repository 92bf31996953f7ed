"""``brainseg models``: versions of a workspace, which one is in use, and what comes and goes."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_brainseg.cli.console import faults_as_messages, out
from napari_brainseg.cli.models_shown import (
    as_plain,
    print_json,
    show_comparison,
    show_tree,
    version_table,
)
from napari_brainseg.core.imaging import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.model_registry import ModelRegistry, ModelVersion
    from napari_brainseg.session.workspace import Workspace

__all__ = ["app"]

app = typer.Typer(
    name="models",
    no_args_is_help=True,
    help="Model versions of a workspace: list, compare, take into use, roll back, export, import.",
)

PlaceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="WHERE",
        help="A workspace, or the folder of patients that it belongs to.",
    ),
]
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="A version, or the beginning of one.")
]
EditorOption = Annotated[
    str | None,
    typer.Option("--editor", "-e", help="Who decides. [default: the editor of the workspace]"),
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_versions(where: PlaceArgument, as_json: JsonOption = False) -> None:
    """List all versions as a tree: which was fine-tuned from which, and which one is in use.

    Nothing is changed.

    For example:

        brainseg models list kaggle_3m
        brainseg models list kaggle_3m --json
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        if as_json:
            print_json(
                {
                    "versions": [as_plain(version) for version in registry.versions()],
                    "deleted": [as_plain(version) for version in registry.deleted()],
                    "history": [as_plain(act) for act in registry.history()],
                }
            )
        else:
            show_tree(registry)


@app.command("show")
def show_version(
    where: PlaceArgument, version: VersionArgument, as_json: JsonOption = False
) -> None:
    """Show what is known of a version: parent, data, figures, gates, and who took it into use.

    Nothing is changed.

    For example:

        brainseg models show kaggle_3m fine-tuned-20261122
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        model = _find(registry, version)
        gates = registry.gates(model.version)
        acts = [act for act in registry.history() if model.version in (act.version, act.before)]
        if as_json:
            listed = {"gates": [as_plain(g) for g in gates], "acts": [as_plain(a) for a in acts]}
            print_json(as_plain(model) | listed)
        else:
            out().print(version_table(model, gates, acts))


@app.command("compare")
def compare_versions(
    where: PlaceArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="A version, or the beginning of one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Tell what differs between two versions: settings, patients, figures, gates.

    Nothing is changed.

    For example:

        brainseg models compare kaggle_3m default fine-tuned-20261122
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        found = registry.compare(_find(registry, a).version, _find(registry, b).version)
        if as_json:
            print_json(as_plain(found))
        else:
            show_comparison(found)


@app.command("promote")
def promote_version(
    where: PlaceArgument,
    version: VersionArgument,
    reason: ReasonOption = "",
    editor: EditorOption = None,
) -> None:
    """Take a version into use for predictions.

    Without a gate that it passed against the version in use a reason is needed.

    For example:

        brainseg models promote kaggle_3m fine-tuned-20261122 --editor Ada
        brainseg models promote kaggle_3m accurate --reason "more exact outlines wanted"
    """
    with faults_as_messages(), _registry(where) as (registry, catalogue):
        chosen = _find(registry, version).version
        model = registry.promote(chosen, editor=_editor(editor, catalogue), reason=reason)
        _say_stale(catalogue, where, model.version)


@app.command("rollback")
def roll_back(where: PlaceArgument, reason: ReasonOption = "", editor: EditorOption = None) -> None:
    """Take the version that was in use before into use again.

    The history keeps who did it, and why.

    For example:

        brainseg models rollback kaggle_3m
    """
    with faults_as_messages(), _registry(where) as (registry, catalogue):
        model = registry.rollback(editor=_editor(editor, catalogue), reason=reason)
        _say_stale(catalogue, where, model.version)


@app.command("export")
def export_version(
    where: PlaceArgument,
    version: VersionArgument,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A new zip file (NAME.zip) or folder.")
    ],
) -> None:
    """Write a version to a zip file or a folder, with the hashes of all files.

    The import of another workspace takes it in.

    For example:

        brainseg models export kaggle_3m fine-tuned-20261122 model.zip
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        made = registry.export(_find(registry, version).version, target)
        out().print(str(made), markup=False)


@app.command("import")
def import_version(
    where: PlaceArgument,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A zip file or folder that `export` wrote.")
    ],
) -> None:
    """Take in a model from elsewhere; it is checked first, and not in use before it is promoted.

    Only the known files of a bundle are taken, with weights in safetensors: pickles (`.pt`,
    `.pth`) are refused, as reading one can run any program. What OpenVINO runs is made anew from
    the weights, which takes some seconds.

    For example:

        brainseg models import kaggle_3m model.zip
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        out().print(registry.import_bundle(source).version, markup=False)


@app.command("delete")
def delete_version(
    where: PlaceArgument, version: VersionArgument, editor: EditorOption = None
) -> None:
    """Delete a version that is not in use.

    Its files go to a bin (`restore`, `empty-bin`).

    For example:

        brainseg models delete kaggle_3m fine-tuned-20261122
    """
    with faults_as_messages(), _registry(where) as (registry, catalogue):
        chosen = _find(registry, version).version
        registry.delete(chosen, editor=_editor(editor, catalogue))
        out().print(f"Deleted: {chosen}", markup=False)


@app.command("restore")
def restore_version(where: PlaceArgument, version: VersionArgument) -> None:
    """Bring a deleted version back from the bin.

    It is not in use before it is promoted.

    For example:

        brainseg models restore kaggle_3m fine-tuned-20261122
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        chosen = _one_of([gone.version for gone in registry.deleted()], version)
        out().print(registry.restore(chosen).version, markup=False)


@app.command("empty-bin")
def empty_bin(where: PlaceArgument) -> None:
    """Remove the files of all deleted versions for good.

    What is known of them stays.

    For example:

        brainseg models empty-bin kaggle_3m
    """
    with faults_as_messages(), _registry(where) as (registry, _):
        removed = registry.empty_bin()
        out().print("\n".join(removed) or "The bin is empty.", markup=False)


@contextmanager
def _registry(where: Path) -> Iterator[tuple[ModelRegistry, Catalogue]]:
    """Open the models of a workspace that exists."""
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.model_registry import ModelRegistry

    workspace = _workspace(where)
    catalogue = Catalogue(workspace.catalogue)
    try:
        yield ModelRegistry(workspace, catalogue), catalogue
    finally:
        catalogue.close()


def _find(registry: ModelRegistry, wanted: str) -> ModelVersion:
    """Find a version by its beginning; of a bundled one the name of its folder serves too."""
    versions = {version.version: version for version in registry.versions()}
    for version in versions.values():
        if version.is_bundled and version.path.name == wanted:
            return version
    return versions[_one_of(list(versions), wanted)]


def _one_of(versions: list[str], wanted: str) -> str:
    fitting = [wanted] if wanted in versions else [v for v in versions if v.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(fitting or versions) or "none"
    raise ModelError(
        f"{wanted} is the beginning of {len(fitting)} versions."
        if fitting
        else f"There is no version {wanted}.",
        f"Known: {known}.",
    )


def _editor(given: str | None, catalogue: Catalogue) -> str:
    return given if given is not None else catalogue.editor or ""


def _say_stale(catalogue: Catalogue, where: Path, version: str) -> None:
    from napari_brainseg.session.prediction_store import PredictionStore

    console = out()
    console.print(f"In use: {version}", markup=False)
    stale = len(PredictionStore(_workspace(where), catalogue).stale(version))
    if stale:
        count = "1 patient has" if stale == 1 else f"{stale} patients have"
        console.print(f"{count} predictions by other versions only.", markup=False)


def _workspace(where: Path) -> Workspace:
    """Find the workspace that is meant; it exists."""
    from napari_brainseg.session.workspace import Workspace

    if not where.is_dir():
        raise DataError(f"The folder {where} does not exist.", "Check the path.")
    workspace = Workspace(where.resolve())
    if not workspace.catalogue.is_file():
        workspace = Workspace.for_studies(where)
    if not workspace.catalogue.is_file():
        raise DataError(
            f"There is no workspace of {where}.",
            "Open the folder in the viewer once, or give the folder that holds catalogue.sqlite.",
        )
    return workspace
