"""Puts the lines of a worklist together: files, catalogue, other windows. No state, no disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.worklist_row import WorklistRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery, Fault, StudyFolder
    from napari_brainseg.session.patient_log import PatientRecord
    from napari_brainseg.session.worklist_query import Known

__all__ = ["Entry", "assemble", "is_alone", "make_row", "root_key"]


_NONE: Mapping[str, str] = MappingProxyType({})
"""One for all: thousands of empty ones would only keep the garbage collector busy."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A patient of the root: readable (`folder`), in disorder (`fault`), or vanished (neither)."""

    patient: str
    path: Path
    folder: StudyFolder | None = None
    fault: BrainSegError | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: _NONE)


def is_alone(discovery: Discovery) -> bool:
    """Whether a single patient's folder was opened, not a folder of patients."""
    return any(folder.path == discovery.root for folder in discovery.folders)


def root_key(discovery: Discovery) -> str:
    """Name the folder of patients in the catalogue.

    However deep above the patients it was opened, and for a patient opened alone, the folder
    that the patients lie in is one and the same; the workspace is chosen likewise.
    """
    parents = {folder.path.parent for folder in discovery.folders}
    root = parents.pop() if len(parents) == 1 else discovery.root
    return str(root.resolve())


def assemble(
    discovery: Discovery, records: Mapping[str, PatientRecord], *, alone: bool
) -> tuple[dict[str, Entry], tuple[BrainSegError, ...]]:
    """List all patients of a root, in worklist order.

    Returns
    -------
    entries : dict of str to Entry
        Sorted by name.
    notices : tuple of BrainSegError
        What is amiss without keeping any patient from being read.
    """
    entries: dict[str, Entry] = {}
    clinical = _Attributes()
    for folder in discovery.folders:
        name = folder.patient
        found = clinical.of(folder.path.parent, name)
        entries[name] = Entry(name, folder.path, folder=folder, attributes=found)
    named = {record.path: name for name, record in records.items()}
    for fault in discovery.faults:
        name = _name_of(fault, discovery, named, entries)
        entries[name] = Entry(name, fault.path, fault=fault.error)
    if not alone:
        for name, record in records.items():
            if name not in entries:
                found = clinical.of(record.path.parent, name)
                entries[name] = Entry(name, record.path, attributes=found)
    return dict(sorted(entries.items())), tuple(clinical.faults.values())


def make_row(
    entry: Entry,
    record: PatientRecord | None,
    known: Known | None,
    version: str | None,
    open_elsewhere: str | None,
) -> WorklistRow:
    """Join what is known of a patient.

    Parameters
    ----------
    entry : Entry
        The files.
    record : PatientRecord or None
        What was learnt of them.
    known : Known or None
        The work.
    version : str or None
        Model in use; its figures are preferred.
    open_elsewhere : str or None
        Who has the case open.
    """
    folder, fault = entry.folder, entry.fault
    digest = missing = truth = hint = text = None
    slices = 0
    if record is not None:
        digest, missing, truth = record.image_sha256, record.missing, record.truth_vox
        slices = record.slices
    if fault is not None:
        text, hint = fault.message, fault.hint or None
    elif record is not None and folder is not None and record.fault is not None:
        text, hint = record.fault, record.fault_hint or None
    case = None if known is None else known.case_of(digest)
    predicted = () if known is None else known.predictions_of(digest, version)
    best = predicted[0] if predicted else None
    return WorklistRow(
        patient=entry.patient,
        path=entry.path,
        slices=slices if folder is None else folder.slices,
        missing=missing,
        status="new" if case is None else case.status,
        volume_vox=None if best is None else best.volume_vox,
        volume_ml=None if best is None else best.volume_ml,
        dsc=None if best is None else best.dsc,
        hd95=None if best is None else best.hd95,
        hd95_unit=None if best is None else best.hd95_unit,
        uncertainty=_first(p.uncertainty for p in predicted),
        # Only a prediction with the mirrored view has it, and that need not be the last one.
        disagreement=_first(p.disagreement for p in predicted),
        model_version=None if best is None else best.model_version,
        is_stale=best is not None and version is not None and best.model_version != version,
        editor=None if case is None else case.editor,
        seconds=0.0 if case is None else case.seconds,
        attributes=entry.attributes,
        fault=text,
        hint=hint,
        vanished=folder is None and fault is None,
        open_elsewhere=open_elsewhere,
        has_truth=truth is not None if folder is None else folder.has_masks,
        opened=None if case is None else case.opened,
        asked_by=None if case is None or case.status != "second reader" else case.asked_by,
        person="" if folder is None else folder.person,
    )


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _name_of(
    fault: Fault, discovery: Discovery, named: Mapping[Path, str], entries: Mapping[str, Entry]
) -> str:
    """Name a patient that cannot be read: as it was known, else as its folder is called."""
    name = named.get(fault.path, fault.path.name)
    if name not in entries:
        return name
    # One of two folders of a patient: it needs a line of its own.
    name = str(fault.path.relative_to(discovery.root))
    return str(fault.path) if name in entries else name


class _Attributes:
    """Looks patients up in the tables of their folders, if there are any that can be read."""

    def __init__(self) -> None:
        self.faults: dict[Path, BrainSegError] = {}
        self._has_table: dict[Path, bool] = {}

    def of(self, parent: Path, patient: str) -> Mapping[str, str]:
        from napari_brainseg.core.formats.attributes import ATTRIBUTES_FILE, attributes_of

        if parent not in self._has_table:
            self._has_table[parent] = (parent / ATTRIBUTES_FILE).is_file()
        if not self._has_table[parent] or parent in self.faults:
            return _NONE
        try:
            return attributes_of(parent, patient)
        except DataError as error:
            self.faults[parent] = error
            return _NONE
