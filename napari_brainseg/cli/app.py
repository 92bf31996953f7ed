"""The commands and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_brainseg import __version__
from napari_brainseg.cli.convert import convert
from napari_brainseg.cli.doctor import doctor
from napari_brainseg.cli.effort import effort
from napari_brainseg.cli.evaluate import evaluate
from napari_brainseg.cli.gate import gate
from napari_brainseg.cli.locked import app as locked
from napari_brainseg.cli.mask import app as mask
from napari_brainseg.cli.models import app as models
from napari_brainseg.cli.phantom import phantom
from napari_brainseg.cli.pictures import pictures
from napari_brainseg.cli.predict import predict
from napari_brainseg.cli.preflight import preflight
from napari_brainseg.cli.report import report
from napari_brainseg.cli.training_set import app as training_set
from napari_brainseg.cli.window import demo, run

__all__ = ["app"]

app = typer.Typer(
    name="brainseg",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\
A first look, without any data of your own:

    brainseg demo
    brainseg phantom patients --patients 2
    brainseg predict patients --out masks
    brainseg evaluate patients --json figures.json

Exit codes: 0 done, 1 a fault (message on stderr), 2 wrong usage, 130 stopped.
""",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"brainseg {__version__}")
        raise typer.Exit


@app.callback()
def _brainseg(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """See, correct and retrain brain tumour segmentations (FLAIR abnormality of gliomas).

    A patient is a DICOM export, NIfTI files, a folder of TIFF slices in kaggle_3m layout, or a zip
    of these; a folder of patients may hold any of them, nested as exports are. They are only read.

    Not a medical device: for research only.
    """


_PANELS = {
    "Window": (run, demo),
    "Patients in and out": (predict, convert, pictures, report, phantom),
    "Measuring and training": (evaluate, effort, preflight, gate),
    "This computer": (doctor,),
}
_GROUPS = {
    "Patients in and out": (mask,),
    "Measuring and training": (locked, training_set, models),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
    for _group in _GROUPS.get(_panel, ()):
        app.add_typer(_group, rich_help_panel=_panel)
