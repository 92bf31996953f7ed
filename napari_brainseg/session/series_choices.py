"""Which series a user chose for a patient; one JSON file a user.

It holds hashes only: neither names nor UIDs of a hospital get into it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError, Modality, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery, StudyFolder

__all__ = ["SeriesChoices"]

_log = logging.getLogger(__name__)

_KEPT = 5000
"""Choices remembered; the oldest go first."""
_NAMES = {Modality.PRE: "pre", Modality.FLAIR: "flair", Modality.POST: "post"}


class SeriesChoices:
    """Choices of a user among the series of patients.

    Thread-safety: every method may be called from any thread.

    Parameters
    ----------
    file : Path
        JSON; made at the first choice. A file that cannot be read counts as empty.
    """

    _lock = threading.Lock()

    def __init__(self, file: Path) -> None:
        self._file = file

    def apply(self, found: Discovery) -> Discovery:
        """Put the choices into all patients of a discovery."""
        if not any(folder.series for folder in found.folders):
            return found
        kept = self._read()
        return replace(found, folders=tuple(_applied(folder, kept) for folder in found.folders))

    def apply_to(self, folder: StudyFolder) -> StudyFolder:
        """Put the choice into one patient; unchanged without one.

        Where a series that was chosen is not there any more, the patient is as it was recognised.
        """
        return _applied(folder, self._read()) if folder.series else folder

    def choose(self, folder: StudyFolder, roles: Mapping[Modality, str], truth: str = "") -> None:
        """Remember a choice.

        Parameters
        ----------
        folder : StudyFolder
            The patient.
        roles : mapping of Modality to str
            Key of the series for each modality; modalities left out are missing then.
        truth : str
            Key of the mask that is the ground truth; empty for none.

        Raises
        ------
        DataError
            If there is no such series, one is named twice, nothing is chosen, or the file cannot
            be written.
        """
        if not roles:
            raise DataError(
                f"No series is chosen for {folder.patient}.",
                "Choose at least one series, best the FLAIR.",
            )
        folder.with_roles(roles, truth)
        if truth and not folder.find(truth).is_mask:
            raise DataError(f"{folder.patient}: {truth} is no mask.", "Choose a mask, or none.")
        said = {_NAMES[modality]: _digest(key) for modality, key in roles.items()}
        said["truth"] = _digest(truth) if truth else ""
        with self._lock:
            kept = self._read()
            kept.pop(_name(folder), None)
            kept[_name(folder)] = said
            self._write(kept)

    def forget(self, folder: StudyFolder) -> None:
        """Go back to what was recognised.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        with self._lock:
            kept = self._read()
            if kept.pop(_name(folder), None) is not None:
                self._write(kept)

    def has(self, folder: StudyFolder) -> bool:
        """Whether there is a choice for a patient."""
        return _name(folder) in self._read()

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("Choices of series in %s cannot be read: %s", self._file, error)
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, kept: dict[str, Any]) -> None:
        newest = dict(list(kept.items())[-_KEPT:])
        write_atomically(self._file, json.dumps(newest, indent=1).encode())


def _applied(folder: StudyFolder, kept: Mapping[str, Any]) -> StudyFolder:
    said = kept.get(_name(folder)) if folder.series else None
    if not isinstance(said, dict):
        return folder
    keys = {_digest(series.key): series.key for series in folder.series}
    wanted = {modality: said[name] for modality, name in _NAMES.items() if said.get(name)}
    truth = said.get("truth", "")
    if not wanted or any(mark not in keys for mark in (*wanted.values(), *filter(None, [truth]))):
        return folder
    try:
        roles = {modality: keys[mark] for modality, mark in wanted.items()}
        return folder.with_roles(roles, keys.get(truth, ""))
    except DataError as error:
        _log.warning("The choice of series of %s does not hold: %s", folder.patient, error)
        return folder


def _name(folder: StudyFolder) -> str:
    """Name a patient in the file.

    A DICOM study by its pseudonym, which is its own wherever the files lie; NIfTI files by their
    path too, for many patients have files of the same names.
    """
    place = "" if folder.format is StudyFormat.DICOM else str(folder.path)
    return _digest(f"{folder.format}|{folder.patient}|{place}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
