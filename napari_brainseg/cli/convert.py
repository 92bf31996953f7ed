"""``brainseg convert``: patients from one format to another, and back."""

from __future__ import annotations

from functools import partial
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_brainseg.cli.console import (
    EXIT_FAULT,
    faults_as_messages,
    out,
    progress_bar,
    say_fault,
    warn,
)
from napari_brainseg.cli.searching import AsRecognisedOption, search
from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.dataset.convert import ConversionReport
    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.formats.faults import Fault

__all__ = ["convert"]

_SHOWN = 6


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="A patient or a folder of many: kaggle_3m, NIfTI, DICOM, or a zip of them.",
        ),
    ],
    destination: Annotated[
        Path,
        typer.Argument(metavar="DST", help="Folder for the patients; made where missing."),
    ],
    to: Annotated[
        Literal["kaggle_3m", "nifti", "png"] | None,
        typer.Option("--to", help="Format to write.", show_default=False),
    ] = None,
    back: Annotated[
        bool,
        typer.Option("--back", help="SRC was written by this command: undo the conversion."),
    ] = False,
    identifiers: Annotated[
        bool,
        typer.Option(
            "--identifiers",
            help="Name DICOM patients by their ID, and keep name and ID in the manifest, "
            "in place of pseudonyms.",
        ),
    ] = False,
    flair: Annotated[
        str,
        typer.Option(
            "--flair", help="Series that is FLAIR: its key, number or a part of its description."
        ),
    ] = "",
    pre: Annotated[str, typer.Option("--pre", help="Series that is pre-contrast T1.")] = "",
    post: Annotated[str, typer.Option("--post", help="Series that is post-contrast T1.")] = "",
    as_recognised: AsRecognisedOption = False,
    patients: Annotated[
        Path | None,
        typer.Option("--patients", help="Only these: a text file with one name a line."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace patients that are there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be written.")
    ] = False,
) -> None:
    """Write patients in another format, with a manifest that allows the way back.

    `DST/PATIENT/` gets slices (kaggle_3m), a volume a modality (nifti: the files' own
    intensities) or a picture a slice and modality (png, without loss). `DST/manifest.json` tells
    where they came from. DICOM patients get pseudonyms. A patient that cannot be converted is
    named at the end; the others go on. The source is only read. The same command goes on after
    Ctrl-C: patients that are done are left as they are.

    For example:

        brainseg convert export.zip study --to kaggle_3m
        brainseg convert kaggle_3m as_nifti --to nifti --dry-run
        brainseg convert as_nifti corrected --back
    """
    if (to is None) is not back:
        raise typer.BadParameter("give either --to FORMAT or --back.")
    if back and (identifiers or dry_run or flair or pre or post or as_recognised):
        raise typer.BadParameter("--back takes only --patients and --overwrite.")
    with faults_as_messages():
        from napari_brainseg.core.formats.patient_list import read_patient_list

        names = [] if patients is None else read_patient_list(patients)
        if back:
            from napari_brainseg.core.dataset.convert_back import convert_back

            with progress_bar() as bar:
                task = bar.add_task("Patients", total=None)
                report = convert_back(
                    source, destination, patients=names, overwrite=overwrite,
                    progress=lambda done, total, name: bar.update(
                        task, completed=done, total=total, description=name or "Done"
                    ),
                )  # fmt: skip
            _say(report, "brought back")
            return
        assert to is not None
        from napari_brainseg.core.dataset.convert import convert as convert_all
        from napari_brainseg.core.dataset.convert import plan, refuse_nesting

        refuse_nesting(source.absolute(), destination.absolute())
        found = search(source, as_recognised=as_recognised)
        if dry_run:
            planned, faults = plan(found, destination, to, patients=names)
            for each in planned:
                there = " (there already)" if each.there else ""
                shown = ", ".join(each.files[:_SHOWN])
                more = f" and {len(each.files) - _SHOWN} more" if len(each.files) > _SHOWN else ""
                line = f"{each.patient} ({each.format}) -> {each.folder}{there}: {shown}{more}"
                out().print(line, markup=False)
            _say_faults(faults)
            return
        with progress_bar() as bar:
            task = bar.add_task("Patients", total=len(found.folders))
            report = convert_all(
                found, destination, to, identifiers=identifiers, patients=names,
                choose=_chooser(flair, pre, post), overwrite=overwrite,
                progress=lambda done, total, name: bar.update(
                    task, completed=done, total=total, description=name or "Done"
                ),
            )  # fmt: skip
        _say(report, f"written as {to}")


def _chooser(flair: str, pre: str, post: str) -> Callable[[StudyFolder], StudyFolder] | None:
    if not (flair or pre or post):
        return None
    from napari_brainseg.core.formats.dicom.series_options import roles_from_options

    return partial(roles_from_options, flair=flair, pre=pre, post=post)


def _say(report: ConversionReport, done: str) -> None:
    for note in report.notes:
        warn(note)
    _say_faults(report.faults)
    total = len(report.written) + len(report.kept) + len(report.faults)
    kept = f" {len(report.kept)} were there already." if report.kept else ""
    where = f"; they are in {report.destination}" if report.written or report.kept else ""
    said = f"{len(report.written)} of {total} patients {done}{where}."
    out().print(said + kept, markup=False)
    if report.faults:
        raise typer.Exit(EXIT_FAULT)


def _say_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        where = str(fault.path)
        message = fault.error.message
        named = message if where in message else f"{where}: {message}"
        say_fault(BrainSegError(named, fault.error.hint))
