"""What a failing database means to a person: which disk, what is wrong with it, what helps."""

from __future__ import annotations

import shutil
import sqlite3
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CatalogueError", "Fault", "explain", "replaced"]

_FULL_BELOW = 4 << 20
"""Bytes: with less than these free, a failed write is put down to the full disk."""
_KEPT = "Strokes that were not saved are kept in memory and tried again."


class Fault(StrEnum):
    """Why a catalogue does not work."""

    FULL = "full"
    READ_ONLY = "read-only"
    LOCKED = "locked"
    DAMAGED = "damaged"
    REPLACED = "replaced"
    OTHER = "other"


class CatalogueError(DataError):
    """The catalogue could not be read or written.

    Attributes
    ----------
    fault : Fault
    """

    def __init__(self, fault: Fault, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.fault = fault


def explain(location: str, cause: BaseException, *, file: Path | None) -> CatalogueError:
    """Put an error of the database into words.

    Parameters
    ----------
    location : str
        Path or URL of the catalogue.
    cause : BaseException
        What the driver raised.
    file : Path or None
        The SQLite file, `None` for a server.
    """
    code = getattr(cause, "sqlite_errorcode", None)
    fault = _fault_of(code, file)
    folder = location if file is None else file.parent
    said = str(cause).rstrip(".")
    message, hint = {
        Fault.FULL: (
            f"The catalogue {location} cannot be written: the disk is full ({said}).",
            f"Free some space on the disk of {folder}. {_KEPT}",
        ),
        Fault.READ_ONLY: (
            f"The catalogue {location} cannot be written: the file, its folder or the disk is "
            f"read-only ({said}).",
            f"Make {folder} writable, or choose another workspace. {_KEPT}",
        ),
        Fault.LOCKED: (
            f"The catalogue {location} is locked by another program ({said}).",
            f"Close what holds it, e.g. a backup program or a database browser. {_KEPT}",
        ),
        Fault.DAMAGED: (
            f"The catalogue {location} is damaged ({said}).",
            "Close all windows of BrainSeg and open the folder again: a backup is put in its "
            "place, and what can still be read is carried over.",
        ),
        Fault.OTHER: (
            f"The catalogue {location} cannot be used: {said}.",
            "Check that the disk has space and that the folder may be written to.",
        ),
    }[fault]
    return CatalogueError(fault, message, hint)


def replaced(file: Path) -> CatalogueError:
    """Tell that another file lies where the catalogue was when it was opened."""
    return CatalogueError(
        Fault.REPLACED,
        f"The catalogue {file} was moved or replaced while it was open, so nothing is written "
        "to it.",
        "Another window may have put a backup in its place. Close this window and open the "
        "folder again.",
    )


def _fault_of(code: int | None, file: Path | None) -> Fault:
    if code is None:
        return Fault.OTHER
    known = {
        sqlite3.SQLITE_FULL: Fault.FULL,
        sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
        sqlite3.SQLITE_PERM: Fault.READ_ONLY,
        sqlite3.SQLITE_BUSY: Fault.LOCKED,
        sqlite3.SQLITE_LOCKED: Fault.LOCKED,
        sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
        sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
    }
    fault = known.get(code & 0xFF, Fault.OTHER)
    if fault is Fault.OTHER and file is not None and _is_full(file):
        return Fault.FULL
    return fault


def _is_full(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.parent).free < _FULL_BELOW
    except OSError:
        return False
