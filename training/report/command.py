"""``python -m training report``: one page, a table and pictures about runs."""

from __future__ import annotations

import sys
import zipfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, DataError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from training.report.measured import Measured
    from training.report.pictures import Pictures
    from training.report.runs_on_disk import Part, Run

__all__ = ["add_arguments", "main", "write_report"]

PAGE, TABLE, FIGURES, ARCHIVE = "report.html", "results.csv", "figures", "pictures.zip"
ARCHIVED_DATE = (1980, 1, 1, 0, 0, 0)
"""The same pictures make the same archive."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUNS", help="run folders, or folders of them"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="ROOT",
        help="folders of patients, where those that the runs name are not at hand",
    )
    parser.add_argument(
        "--part",
        choices=("validation", "test"),
        help="patients to report; the test patients where a run has some, if left out",
    )
    parser.add_argument("--title", default="Training runs compared", help="of the page")
    parser.add_argument("--archive", action="store_true", help=f"put all pictures in {ARCHIVE} too")
    parser.add_argument(
        "--no-pictures",
        dest="pictures",
        action="store_false",
        help="leave out the pictures of patients; charts stay",
    )


def main(options: argparse.Namespace) -> int:
    """Write the report; returns the exit code."""
    try:
        with _bar() as progress:
            runs = write_report(
                options.runs,
                options.out,
                data=options.data,
                part=options.part,
                title=options.title,
                pictures=options.pictures,
                archive=options.archive,
                progress=progress,
            )
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for run in runs:
        for fault in run.faults:
            sys.stderr.write(f"{run.name}: {fault}\n")
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    sys.stdout.write(f"{count}: {options.out / PAGE}\n")
    return 0


def write_report(
    paths: Sequence[Path],
    out: Path,
    *,
    data: Sequence[Path] = (),
    part: Part | None = None,
    title: str = "Training runs compared",
    pictures: bool = True,
    archive: bool = False,
    date: datetime | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Run]:
    """Write page, table and pictures about runs.

    Parameters
    ----------
    paths : sequence of Path
        Run folders, or folders of them.
    out : Path
        Folder to write to; made where missing, files of the same names are replaced.
    data : sequence of Path
        Folders of patients besides those that the runs name.
    part : {'validation', 'test'}, optional
        Patients to report; the test patients where a run has some, if left out.
    title : str
        Of the page.
    pictures : bool
        Whether to draw pictures of patients; charts are always drawn.
    archive : bool
        Put all pictures into one zip file too.
    date : datetime, optional
        To stand on the page; now if left out.
    progress : callable, optional
        Called with what is done, how much of it is done, and how much there is.

    Returns
    -------
    list of Run
        What was found, faults included.

    Raises
    ------
    ConfigError
        If a path does not exist, or none holds a run.
    DataError
        If something cannot be written.
    """
    from napari_brainseg.core.dataset.durable import write_atomically
    from training.report.measured import measured_runs
    from training.report.page import build_page, compared_curves
    from training.report.reading import read_together
    from training.report.runs_on_disk import load_runs
    from training.report.table import results_csv

    tell = progress or (lambda what, done, total: None)
    runs = load_runs(paths, lambda done, total: tell("reading runs", done, total))
    measured = measured_runs(runs, part)
    write_atomically(out / TABLE, results_csv(runs, measured))
    curves = compared_curves(runs)
    if curves is not None:
        write_atomically(out / FIGURES / "curves.png", curves)
    drawn = _draw(runs, measured, out / FIGURES, data, tell, patients=pictures)
    page = build_page(
        runs, measured, read_together(runs, measured), drawn,
        title=title, date=date or datetime.now().astimezone(), curves=curves, figures=FIGURES,
    )  # fmt: skip
    page.write(out / PAGE)
    if archive:
        _archive(out)
    return runs


def _draw(
    runs: Sequence[Run],
    measured: dict[str, Measured],
    folder: Path,
    data: Sequence[Path],
    tell: Callable[[str, int, int], None],
    *,
    patients: bool,
) -> dict[str, Pictures]:
    """Draw what belongs to each run, by its name."""
    from training.report.images import PatientImages
    from training.report.pictures import draw_charts, draw_patients

    images = PatientImages(root.expanduser().resolve() for root in data)
    total, done = sum(len(m.scores) for m in measured.values()), 0
    drawn: dict[str, Pictures] = {}
    for run in runs:
        one = measured.get(run.name)
        drawn[run.name] = draw_charts(run, one, folder / run.slug)
        if one is None or not patients:
            continue
        # one patient a turn: progress is told from here
        for _ in draw_patients(one, images, folder / run.slug, drawn[run.name]):
            done += 1
            tell("drawing patients", done, total)
    return drawn


def _archive(out: Path) -> None:
    """Put all pictures into one file, in order of their names."""
    path, scratch = out / ARCHIVE, out / f".{ARCHIVE}.new"
    try:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as file:
            for picture in sorted(p for p in (out / FIGURES).rglob("*") if p.is_file()):
                name = picture.relative_to(out).as_posix()
                file.writestr(zipfile.ZipInfo(name, ARCHIVED_DATE), picture.read_bytes())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise DataError(
            f"Cannot write {path}: {error.strerror or error}.", "Check permissions and free space."
        ) from error


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a bar with the time left at a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
