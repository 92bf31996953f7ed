"""Compares what is known of a root's patients with its folder as it is now; no pixels."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_brainseg.session.patient_log import PatientRecord
from napari_brainseg.session.pixel_facts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery, StudyFolder

__all__ = ["came_or_changed", "vanished"]


def came_or_changed(
    discovery: Discovery,
    records: Mapping[str, PatientRecord],
    changes: set[Path] | None,
    *,
    again: bool,
    stop: Callable[[], bool],
) -> dict[str, PatientRecord] | None:
    """Give new records to patients that are new, back, or whose files differ.

    Parameters
    ----------
    discovery : Discovery
        The folder now.
    records : mapping of str to PatientRecord
        What is known.
    changes : set of Path or None
        Folders whose files may differ, `None` for all.
    again : bool
        Forget the faults of patients that could not be read.
    stop : callable
        Asked between patients.

    Returns
    -------
    dict of str to PatientRecord, or None
        Those that differ, without facts on pixels where the files do; `None` if stopped.
    """
    now = time.time()
    differing: dict[str, PatientRecord] = {}
    for folder in discovery.folders:
        if stop():
            return None
        known = records.get(folder.patient)
        if not _is_to_compare(known, folder, changes):
            continue
        try:
            mark = fingerprint(folder)
        except OSError:
            continue  # gone this moment: the next look will tell
        record = _renewed(known, folder, mark, now)
        if again and record.fault is not None:
            record = replace(record, fault=None, fault_hint=None)
        if record != known:
            differing[folder.patient] = record
    return differing


def vanished(
    discovery: Discovery, records: Mapping[str, PatientRecord]
) -> dict[str, PatientRecord]:
    """Mark patients that are no longer there; those in disorder are."""
    now = time.time()
    here = set(discovery.patients)
    faulty = {fault.path for fault in discovery.faults}
    return {
        patient: replace(record, vanished=now)
        for patient, record in records.items()
        if record.vanished is None and patient not in here and record.path not in faulty
    }


def _renewed(
    known: PatientRecord | None, folder: StudyFolder, mark: str, now: float
) -> PatientRecord:
    slices = folder.slices
    if known is not None and known.fingerprint == mark:
        return replace(known, path=folder.path, slices=slices, vanished=None)
    found = now if known is None else known.found
    return PatientRecord(folder.patient, folder.path, mark, slices, found)


def _is_to_compare(
    known: PatientRecord | None, folder: StudyFolder, changes: set[Path] | None
) -> bool:
    if known is None or changes is None or known.vanished is not None:
        return True
    return folder.path in changes or folder.path != known.path
