"""The catalogue: what is known about cases, corrections, model versions and runs.

Thread-safety: every method may be called from any thread. Writers take turns (a lock in this
process, ``BEGIN IMMEDIATE`` between processes); readers see the last finished transaction.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, delete, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.backups import make_backup
from napari_brainseg.session.catalogue_errors import CatalogueError, damaged, explain, replaced
from napari_brainseg.session.migration import migrate
from napari_brainseg.session.rescue import look_at, make_sound, mark_damaged
from napari_brainseg.session.rescue_notice import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from napari_brainseg.session.rescue_notice import RescueNotice

__all__ = ["Catalogue"]

_BUSY_S = 10.0  # how long a writer waits for another process
_EDITOR = "editor"
_SCHEMA = "schema_version"


class Catalogue:
    """A database of a workspace.

    Parameters
    ----------
    location : Path or str
        Path of an SQLite file (made if missing), or a database URL such as
        ``postgresql://host/brainseg``.

    Attributes
    ----------
    notice : RescueNotice or None
        What the user should know: a backup was opened, as the file was damaged or too new.

    Raises
    ------
    DataError
        If it cannot be opened, or was written by a later version and no backup fits this one.
    """

    def __init__(self, location: Path | str) -> None:
        text = str(location)
        self._url = make_url(text if "://" in text else f"sqlite:///{text}")
        self._lock = threading.RLock()
        self.notice: RescueNotice | None = None
        self._opened_as: tuple[int, int] | None = None
        if self.file is not None:
            self._prepare(self.file)
        self._engine = self._build()
        try:
            with self.write() as connection:
                tables.metadata.create_all(connection)
                self._check_schema(connection)
        except DataError:
            self._engine.dispose()
            raise
        self._opened_as = self._identity()

    def __repr__(self) -> str:
        return f"Catalogue({self._url.render_as_string(hide_password=True)!r})"

    @property
    def location(self) -> str:
        """Path of the SQLite file, or the database URL without its password."""
        if self._url.get_backend_name() == "sqlite":
            return str(self._url.database)
        return self._url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file; `None` for a database server."""
        database = self._url.database
        sqlite = self._url.get_backend_name() == "sqlite"
        return Path(database) if sqlite and database and database != ":memory:" else None

    def _prepare(self, file: Path) -> None:
        found = look_at(file)
        self.notice = make_sound(file, found)
        if self.notice is None and found.state is State.OLD:
            make_backup(file)

    def _identity(self) -> tuple[int, int] | None:
        if self.file is None:
            return None
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _build(self) -> Engine:
        sqlite = self._url.get_backend_name() == "sqlite"
        engine = create_engine(self._url, connect_args={"timeout": _BUSY_S} if sqlite else {})
        if sqlite:
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _check_schema(self, connection: Connection) -> None:
        found = _get(connection, _SCHEMA)
        if found is None:
            _set(connection, _SCHEMA, str(tables.SCHEMA_VERSION))
        elif int(found) > tables.SCHEMA_VERSION:
            raise DataError(
                f"The catalogue {self.location} has schema {found}; this version of BrainSeg "
                f"knows {tables.SCHEMA_VERSION}.",
                "Update napari-brainseg, or choose another workspace.",
            )
        elif int(found) < tables.SCHEMA_VERSION:
            migrate(connection)
            _set(connection, _SCHEMA, str(tables.SCHEMA_VERSION))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for queries.

        Raises
        ------
        DataError
            If the database fails.
        """
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone if it raises.

        Raises
        ------
        DataError
            If the database fails; then nothing of the block was kept.
        """
        if self._opened_as is not None and self._identity() != self._opened_as:
            # What is written to a file that was moved away would be seen by nobody.
            assert self.file is not None
            raise replaced(self.file)
        with (
            self._lock,
            self._translated(),
            self._engine.connect().execution_options(brainseg_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise explain(self.location, cause, file=self.file) from error

    @contextmanager
    def reading_work(self) -> Iterator[None]:
        """While saved work is read: what cannot be read is a damage, mended on the next opening.

        Raises
        ------
        CatalogueError
            In place of any other `DataError`.
        """
        try:
            yield
        except CatalogueError:
            raise
        except DataError as error:
            if self.file is not None:
                mark_damaged(self.file, error.message.rstrip("."))
            raise damaged(error.message, self.location) from error

    def get(self, key: str) -> str | None:
        """Return a setting, `None` if never set."""
        with self.read() as connection:
            return _get(connection, key)

    def set(self, key: str, value: str) -> None:
        """Keep a setting."""
        with self.write() as connection:
            _set(connection, key, value)

    @property
    def editor(self) -> str | None:
        """Name of the person who corrects; asked once, then kept."""
        return self.get(_EDITOR)

    @editor.setter
    def editor(self, name: str) -> None:
        if not name.strip():
            raise DataError("The editor's name is empty.", "Give your name or your initials.")
        self.set(_EDITOR, name.strip())

    def close(self) -> None:
        """Close all connections. Nothing is lost without it: every stroke is on disk already."""
        self._engine.dispose()


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by itself, and late; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("brainseg_write", False)
    # IMMEDIATE: a writer waits its turn at the start instead of failing in the middle.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _get(connection: Connection, key: str) -> str | None:
    found = connection.execute(
        select(tables.settings.c.value).where(tables.settings.c.key == key)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def _set(connection: Connection, key: str, value: str) -> None:
    connection.execute(delete(tables.settings).where(tables.settings.c.key == key))
    connection.execute(insert(tables.settings).values(key=key, value=value))
