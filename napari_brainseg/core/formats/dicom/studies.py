"""Headers to patients: files to series, series to stacks, stacks to studies that open."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_brainseg.core.formats.dicom.about import person_name
from napari_brainseg.core.formats.dicom.naming import identity_of, name_studies
from napari_brainseg.core.formats.dicom.sequences import Recognition, recognise
from napari_brainseg.core.formats.dicom.series_roles import (
    Stack,
    choice_reasons,
    choose_roles,
    choose_truth,
    recognised,
    series_info,
    without_localisers,
)
from napari_brainseg.core.formats.dicom.stacks import split_series
from napari_brainseg.core.formats.dicom.visits import one_visit
from napari_brainseg.core.formats.kaggle3m import StudyFolder
from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord
    from napari_brainseg.core.formats.dicom.naming import StudyIdentity

__all__ = ["GroupedStudy", "group_studies", "study_folders"]


class GroupedStudy(NamedTuple):
    """Files of one study of one patient.

    Parameters
    ----------
    identity : StudyIdentity
        Whose and when.
    images : tuple of HeaderRecord
        Pictures and masks, each SOP instance once.
    copies : int
        Files that were left out because another holds the same SOP instance.
    others : tuple of HeaderRecord
        Files of the study without pictures: reports, plans, presentation states.
    studies : int
        Study UIDs that were brought together; see `one_visit`.
    """

    identity: StudyIdentity
    images: tuple[HeaderRecord, ...]
    copies: int
    others: tuple[HeaderRecord, ...]
    studies: int = 1


def group_studies(records: Iterable[HeaderRecord]) -> list[GroupedStudy]:
    """Sort files by patient and study; those of different patients are never put together."""
    groups: dict[tuple[str, ...], list[HeaderRecord]] = defaultdict(list)
    owners: dict[str, set[tuple[str, str]]] = defaultdict(set)
    records = list(records)
    for record in records:
        if record.patient_id and record.study_uid:
            owners[record.study_uid].add((record.patient_id, record.patient_issuer))
    for record in records:
        groups[_group_key(record, owners)].append(record)
    studies = []
    for together in one_visit(groups):
        group = [record for part in together for record in part]
        named = next((r for r in group if r.patient_id and r.is_image), group[0])
        images = [record for record in group if record.is_image]
        if all(record.is_mask for record in images):
            # Masks without the images they belong to show nothing.
            continue
        once: dict[Any, HeaderRecord] = {}
        for record in images:
            once.setdefault(_file_key(record), record)
        others = tuple(record for record in group if not record.is_image)
        studies.append(
            GroupedStudy(
                identity_of(named),
                tuple(once.values()),
                len(images) - len(once),
                others,
                len(together),
            )
        )
    return studies


def study_folders(
    studies: Sequence[GroupedStudy], *, beside: Collection[Path] = ()
) -> list[StudyFolder]:
    """Make patients of groups of files, sorted by name.

    Parameters
    ----------
    studies : sequence of GroupedStudy
        All that lie below the root that is searched.
    beside : collection of Path
        Folders of patients of other formats.
    """
    places = _places(studies, beside)
    names = name_studies([study.identity for study in studies])
    folders = [
        _folder(study, place, name)
        for study, place, name in zip(studies, places, names, strict=True)
    ]
    return sorted(folders, key=lambda folder: folder.patient)


def _group_key(record: HeaderRecord, owners: dict[str, set[tuple[str, str]]]) -> tuple[str, ...]:
    person: tuple[str, ...] = (record.patient_id, record.patient_issuer)
    if not record.patient_id:
        known = owners.get(record.study_uid, set())
        # A file that names nobody belongs to the only patient of its study.
        person = next(iter(known)) if len(known) == 1 else (
            "", record.patient_name, record.birth_date
        )  # fmt: skip
    elif not record.patient_issuer:
        named = {issuer for patient, issuer in owners[record.study_uid]
                 if patient == record.patient_id and issuer}  # fmt: skip
        if len(named) == 1:
            person = (record.patient_id, next(iter(named)))
    return (*person, record.study_uid or record.study_date or str(record.path.parent))


def _file_key(record: HeaderRecord) -> Any:
    """Give what copies of a file share; some programs give all files of a series one UID."""
    if not record.sop_instance_uid:
        return record.path
    return (record.sop_instance_uid, record.instance_number, record.position, record.series_uid)


def _places(studies: Sequence[GroupedStudy], beside: Collection[Path]) -> list[Path]:
    """For each study what opens it alone: its own folder, or the first of its files."""
    below: dict[str, set[int]] = defaultdict(set)
    tops: list[str] = []
    for index, study in enumerate(studies):
        parents = {str(record.path.parent) for record in study.images}
        tops.append(os.path.commonpath(list(parents)))
        for parent in parents:
            for place in _upwards(parent):
                below[place].add(index)
    for path in beside:
        for place in _upwards(os.fspath(path)):
            below[place].add(-1)
    return [
        Path(top) if below[top] == {index} else min(r.path for r in study.images)
        for index, (study, top) in enumerate(zip(studies, tops, strict=True))
    ]


def _upwards(path: str) -> Iterable[str]:
    yield path
    yield from map(str, Path(path).parents)


def _folder(study: GroupedStudy, place: Path, name: str) -> StudyFolder:
    by_series: dict[str, list[HeaderRecord]] = defaultdict(list)
    for record in study.images:
        by_series[record.series_uid or _unnamed(record)].append(record)
    stacks: list[Stack] = []
    for uid, records in by_series.items():
        for number, stack in enumerate(split_series(records), 1):
            key = uid if number == 1 else f"{uid}#{number}"
            known = (
                Recognition(None, _mask_words(stack[0]))
                if stack[0].is_mask
                else recognise(stack[0])
            )
            stacks.append(Stack(key, stack, known))
    stacks = recognised(without_localisers(sorted(stacks, key=_order)))
    chosen = choose_roles(stacks)
    roles = tuple(sorted((modality, stack.key) for modality, stack in chosen.items()))
    truth = choose_truth(stacks)
    first = KAGGLE_ORDER[0]
    shown = {} if not chosen else {
        stack.key: f"{stack.recognition.why}; shown as the first sequence until you choose"
        for modality, stack in chosen.items()
        if modality is first and stack.recognition.modality is None
    }  # fmt: skip
    for key, reason in choice_reasons(stacks, chosen).items():
        why = next(stack.recognition.why for stack in stacks if stack.key == key)
        shown[key] = f"{why}; {reason}"
    series = tuple(series_info(stack, shown.get(stack.key, "")) for stack in stacks)
    return StudyFolder(
        path=place,
        patient=name,
        images=tuple(dict.fromkeys(file for s in series if not s.is_mask for file in s.files)),
        masks=next((s.files for s in series if s.key == truth), ()),
        slice_numbers=(),
        warnings=tuple(_warnings(study, chosen)),
        format=StudyFormat.DICOM,
        series=series,
        roles=roles,
        truth=truth,
        person=person_name(next((r.patient_name for r in study.images if r.patient_name), "")),
    )


def _unnamed(record: HeaderRecord) -> str:
    """Key of a series without a UID: what lies in one folder under one description."""
    return f"{record.path.parent.name}/{record.series_number}/{record.series_description}"


def _order(stack: Stack) -> tuple[int, str, str]:
    return stack.first.series_number or 0, stack.key, str(stack.first.path)


def _mask_words(record: HeaderRecord) -> str:
    made = sorted({kind.lower() for kind in record.segment_algorithms if kind})
    return f"segmentation ({', '.join(made)})" if made else "segmentation"


def _warnings(study: GroupedStudy, chosen: dict[Modality, Stack]) -> list[str]:
    warnings = []
    if study.studies > 1:
        warnings.append(
            f"{study.studies} studies of this day are opened as one: they are of the same patient "
            "in the same frame of reference."
        )
    if not study.identity.date:
        warnings.append("The files say no date of the study.")
    if study.copies:
        files = "file is" if study.copies == 1 else "files are"
        warnings.append(
            f"{study.copies} {files} left out: copies of others (the same SOP Instance UID)."
        )
    if study.others:
        kinds = Counter(record.modality or "unknown" for record in study.others)
        held = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        warnings.append(f"Files without images are left out: {held}.")
    if all(stack.recognition.modality is None for stack in chosen.values()):
        warnings.append("No sequence was recognised; choose which series is which.")
    return warnings
