"""The page of a report, put together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from napari_brainseg import __version__
from napari_brainseg.core.reporting.curves import overlaid_curves
from napari_brainseg.core.reporting.page import Page
from training.report.credits import DATA_CREDITS, network_credits, software
from training.report.measured import DEFINITIONS
from training.report.pictures import curves_of
from training.report.section import Allowance, add_section
from training.report.table import SHOWN, shown_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from training.report.measured import Measured
    from training.report.pictures import Pictures
    from training.report.reading import Reading
    from training.report.runs_on_disk import Run

__all__ = ["PAGE_BYTES", "build_page", "compared_curves"]

PAGE_BYTES = 24_000_000
"""Pictures in the page, as they lie in it; a browser takes more, mail and archives do not."""


def compared_curves(runs: Sequence[Run]) -> bytes | None:
    """Overlay the curves of all runs that finished an epoch; ``None`` where none did."""
    curves = [c for run in runs if (c := curves_of(run)) is not None]
    return overlaid_curves(curves) if curves else None


def build_page(
    runs: Sequence[Run],
    measured: Mapping[str, Measured],
    reading: Reading,
    pictures: Mapping[str, Pictures],
    *,
    title: str,
    date: datetime,
    curves: bytes | None,
    figures: str,
) -> Page:
    """Put a report together.

    Parameters
    ----------
    runs : sequence of Run
        All attempts, in the order of the page.
    measured : mapping of str to Measured
        Name of a run to its figures.
    reading : Reading
        What the figures together say.
    pictures : mapping of str to Pictures
        Name of a run to what was drawn of it.
    title : str
        Of the page.
    date : datetime
        When it was made.
    curves : bytes or None
        PNG with the curves of all runs.
    figures : str
        Folder of the pictures, from the page.
    """
    page = Page(title)
    page.paragraph(
        f"{date:%d %B %Y, %H:%M}, napari-brainseg {__version__}, Python "
        f"{sys.version.partition(' ')[0]}. Research use, not for diagnosis.", note=True,
    )  # fmt: skip
    page.contents()
    _add_overview(page, runs, measured)
    page.heading("What can be read from it", anchor="reading")
    for text in reading.findings:
        page.paragraph(text)
    for text in reading.warnings:
        page.paragraph(text, kind="warning")
    if reading.pairs:
        page.table(reading.head, reading.pairs, sortable=True)
    if reading.note:
        page.paragraph(reading.note, note=True)
    if curves is not None:
        page.heading("Curves of all runs", anchor="curves")
        page.picture(
            curves,
            "Losses compare only between runs with the same loss; DSC where the validation "
            "patients are the same, and their definition is that of each run's protocol.",
        )
    page.heading("Attempts", anchor="attempts")
    left = PAGE_BYTES - len(curves or b"")
    for run in runs:
        add_section(
            page,
            run,
            measured.get(run.name),
            pictures[run.name],
            against_best=reading.against_best.get(run.name, ""),
            allowance=Allowance(left // max(len(runs), 1)),
            folder=f"{figures}/{run.slug}",
        )
    _add_credits(page, runs)
    return page


def _add_overview(page: Page, runs: Sequence[Run], measured: Mapping[str, Measured]) -> None:
    page.heading("All runs", anchor="runs")
    ends = [run.outcome for run in runs]
    counted = ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(ends))
    page.paragraph(f"{len(runs)} {'attempt' if len(runs) == 1 else 'attempts'}: {counted}.")
    page.table(SHOWN, shown_rows(runs, measured), sortable=True)
    definition = next((m.definition for m in measured.values()), None)
    page.paragraph(
        "Epoch: the one that became the model; validation loss and DSC are those of that epoch, as "
        "the run itself watched them. "
        + (f"Mean DSC: {DEFINITIONS[definition]}, of {_patients(measured)}. " if definition else "")
        + "Network: name and features of the first level. A click on a column's name sorts. All "
        "columns: results.csv.", note=True,
    )  # fmt: skip


def _patients(measured: Mapping[str, Measured]) -> str:
    """Say whom the runs were measured on, as ``10 test patients (3 runs)``."""
    sets: dict[str, int] = {}
    for one in measured.values():
        count = len(one.scores)
        name = f"{count} {one.part} {'patient' if count == 1 else 'patients'}"
        sets[name] = sets.get(name, 0) + 1
    return ", ".join(f"{name} ({n} {'run' if n == 1 else 'runs'})" for name, n in sets.items())


def _add_credits(page: Page, runs: Sequence[Run]) -> None:
    page.heading("Credits", anchor="credits")
    networks = dict.fromkeys(run.config.network for run in runs if run.config is not None)
    page.items([*DATA_CREDITS, *network_credits(networks)])
    page.table(("package", "version", "used for"), software(), caption="Open-source work used here")
