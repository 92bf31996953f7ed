"""What all commands share: faults as messages, progress, devices, models."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import psutil
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_brainseg.core.imaging import BrainSegError, CancelledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = [
    "EXIT_CANCELLED",
    "EXIT_FAULT",
    "DeviceOption",
    "ModelOption",
    "err",
    "fail",
    "faults_as_messages",
    "lower_priority",
    "open_bundle",
    "out",
    "progress_bar",
    "say_fault",
    "warn",
]

EXIT_FAULT, EXIT_CANCELLED = 1, 130
NICENESS = 10
FILE_WIDTH = 140
"""Columns of a table that goes to a file or another program."""


def out() -> Console:
    """Console for results, on stdout; asked for anew so that a redirected stdout is seen."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    return console


def err() -> Console:
    """Console for progress and faults, on stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say_fault(error: BrainSegError) -> None:
    """Print a fault and what to do about it on stderr."""
    console = err()
    console.print("Error:", style="bold red", end=" ")
    console.print(error.message, markup=False)
    if error.hint:
        console.print("What to do:", style="bold", end=" ")
        console.print(error.hint, markup=False)


def warn(text: str) -> None:
    """Print what the user should know, on stderr."""
    console = err()
    console.print("Note:", style="bold yellow", end=" ")
    console.print(text, markup=False)


def fail(error: BrainSegError) -> NoReturn:
    """Print a fault and leave with its exit code."""
    if isinstance(error, CancelledError):
        warn("Stopped.")
        raise typer.Exit(EXIT_CANCELLED)
    say_fault(error)
    raise typer.Exit(EXIT_FAULT)


@contextmanager
def faults_as_messages() -> Iterator[None]:
    """Turn faults that a user can meet, and Ctrl-C, into messages and exit codes."""
    try:
        yield
    except BrainSegError as error:
        fail(error)
    except KeyboardInterrupt:
        fail(CancelledError("Stopped."))
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        fail(
            BrainSegError(
                f"{error.strerror or error}:{where}" if where else str(error),
                "Check that the place exists, its permissions and free space.",
            )
        )


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show bars on stderr; nothing where stderr is no terminal."""
    console = err()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        yield bar


def lower_priority() -> None:
    """Let other programs of this machine go first."""
    process = psutil.Process()
    if sys.platform == "win32":
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    elif process.nice() < NICENESS:
        process.nice(NICENESS)


def open_bundle(model: str | None) -> Bundle:
    """Open the model asked for, by default the first bundled one.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    from napari_brainseg.core.segmentation.bundle import bundled_models, load_bundle

    if model is None and (models := bundled_models()):
        return load_bundle(models[0].path)
    return load_bundle(model or "default")


def _check_device(value: str) -> str:
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value) is None:
        raise typer.BadParameter(f"'{value}' is none of auto, cpu, cuda, cuda:N, mps.")
    return value


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m",
        help="Folder of a model bundle, or the name or version of a bundled one. "
        "[default: the first bundled model]",
        show_default=False,
    ),
]  # fmt: skip
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", "-d",
        callback=_check_device,
        help="Where to compute: auto, cpu, cuda, cuda:N or mps.",
    ),
]  # fmt: skip
