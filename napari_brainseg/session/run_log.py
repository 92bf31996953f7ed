"""Training runs in the catalogue: what ran, what runs, what can be resumed.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from napari_brainseg.core.protocol import RunFinished
from napari_brainseg.core.protocol.process_mark import lives, mark_of
from napari_brainseg.core.protocol.run_folder import LOG, last_event
from napari_brainseg.session import tables
from napari_brainseg.session.run_folder import resumable

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.run_handle import RunOutcome, TrainingMode

__all__ = [
    "RUNNING",
    "RunRecord",
    "add_run",
    "end_run",
    "not_taken_over",
    "note_detached",
    "note_process",
    "reopen_run",
    "runs",
]

RUNNING = "running"
_LATER_S = 0.001


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
        Unix times in seconds; `created` is later than that of every run before it, also where the
        clock was set back.
    can_resume : bool
        Whether it can go on from a checkpoint.
    is_detached : bool
        Whether it was told to go on without its window.
    pid : int or None
        Its process, which may have ended.
    mark : float or None
        Tells that process from others of the same id; see `process_mark`.
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
    is_detached: bool = False
    pid: int | None = None
    mark: float | None = None


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
    with catalogue.write() as connection:
        latest = connection.execute(select(func.max(tables.runs.c.created))).scalar()
        now = time.time() if latest is None else max(time.time(), latest + _LATER_S)
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
    _update(
        catalogue,
        run_id,
        state=RUNNING,
        pid=None,
        pid_started=None,
        message="",
        hint="",
        detached=False,
    )


def note_process(catalogue: Catalogue, run_id: str, pid: int | None) -> None:
    """Note the process of a run, so that it is known again after a restart of the viewer.

    To be called before anybody waits for the end of the process: the run counts as running again,
    which another window may have doubted while it had no process.
    """
    mark = None if pid is None else mark_of(pid)
    _update(catalogue, run_id, pid=pid, pid_started=mark, state=RUNNING)


def note_detached(catalogue: Catalogue, run_id: str) -> None:
    """Note that a run was told to go on without its window."""
    _update(catalogue, run_id, detached=True)


def end_run(
    catalogue: Catalogue, run_id: str, outcome: RunOutcome, *, pid: int | None = None
) -> None:
    """Note how a run ended.

    Parameters
    ----------
    catalogue : Catalogue
    run_id : str
    outcome : RunOutcome
    pid : int, optional
        Process that a window saw end without being its parent: nothing is noted if the end is
        known already, or if the run goes on in another process by now.
    """
    columns = tables.runs.c
    only = [] if pid is None else [columns.state == RUNNING, columns.pid == pid]
    _update(
        catalogue,
        run_id,
        *only,
        state=outcome.reason.value,
        message=outcome.message,
        hint=outcome.hint,
        bundle=None if outcome.bundle is None else str(outcome.bundle),
    )


def not_taken_over(catalogue: Catalogue) -> tuple[RunRecord, ...]:
    """Completed runs whose bundle is no model version yet, the latest first.

    They ended while no window listened.
    """
    columns, versions = tables.runs.c, tables.model_versions.c
    known = select(versions.run_id).where(versions.run_id.is_not(None))
    with catalogue.read() as connection:
        rows = connection.execute(
            select(tables.runs)
            .where(
                columns.state == "completed", columns.bundle.is_not(None), columns.id.not_in(known)
            )
            .order_by(columns.created.desc())
        ).all()
    return tuple(_record(row) for row in rows)


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
    lost = [
        row
        for row in found
        if row.state == RUNNING and row.id != alive and not lives(row.pid, row.pid_started)
    ]
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
                hint=f"Its log is {Path(row.path) / LOG}.",
            )
    if lost:
        found = _all(catalogue)
    return tuple(_record(row) for row in found)


def _all(catalogue: Catalogue) -> list[Row[tuple[object, ...]]]:
    with catalogue.read() as connection:
        return list(connection.execute(select(tables.runs).order_by(tables.runs.c.created.desc())))


def _update(
    catalogue: Catalogue, run_id: str, *only: ColumnElement[bool], **values: object
) -> None:
    with catalogue.write() as connection:
        connection.execute(
            update(tables.runs)
            .where(tables.runs.c.id == run_id, *only)
            .values(updated=time.time(), **values)
        )


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
        is_detached=row.detached,
        pid=row.pid,
        mark=row.pid_started,
    )
