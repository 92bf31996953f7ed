"""Several runs carried out: started when they may, followed, and what they came to noted."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.core.protocol import EpochFinished, RunStarted, StepFinished
from training.experiments.cluster import ClusterFleet
from training.experiments.fleet import Job, LocalFleet, Outcome, Wish
from training.experiments.fleet_view import fleet_view
from training.experiments.standing import Experiments, RunRecord, State, judge, read_experiments
from training.run_folder import ClaimedBy, EventTail
from training.stream import StopFlag

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from napari_brainseg.core.protocol import Event
    from training.experiments.attempt import Attempt
    from training.experiments.fleet import Fleet
    from training.experiments.fleet_view import FleetLines
    from training.stream import StopCause

__all__ = ["Campaign", "carry_out"]

LOOK_S = 0.5
NO_MODEL = (State.FAILED, State.REFUSED, State.BLOCKED, State.STOPPED)
"""States in which a run leaves nothing for another to start from."""
ENDS = {"completed": State.COMPLETED, "failed": State.FAILED, "stopped": State.STOPPED}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be carried out.

    Parameters
    ----------
    title, source : str
        For people, and the file that names the runs.
    folder : Path
        Where each run has a folder of its name.
    attempts : tuple of Attempt
        Runs; one that another starts from comes before it.
    workers : int
        Runs at a time on this machine.
    scheduler : str or None
        Address of a dask scheduler that takes the runs instead.
    retry_failed : bool
        Start failed runs again.
    trainer : tuple of str
        Start of the trainer's command line; ``python -m training`` if empty.
    """

    title: str
    source: str
    folder: Path
    attempts: tuple[Attempt, ...]
    workers: int = 1
    scheduler: str | None = None
    retry_failed: bool = False
    trainer: tuple[str, ...] = ()

    def judged(self) -> dict[str, tuple[State, str]]:
        """Say how each run stands before anything is started."""
        before = {record.name: record for record in read_experiments(self.folder).runs}
        return {
            a.name: judge(
                a, self.folder / a.name, before.get(a.name), retry_failed=self.retry_failed
            )
            for a in self.attempts
        }


def carry_out(campaign: Campaign) -> int:
    """Carry out the runs that are left.

    Returns
    -------
    int
        0 if all are complete, 1 if one is not, 130 if stopped by Ctrl-C or SIGTERM.

    Raises
    ------
    ConfigError
        If another process works in the folder, or the scheduler cannot be reached.
    """
    if campaign.workers < 1:
        raise ConfigError(f"{campaign.workers} workers cannot run anything.", "Give 1 or more.")
    earlier = read_experiments(campaign.folder)
    earlier.refuse_while_alive(campaign.folder, socket.gethostname())
    work = _Work(campaign, earlier)
    fleet: Fleet = (
        ClusterFleet(campaign.scheduler, campaign.folder)
        if campaign.scheduler
        else LocalFleet(campaign.workers)
    )
    stop = _Interrupts()
    try:
        with stop.listening(stdin=False), fleet_view() as view:
            try:
                work.go(fleet, view, stop)
            finally:  # whatever went wrong here, no child is left
                fleet.wish(Wish.STOP)
                concurrent.futures.wait(work.futures)
    finally:
        fleet.close()
        work.leave()
    for record in work.own:
        if not record.message or record.state in (State.WAITING, State.STOPPED):
            continue
        log = "".join(f"\n  | {line}" for line in work.logs.get(record.name, "").splitlines())
        sys.stderr.write(f"{record.name} {record.state.value}: {record.message}{log}\n")
    if stop.count:
        sys.stderr.write("Stopped. The same command goes on where it stopped.\n")
        return 130
    return int(any(record.state is not State.COMPLETED for record in work.own))


class _Interrupts(StopFlag):
    """Counts how often Ctrl-C or SIGTERM came: the second time means at once."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def set(self, cause: StopCause = "command") -> None:
        self.count += 1
        super().set(cause)


class _Work:
    """What is known of the runs while they go on."""

    def __init__(self, campaign: Campaign, earlier: Experiments) -> None:
        self._campaign = campaign
        before = {record.name: record for record in earlier.runs}
        self._others = [r for r in earlier.runs if r.name not in {a.name for a in self._attempts}]
        self.records: dict[str, RunRecord] = {}
        self.logs: dict[str, str] = {}
        self.futures: dict[Future[Outcome], str] = {}
        self._tails: dict[str, EventTail] = {}
        self._dirty, self._saved = True, 0.0
        me = psutil.Process()
        self._file = Experiments(
            title=campaign.title,
            suite=campaign.source,
            pid=me.pid,
            host=socket.gethostname(),
            created=me.create_time(),
        )
        for name, (state, message) in campaign.judged().items():
            attempt = next(a for a in self._attempts if a.name == name)
            record = before.get(name, RunRecord(name=name))
            self.records[name] = record
            record.what, record.why = attempt.config.what, attempt.config.why
            record.base, record.epochs = attempt.after, attempt.config.epochs
            record.state, record.message = state, "" if state is State.WAITING else message
            record.remaining_s = None
            if state is State.COMPLETED and record.epoch == 0:  # the file was lost
                for event in EventTail(campaign.folder / name, skip=False).read():
                    _note(record, event)

    @property
    def _attempts(self) -> tuple[Attempt, ...]:
        return self._campaign.attempts

    @property
    def own(self) -> list[RunRecord]:
        """Records of the runs at hand, in order."""
        return list(self.records.values())

    def go(self, fleet: Fleet, view: FleetLines, stop: _Interrupts) -> None:
        """Start runs and follow them until all that can end have ended."""
        for record in self.own:
            if record.state is not State.WAITING:
                view.changed(record)
        self._save(at_once=True)
        told = 0
        while True:
            if not stop:
                self._start_ready(fleet, view)
            if not self.futures:
                break
            done, _ = concurrent.futures.wait(
                self.futures, timeout=LOOK_S, return_when=concurrent.futures.FIRST_COMPLETED
            )
            self._follow(view)
            for future in done:
                self._conclude(self.futures.pop(future), _result(future), view)
            fleet.beat()
            if stop.count > told:
                told = stop.count
                fleet.wish(Wish.STOP if told == 1 else Wish.KILL)
                again = "again to end them at once" if told == 1 else "ending them"
                view.say(f"Stopping: runs write a checkpoint and leave ({again})")
            view.refresh(self.own)
            self._save()

    def leave(self) -> None:
        """Note that no process carries out the runs any more."""
        self._file.pid = None
        self._save(at_once=True)

    def _start_ready(self, fleet: Fleet, view: FleetLines) -> None:
        submitted = set(self.futures.values())
        for attempt in self._attempts:
            record = self.records[attempt.name]
            if record.state is not State.WAITING or attempt.name in submitted:
                continue
            base = self.records[attempt.after] if attempt.after is not None else None
            if base is not None and base.state in NO_MODEL:
                self._to(record, State.BLOCKED, f"{base.name} has no model to start from.", view)
            elif base is None or base.state is State.COMPLETED:
                run_dir = self._campaign.folder / attempt.name
                self._tails[attempt.name] = EventTail(run_dir, skip=True)
                self.futures[fleet.submit(self._job(attempt, run_dir))] = attempt.name

    def _job(self, attempt: Attempt, run_dir: Path) -> Job:
        config = attempt.config
        if config.threads is None and self._campaign.workers > 1:
            share = max(1, (_cores() // self._campaign.workers))
            config = config.model_copy(update={"threads": share})
        return Job(
            name=attempt.name,
            run_dir=str(run_dir),
            command="fit" if config.base is None else "fine-tune",
            config=config.model_dump_json(indent=2),
            trainer=self._campaign.trainer,
        )

    def _follow(self, view: FleetLines) -> None:
        for name in self.futures.values():
            record = self.records[name]
            events = self._tails[name].read()
            began = events or ClaimedBy(self._campaign.folder / name)
            if record.state is State.WAITING and began:
                record.started = events[0].time if events else time.time()
                self._to(record, State.RUNNING, "", view)
            for event in events:
                _note(record, event)
                if isinstance(event, EpochFinished):
                    view.epoch(record)
                self._dirty = True

    def _conclude(self, name: str, outcome: Outcome, view: FleetLines) -> None:
        record = self.records[name]
        never_ran = outcome.end == "stopped" and outcome.exit_code is None
        record.remaining_s = None
        if not never_ran:
            record.ended = time.time()
        self.logs[name] = outcome.log
        self._to(record, State.WAITING if never_ran else ENDS[outcome.end], outcome.message, view)

    def _to(self, record: RunRecord, state: State, message: str, view: FleetLines) -> None:
        changed = record.state is not state
        record.state, record.message, self._dirty = state, message, True
        if changed:
            view.changed(record)

    def _save(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and (not self._dirty or now < self._saved + 1):
            return
        self._dirty, self._saved = False, now
        self._file.runs = (*self.own, *self._others)
        self._file.updated = time.time()
        if at_once:
            self._file.write(self._campaign.folder)
            return
        with contextlib.suppress(DataError):  # a full disk: the runs go on, the end tries again
            self._file.write(self._campaign.folder)


def _note(record: RunRecord, event: Event) -> None:
    """Take over what an event says."""
    if isinstance(event, RunStarted):
        record.epoch, record.epochs = event.first_epoch - 1, event.epochs
    elif isinstance(event, StepFinished):
        record.remaining_s = event.remaining_s
    elif isinstance(event, EpochFinished):
        record.epoch, record.epochs = event.epoch, event.epochs
        record.validation_dsc = event.validation_dsc
        record.best_validation_dsc = event.best_validation_dsc
        record.remaining_s = event.remaining_s


def _result(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        return Outcome("failed", "The scheduler gave the run up or was lost.")
    except Exception as error:  # noqa: BLE001 (a worker may fail in any way; the others go on)
        return Outcome("failed", f"Its worker failed: {type(error).__name__}: {error}")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
