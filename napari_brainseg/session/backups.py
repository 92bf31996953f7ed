"""Copies of the catalogue: consistent while it is written to, made whole before they count.

A copy is taken by SQLite's backup interface from one snapshot, so that nobody who writes has to
wait; it is checked before it gets its name, so that a damaged catalogue never displaces a good
copy. Kept are the newest five, the last one of each of the last seven days that have one, and the
last one of each older schema.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import sync_folder
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Backup", "backup_folder", "backups", "is_changed_since", "make_backup", "read_schema"]

NEWEST = 5
DAYS = 7
_PAGES = 128  # a step of half a megabyte: the interpreter is given up in between
_SPARE = 64 << 20  # bytes left to the strokes when the disk is nearly full
_SCRATCH = ".catalogue-"
_FORGOTTEN_S = 24 * 3600.0
_HEADER = 100  # bytes with counters that differ from copy to copy
_NAME = re.compile(r"catalogue-schema(\d+)-(\d{8}T\d{6})\.(\d{3})Z\.sqlite")


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a catalogue.

    Parameters
    ----------
    path : Path
        An SQLite file that stands alone.
    schema : int
        Version of its tables.
    made : float
        Unix time in seconds; it holds what was written before.
    """

    path: Path
    schema: int
    made: float


def backup_folder(catalogue: Path) -> Path:
    """Where the copies of a catalogue lie."""
    return catalogue.parent / "backups"


def backups(folder: Path) -> tuple[Backup, ...]:
    """List the copies in a folder, the newest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match is not None:
                moment = datetime.strptime(match[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
                made = moment.timestamp() + int(match[3]) / 1000
                found.append(Backup(path, int(match[1]), made))
    return tuple(sorted(found, key=lambda backup: (backup.made, backup.path.name), reverse=True))


def is_changed_since(catalogue: Path, moment: float) -> bool:
    """Whether the files of a catalogue were written to after a Unix time."""
    for path in (catalogue, Path(f"{catalogue}-wal")):
        with contextlib.suppress(OSError):
            found = path.stat()
            # An empty file beside is made by every look.
            if found.st_size and found.st_mtime > moment:
                return True
    return False


def make_backup(
    catalogue: Path,
    folder: Path | None = None,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Backup | None:
    """Copy a catalogue that may be in use; copies that are no longer needed go.

    Takes a fraction of a second: not for the GUI thread.

    Parameters
    ----------
    catalogue : Path
        An SQLite file.
    folder : Path, optional
        Where to put the copy, by default `backup_folder`.
    stopped : callable
        Asked every half a megabyte; the copy is given up when it says so.

    Returns
    -------
    Backup or None
        `None` if the last copy holds the same.

    Raises
    ------
    DataError
        If there is no space for it, it cannot be written, or the catalogue is damaged.
    CancelledError
        If it was stopped.
    """
    folder = backup_folder(catalogue) if folder is None else folder
    try:
        _require_space(catalogue, folder)
        handle, name = tempfile.mkstemp(prefix=_SCRATCH, suffix=".part", dir=folder)
        os.close(handle)
        scratch = Path(name)
        try:
            made, schema = _copy(catalogue, scratch, stopped)
            known = backups(folder)
            if known and known[0].schema == schema and _holds_the_same(scratch, known[0].path):
                return None
            scratch.chmod(0o644)
            backup = _named(folder, schema, made)
            scratch.replace(backup.path)
            sync_folder(folder)
        finally:
            scratch.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"No backup of the catalogue {catalogue} was made in {folder}: {error}.",
            "Check that the disk has space and that the folder may be written to.",
        ) from error
    _tidy(folder)
    return backup


def read_schema(path: Path) -> int | None:
    """Read the schema of a catalogue that nobody writes to, e.g. a backup.

    Returns
    -------
    int or None
        `None` if the file is damaged or no catalogue.
    """
    try:
        with contextlib.closing(_open_copy(path)) as database:
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return None
            return _schema(database)
    except sqlite3.Error:
        return None


def _require_space(catalogue: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    needed = catalogue.stat().st_size + _SPARE
    if free < needed:
        raise OSError(f"{free / 1e6:.0f} MB are free, {needed / 1e6:.0f} MB are needed")


def _copy(catalogue: Path, target: Path, stopped: Callable[[], bool]) -> tuple[float, int]:
    def step(_status: int, _left: int, _pages: int) -> None:
        if stopped():
            raise CancelledError("The backup was stopped.")

    with (
        contextlib.closing(sqlite3.connect(_uri(catalogue, "ro"), uri=True, timeout=10)) as source,
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        source.isolation_level = None
        copy.execute("PRAGMA synchronous=OFF")
        made = int(time.time() * 1000) / 1000  # as its name can tell
        # One snapshot for all steps: without it, every stroke meanwhile starts the copy anew.
        source.execute("BEGIN")
        schema = _schema(source)
        source.backup(copy, pages=_PAGES, progress=step)
        source.execute("ROLLBACK")
        # Out of the mode that needs files beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"it is damaged ({verdict})")
    if schema is None:
        raise sqlite3.DatabaseError("it has no schema number")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return made, schema


def _schema(database: sqlite3.Connection) -> int | None:
    row = database.execute("SELECT value FROM settings WHERE key = 'schema_version'").fetchone()
    return int(row[0]) if row is not None and str(row[0]).isdigit() else None


def _open_copy(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, "ro") + "&immutable=1", uri=True)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _holds_the_same(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as left, other.open("rb") as right:
            if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
                return False
            left.seek(_HEADER)
            right.seek(_HEADER)
            while True:
                block = left.read(1 << 20)
                if block != right.read(1 << 20):
                    return False
                if not block:
                    return True
    except OSError:
        return False


def _named(folder: Path, schema: int, made: float) -> Backup:
    while True:
        moment = datetime.fromtimestamp(made, UTC)
        stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}"
        path = folder / f"catalogue-schema{schema}-{stamp}Z.sqlite"
        if not path.exists():
            return Backup(path, schema, made)
        made += 0.001


def _tidy(folder: Path) -> None:
    found = backups(folder)
    keep = {backup.path for backup in found[:NEWEST]}
    keep |= _first_of_each(found, lambda backup: time.localtime(backup.made)[:3], DAYS)
    keep |= _first_of_each(found, lambda backup: backup.schema, len(found))
    # What a killed process left behind.
    old = time.time() - _FORGOTTEN_S
    for path in (*(b.path for b in found if b.path not in keep), *folder.glob(_SCRATCH + "*")):
        with contextlib.suppress(OSError):
            if path.name.startswith(_SCRATCH) and path.stat().st_mtime > old:
                continue
            path.unlink()


def _first_of_each(
    found: Iterable[Backup], key: Callable[[Backup], object], count: int
) -> set[Path]:
    first: dict[object, Path] = {}
    for backup in found:
        first.setdefault(key(backup), backup.path)
    return set(list(first.values())[:count])
