"""Where locked DICOM patients lie: apart from the training set, which is handed on.

Folders of a DICOM export are named after people. ``locked.json`` lies among the exported
corrections; the folders are kept beside, in the workspace, which stays on the machine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import discover

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.core.dataset.locked_set import LockedPatient
    from napari_brainseg.core.formats import StudyFolder

__all__ = ["PLACES_NAME", "keep_places", "locked_folder", "with_place", "without_place"]

PLACES_NAME = "locked_places.json"

_PSEUDONYM = re.compile(r"PT-[0-9a-f]{10}(?![0-9a-f])")
"""Names of DICOM patients; see `core.formats.pseudonym`."""
_WITHHELD = "(not said)"


def without_place(patient: dict[str, Any], training_set: Path | None = None) -> dict[str, Any]:
    """Take the folder from what is written of a locked patient, if it may name a person."""
    name, path = str(patient["patient"]), str(patient["path"])
    if not _PSEUDONYM.match(name) or (training_set and path == str(training_set / name)):
        return patient
    return {**patient, "path": _WITHHELD}


def keep_places(locked_file: Path, patients: Iterable[dict[str, Any]]) -> None:
    """Remember the folders that `without_place` takes away.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    there = _read(locked_file)
    places = dict(there)
    for patient in patients:
        name, path = str(patient["patient"]), str(patient["path"])
        if without_place(patient, locked_file.parent) is not patient and path != _WITHHELD:
            places[name] = path
    if places != there:
        write_atomically(_file(locked_file), json.dumps(places, indent=2).encode() + b"\n")


def locked_folder(patient: LockedPatient) -> StudyFolder | None:
    """Look for a locked patient where it lay: by name, for others may lie there by now.

    Raises
    ------
    DataError
        If what lies there cannot be read.
    """
    path = Path(patient.path)
    if not path.exists():
        return None
    return next((f for f in discover(path).folders if f.patient == patient.patient), None)


def with_place(patient: Any, locked_file: Path) -> Any:
    """Put the folder back; where it was lost, one that is not there: the user opens it again."""
    if not isinstance(patient, dict) or patient.get("path") != _WITHHELD:
        return patient
    name = str(patient.get("patient"))
    lost = str(locked_file.parent.absolute() / ".elsewhere" / name)
    return {**patient, "path": _read(locked_file).get(name, lost)}


def _file(locked_file: Path) -> Path:
    folder = locked_file.parent
    return (folder.parent if folder.name == "training_set" else folder) / PLACES_NAME


def _read(locked_file: Path) -> dict[str, str]:
    try:
        places = json.loads(_file(locked_file).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in places.items()} if isinstance(places, dict) else {}
