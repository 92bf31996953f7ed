"""Model versions in tables and as JSON, for the command line."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from napari_brainseg.cli.console import out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_brainseg.session.model_comparison import ModelComparison
    from napari_brainseg.session.model_history import Promotion
    from napari_brainseg.session.model_log import GateNote
    from napari_brainseg.session.model_registry import ModelRegistry, ModelVersion

__all__ = ["as_plain", "print_json", "show_comparison", "show_tree", "version_table"]


def show_tree(registry: ModelRegistry) -> None:
    """Print the versions as a tree, and what lies in the bin."""
    from napari_brainseg.session.model_tree import walk

    table = Table(
        Column("version", no_wrap=True), "", "from", "gate", "DSC", "in use since", "by",
    )  # fmt: skip
    for depth, node in walk(registry.tree()):
        indent = "  " * depth
        model = node.model
        if model is None:
            state = "deleted" if node.deleted is not None else "not here"
            table.add_row(escape(indent + node.version), state, "", "", "", "", "")
            continue
        mark = "damaged" if model.fault else "in use" if model.is_current else ""
        dsc = model.dsc if model.workspace_dsc is None else model.workspace_dsc
        table.add_row(
            escape(indent + model.version),
            mark,
            model.origin,
            model.outcome or "",
            "" if dsc is None else f"{dsc:.3f}",
            _moment(model.promoted_at) if model.is_current else "",
            escape(model.promoted_by or "") if model.is_current else "",
        )
    console = out()
    console.print(table)
    for gone in registry.deleted():
        if gone.path is not None:
            when = f"{_moment(gone.deleted)} by {gone.deleted_by}"
            console.print(f"Deleted {when}, in the bin: {gone.version}", markup=False)


def version_table(
    model: ModelVersion, gates: Iterable[GateNote], acts: Iterable[Promotion]
) -> Table:
    """Return what is known of one version, a fact a line."""
    table = Table(show_header=False)
    for name, value in _facts(model):
        table.add_row(name, escape(value))
    for gate in gates:
        table.add_row(f"gate against {gate.current}", f"{gate.outcome}, {_moment(gate.created)}")
    for act in acts:
        word = "taken into use" if act.version == model.version else "replaced"
        told = f"{_moment(act.created)} by {act.editor}"
        if act.overrode:
            told += ", without a gate that was passed"
        if act.reason:
            told += f": {act.reason}"
        table.add_row(word + (" again" if act.act == "rollback" else ""), escape(told))
    return table


def _facts(model: ModelVersion) -> Iterator[tuple[str, str]]:
    yield "version", model.version
    yield "name", model.name
    if model.fault:
        yield "damaged", model.fault
    yield "in use", "yes" if model.is_current else "no"
    yield "from", model.origin or "unknown"
    yield "parent", model.parent or "none"
    if model.children:
        yield "fine-tuned from it", ", ".join(model.children)
    if model.run_id:
        yield "run", model.run_id
    yield "made", model.created
    yield "folder", str(model.path)
    if model.data_sha256:
        yield "hash of the data", model.data_sha256
    if model.workspace_dsc is not None:
        patients = model.workspace_patients
        yield f"DSC on {patients} patients of the workspace", f"{model.workspace_dsc:.3f}"
    for name, value in model.metrics.items():
        yield name, f"{value:.4g}"


def show_comparison(found: ModelComparison) -> None:
    """Print what differs between two versions."""
    console = out()
    table = Table("", Column(escape(found.a)), Column(escape(found.b)))
    for difference in (*found.metrics, *found.config):
        table.add_row(
            escape(difference.key), escape(_short(difference.a)), escape(_short(difference.b))
        )
    console.print(table)
    for names, words in (
        (found.added, f"Only {found.b} was trained on"),
        (found.removed, f"Only {found.a} was trained on"),
        (found.recorrected, "Other masks of"),
    ):
        if names:
            console.print(f"{words} ({len(names)}): {', '.join(names)}", markup=False)
    if found.same_data is not None:
        console.print("The data is the same." if found.same_data else "The data differs.")
    for gate in found.gates:
        console.print(
            f"Gate of {gate.candidate} against {gate.current}, {_moment(gate.created)}: "
            f"{gate.outcome}",
            markup=False,
        )


def as_plain(row: Any) -> dict[str, Any]:
    """Return a dataclass as a table for JSON, its times in UTC, ISO 8601."""
    content = dataclasses.asdict(row)
    for key in ("created", "promoted_at", "deleted"):
        if isinstance(content.get(key), float):
            moment = datetime.fromtimestamp(content[key], UTC)
            content[key] = moment.isoformat(timespec="seconds")
    return content


def print_json(content: Any) -> None:
    """Print JSON on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
