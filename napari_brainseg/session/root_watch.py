"""Notices when a folder of patients changes, and when it is gone; names only, no pixels."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery

__all__ = ["RootWatch"]

_COARSE_S = 4.0
"""Some file systems (FAT) keep times in steps of two seconds; a later change may look the same."""

_HINT = "Plug the disk in or connect the network drive, then try again. Nothing was lost."


class RootWatch:
    """Compares the times of folders, which change when an entry comes or goes.

    Parameters
    ----------
    discovery : Discovery
        What the root held.
    """

    def __init__(self, discovery: Discovery) -> None:
        self._root = discovery.root
        self._patients: set[Path] = set()
        self._times: dict[Path, int] = {}
        self._owners: dict[Path, set[Path]] = {}
        self._settled = False
        self._note(discovery)

    def changes(self) -> set[Path] | None:
        """Folders that changed since the last discovery.

        Returns
        -------
        set of Path, or None
            Empty: nothing came or went. `None`: that cannot be told; look at everything.

        Raises
        ------
        DataError
            If the root cannot be reached.
        """
        self._require_root()
        if not self._settled:
            return None
        changed = {path for path, known in self._times.items() if _time_of(path) != known}
        # Files of a DICOM patient lie in folders below its own, or beside those of others.
        return changed.union(*(self._owners.get(path, ()) for path in changed))

    def discover(self) -> Discovery:
        """Search the root again.

        Raises
        ------
        DataError
            If it cannot be reached or holds no patient any more.
        """
        from napari_brainseg.core.formats import discover

        self._require_root()
        try:
            found = discover(self._root)
        except DataError as error:
            self._require_root()
            if any(path.exists() for path in self._patients):
                raise
            # An unplugged disk may leave the empty folder behind that it was mounted on.
            raise DataError(
                f"The folder {self._root} holds no patients any more.", _HINT
            ) from error
        # It may have gone in the middle, which looks like a hundred faulty patients.
        self._require_root()
        self._note(found)
        return found

    def _require_root(self) -> None:
        try:
            if self._root.is_file():
                return
            with os.scandir(self._root):
                return
        except OSError as error:
            raise DataError(
                f"The folder {self._root} cannot be reached: {error.strerror or error}.", _HINT
            ) from error

    def _note(self, found: Discovery) -> None:
        from napari_brainseg.core.formats.attributes import ATTRIBUTES_FILE

        patients = {folder.path for folder in found.folders}
        patients |= {fault.path for fault in found.faults}
        parents = {path.parent for path in patients}
        paths = patients | set(found.ignored) | {self._root}
        paths |= {parent / ATTRIBUTES_FILE for parent in parents}
        if self._root not in patients:
            # Of a patient that was opened alone the neighbours are of no concern.
            paths |= parents
        self._owners = {}
        for folder in found.folders:
            if folder.series:
                for place in {file.parent for file in folder.files}:
                    self._owners.setdefault(place, set()).add(folder.path)
        paths |= self._owners.keys()
        self._patients = patients
        self._times = {path: _time_of(path) for path in paths}
        newest = max(self._times.values(), default=0) / 1e9
        self._settled = abs(time.time() - newest) > _COARSE_S


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
