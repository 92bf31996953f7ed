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

    Patients are folders in kaggle_3m layout: `PATIENT/PATIENT_N.tif` with pre-contrast, FLAIR and
    post-contrast as three channels, and `PATIENT_N_mask.tif` where there is ground truth.

    Not a medical device: for research only.
    """


app.command()(predict)
app.command()(evaluate)
app.command()(convert)
app.command()(pictures)
app.command()(phantom)
app.command()(run)
app.command()(demo)
app.command()(effort)
app.command()(gate)
app.command()(doctor)
app.command()(preflight)
app.command()(report)
app.add_typer(mask)
app.add_typer(locked)
app.add_typer(training_set)
app.add_typer(models)
