"""Places that cannot be written, in words."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["unwritable"]

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def unwritable(what: str, folder: Path, error: OSError) -> DataError:
    """Say in words why something cannot be written, with the mend that fits.

    Parameters
    ----------
    what : str
        What was to be written, e.g. its path: ``Cannot write {what}: ...``.
    folder : Path
        Where to.
    error : OSError
        What the system said.

    Returns
    -------
    DataError
        To be raised from `error`.
    """
    reason, hint = error.strerror or str(error), "Check permissions and free space."
    file = next((place for place in (folder, *folder.parents) if place.is_file()), None)
    if file is not None:
        reason, hint = f"{file} is a file, not a folder", "Choose a folder."
    elif error.errno in _FULL:
        hint = "Make free space on this disk, or choose a folder on another one."
    elif error.errno in _CLOSED:
        hint = "Choose a folder that you may write to."
    return DataError(f"Cannot write {what}: {reason}.", hint)
