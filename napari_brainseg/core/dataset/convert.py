"""Patients from one format to another, with a manifest that allows the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from napari_brainseg.core.dataset.convert_files import (
    describe,
    file_names,
    kaggle_image,
    safe_name,
    write_volumes,
)
from napari_brainseg.core.dataset.convert_manifest import (
    ConvertedPatient,
    Target,
    enter,
    read_conversion,
)
from napari_brainseg.core.dataset.layout import place_folder, write_patient
from napari_brainseg.core.formats import Discovery, discover, load_study, undated
from napari_brainseg.core.formats.faults import Fault
from napari_brainseg.core.imaging import BrainSegError, CancelledError, DataError, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study

__all__ = [
    "ConversionReport",
    "Job",
    "PlannedPatient",
    "asked",
    "convert",
    "plan",
    "refuse_nesting",
    "run_all",
]


@dataclass(frozen=True, slots=True)
class PlannedPatient:
    """What a patient would become, as far as names and headers tell.

    Parameters
    ----------
    patient : str
        Name in the source.
    format : StudyFormat
        Of the source.
    folder : Path
        Where it would go.
    files : tuple of str
        Names of the files; a missing modality gets none.
    there : bool
        Whether the folder is there already.
    """

    patient: str
    format: StudyFormat
    folder: Path
    files: tuple[str, ...]
    there: bool


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What came of a conversion.

    Parameters
    ----------
    destination : Path
        Folder of the converted patients.
    written : tuple of Path
        Patients' folders that were made.
    kept : tuple of str
        Patients that an earlier run converted; they were left as they are.
    faults : tuple of Fault
        Patients that could not be converted, and why.
    notes : tuple of str
        What a reader should know, the patient named.
    """

    destination: Path
    written: tuple[Path, ...]
    kept: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def convert(
    source: Path | str | Discovery,
    destination: Path | str,
    to: Target,
    *,
    identifiers: bool = False,
    patients: Sequence[str] = (),
    choose: Callable[[StudyFolder], StudyFolder] | None = None,
    overwrite: bool = False,
    durable: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ConversionReport:
    """Write every patient of a source in another format.

    Parameters
    ----------
    source : Path, str or Discovery
        A patient or a root of many, as `discover` takes it, or what it found.
    destination : Path or str
        Folder for the patients and ``manifest.json``; made where missing. Patients of earlier
        runs stay in it.
    to : str
        ``kaggle_3m``: eight bits, `KAGGLE_ORDER`; ``nifti``: the files' own intensities on the
        grid of FLAIR, a file a modality (``t1``, ``flair``, ``t1ce``) and ``seg``; ``png``: a
        file a slice and modality, sixteen bits where eight do not hold the intensities.
    identifiers : bool
        Name DICOM patients by their ID and keep name and ID in the manifest. Otherwise they have
        pseudonyms and nothing in the files tells who they are.
    patients : sequence of str
        Only these, by full name or the name without the date; all where empty.
    choose : callable, optional
        Gets each patient and gives it back with other series chosen.
    overwrite : bool
        Replace patients that are there; otherwise those of earlier runs are left as they are.
    durable : bool
        Wait until the disk has everything.
    progress : callable, optional
        Called with patients done, patients in all and the name of the next one.
    cancelled : callable, optional
        Asked before each patient and before it takes its place.

    Returns
    -------
    ConversionReport
        A patient that cannot be converted stands in ``faults``; the others go on.

    Raises
    ------
    DataError
        If source or destination cannot be used, one lies in the other, or a patient asked for is
        not there.
    CancelledError
        If `cancelled` said so; patients that are done stand.
    """
    if to not in get_args(Target):
        raise DataError(
            f"There is no format {to!r}.", f"Choose one of {', '.join(get_args(Target))}."
        )
    found = _found(source, destination)
    root = Path(destination).absolute()
    known = read_conversion(root)
    kept: list[str] = []
    notes: list[str] = []

    def one(folder: StudyFolder) -> Path | None:
        folder = folder if choose is None else choose(folder)
        name = safe_name(folder.patient)
        study = None
        if identifiers and folder.format is StudyFormat.DICOM:
            study = load_study(folder)
            name = _identified(study)
        if not overwrite and (earlier := known.get(name)) and (root / name).is_dir():
            if earlier.to != to:
                raise DataError(
                    f"{root / name} is there already, as {earlier.to}.",
                    "Choose another folder, or ask for it to be overwritten.",
                )
            kept.append(name)
            return None
        study = load_study(folder) if study is None else study
        entry = describe(study, folder, name, to, identifiers=identifiers)
        notes.extend(f"{name}: {note}" for note in (*study.warnings, *entry.notes))
        return _place(study, entry, root, overwrite, durable, cancelled)

    jobs = [
        Job(folder.patient, folder.path, partial(one, folder))
        for folder in _chosen(found, patients)
    ]
    written, faults = run_all(jobs, progress, cancelled)
    return ConversionReport(
        root, tuple(written), tuple(kept), (*found.faults, *faults), tuple(notes)
    )


def plan(
    source: Path | str | Discovery,
    destination: Path | str,
    to: Target,
    *,
    patients: Sequence[str] = (),
) -> tuple[tuple[PlannedPatient, ...], tuple[Fault, ...]]:
    """Tell what `convert` would write, without reading pixels or writing anything.

    DICOM patients stand under their pseudonyms, also where identifiers are to be kept.

    Raises
    ------
    DataError
        As `convert`.
    """
    found = _found(source, destination)
    root = Path(destination).absolute()
    planned = []
    for folder in _chosen(found, patients):
        name = safe_name(folder.patient)
        numbers = folder.slice_numbers or tuple(range(1, folder.slices + 1))
        files = file_names(to, name, numbers, has_truth=folder.has_masks)
        planned.append(
            PlannedPatient(
                folder.patient, folder.format, root / name, tuple(files), (root / name).exists()
            )
        )
    return tuple(planned), found.faults


def refuse_nesting(source: Path, destination: Path) -> None:
    """Keep what is written apart from what is read: originals are never touched.

    Raises
    ------
    DataError
        If one of the two paths is the other or lies in it.
    """
    read, write = source.resolve(), destination.resolve()
    if read == write or read in write.parents or write in read.parents:
        inner = "is" if read == write else "lies in" if read in write.parents else "holds"
        raise DataError(
            f"The destination {destination} {inner} the source {source}.",
            "Choose a folder apart from it: original data is never written to.",
        )
    if destination.exists() and not destination.is_dir():
        raise DataError(f"{destination} is a file.", "Give a folder.")


class Job(NamedTuple):
    """Work on one patient: its name, where it lies, and what gives its new folder, if any."""

    patient: str
    path: Path
    do: Callable[[], Path | None]


def run_all(
    jobs: Sequence[Job],
    progress: Callable[[int, int, str], None] | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[list[Path], list[Fault]]:
    """Do one job after the other; a fault of one does not keep the others.

    Returns
    -------
    written : list of Path
        What the jobs gave, without ``None``.
    faults : list of Fault

    Raises
    ------
    CancelledError
        If `cancelled` said so; the message tells how far it came.
    """
    written: list[Path] = []
    faults: list[Fault] = []
    for done, job in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), job.patient)
        try:
            _stop_if(cancelled)
            path = job.do()
        except CancelledError as error:
            raise CancelledError(
                f"Stopped: {done} of {len(jobs)} patients are done and stand.",
                "The same command goes on with the rest.",
            ) from error
        except BrainSegError as error:
            fault = error if isinstance(error, DataError) else DataError(error.message, error.hint)
            faults.append(Fault(job.path, fault))
            continue
        if path is not None:
            written.append(path)
    if progress is not None:
        progress(len(jobs), len(jobs), "")
    return written, faults


def asked(names: Sequence[str], patients: Sequence[str], find: Callable[[str], str]) -> list[str]:
    """Choose among names those asked for, in their order; all where none is asked for."""
    wanted = {find(patient) for patient in patients}
    return [name for name in names if not wanted or name in wanted]


def _found(source: Path | str | Discovery, destination: Path | str) -> Discovery:
    target = Path(destination).absolute()
    if not isinstance(source, Discovery):
        refuse_nesting(Path(source).absolute(), target)
        source = discover(source)
    refuse_nesting(source.root, target)
    return source


def _chosen(found: Discovery, patients: Sequence[str]) -> list[StudyFolder]:
    names = asked(found.patients, patients, lambda patient: found.find(patient).patient)
    return [folder for folder in found.folders if folder.patient in names]


def _place(
    study: Study,
    entry: ConvertedPatient,
    root: Path,
    overwrite: bool,
    durable: bool,
    cancelled: Callable[[], bool] | None,
) -> Path:
    """Write the patient's folder and its line of the manifest, both or neither."""

    def record() -> None:
        _stop_if(cancelled)
        enter(root, entry)

    if entry.to == "kaggle_3m":
        return write_patient(
            root, entry.name, kaggle_image(study), study.truth, entry.slice_numbers,
            overwrite=overwrite, durable=durable, record=record, geometry=study.image.geometry,
        )  # fmt: skip
    return place_folder(
        root,
        entry.name,
        lambda scratch: write_volumes(study, entry, scratch),
        overwrite=overwrite,
        durable=durable,
        record=record,
    )


def _identified(study: Study) -> str:
    """Name a DICOM patient by its ID, with the date that its pseudonym has."""
    person = study.identity.get("Patient ID") or study.identity.get("Name", "")
    if not person:
        return safe_name(study.patient)
    bare = undated(study.patient)
    return safe_name(person) + study.patient[len(bare) :]


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError("Stopped.")
