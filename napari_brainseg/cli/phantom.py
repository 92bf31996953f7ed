"""``brainseg phantom``: synthetic patients."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import Annotated

import typer

from napari_brainseg.cli.console import faults_as_messages, out, progress_bar

__all__ = ["phantom"]


def phantom(
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="Folder for the patients; made where missing.")
    ],
    patients: Annotated[int, typer.Option("--patients", "-n", min=1, help="How many to make.")] = 1,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="Same seed, same patients.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace phantoms of the same names.")
    ] = False,
) -> None:
    """Make synthetic patients with ground truth, free of anybody's data.

    Heads with folded cortex, ventricles and FLAIR-bright lesions in three contrasts, written in
    kaggle_3m layout as `DEST/PHANTOM_SSSS_NNNN`. Patient N of a seed is always the same one.

    For example:

        brainseg phantom patients --patients 5
        brainseg phantom patients --patients 20 --seed 7
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.phantom import write_phantoms

        with progress_bar() as bar:
            task = bar.add_task("Phantoms", total=patients)
            folders = write_phantoms(
                destination,
                patients=patients,
                seed=seed,
                overwrite=overwrite,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    for folder in folders:
        out().print(str(folder), markup=False)
