"""``brainseg gate``: what the gate found of a candidate, patient by patient and rule by rule."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from napari_brainseg.cli.console import EXIT_FAULT, faults_as_messages, out

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.gate import (
        GateEvidence,
        GateReason,
        GateVerdict,
        PairedRow,
    )

__all__ = ["EXIT_NOT_ENOUGH", "gate"]

EXIT_NOT_ENOUGH = 3
"""2 is wrong usage in every command."""
STYLES = {"kept": "green", "broken": "bold red", "missing": "bold yellow", "warning": "yellow"}


def gate(
    where: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_FILE", help="Folder of a fine-tuning run, or the file gate.json."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print verdict and figures as JSON, not as a table.")
    ] = False,
) -> None:
    """Show whether a fine-tuned version may replace the one in use, and why.

    The evidence was measured at the end of the run, on the locked patients and on the corrected
    ones. Lesion-free patients are marked with a star: they are judged by the voxels marked in
    them, not by their DSC. Nothing is measured or changed here; a person promotes.

    Exit codes: 0 passed, 1 failed, 3 not enough evidence. A file that cannot be read gives 1 too,
    with a message on standard error and nothing on standard output.

    For example:

        brainseg gate workspace/runs/20261121-140502
        brainseg gate gate.json --json
    """
    with faults_as_messages():
        from napari_brainseg.core.segmentation.gate import GateOutcome, judge, load_evidence, paired

        evidence = load_evidence(where)
        verdict = judge(evidence)
        rows = paired(evidence)
    if as_json:
        _print_json(evidence, verdict, rows)
    else:
        _show(evidence, verdict, rows)
    if verdict.outcome is not GateOutcome.PASSED:
        failed = verdict.outcome is GateOutcome.FAILED
        raise typer.Exit(EXIT_FAULT if failed else EXIT_NOT_ENOUGH)


def _show(evidence: GateEvidence, verdict: GateVerdict, rows: tuple[PairedRow, ...]) -> None:
    console = out()
    console.print(f"Candidate      {evidence.candidate}", markup=False)
    console.print(f"Version in use {evidence.current}", markup=False)
    if rows:
        console.print(_table(rows))
    table = Table(Column("", no_wrap=True), "rule", show_header=False, box=None, pad_edge=False)
    for reason in verdict.reasons:
        kind = _standing(reason)
        table.add_row(f"[{STYLES.get(kind, 'dim')}]{kind}[/]", _plain(reason.text))
    console.print(table)
    console.print(verdict.headline, markup=False, style="bold")


def _table(rows: tuple[PairedRow, ...]) -> Table:
    unit = rows[0].hd95_unit
    # a name that is cut is no name
    table = Table(
        Column("patient", no_wrap=True),
        "set",
        *(
            Column(name, justify="right")
            for name in (
                "DSC in use",
                "DSC candidate",
                "difference",
                f"HD95 {unit} in use",
                "candidate",
                "truth vox",
                "marked vox in use",
                "candidate",
            )
        ),
    )
    for row in rows:
        table.add_row(
            _plain(row.patient) + ("" if row.has_lesion else " *"),
            row.group if row.compared_with == "current" else f"{row.group}, against the base",
            f"{row.current.dsc_native:.4f}",
            f"{row.candidate.dsc_native:.4f}",
            f"{row.difference:+.4f}",
            _distance(row.hd95_current),
            _distance(row.hd95_candidate),
            str(row.candidate.volume_truth_vox),
            str(row.current.volume_prediction_vox),
            str(row.candidate.volume_prediction_vox),
        )
    return table


def _standing(reason: GateReason) -> str:
    if reason.ok is None:
        return reason.level
    return "kept" if reason.ok else "broken"


def _distance(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _print_json(evidence: GateEvidence, verdict: GateVerdict, rows: tuple[PairedRow, ...]) -> None:
    import json

    content: dict[str, Any] = {
        "candidate": evidence.candidate,
        "current": evidence.current,
        "outcome": verdict.outcome.value,
        "headline": verdict.headline,
        "verdict": verdict.model_dump(mode="json"),
        "patients": [
            {
                "patient": row.patient,
                "group": row.group,
                "compared_with": row.compared_with,
                "has_lesion": row.has_lesion,
                "difference": row.difference,
                "candidate": row.candidate.model_dump(mode="json"),
                "current": row.current.model_dump(mode="json"),
            }
            for row in rows
        ],
    }
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
