"""A prediction that was asked for: who wants it how urgently, and how it ended.

Thread-safety: everything may be called from any thread; signals come from the worker.
"""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import BrainSegError, Study
    from napari_brainseg.core.protocol import FinishReason
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.prediction_store import PredictionStore

__all__ = ["PredictionJob", "Priority"]


class Priority(IntEnum):
    """How urgent a prediction is; the lower number goes first."""

    FOREGROUND = 0
    """A person waits for it."""
    PREFETCH = 1
    """The case will probably be opened next."""
    BATCH = 2
    """Part of the whole worklist."""


class PredictionJob:
    """A prediction that was asked for.

    Connect to the signals of the service (or of the desk) rather than to these where the job may
    end before you connect.

    Parameters
    ----------
    study : Study
    bundle : Bundle
    device : str
    tta : bool
    sha : str, optional
        Content hash of the study's image, by which equal work is recognised.
    store : PredictionStore, optional
        Where the result is kept.

    Attributes
    ----------
    reason : FinishReason or None
        `None` until it ended.
    prediction : Prediction or None
        The result of a completed job.
    error : BrainSegError or None
        What a failed job met.
    store_error : BrainSegError or None
        Why a completed job's result could not be kept.
    """

    progress = Signal(object)
    """`Progress`, after each batch."""
    finished = Signal(object, object, object)
    """``(FinishReason, Prediction | None, BrainSegError | None)``, exactly once."""

    def __init__(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str,
        tta: bool,
        sha: str | None = None,
        store: PredictionStore | None = None,
    ) -> None:
        self.study = study
        self.bundle = bundle
        self.device = device
        self.tta = tta
        self.sha = sha
        self.store = store
        self.reason: FinishReason | None = None
        self.prediction: Prediction | None = None
        self.error: BrainSegError | None = None
        self.store_error: BrainSegError | None = None
        self.is_running = False
        self._wanted: list[Priority] = []
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    def __repr__(self) -> str:
        state = "waits" if self.reason is None else self.reason.value
        return f"PredictionJob({self.study.patient!r}, {self.priority.name}, {state})"

    @property
    def priority(self) -> Priority:
        """That of the most urgent one who asked for it."""
        return min(tuple(self._wanted), default=Priority.BATCH)

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()

    @property
    def is_finished(self) -> bool:
        """Whether it ended, for whatever reason."""
        return self.reason is not None

    def cancel(self) -> None:
        """Ask to stop, whoever else wants it; the job ends before its next batch."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came within `timeout` seconds. Not for the GUI thread."""
        return self._ended.wait(timeout)

    def is_same(
        self, study: Study, bundle: Bundle, device: str, tta: bool, sha: str | None
    ) -> bool:
        """Whether it does the same work and is still to end by itself."""
        of_same_image = study is self.study if sha is None else sha == self.sha
        return (
            of_same_image
            and study.patient == self.study.patient
            and (bundle.version, device, tta) == (self.bundle.version, self.device, self.tta)
            and not self.is_cancelled
        )

    # for the service ----------------------------------------------------------------------------

    def want(self, priority: Priority) -> None:
        """Note that somebody wants it."""
        self._wanted.append(priority)

    def unwant(self, priority: Priority) -> None:
        """Note that one of those who asked with `priority` does not any more."""
        if priority in self._wanted:
            self._wanted.remove(priority)
        if not self._wanted:
            self.cancel()

    def end(
        self, reason: FinishReason, prediction: Prediction | None, error: BrainSegError | None
    ) -> None:
        """Note how it ended."""
        self.reason, self.prediction, self.error = reason, prediction, error

    def let_go(self) -> None:
        """Wake who waits; the last thing that happens, so that signals are delivered by then."""
        self._ended.set()
