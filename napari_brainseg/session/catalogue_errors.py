"""What a failing database means to a person: which disk, what is wrong with it, what helps."""

from __future__ import annotations

import shutil
import sqlite3
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CatalogueError", "Fault", "damaged", "explain", "replaced"]

_FULL_BELOW = 4 << 20
"""Bytes: with less than these free, a failed write is put down to the full disk."""
_KEPT = " Strokes that were not saved are kept in memory and tried again."
_MENDED_ON_OPENING = (
    "The catalogue {location} is damaged. Close all windows of BrainSeg and open the folder "
    "again: its backup takes its place, and what can still be read is carried over."
)
_PASSING = ("full", "read-only", "locked", "disk")


class Fault(StrEnum):
    """Why a catalogue does not work."""

    FULL = "full"
    READ_ONLY = "read-only"
    LOCKED = "locked"
    DAMAGED = "damaged"
    REPLACED = "replaced"
    DISK = "disk"
    """Reading or writing failed, and the disk is not full."""
    OTHER = "other"


class CatalogueError(DataError):
    """The catalogue could not be read or written.

    Attributes
    ----------
    fault : Fault
        Why.
    mend : str
        What helps; the hint tells what becomes of strokes as well.
    """

    def __init__(self, fault: Fault, message: str, mend: str) -> None:
        super().__init__(message, mend + (_KEPT if fault in _PASSING else ""))
        self.fault = fault
        self.mend = mend


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
    message, mend = {
        Fault.FULL: (
            f"The catalogue {location} cannot be written: the disk is full ({said}).",
            f"Free some space on the disk of {folder}.",
        ),
        Fault.READ_ONLY: (
            f"The catalogue {location} cannot be written: the file, its folder or the disk is "
            f"read-only ({said}).",
            f"Make {folder} writable, or choose another workspace.",
        ),
        Fault.LOCKED: (
            f"The catalogue {location} is locked by another program ({said}).",
            "Close what holds it, e.g. a backup program or a database browser.",
        ),
        Fault.DAMAGED: (
            f"The catalogue {location} cannot be read: {said}.",
            _MENDED_ON_OPENING.format(location=location),
        ),
        Fault.DISK: (
            f"The catalogue {location} cannot be read or written: the disk gives an error "
            f"({said}).",
            f"Check that the disk of {folder} is plugged in, has space, and that you may write as "
            "much as you need.",
        ),
        Fault.OTHER: (
            f"The catalogue {location} cannot be used: {said}.",
            "Check that the disk has space and that the folder may be written to.",
        ),
    }[fault]
    return CatalogueError(fault, message, mend)


def damaged(message: str, location: str) -> CatalogueError:
    """Tell of saved work that cannot be read, although the file as such is sound."""
    return CatalogueError(Fault.DAMAGED, message, _MENDED_ON_OPENING.format(location=location))


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
        sqlite3.SQLITE_IOERR: Fault.DISK,
    }
    fault = known.get(code & 0xFF, Fault.OTHER)
    if fault in (Fault.DISK, Fault.OTHER) and file is not None and _is_full(file):
        return Fault.FULL
    return fault


def _is_full(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.parent).free < _FULL_BELOW
    except OSError:
        return False
