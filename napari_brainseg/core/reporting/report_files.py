"""Reports on disk: their names, and the page that leads to many of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting.page import Link, Page
from napari_brainseg.core.reporting.patient_report_html import render_html
from napari_brainseg.core.reporting.patient_report_pdf import pdf_bytes
from napari_brainseg.core.reporting.patient_report_words import NOT_FOR_DIAGNOSIS, page_words
from napari_brainseg.core.reporting.report_numbers import DASH, moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_brainseg.core.reporting.patient_report import PatientReport
    from napari_brainseg.core.reporting.patient_report_pdf import Paper

__all__ = ["INDEX_NAME", "IndexRow", "index_row", "refuse_existing", "report_paths",
           "write_index", "write_report"]  # fmt: skip

INDEX_NAME = "index.html"
_COLUMNS = ("Study", "PDF", "Stands on", "Volume", "Largest diameters", "DSC", "Decided")

IndexRow = tuple[str | Link, ...]
"""Cells of one report in the index."""


def report_paths(
    folder: Path, patient: str, *, html: bool = True, pdf: bool = True
) -> tuple[Path, ...]:
    """Where the report of a patient lies: ``PATIENT_report.html`` and ``PATIENT_report.pdf``."""
    name = re.sub(r"[^\w.-]+", "_", patient).strip(".") or "patient"
    kinds = (("html", html), ("pdf", pdf))
    return tuple(folder / f"{name}_report.{kind}" for kind, asked in kinds if asked)


def write_report(
    report: PatientReport,
    folder: Path,
    *,
    html: bool = True,
    pdf: bool = True,
    paper: Paper = "a4",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write a report as HTML, PDF or both, each whole or not at all.

    Parameters
    ----------
    report : PatientReport
    folder : Path
        Made if it is missing.
    html, pdf : bool
        Which of them.
    paper : {'a4', 'letter'}
        Of the PDF; the HTML page fits both.
    overwrite : bool
        Whether to replace what is there.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    DataError
        If a file is there already, or the place cannot be written.
    """
    wanted = report_paths(folder, report.patient, html=html, pdf=pdf)
    if not overwrite:
        refuse_existing(wanted)
    # All are drawn before one is written: the page and the PDF in a folder tell the same.
    contents = [
        render_html(report).encode() if path.suffix == ".html" else pdf_bytes(report, paper=paper)
        for path in wanted
    ]
    for path, content in zip(wanted, contents, strict=True):
        write_atomically(path, content)
    return wanted


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise `DataError` if one of the files is there already."""
    for path in paths:
        if path.exists():
            raise DataError(
                f"{path} is there already.",
                "Choose another folder, or replace the reports there (--overwrite).",
            )


def index_row(report: PatientReport, written: Iterable[Path]) -> IndexRow:
    """Put a report into one line of the index."""
    files = {path.suffix: path.name for path in written}
    words = page_words(report)
    diameters = next((f.value for f in words.figures if "diameters" in f.label), DASH)
    html, pdf = files.get(".html"), files.get(".pdf")
    decided = report.sign_off
    return (
        Link(report.patient, html) if html else report.patient,
        Link("PDF", pdf) if pdf else DASH,
        words.basis,
        words.figures[0].value,
        diameters,
        f"{report.agreements[0].dsc:.3f}" if report.agreements else DASH,
        f"{decided.act} by {decided.by}, {moment(decided.at)}" if decided else DASH,
    )


def write_index(folder: Path, rows: Iterable[IndexRow], faults: Iterable[str] = ()) -> Path:
    """Write the page that leads to all reports of a folder.

    Parameters
    ----------
    folder : Path
        Where the reports lie.
    rows : iterable of IndexRow
    faults : iterable of str
        Patients without a report, and why.

    Raises
    ------
    DataError
        If the place cannot be written.
    """
    page = Page("Segmentation reports")
    page.paragraph(NOT_FOR_DIAGNOSIS, kind="warning")
    page.table(_COLUMNS, rows, sortable=True)
    missing = list(faults)
    if missing:
        page.heading("Without a report")
        page.items(missing)
    page.write(folder / INDEX_NAME)
    return folder / INDEX_NAME
