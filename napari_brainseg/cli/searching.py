"""Looking for patients, with progress, for the commands that take any format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_brainseg.cli.console import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery

__all__ = ["AsRecognisedOption", "search"]

AsRecognisedOption = Annotated[
    bool,
    typer.Option(
        "--as-recognised",
        help="Leave aside which series were chosen in the window for NIfTI and DICOM patients.",
    ),
]


def search(path: Path, *, as_recognised: bool = False) -> Discovery:
    """Find patients; tells how many files were looked at.

    Raises
    ------
    DataError
        If the path holds none.
    """
    from napari_brainseg.core.formats import discover

    with progress_bar() as bar:
        task = bar.add_task("Files looked at", total=None)
        return discover(
            path,
            progress=lambda done: bar.update(task, completed=done),
            as_recognised=as_recognised,
        )
