"""Bundles of a workspace on disk: found, opened, and verified once as long as they do not change.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["ModelShelf"]

_Stamp = tuple[tuple[str, int, int], ...]


class ModelShelf:
    """Bundles that ship with the package, and those in a folder.

    Parameters
    ----------
    models : Path
        Folder of the versions made or imported here, one folder a version.
    bundled : callable, optional
        Gives the bundles that ship with the package, the default one first.
    """

    def __init__(
        self, models: Path, bundled: Callable[[], tuple[Bundle, ...]] | None = None
    ) -> None:
        self.models = models
        self._find_bundled = bundled
        self._lock = threading.RLock()
        self._bundled: tuple[Bundle, ...] | None = None
        self._read: dict[Path, tuple[_Stamp, Bundle]] = {}
        self._verified: dict[Path, _Stamp] = {}
        self._faults: dict[Path, tuple[_Stamp, str]] = {}

    def bundled(self) -> tuple[Bundle, ...]:
        """Bundles that ship with the package, the default one first."""
        with self._lock:
            if self._bundled is None:
                if self._find_bundled is None:
                    from napari_brainseg.core.segmentation.bundle import bundled_models

                    self._find_bundled = bundled_models
                self._bundled = self._find_bundled()
            return self._bundled

    def folders(self) -> list[Path]:
        """Folders of versions, the oldest first."""
        if not self.models.is_dir():
            return []
        found = []
        for path in self.models.iterdir():
            try:
                if path.is_dir() and not path.name.startswith("."):
                    found.append((path.stat().st_mtime, path.name, path))
            except OSError:  # moved away meanwhile
                continue
        return [path for _, _, path in sorted(found)]

    def find(self, version: str, gone: Collection[str] = ()) -> Path:
        """Return the folder of a version.

        Parameters
        ----------
        version : str
        gone : collection of str
            Deleted versions: they count as unknown.

        Raises
        ------
        ModelError
            If there is none.
        """
        for bundle in self.bundled():
            if bundle.version == version:
                return bundle.path
        path = self.models / version
        if version in gone or path not in self.folders():
            raise ModelError(
                f"The model {version} is neither bundled nor in {self.models}.",
                "Choose another version in the Models panel.",
            )
        return path

    def look(self, path: Path) -> Bundle:
        """Read a bundle's description, and see whether its files are there; hashes no weights.

        Raises
        ------
        ModelError
            If it is damaged, as far as that shows, or was found to be so when it was opened.
        """
        from napari_brainseg.core.segmentation.bundle import load_bundle

        with self._lock:
            known = self._read.get(path)
            if known is None or known[0] != self._stamp(path, known[1]):
                bundle = load_bundle(path, verify=False)
                known = self._read[path] = (self._stamp(path, bundle), bundle)
            stamp, bundle = known
            if any(size < 0 for _, _, size in stamp):
                bundle.verify()
            fault = self._faults.get(path)
            if fault is not None and fault[0] == stamp:
                raise ModelError(fault[1], "Install or copy the bundle again.")
            return bundle

    def open(self, path: Path) -> Bundle:
        """Read a bundle; its hashes are checked once, and again when a file of it changed.

        Raises
        ------
        ModelError
            If it is damaged.
        """
        bundle = self.look(path)
        stamp = self._stamp(path, bundle)
        with self._lock:
            if self._verified.get(path) == stamp:
                return bundle
        try:
            bundle.verify()
        except ModelError as error:
            with self._lock:
                self._faults[path] = (stamp, error.message)
            raise
        with self._lock:
            self._verified[path] = stamp
        return bundle

    def fault(self, path: Path) -> str:
        """Why a bundle cannot be used, as far as it is known; empty if it can."""
        try:
            self.look(path)
        except BrainSegError as error:
            return str(error)
        return ""

    def copy(self, source: Path, target: Path) -> None:
        """Copy a folder as a whole: a temporary folder beside the place, then one rename.

        Raises
        ------
        ModelError
            If it cannot be copied.
        """
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".adopt-", dir=target.parent))
            try:
                shutil.copytree(source, staging / target.name)
                (staging / target.name).replace(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise ModelError(
                f"The model {source} could not be copied to {target}: {error}.",
                "Check that the disk has space.",
            ) from error

    def _stamp(self, path: Path, bundle: Bundle) -> _Stamp:
        """Names, times and sizes of a bundle's files; the size of one that is missing is -1."""
        stamps = []
        for name in ("model.json", *sorted(bundle.manifest.files)):
            try:
                found = (path / name).stat()
            except OSError:
                stamps.append((name, 0, -1))
            else:
                stamps.append((name, found.st_mtime_ns, found.st_size))
        return tuple(stamps)
