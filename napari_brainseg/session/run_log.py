"""Training runs in the catalogue: what ran, what runs, what can be resumed.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from sqlalchemy import insert, select, update

from napari_brainseg.core.protocol import RunFinished
from napari_brainseg.core.protocol.run_folder import last_event
from napari_brainseg.session import tables
from napari_brainseg.session.run_folder import resumable

if TYPE_CHECKING:
    from sqlalchemy import Row

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.trainer_process import RunOutcome, TrainingMode

__all__ = ["RUNNING", "RunRecord", "add_run", "end_run", "note_process", "reopen_run", "runs"]

RUNNING = "running"
_SAME_START_S = 2.0  # two looks at a process agree on its start time within this


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the catalogue lists it.

    Parameters
    ----------
    id : str
    path : Path
        Run folder.
    mode : {"fit", "fine-tune"}
    state : str
        ``running``, ``completed``, ``cancelled``, ``failed`` or ``crashed``.
    base : str or None
        Model version it started from.
    split_digest : str or None
        Frozen split that it validates on.
    message, hint : str
        How it ended.
    bundle : Path or None
        Its candidate model.
    created, updated : float
        Unix times in seconds.
    can_resume : bool
        Whether it can go on from a checkpoint.
    """

    id: str
    path: Path
    mode: TrainingMode
    state: str
    base: str | None
    split_digest: str | None
    message: str
    hint: str
    bundle: Path | None
    created: float
    updated: float
    can_resume: bool


def add_run(
    catalogue: Catalogue,
    run_id: str,
    path: Path,
    mode: TrainingMode,
    *,
    base: str | None = None,
    split_digest: str | None = None,
) -> None:
    """Note a run that is about to start."""
    now = time.time()
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.runs).values(
                id=run_id,
                path=str(path),
                mode=mode,
                state=RUNNING,
                base=base,
                split_digest=split_digest,
                message="",
                hint="",
                created=now,
                updated=now,
            )
        )


def reopen_run(catalogue: Catalogue, run_id: str) -> None:
    """Note that a run is about to go on."""
    _update(catalogue, run_id, state=RUNNING, pid=None, pid_started=None, message="", hint="")


def note_process(catalogue: Catalogue, run_id: str, pid: int | None) -> None:
    """Note the process of a run, so that it is known again after a restart of the viewer.

    The state is left alone: the process may have ended by now.
    """
    started = None
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(pid).create_time()
    _update(catalogue, run_id, pid=pid, pid_started=started)


def end_run(catalogue: Catalogue, run_id: str, outcome: RunOutcome) -> None:
    """Note how a run ended."""
    _update(
        catalogue,
        run_id,
        state=outcome.reason.value,
        message=outcome.message,
        hint=outcome.hint,
        bundle=None if outcome.bundle is None else str(outcome.bundle),
    )


def runs(catalogue: Catalogue, *, alive: str | None = None) -> tuple[RunRecord, ...]:
    """All runs, the latest first.

    A run listed as running whose process is gone is put right: its last event tells how it ended,
    and without one it has crashed.

    Parameters
    ----------
    catalogue : Catalogue
    alive : str, optional
        Run that this process is running itself; left as it is.
    """
    found = _all(catalogue)
    lost = [row for row in found if row.state == RUNNING and row.id != alive and not _lives(row)]
    for row in lost:
        last = last_event(Path(row.path))
        if isinstance(last, RunFinished):
            _update(
                catalogue,
                row.id,
                state=last.reason.value,
                message=last.message,
                hint=last.hint,
                bundle=last.bundle,
            )
        else:
            _update(
                catalogue,
                row.id,
                state="crashed",
                message="The run ended without finishing while the viewer was away.",
            )
    if lost:
        found = _all(catalogue)
    return tuple(_record(row) for row in found)


def _all(catalogue: Catalogue) -> list[Row[tuple[object, ...]]]:
    with catalogue.read() as connection:
        return list(connection.execute(select(tables.runs).order_by(tables.runs.c.created.desc())))


def _update(catalogue: Catalogue, run_id: str, **values: object) -> None:
    with catalogue.write() as connection:
        connection.execute(
            update(tables.runs)
            .where(tables.runs.c.id == run_id)
            .values(updated=time.time(), **values)
        )


def _lives(row: Row[tuple[object, ...]]) -> bool:
    """Whether the very process still runs; its number alone may belong to another by now."""
    if row.pid is None:
        return False
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(row.pid)
        same = row.pid_started is None or (
            abs(process.create_time() - row.pid_started) < _SAME_START_S
        )
        return same and process.status() != psutil.STATUS_ZOMBIE
    return False


def _record(row: Row[tuple[object, ...]]) -> RunRecord:
    path = Path(row.path)
    return RunRecord(
        id=row.id,
        path=path,
        mode=row.mode,
        state=row.state,
        base=row.base,
        split_digest=row.split_digest,
        message=row.message,
        hint=row.hint,
        bundle=None if row.bundle is None else Path(row.bundle),
        created=row.created,
        updated=row.updated,
        can_resume=row.state != RUNNING and row.state != "completed" and resumable(path),
    )
