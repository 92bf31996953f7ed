"""How long people work on a case, pauses left out.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session import tables
from napari_brainseg.session.background_loop import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["PAUSE_S", "Visit", "time_spent"]

_log = logging.getLogger(__name__)

PAUSE_S = 60.0
"""Without input for longer, the person is taken to have looked away."""

_WRITE_EVERY_S = 30.0


class Visit:
    """One stay at a case, from opening to closing; written by a thread of its own.

    Parameters
    ----------
    catalogue : Catalogue
        Where it is kept.
    case_id : int
        Row of the case.
    editor : str or None
        Who works, if known.
    pause_s : float
        Seconds after the last input until the clock stops.
    write_every_s : float
        Seconds between writes; a crash loses no more than these.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        case_id: int,
        editor: str | None = None,
        *,
        pause_s: float = PAUSE_S,
        write_every_s: float = _WRITE_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._case_id = case_id
        self._editor = editor
        self._pause = pause_s
        self._every = write_every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = time.time()
        self._input_at = clock()
        self._before = 0.0
        self._ended: float | None = None
        self._row: int | None = None
        self._written: tuple[float, str | None] | None = None
        self._loop = BackgroundLoop("brainseg-visit", self._step, last=self._write)
        self._loop.wake()

    @property
    def seconds(self) -> float:
        """Time worked so far."""
        with self._lock:
            return self._seconds()

    @property
    def editor(self) -> str | None:
        """Who works; may be named during the visit."""
        return self._editor

    @editor.setter
    def editor(self, name: str | None) -> None:
        with self._lock:
            self._editor = name

    def active(self) -> None:
        """Note an input of the user; costs a microsecond."""
        with self._lock:
            if self._ended is None:
                self._before = self._seconds()
                self._input_at = self._clock()

    def end(self, timeout: float = 2.0) -> None:
        """Stop the clock and write. Called again, it does nothing.

        Parameters
        ----------
        timeout : float
            Seconds to wait for the disk; the writing goes on in the background.
        """
        with self._lock:
            if self._ended is not None:
                return
            self._ended = self._seconds()
        self._loop.wake()
        self._loop.close(timeout)

    def _seconds(self) -> float:
        if self._ended is not None:
            return self._ended
        return self._before + min(self._clock() - self._input_at, self._pause)

    def _step(self) -> float:
        self._write()
        return self._every

    def _write(self) -> None:
        with self._lock:
            seconds, editor = self._seconds(), self._editor
        if (seconds, editor) == self._written:
            return
        try:
            with self._catalogue.write() as connection:
                if self._row is None:
                    made = connection.execute(
                        insert(tables.visits).values(
                            case_id=self._case_id,
                            editor=editor,
                            opened=self._opened,
                            seconds=seconds,
                        )
                    )
                    assert made.inserted_primary_key is not None
                    row = int(made.inserted_primary_key[0])
                else:
                    row = self._row
                    connection.execute(
                        update(tables.visits)
                        .where(tables.visits.c.id == row)
                        .values(seconds=seconds, editor=editor)
                    )
        except BrainSegError as error:
            # The reading goes on without it; the next write holds everything since the opening.
            _log.warning("The time spent on case %d was not written: %s", self._case_id, error)
            return
        self._row, self._written = row, (seconds, editor)


def time_spent(catalogue: Catalogue) -> dict[int, float]:
    """Sum the visits of each case.

    Returns
    -------
    dict of int to float
        Row of the case to seconds.
    """
    columns = tables.visits.c
    with catalogue.read() as connection:
        rows = connection.execute(
            select(columns.case_id, func.sum(columns.seconds)).group_by(columns.case_id)
        ).all()
    return {int(case): float(seconds) for case, seconds in rows}
