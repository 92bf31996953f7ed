"""Work that a window asks for and does not wait for: one thread, one thing after another."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Errands"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Errands:
    """Runs actions in a thread. Every method may be called from any thread."""

    fault = Signal(object)
    """`BrainSegError` that an action raised, or that stands for what it raised."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def submit(self, action: Callable[[], _T]) -> Future[_T]:
        """Run an action; what it raises is told by `fault`, and kept in the future too.

        After `close` nothing runs: a widget may ask once more while its window goes. The future
        is cancelled then.
        """
        with self._lock:
            if self._closed:
                never: Future[_T] = Future()
                never.cancel()
                return never
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="brainseg-desk")
            return self._pool.submit(lambda: self._guarded(action))

    def close(self) -> None:
        """Drop what has not begun, and wait for what has."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._closed = True
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _guarded(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except BrainSegError as error:
            self.fault.emit(error)
            raise
        except Exception as error:
            _log.exception("Work in the background failed")
            self.fault.emit(
                BrainSegError(
                    f"Something unexpected happened: {type(error).__name__}: {error}.",
                    "The rest keeps working. Please report it with the log.",
                )
            )
            raise
