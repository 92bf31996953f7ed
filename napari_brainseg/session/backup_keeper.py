"""Backs the catalogue up while it is in use.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, CancelledError
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.backups import (
    Backup,
    backup_folder,
    backups,
    is_changed_since,
    make_backup,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["BackupKeeper"]

_log = logging.getLogger(__name__)
EVERY_S = 600.0


class BackupKeeper:
    """A thread that copies a catalogue at the start and now and then, if it changed.

    Parameters
    ----------
    catalogue : Catalogue
        One that is not an SQLite file is left to its server's own backups.
    every_s : float
        Seconds between looks.
    """

    def __init__(self, catalogue: Catalogue, *, every_s: float = EVERY_S) -> None:
        self._file = catalogue.file
        self._every = every_s
        self._loop = BackgroundLoop("brainseg-backup", self._step, low_priority=True)

    def back_up(self) -> None:
        """Have a backup made soon if anything changed, e.g. after a sign-off; does not wait."""
        if self._file is not None:
            self._loop.wake()

    def close(self) -> None:
        """End the thread; a backup that is being made is given up."""
        self._loop.close()

    @property
    def last(self) -> Backup | None:
        """The newest backup on disk."""
        found = () if self._file is None else backups(backup_folder(self._file))
        return found[0] if found else None

    def _step(self) -> float:
        if self._file is not None and not self._loop.is_closed and self._is_due(self._file):
            try:
                made = make_backup(self._file, stopped=lambda: self._loop.is_closed)
            except CancelledError:
                return self._every
            except BrainSegError as error:
                # Work goes on without it; a disk that is full is told where a stroke meets it.
                _log.warning("%s", error)
            else:
                _log.debug("Backup of %s: %s", self._file, made)
        return self._every

    def _is_due(self, file: Path) -> bool:
        last = self.last
        return last is None or is_changed_since(file, last.made)
