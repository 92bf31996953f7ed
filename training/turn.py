"""A run waits for its turn: one trains on a machine at a time.

Numbered tickets say who is next, a lock says who trains. The lock goes with the process that holds
it, and a ticket whose process is gone counts no more, so a run that was killed holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.file_lock import BusyError, file_lock
from napari_brainseg.core.protocol import Waiting
from napari_brainseg.core.protocol.process_mark import mark_of
from napari_brainseg.core.protocol.queue import Ticket, queue_folder, read_tickets, ticket_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.stream import EventStream, StopFlag

__all__ = ["turn"]

_LOOK_S = 0.2


@contextlib.contextmanager
def turn(
    run_dir: Path, events: EventStream, stop: StopFlag, *, folder: Path | None = None
) -> Iterator[None]:
    """Wait until no other run of this machine trains; the block has the turn.

    `Waiting` is sent whenever the number of runs ahead changes.

    Parameters
    ----------
    run_dir : Path
        Folder of the run, for people who look at the tickets.
    events : EventStream
        Where `Waiting` goes.
    stop : StopFlag
        Ends the wait.
    folder : Path, optional
        The queue's; `queue_folder` if left out.

    Raises
    ------
    CancelledError
        If the run was told to stop while it waited.
    DataError
        If the queue's folder cannot be written.
    """
    folder = queue_folder() if folder is None else folder
    number = _take_ticket(folder, run_dir)
    try:
        with _trains(folder, number, events, stop):
            yield
    finally:
        with contextlib.suppress(OSError):
            ticket_path(folder, number).unlink(missing_ok=True)


def _take_ticket(folder: Path, run_dir: Path) -> int:
    pid = os.getpid()
    with file_lock(folder / "tickets.lock"):
        # not by the clock, which may be set back
        numbers = [int(path.stem) for path, _ in read_tickets(folder) if path.stem.isdigit()]
        ticket = Ticket(
            number=max(numbers, default=0) + 1, pid=pid, mark=mark_of(pid), run_dir=str(run_dir)
        )
        write_atomically(ticket_path(folder, ticket.number), ticket.model_dump_json().encode())
    return ticket.number


@contextlib.contextmanager
def _trains(folder: Path, number: int, events: EventStream, stop: StopFlag) -> Iterator[None]:
    told = 0
    while True:
        stop.check()
        ahead = _ahead(folder, number)
        if ahead == 0:
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(file_lock(folder / "turn.lock", patience_s=0.0))
                except BusyError:
                    ahead = 1  # it ends this very moment, or trains without a ticket
                else:
                    yield
                    return
        if ahead != told:
            told = ahead
            events.send(Waiting(ahead=ahead, text=_words(ahead)))
        time.sleep(_LOOK_S)


def _ahead(folder: Path, number: int) -> int:
    """Count the runs before this one; tickets that nobody will give back are thrown away."""
    ahead = 0
    for path, ticket in read_tickets(folder):
        if path == ticket_path(folder, number):
            break
        if ticket is not None and ticket.is_valid:
            ahead += 1
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return ahead


def _words(ahead: int) -> str:
    if ahead == 1:
        return "Another run of this machine goes first."
    return f"{ahead} other runs of this machine go first."
