"""What lies where a catalogue should be, and the words for a backup that took its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.claimants import time_words

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.backups import Backup
    from napari_brainseg.session.salvage import Salvaged

__all__ = ["Finding", "RescueNotice", "State", "rescue_notice"]


class State(StrEnum):
    """What lies where the catalogue should be."""

    SOUND = "sound"
    OLD = "old"
    """Of an earlier schema."""
    ABSENT = "missing"
    EMPTIED = "emptied"
    DAMAGED = "damaged"
    NEWER = "newer"
    """Of a later schema than this version knows."""
    UNKNOWN = "unknown"
    """It cannot be looked at now, e.g. because a program holds it locked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at the file of a catalogue gave.

    Parameters
    ----------
    state : State
    why : str
        What SQLite says of a damage.
    schema : int or None
        Version of the tables, if it could be read.
    """

    state: State
    why: str = ""
    schema: int | None = None


class RescueNotice(DataError):
    """A backup was opened in place of the catalogue; work goes on, and the user should know.

    Attributes
    ----------
    aside : Path or None
        Where the original lies; `None` if there was none.
    backup : Backup or None
        What was opened; `None` if an empty catalogue was started.
    salvaged : Salvaged
        What was carried over from the original.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        aside: Path | None,
        backup: Backup | None,
        salvaged: Salvaged,
    ) -> None:
        super().__init__(message, hint)
        self.aside = aside
        self.backup = backup
        self.salvaged = salvaged


def rescue_notice(
    file: Path, found: Finding, backup: Backup | None, aside: Path | None, salvaged: Salvaged
) -> RescueNotice:
    """Say what was found, what was opened instead, and what to look at."""
    if found.state is State.NEWER:
        what = (
            f"The catalogue {file} was written by a later version of BrainSeg (schema "
            f"{found.schema}, this one knows {tables.SCHEMA_VERSION})."
        )
    elif found.state is State.DAMAGED:
        what = f"The catalogue {file} is damaged ({found.why})."
    elif found.state is State.ABSENT:
        what = f"The catalogue {file} was missing."
    else:
        what = f"The catalogue {file} was empty."
    if backup is None:
        done = "There is no backup, so an empty one was started."
    else:
        done = f"Its backup of {time_words(backup.made)} was opened instead."
    if salvaged:
        done += f" Saved from the damaged file: {salvaged.words}."
    if salvaged.lost:
        done += f" {salvaged.lost} stroke{'s' if salvaged.lost > 1 else ''} could not be read."
    hints = [] if aside is None else [f"The original lies at {aside}."]
    if found.state is State.NEWER:
        hints.append(
            "What was done with the later version is in that file only: update napari-brainseg "
            "to see it."
        )
    elif backup is None:
        hints.append("Look through what was saved before you sign anything off.")
    else:
        hints.append(
            f"Look through the cases you worked on after {time_words(backup.made)}: their last "
            "strokes may be missing."
        )
    return RescueNotice(
        f"{what} {done}", " ".join(hints), aside=aside, backup=backup, salvaged=salvaged
    )
