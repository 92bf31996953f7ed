"""One writer at a time, also among programs: a lock that ends with the program that holds it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["BusyError", "file_lock"]

_PATIENCE_S = 10.0
_LOOK_S = 0.01


class BusyError(DataError):
    """Another program, or another thread of this one, holds a lock."""


@contextmanager
def file_lock(path: Path, *, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Hold the lock file `path`, which is made where missing and stays behind, empty.

    Threads exclude each other too; a thread that holds it must not ask again. A program that is
    killed holds it no longer.

    Raises
    ------
    BusyError
        If another one holds it longer than `patience_s`.
    DataError
        If it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise DataError(
            f"Cannot write {path}: {error.strerror or error}.", "Check permissions and free space."
        ) from error
    try:
        end = time.monotonic() + patience_s
        while not _take(handle, path):
            if time.monotonic() > end:
                raise BusyError(
                    f"Another program has been writing to {path.parent} for {patience_s:.0f} s.",
                    "Wait until it is done, then try again.",
                )
            time.sleep(_LOOK_S)
        yield
    finally:
        # Closing gives the lock back.
        os.close(handle)


def _take(handle: int, path: Path) -> bool:
    try:
        _lock(handle)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise DataError(
            f"{path} cannot be locked: {error.strerror or error}.",
            "The disk does not know locks: move the workspace to a local disk.",
        ) from error
    return True


if os.name == "nt":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
