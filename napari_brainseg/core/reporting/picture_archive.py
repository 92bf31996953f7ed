"""Pictures in one zip archive: the same pictures give the same bytes."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from napari_brainseg.core.imaging.unwritable import unwritable

if TYPE_CHECKING:
    from types import TracebackType

    from napari_brainseg.core.imaging import DataError

__all__ = ["PictureArchive"]

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest one a zip knows: when pictures were packed is not part of them."""
_MODE = 0o644 << 16


class PictureArchive:
    """A zip that is either wholly there in the end, or not at all.

    Use it in a ``with``; an exception inside leaves what stood there before, and so does an archive
    that nothing was put into.

    Parameters
    ----------
    path : Path
        The archive; its folder is made where missing, a file of that name is replaced.

    Raises
    ------
    DataError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scratch: Path | None = None
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise self._fault(error) from error
        os.close(handle)
        self._scratch = Path(name)
        self._zip = zipfile.ZipFile(self._scratch, "w", zipfile.ZIP_STORED)
        return self

    def add(self, name: str, content: bytes) -> None:
        """Pack a picture; it is compressed already.

        Parameters
        ----------
        name : str
            Path inside the archive, with slashes.
        content : bytes
        """
        assert self._zip is not None, "an archive is filled inside its with"
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = _MODE
        entry.create_system = 3  # the same bytes on every system
        try:
            self._zip.writestr(entry, content)
        except OSError as error:
            raise self._fault(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._zip is not None
        assert self._scratch is not None
        try:
            self._zip.close()
            if kind is None and self._zip.namelist():
                self._scratch.chmod(0o644)
                self._scratch.replace(self.path)
        except OSError as fault:
            if kind is None:
                raise self._fault(fault) from fault
        finally:
            self._scratch.unlink(missing_ok=True)

    def _fault(self, error: OSError) -> DataError:
        return unwritable(str(self.path), self.path.parent, error)
