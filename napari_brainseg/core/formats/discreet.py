"""Messages for files that are handed on: nothing of where a DICOM patient lies.

Folders and files of a DICOM export are named after people, and errors name them. The terminal and
the window may; records, indices of reports and figures may not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import StudyFormat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_brainseg.core.formats.discovery import Discovery
    from napari_brainseg.core.formats.faults import Fault
    from napari_brainseg.core.formats.kaggle3m import StudyFolder
    from napari_brainseg.core.imaging import BrainSegError

__all__ = ["discreet_fault", "discreet_reason", "discreet_warnings"]

_FILE, _FOLDER = "one of its files", "its folder"
_WITHHELD = "It cannot be used; why is said where its files may be named, on the terminal."
_PLAIN = frozenset({".tif", ".tiff", ".nii", ".gz", ".hdr", ".img"})
_LEFT_OUT = re.compile(r"(files? beside the others (?:is|are) left out)[,:].*", re.DOTALL)
_SHORTEST = 4
"""Letters of a name that is looked for; shorter ones stand in many words."""


def discreet_reason(folder: StudyFolder, error: BrainSegError, *, hint: bool = True) -> str:
    """Give what is wrong with a patient, for a file.

    Parameters
    ----------
    folder : StudyFolder
        The patient; of other formats than DICOM the message stays as it is.
    error : BrainSegError
        What was raised.
    hint : bool
        Whether to say the mend, too.
    """
    text = str(error) if hint else error.message
    if folder.format is not StudyFormat.DICOM:
        return text
    return _without(text, [folder.path, *folder.images, *(mask for mask in folder.masks if mask)])


def discreet_fault(found: Discovery, fault: Fault, *, hint: bool = True) -> tuple[str, str]:
    """Give name and reason of what was left out of a search, for a file.

    Where DICOM may be meant, the name is a number.
    """
    if not _may_be_dicom(found, fault.path):
        return fault.path.name, str(fault.error) if hint else fault.error.message
    number = found.faults.index(fault) + 1 if fault in found.faults else 1
    text = str(fault.error) if hint else fault.error.message
    return f"unreadable {number}", _without(text, [fault.path])


def discreet_warnings(format: StudyFormat, warnings: Iterable[str]) -> tuple[str, ...]:
    """Give what is to be known of a study, for a file: no names of files of a DICOM export."""
    if format is not StudyFormat.DICOM:
        return tuple(warnings)
    return tuple(_LEFT_OUT.sub(r"\1.", text) for text in warnings)


def _may_be_dicom(found: Discovery, path: Path) -> bool:
    if any(folder.format is StudyFormat.DICOM for folder in found.folders):
        return True
    if path.suffix.lower() in _PLAIN:
        return False
    try:
        return not any(p.suffix.lower() in _PLAIN for p in path.iterdir())
    except OSError:
        return True


def _without(text: str, given: Iterable[Path]) -> str:
    places = set(given)
    files = {place.absolute() for place in places} | places
    folders = {parent for file in files for parent in file.parents if len(parent.parts) > 1}
    for place in sorted(files | folders, key=lambda p: len(str(p)), reverse=True):
        words = _FOLDER if place in folders or place.is_dir() else _FILE
        text = text.replace(str(place), words)
    for name in sorted({file.name for file in files}, key=len, reverse=True):
        if len(name) >= _SHORTEST:
            text = text.replace(name, _FILE)
    parts = {part for place in files for part in place.parts if len(part) >= _SHORTEST}
    # A slash is left where the message names a file that the patient does not count as its own.
    told = any(re.search(rf"\b{re.escape(part)}\b", text) for part in parts)
    if "/" in text or "\\" in text or told:
        return _WITHHELD
    return text[:1].upper() + text[1:]
