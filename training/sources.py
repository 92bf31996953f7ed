"""Where a patient comes from, and a cheap sign of whether it has changed. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study

__all__ = ["FolderSource", "PhantomSource", "Source"]


class Source(Protocol):
    """Gives a study; says cheaply whether it is still the one it gave before."""

    @property
    def address(self) -> str:
        """Name that no other source has."""
        ...

    def stamp(self) -> str:
        """Sign that changes when the study may have changed."""
        ...

    def load(self) -> Study:
        """Read or make the study."""
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A patient's folder, as `discover` found it."""

    folder: StudyFolder

    @property
    def address(self) -> str:
        """Its path."""
        return str(self.folder.path.resolve() / self.folder.patient)

    def stamp(self) -> str:
        """Names, sizes and times of all its files; none of them is opened.

        The time of the last change of the inode counts too: it cannot be set back as the
        modification time can.

        Raises
        ------
        DataError
            If a file is gone.
        """
        digest = hashlib.sha256()
        for path in self.folder.files:
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(
                    f"The slice {path} cannot be read: {error.strerror or error}.",
                    "Check that it is still there and that you may read it.",
                ) from error
            line = f"{path.name}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns};"
            digest.update(line.encode())
        digest.update(repr((self.folder.roles, self.folder.truth)).encode())
        return digest.hexdigest()

    def load(self) -> Study:
        """Read it, in this thread: patients are read in parallel, not slices."""
        return load_study(self.folder, workers=1)


@dataclass(frozen=True, slots=True)
class PhantomSource:
    """A phantom by seed and number."""

    seed: int
    index: int

    @property
    def address(self) -> str:
        """Seed and number."""
        return f"phantom/{self.seed}/{self.index}"

    def stamp(self) -> str:
        """Hash the code that draws phantoms, and the version of numpy."""
        return _phantom_code()

    def load(self) -> Study:
        """Draw it."""
        from napari_brainseg.core.dataset.phantom import phantom_study

        return phantom_study(self.seed, self.index)


@lru_cache(maxsize=1)
def _phantom_code() -> str:
    digest = hashlib.sha256(np.__version__.encode())
    package = Path(str(files("napari_brainseg.core.dataset.phantom")))
    for path in sorted(package.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
