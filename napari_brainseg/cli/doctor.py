"""``brainseg doctor``: what this machine offers, and what to mend."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import Annotated

import typer
from rich.table import Table

from napari_brainseg.cli.checks import Level, run_checks
from napari_brainseg.cli.console import EXIT_FAULT, err, faults_as_messages, out

__all__ = ["doctor"]

STYLES = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.FAULT: "bold red",
}


def doctor(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what was found to this file, too.")
    ] = None,
) -> None:
    """Look at this installation: versions, processor, GPU and driver, screen and OpenGL, models.

    Each check stands alone; one that fails does not stop the others. Works without the viewer's
    packages. The exit code is 1 if something keeps BrainSeg from working; warnings leave it at 0.

    For example:

        brainseg doctor
        brainseg doctor --json doctor.json
    """
    table = Table("check", "", "found", "what to do")
    with faults_as_messages(), err().status("Looking..."):
        findings = run_checks()
    for finding in findings:
        table.add_row(
            finding.name,
            f"[{STYLES[finding.level]}]{finding.level}[/]",
            _plain(finding.found),
            _plain(finding.mend),
        )
    out().print(table)
    if json_file is not None:
        with faults_as_messages():
            from napari_brainseg.core.dataset.durable import write_atomically

            content = json.dumps(
                {"checks": [finding.as_dict() for finding in findings]},
                indent=2,
                ensure_ascii=False,
            )
            write_atomically(json_file.absolute(), (content + "\n").encode())
    if any(finding.level is Level.FAULT for finding in findings):
        raise typer.Exit(EXIT_FAULT)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
