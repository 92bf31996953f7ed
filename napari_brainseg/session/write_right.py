"""The right to paint on a case: one window has it, others look on until they take it over.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.claimants import is_dead, place, this_process, time_words

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["RightTicket", "TakenOverError", "WriteRight"]

_W = tables.writers.c
_HINT = "Your last stroke is kept in memory. Take the case over to go on, or look on."
_nameless = f"process-{uuid.uuid4().hex}"
"""The window of those that name none, e.g. scripts: all of this process together."""


class TakenOverError(DataError):
    """Another window paints on the case now."""


class WriteRight:
    """What one window may do with one case.

    The right counts as long as the process that holds it runs; one of another computer, which
    cannot be looked at, for a day. It is checked inside the transaction of every stroke, so
    strokes of two windows never come between each other.

    Parameters
    ----------
    catalogue : Catalogue
        Shared by the windows.
    case_id : int
        Row of the case.
    window : str, optional
        The same for the whole life of a window, e.g. a UUID. Without it, all of this process
        share one, which gives way to a named window of the same process.
    """

    def __init__(self, catalogue: Catalogue, case_id: int, *, window: str | None = None) -> None:
        self._catalogue = catalogue
        self._case_id = case_id
        self._window = _nameless if window is None else window
        self._me = this_process()
        self._since: float | None = None
        # Asked for, but the disk did not take it: the next stroke asks again.
        self._wanted = False
        self._editor: str | None = None
        self._turns = 0

    def ticket(self) -> RightTicket:
        """Return the right for a correction read from the catalogue now; earlier ones are void."""
        self._turns += 1
        return RightTicket(self, self._turns)

    @property
    def holder(self) -> str | None:
        """Who paints elsewhere, e.g. ``Ada is correcting this case in another window since 14:05``.

        `None` if this window has the right, or nobody. Asks the catalogue, not for the GUI thread.
        """
        with self._catalogue.read() as connection:
            return self.holder_in(connection)

    def holder_in(self, connection: Connection) -> str | None:
        """Like `holder`, by a connection that is open already."""
        row = self._other(connection)
        return None if row is None else _words(row)

    def is_ours(self, connection: Connection) -> bool:
        """Whether this window has had the right ever since it got it, or has nobody before it."""
        row = self._row(connection)
        if row is None or row.window != self._window:
            return self._wanted and self._other(connection) is None
        return self._is_same(row)

    def acquire(self, editor: str | None = None) -> str | None:
        """Take the right if no living window has it.

        Parameters
        ----------
        editor : str, optional
            Who sits here, for the words that others read.

        Returns
        -------
        str or None
            Who has it instead, `None` if it is ours now.
        """
        self._wanted, self._editor = True, editor
        with self._catalogue.write() as connection:
            row = self._other(connection)
            if row is None:
                self._put(connection, editor)
        self._wanted = False
        return None if row is None else _words(row)

    def take_over(self, editor: str | None = None) -> None:
        """Take the right from whoever has it; that window cannot save strokes from now on.

        Raises
        ------
        DataError
            If the catalogue cannot be written.
        """
        with self._catalogue.write() as connection:
            self._put(connection, editor)

    def check(self, connection: Connection) -> None:
        """Make sure that what a transaction is about to write may be written.

        Parameters
        ----------
        connection : Connection
            Of a transaction that writes.

        Raises
        ------
        TakenOverError
            If this window does not have the right, or lost it for a while: what it holds in
            memory may then be old.
        """
        row = self._row(connection)
        if row is not None and row.window == self._window:
            if self._is_same(row):
                return
            raise TakenOverError("This case was opened anew in this window.", "Go on there.")
        if row is not None and not self._yields(row):
            raise TakenOverError(f"{_words(row)}.", _HINT)
        if not self._wanted:
            raise TakenOverError("This case was corrected in another window meanwhile.", _HINT)
        self._put(connection, self._editor)

    def release(self) -> None:
        """Let others have the right; a right taken anew by this window since then stays."""
        if self._since is None:
            return
        with self._catalogue.write() as connection:
            connection.execute(
                delete(tables.writers).where(
                    _W.case_id == self._case_id,
                    _W.window == self._window,
                    _W.since == self._since,
                )
            )
        self._since = None

    def _is_same(self, row: Row[tuple[object, ...]]) -> bool:
        return self._window == _nameless or row.since == self._since

    def _row(self, connection: Connection) -> Row[tuple[object, ...]] | None:
        return connection.execute(
            select(tables.writers).where(_W.case_id == self._case_id)
        ).one_or_none()

    def _other(self, connection: Connection) -> Row[tuple[object, ...]] | None:
        row = self._row(connection)
        if row is None or row.window == self._window or self._yields(row):
            return None
        return row

    def _yields(self, row: Row[tuple[object, ...]]) -> bool:
        nameless = row.window == _nameless and row.pid == self._me.pid
        return nameless or is_dead(row)

    def _put(self, connection: Connection, editor: str | None) -> None:
        since = time.time()
        connection.execute(delete(tables.writers).where(_W.case_id == self._case_id))
        connection.execute(
            insert(tables.writers).values(
                case_id=self._case_id,
                window=self._window,
                host=self._me.host,
                pid=self._me.pid,
                pid_started=self._me.started,
                editor=editor,
                since=since,
            )
        )
        self._since, self._wanted = since, False


class RightTicket:
    """The right for one correction in memory; void once the correction was read anew.

    What another window did in between is not in it. Made by `WriteRight.ticket`.

    Parameters
    ----------
    right : WriteRight
        Of the window.
    turn : int
        Number of the ticket; only the latest one counts.
    """

    def __init__(self, right: WriteRight, turn: int) -> None:
        self._right = right
        self._turn = turn

    def check(self, connection: Connection) -> None:
        """As `WriteRight.check`."""
        self._right.check(connection)
        if self._turn != self._right._turns:  # noqa: SLF001 -- its own
            raise TakenOverError("This correction was read anew.", _HINT)


def _words(row: Row[tuple[object, ...]]) -> str:
    who = f"{row.editor} is correcting this case" if row.editor else "This case is being corrected"
    return f"{who} {place(row)} since {time_words(row.since)}"
