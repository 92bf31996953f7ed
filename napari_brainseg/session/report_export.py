"""The report of the open case as files.

Thread-safety: the functions may be called from any thread; they take a second or two: not for the
GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.reporting.patient_report import Basis
    from napari_brainseg.core.reporting.patient_report_pdf import Paper
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["Outlook", "ReportWish", "export_report", "outlook"]


@dataclass(frozen=True, slots=True)
class ReportWish:
    """What is asked for.

    Parameters
    ----------
    folder : Path
        Where the files go; an earlier report of the patient there is replaced.
    heading : str
        What stands on top.
    identifiers : bool
        Whether to say who the patient is.
    html, pdf : bool
        Which files.
    paper : {'a4', 'letter'}
        Of the PDF.
    """

    folder: Path
    heading: str = ""
    identifiers: bool = False
    html: bool = True
    pdf: bool = True
    paper: Paper = "a4"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a report of the open case would say, in short.

    Parameters
    ----------
    basis : Basis or None
        What it would stand on; ``None`` where there is nothing to report on.
    folder : Path
        Where reports go unless another folder is chosen: beside the original data.
    problem : str
        Why there would be none.
    decided : str
        The decision that stands, e.g. ``approved by Ada``.
    identity : tuple of str
        What the files tell of who the patient is.
    """

    basis: Basis | None
    folder: Path
    problem: str = ""
    decided: str = ""
    identity: tuple[str, ...] = ()


def outlook(desk: Desk, case: Case) -> Outlook:
    """Tell what a report of the case would stand on now."""
    from napari_brainseg.session.patient_report import standing_of

    identity = tuple(name for name, value in case.study.identity.items() if value)
    folder = desk.workspace.root / "reports"
    try:
        standing = standing_of(desk, case)
    except DataError as error:
        return Outlook(None, folder, f"{error.message} {error.hint}".strip(), identity=identity)
    decided = standing.sign_off
    words = "" if decided is None else f"{decided.act} by {decided.by}"
    return Outlook(standing.basis, folder, decided=words, identity=identity)


def earlier_reports(case: Case, wish: ReportWish) -> tuple[Path, ...]:
    """Give the files that writing the report would replace."""
    from napari_brainseg.core.reporting.report_files import report_paths

    paths = report_paths(wish.folder, case.patient, html=wish.html, pdf=wish.pdf)
    return tuple(path for path in paths if path.exists())


def export_report(desk: Desk, case: Case, wish: ReportWish) -> tuple[Path, ...]:
    """Write the report of an open case.

    Returns
    -------
    tuple of Path
        The files: HTML before PDF.

    Raises
    ------
    DataError
        If there is nothing to report on, the folder is the patient's own, or it cannot be
        written.
    """
    from napari_brainseg.core.reporting.report_files import write_report
    from napari_brainseg.session.patient_report import report_of

    source = case.study.path
    if source is not None:
        inside = wish.folder.resolve()
        # A patient among others in one folder is known by one of its files.
        among = source.is_file() and inside == source.resolve().parent
        if among or inside.is_relative_to(source.resolve()):
            raise DataError(
                f"The report would go into the patient's own folder {source}.",
                "Choose another folder: original data is never written to.",
            )
    report = report_of(desk, case, heading=wish.heading, identifiers=wish.identifiers)
    return write_report(
        report, wish.folder, html=wish.html, pdf=wish.pdf, paper=wish.paper, overwrite=True
    )
