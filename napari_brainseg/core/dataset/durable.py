"""Files that are either wholly there or not, also after a power cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from napari_brainseg.core.imaging.unwritable import unwritable

__all__ = ["sync_folder", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step and make it durable; its folder is created where missing.

    Raises
    ------
    DataError
        If the place cannot be written; what stood there before stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes the file private; others may read what they could read before.
            scratch.chmod(0o644)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(str(path), path.parent, error) from error


def sync_folder(path: Path) -> None:
    """Make names in a folder durable, where the system can (Windows cannot and need not)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
