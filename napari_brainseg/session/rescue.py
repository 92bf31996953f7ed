"""Opening a catalogue that is damaged, emptied or too new: a backup takes its place.

The original is never deleted nor written over: it lies beside, under a name that tells what and
when. What was written after the backup and can still be read is carried over, see `salvage`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import sync_folder
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.backups import backup_folder, backups, read_schema
from napari_brainseg.session.rescue_notice import Finding, RescueNotice, State, rescue_notice
from napari_brainseg.session.salvage import Salvaged, salvage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_damage", "look_at", "make_sound", "mark_damaged"]

_MARK = "-damaged"
_BESIDE = ("-wal", "-shm", "-journal", _MARK)
_BUSY_S = 10.0  # how long another program may hold the file locked
_WAIT_S = 60.0  # for another window that is putting a backup in place


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that the file itself is broken."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def look_at(file: Path) -> Finding:
    """Check a catalogue without writing to it; 20 MB take about a tenth of a second."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return Finding(State.ABSENT)
    except OSError as error:
        return Finding(State.UNKNOWN, str(error))
    marked = _marked(file)
    if marked is not None:
        return Finding(State.DAMAGED, marked)
    if size == 0 and not Path(f"{file}-wal").exists():
        return Finding(State.EMPTIED)
    try:
        # Read-only: the file beside, with what was written before a crash, stays as it is too.
        uri = f"{file.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                why = " ".join(str(verdict).replace("*** in database main ***", "").split())
                return Finding(State.DAMAGED, why)
            if not database.execute("PRAGMA page_count").fetchone()[0]:
                return Finding(State.EMPTIED)
            return _judge(database)
    except sqlite3.Error as error:
        damaged = is_damage(error)
        return Finding(State.DAMAGED if damaged else State.UNKNOWN, str(error))


def mark_damaged(file: Path, why: str) -> None:
    """Note a damage that the check on opening does not see: the next opening mends it."""
    with contextlib.suppress(OSError):
        Path(f"{file}{_MARK}").write_text(why, encoding="utf-8")


def make_sound(file: Path, found: Finding) -> RescueNotice | None:
    """Put the newest good backup in the place of a catalogue that cannot be used.

    Of two processes that find the damage at once, one does it and the other waits.

    Parameters
    ----------
    file : Path
        SQLite file of the catalogue.
    found : Finding
        Of `look_at`.

    Returns
    -------
    RescueNotice or None
        `None` if there was nothing to do.

    Raises
    ------
    DataError
        If the backup cannot be put in place, or a catalogue of a later schema has no backup that
        this version knows.
    """
    folder = backup_folder(file)
    if not _needs_rescue(found, folder):
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder):
            found = look_at(file)
            return _rescue(file, found, folder) if _needs_rescue(found, folder) else None
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"The catalogue {file} cannot be used, and no backup could be put in its place: "
            f"{error}.",
            "Close the other windows that use this workspace, check that the disk has space and "
            "that the folder may be written to, then open it again.",
        ) from error


def _marked(file: Path) -> str | None:
    try:
        return Path(f"{file}{_MARK}").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _judge(database: sqlite3.Connection) -> Finding:
    known = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'settings'").fetchone()
    if known is None:
        return Finding(State.SOUND)
    row = database.execute("SELECT value FROM settings WHERE key = 'schema_version'").fetchone()
    if row is None or not str(row[0]).isdigit():
        return Finding(State.SOUND)
    schema = int(row[0])
    if schema > tables.SCHEMA_VERSION:
        return Finding(State.NEWER, schema=schema)
    return Finding(State.OLD if schema < tables.SCHEMA_VERSION else State.SOUND, schema=schema)


def _needs_rescue(found: Finding, folder: Path) -> bool:
    if found.state in (State.DAMAGED, State.NEWER):
        return True
    # Where nothing is, nothing was lost, unless there are copies of something.
    return found.state in (State.ABSENT, State.EMPTIED) and bool(backups(folder))


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Let one process at a time do it; a killed one gives its turn up."""
    lock = sqlite3.connect(folder / ".turn.sqlite", timeout=_WAIT_S, isolation_level=None)
    with contextlib.closing(lock):
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _rescue(file: Path, found: Finding, folder: Path) -> RescueNotice:
    backup = next(
        (
            backup
            for backup in backups(folder)
            if backup.schema <= tables.SCHEMA_VERSION and read_schema(backup.path) is not None
        ),
        None,
    )
    if found.state is State.NEWER and backup is None:
        raise DataError(
            f"The catalogue {file} has schema {found.schema}; this version of BrainSeg knows "
            f"{tables.SCHEMA_VERSION}, and there is no backup of such a one.",
            "Update napari-brainseg, or choose another workspace.",
        )
    with tempfile.TemporaryDirectory(prefix=".rescue-", dir=folder) as scratch:
        fresh = Path(scratch, "fresh.sqlite")
        if backup is not None:
            shutil.copyfile(backup.path, fresh)
        _bring_up_to_date(fresh)
        salvaged = Salvaged()
        if found.state is State.DAMAGED:
            salvaged = salvage(_copy_of(file, Path(scratch)), fresh)
        with fresh.open("rb+") as written:
            os.fsync(written.fileno())
        aside = _swap(file, fresh, found)
    return rescue_notice(file, found, backup, aside, salvaged)


def _bring_up_to_date(fresh: Path) -> None:
    from sqlalchemy import create_engine, delete, insert

    from napari_brainseg.session.migration import migrate

    engine = create_engine(f"sqlite:///{fresh}")
    try:
        with engine.begin() as connection:
            migrate(connection)
            connection.execute(
                delete(tables.settings).where(tables.settings.c.key == "schema_version")
            )
            connection.execute(
                insert(tables.settings).values(
                    key="schema_version", value=str(tables.SCHEMA_VERSION)
                )
            )
            # Of windows at the time of the backup.
            connection.execute(delete(tables.open_cases))
            connection.execute(delete(tables.writers))
    finally:
        engine.dispose()


def _copy_of(file: Path, folder: Path) -> Path:
    # Reading may write to the file beside; the original stays as it is.
    copy = folder / "damaged.sqlite"
    shutil.copyfile(file, copy)
    wal = Path(f"{file}-wal")
    if wal.exists():
        shutil.copyfile(wal, f"{copy}-wal")
    return copy


def _swap(file: Path, fresh: Path, found: Finding) -> Path | None:
    """Put the fresh file in the place of the original, which keeps its content elsewhere."""
    aside = _free_name(file, found) if file.exists() else None
    for ending in _BESIDE:
        # First these: SQLite would play an old log back into the fresh file.
        beside = Path(f"{file}{ending}")
        if beside.exists():
            beside.rename(f"{aside or _free_name(file, found)}{ending}")
    if aside is not None:
        try:
            # Both names at once, so that nobody finds the place empty in between.
            os.link(file, aside)
        except OSError:
            file.rename(aside)
    fresh.replace(file)
    sync_folder(file.parent)
    return aside


def _free_name(file: Path, found: Finding) -> Path:
    what = f"schema{found.schema}" if found.state is State.NEWER else str(found.state)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        more = "" if number == 1 else f"-{number}"
        path = file.with_name(f"{file.stem}-{what}-{stamp}{more}{file.suffix}")
        if not any(Path(f"{path}{ending}").exists() for ending in ("", *_BESIDE)):
            return path
        number += 1
