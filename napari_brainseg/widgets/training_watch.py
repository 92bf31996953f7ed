"""What a run could be made of: looked at in a thread of its own, while somebody sees the panel."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.background_loop import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_brainseg.core.dataset.locked_set import LockedSet
    from napari_brainseg.core.dataset.preflight import PreflightReport
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.expected_time import ExpectedTime, StepMeasurement
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.run_log import RunRecord

__all__ = ["Outlook", "TrainingWatch"]

_log = logging.getLogger(__name__)
_LONG_S = 3600.0
_KEPT = 8


@dataclass(frozen=True)
class Outlook:
    """What is known at a moment.

    Parameters
    ----------
    waiting : int
        Corrections that no version has learned from.
    runs : tuple of RunRecord
        The latest first.
    locked : LockedSet or None
        Frozen set of the workspace.
    plan : FineTuningPlan or None
        What a run would do; `None` until that is known, or where no run can be planned.
    report : PreflightReport or None
    fault : BrainSegError or None
        Why nothing could be checked.
    bundled, current : str or None
        Versions that a run could start from.
    checked : bool
        Whether this is the last word until something changes.
    time : {"unknown", "measuring", "known", "unmeasurable"}
        What is known of the time that the run takes; the report has the figure.
    """

    waiting: int = 0
    runs: tuple[RunRecord, ...] = ()
    locked: LockedSet | None = None
    plan: FineTuningPlan | None = None
    report: PreflightReport | None = None
    fault: BrainSegError | None = None
    bundled: str | None = None
    current: str | None = None
    checked: bool = False
    time: Literal["unknown", "measuring", "known", "unmeasurable"] = "unknown"


@dataclass(frozen=True)
class _Request:
    changes: Mapping[str, Any] = field(default_factory=dict)
    measure: bool = False
    lock_more: bool = False


class TrainingWatch:
    """Looks at corrections, locked patients and runs when asked; the latest request counts.

    A thread of its own: the preflight reads every mask, and the desk's worker opens patients.

    Parameters
    ----------
    desk : Desk
    measurement : callable, optional
        Makes what measures a step of a run, in a process of its own at low priority.
    """

    found = Signal(object)
    """`Outlook`, in the watch's thread: what is known at once, then with the preflight."""
    refused = Signal(object)
    """`BrainSegError`: no more patients can be locked."""

    def __init__(
        self, desk: Desk, measurement: Callable[[RunConfig], StepMeasurement] | None = None
    ) -> None:
        self._desk = desk
        self._measurement = measurement
        self._measured: dict[str, ExpectedTime | None] = {}
        self._lock = threading.Lock()
        self._asked: _Request | None = None
        self._under_way: StepMeasurement | None = None
        self._loop = BackgroundLoop("brainseg-preflight", self._step, low_priority=True)

    def ask(
        self, changes: Mapping[str, Any], *, measure: bool = False, lock_more: bool = False
    ) -> None:
        """Look soon, for a run with these settings.

        Parameters
        ----------
        changes : mapping
            As `Desk.start_fine_tuning` takes them.
        measure : bool
            Measure a step too, which takes the processor for some seconds.
        lock_more : bool
            Lock more patients first.
        """
        self._call_off(_Request(dict(changes), measure, lock_more))
        self._loop.wake()

    def drop(self) -> None:
        """Forget what was asked and end what is measured: nobody looks, or a run begins."""
        self._call_off(None)

    def close(self, _object: object = None) -> None:
        """End the thread; what it is at is dropped."""
        self._call_off(None)
        self._loop.close(0.0)

    def _call_off(self, request: _Request | None) -> None:
        with self._lock:
            self._asked, measurement = request, self._under_way
        if measurement is not None:
            measurement.cancel()

    def _step(self) -> float:
        with self._lock:
            request, self._asked = self._asked, None
        if request is None:
            return _LONG_S
        known = Outlook()
        try:
            if request.lock_more:
                self._lock_more()
            known = self._look()
            self.found.emit(known)
            if known.waiting and not self._is_stale:
                known = self._check(known, request.changes)
                if request.measure:
                    known = self._measure(known, request.changes)
        except BrainSegError as error:
            known = replace(known, fault=error)
        except Exception as error:  # noqa: BLE001 -- told where it is waited for
            if self._loop.is_closed:
                return _LONG_S  # the desk was closed under it
            _log.exception("The corrections could not be checked")
            known = replace(known, fault=_unexpected(error))
        if self._is_stale:
            return 0.0
        self.found.emit(replace(known, checked=True))
        return _LONG_S

    @property
    def _is_stale(self) -> bool:
        with self._lock:
            return self._asked is not None or self._loop.is_closed

    def _look(self) -> Outlook:
        from napari_brainseg.session.fine_tuning import base_of

        desk = self._desk
        desk.trainings.follow()
        outlook = Outlook(waiting=desk.waiting_corrections(), runs=desk.runs())
        if not outlook.waiting:
            return outlook
        registry = desk.registry
        return replace(
            outlook,
            locked=desk.locked.current(),
            bundled=base_of(registry).version,
            current=registry.current_version,
        )

    def _check(self, known: Outlook, changes: Mapping[str, Any]) -> Outlook:
        # Why no run can be planned is among the findings.
        with contextlib.suppress(BrainSegError):
            known = replace(known, plan=self._desk.plan_fine_tuning(**changes))
        if known.plan is not None and not self._is_stale:
            self.found.emit(known)
        return self._with_report(known, changes)

    def _with_report(self, known: Outlook, changes: Mapping[str, Any]) -> Outlook:
        key = _key(known.plan)
        expected = self._measured.get(key)
        known = replace(known, report=self._report(changes, expected))
        if key in self._measured:
            known = replace(known, time="unmeasurable" if expected is None else "known")
        return known

    def _measure(self, known: Outlook, changes: Mapping[str, Any]) -> Outlook:
        plan, report = known.plan, known.report
        if plan is None or report is None or not report.can_start or self._measurement is None:
            return known
        key = _key(plan)
        if key in self._measured or self._is_stale:
            return known
        self.found.emit(replace(known, checked=True, time="measuring"))
        measurement = self._measurement(plan.config)
        with self._lock:
            self._under_way = measurement
        try:
            expected = measurement.measure()
        except BrainSegError:
            # Called off, or this machine cannot tell; the run can start all the same.
            expected = None
        finally:
            with self._lock:
                self._under_way = None
        if expected is None and self._is_stale:
            return known
        while len(self._measured) >= _KEPT:
            del self._measured[next(iter(self._measured))]
        self._measured[key] = expected
        return self._with_report(known, changes)

    def _report(self, changes: Mapping[str, Any], expected: ExpectedTime | None) -> PreflightReport:
        desk = self._desk
        return desk.trainings.preflight(desk.studies, expected=expected, **changes)

    def _lock_more(self) -> None:
        try:
            self._desk.locked.extend(self._desk.studies)
        except BrainSegError as error:
            self.refused.emit(error)


def _key(plan: FineTuningPlan | None) -> str:
    return "" if plan is None else plan.config.model_dump_json()


def _unexpected(error: Exception) -> BrainSegError:
    return BrainSegError(
        f"The corrections could not be checked: {type(error).__name__}: {error}.",
        "Please report it with the log.",
    )
