"""``brainseg run`` and ``brainseg demo``: the commands that open the viewer."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from napari_brainseg.cli.console import faults_as_messages
from napari_brainseg.core.imaging import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["demo", "run"]


def run(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATIENT_OR_ROOT]",
            help="A patient or a folder of patients: DICOM, NIfTI, kaggle_3m, or a zip of them. "
            "Phantoms if not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open the viewer.

    The window opens at once, and the patients as soon as they are found. Needs a screen.

    For example:

        brainseg run
        brainseg run kaggle_3m
        brainseg run export.zip
    """
    with faults_as_messages():
        if path is not None and not path.exists():
            raise DataError(f"{path.absolute()} does not exist.", "Check the path.")
        with _viewer_packages():
            import napari

            from napari_brainseg.demo import has_screen
            from napari_brainseg.viewer.launch import open_window
        if not has_screen():
            raise ConfigError(
                "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.",
                "Log in with a desktop (or ssh -X), or see the job done by itself: brainseg demo",
            )
        open_window(path, phantoms=path is None)
        napari.run()


def demo() -> None:
    """See the whole job on a phantom: predict, correct, export, fine-tune.

    With a screen the viewer opens on a phantom study. Without one the same job runs on a virtual
    screen by itself, and screenshots and a report page are left in `demo-output/`, in some minutes.

    For example:

        brainseg demo
    """
    with faults_as_messages():
        with _viewer_packages():
            from napari_brainseg.demo import main
        code = main()
    raise typer.Exit(code or 0)


@contextmanager
def _viewer_packages() -> Iterator[None]:
    missing = [name for name in ("napari", "qtpy", "PyQt5") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The viewer needs {', '.join(missing)}, which this installation lacks.",
            "Install it with: pip install 'napari-brainseg[gui]'",
        )
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"The viewer's packages cannot be loaded: {error}.",
            "See what is missing with: brainseg doctor",
        ) from error
