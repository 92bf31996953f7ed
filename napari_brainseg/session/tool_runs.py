"""Tools at work in a thread: the latest wants to be done, those before it do not matter any more.

Thread-safety: every method may be called from any thread. Signals come from the worker, or from
the thread that cancels.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError
from napari_brainseg.session.background_loop import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.toolbox import Changes, ToolJob

__all__ = ["ToolOutcome", "ToolProgress", "ToolRuns"]

_log = logging.getLogger(__name__)
_UNTIL_WOKEN_S = 3600.0
_PROGRESS_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class ToolOutcome:
    """How a run ended; there is exactly one for each.

    Parameters
    ----------
    number : int
        Of the run.
    job : ToolJob
        What was run.
    reason : {"completed", "cancelled", "failed"}
        Why it ended.
    edit : Edit or None
        What would change; `None`: nothing, or it did not complete.
    changes : Changes or None
        How much that is.
    shown : object
        What `ToolRuns` was told to make of it, e.g. a picture.
    error : BrainSegError or None
        Of a failed one.
    seconds : float
        How long it computed.
    """

    number: int
    job: ToolJob
    reason: Literal["completed", "cancelled", "failed"]
    edit: Edit | None = None
    changes: Changes | None = None
    shown: Any = None
    error: BrainSegError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """How far a run is.

    Parameters
    ----------
    number : int
        Of the run.
    share : float
        0 to 1.
    """

    number: int
    share: float


class ToolRuns:
    """One thread for tools. A new job takes the place of the one before, done or not.

    Parameters
    ----------
    also : callable, optional
        Makes something of job and edit in the worker, too.
    """

    ended = Signal(ToolOutcome)
    progressed = Signal(ToolProgress)

    def __init__(self, also: Callable[[ToolJob, Edit], object] | None = None) -> None:
        self._also = also
        self._lock = threading.Lock()
        self._last = 0
        self._open: dict[int, ToolJob] = {}
        self._waiting: int | None = None
        self._loop = BackgroundLoop("brainseg-tools", self._step)

    @property
    def is_busy(self) -> bool:
        """Whether a run has not ended yet."""
        return bool(self._open)

    def submit(self, job: ToolJob) -> int:
        """Run a job soon, in place of all before it; returns the number of the run."""
        self.cancel()
        with self._lock:
            self._last += 1
            number = self._waiting = self._last
            self._open[number] = job
        self._loop.wake()
        return number

    def cancel(self) -> None:
        """End all runs, at once: what is still being computed is for nobody."""
        with self._lock:
            ended = dict(self._open)
            self._open.clear()
            self._waiting = None
        for number, job in ended.items():
            self.ended.emit(ToolOutcome(number, job, "cancelled"))

    def close(self) -> None:
        """End all runs and the thread."""
        self.cancel()
        self._loop.close()

    def _step(self) -> float:
        with self._lock:
            number, self._waiting = self._waiting, None
            job = None if number is None else self._open.get(number)
        if number is None or job is None:
            return _UNTIL_WOKEN_S
        start = time.perf_counter()
        outcome = self._outcome(number, job, start)
        with self._lock:
            is_mine = self._open.pop(number, None) is not None
        if is_mine:
            self.ended.emit(outcome)
        return 0.0

    def _outcome(self, number: int, job: ToolJob, start: float) -> ToolOutcome:
        try:
            edit = job.run(self._teller(number), lambda: number not in self._open)
            changes = job.changes(edit)
            shown = None if edit is None or self._also is None else self._also(job, edit)
        except CancelledError:
            return ToolOutcome(number, job, "cancelled")
        except BrainSegError as error:
            return ToolOutcome(number, job, "failed", error=error)
        except Exception as error:  # noqa: BLE001 -- logged, and told where the tool is
            _log.exception("The tool %s failed", job.spec.id)
            told = BrainSegError(
                f"{job.spec.title} failed: {type(error).__name__}: {error}.",
                "The mask is as it was. Please report it with the log.",
            )
            return ToolOutcome(number, job, "failed", error=told)
        seconds = time.perf_counter() - start
        return ToolOutcome(number, job, "completed", edit, changes, shown, seconds=seconds)

    def _teller(self, number: int) -> Callable[[float], None]:
        told_at = 0.0

        def tell(share: float) -> None:
            nonlocal told_at
            now = time.monotonic()
            if number in self._open and (now - told_at >= _PROGRESS_EVERY_S or share >= 1):
                told_at = now
                self.progressed.emit(ToolProgress(number, float(share)))

        return tell
