"""Which window has which case open, so that two do not work on one without knowing.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from napari_brainseg.session import tables
from napari_brainseg.session.claimants import is_dead, place, this_process, time_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["OpenCases"]


class OpenCases:
    """Claims of windows on cases.

    A claim is a mark for people, not a lock. It counts for as long as the process that made it
    runs; one from another computer counts for a day.

    Parameters
    ----------
    catalogue : Catalogue
        Shared by the windows.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._me = this_process()

    def claim(self, window_id: str, case_id: int, patient: str, editor: str | None) -> None:
        """Note that a window shows a case now; what it showed before is free.

        Writes to the disk: not for the GUI thread. Claims of processes that ended are swept.

        Parameters
        ----------
        window_id : str
            The same for the whole life of a window, e.g. a UUID.
        case_id : int
            Row of the case.
        patient : str
            Name of the patient.
        editor : str or None
            Who sits there, if known.
        """
        table = tables.open_cases
        with self._catalogue.write() as connection:
            dead = [row.window for row in connection.execute(select(table)) if is_dead(row)]
            connection.execute(delete(table).where(table.c.window.in_([window_id, *dead])))
            connection.execute(
                insert(table).values(
                    window=window_id,
                    case_id=case_id,
                    patient=patient,
                    host=self._me.host,
                    pid=self._me.pid,
                    pid_started=self._me.started,
                    editor=editor,
                    since=time.time(),
                )
            )

    def release(self, window_id: str) -> None:
        """Note that a window shows no case any more. Writes to the disk."""
        with self._catalogue.write() as connection:
            connection.execute(
                delete(tables.open_cases).where(tables.open_cases.c.window == window_id)
            )

    def elsewhere(self, window_id: str) -> dict[str, str]:
        """Tell what other windows have open.

        Returns
        -------
        dict of str to str
            Patient to who has it open, where and since when, e.g.
            ``open in another window by Ada since 14:05``.
        """
        table = tables.open_cases
        with self._catalogue.read() as connection:
            rows: Sequence[Row[tuple[object, ...]]] = connection.execute(
                select(table).where(table.c.window != window_id).order_by(table.c.since)
            ).all()
        return {row.patient: _words(row) for row in rows if not is_dead(row)}


def _words(row: Row[tuple[object, ...]]) -> str:
    who = f" by {row.editor}" if row.editor else ""
    return f"open {place(row)}{who} since {time_words(row.since)}"
