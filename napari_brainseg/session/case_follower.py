"""A thread that looks every second or two what other windows do to the open case.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.background_loop import BackgroundLoop

if TYPE_CHECKING:
    from napari_brainseg.session.case import Case

__all__ = ["CaseFollower"]

_log = logging.getLogger(__name__)
EVERY_S = 1.5


class CaseFollower:
    """Keeps a case in step with the catalogue until it is closed.

    Parameters
    ----------
    case : Case
        The open case.
    every_s : float
        Seconds between looks; one costs a millisecond.
    """

    def __init__(self, case: Case, *, every_s: float = EVERY_S) -> None:
        self._case = case
        self._every = every_s
        self._loop = BackgroundLoop("brainseg-follow", self._step)
        case.out_of_step.connect(self._loop.wake)
        self._loop.wake()

    def close(self) -> None:
        """End the thread."""
        self._case.out_of_step.disconnect(self._loop.wake)
        self._loop.close()

    def _step(self) -> float:
        if not self._loop.is_closed:
            try:
                self._case.follow()
            except BrainSegError as error:
                # A stroke will tell the reader; looking alone need not.
                _log.info("%s is not followed for now: %s", self._case.patient, error)
        return self._every
