"""Headers of all DICOM files below a folder; read once, then only their times are looked at."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.dicom.headers import HeaderRecord, read_header
from napari_brainseg.core.formats.probing import may_be_dicom
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DicomIndex", "forget_headers", "header_of", "index_folder"]

_LEVELS = 10
"""Folders below the root; exports nest patient, study, series, and sometimes a date."""
_KEPT = 100_000
"""Headers remembered; the longest unused go first."""
_TOLD_EVERY = 64
"""Files between two calls of `progress`."""


class DicomIndex(NamedTuple):
    """What lies below a folder.

    Parameters
    ----------
    records : tuple of HeaderRecord
        Of every readable DICOM file, pictures or not, sorted by path.
    broken : tuple of (Path, DataError)
        DICOM files that cannot be read.
    """

    records: tuple[HeaderRecord, ...]
    broken: tuple[tuple[Path, DataError], ...]


class _Known(NamedTuple):
    size: int
    mtime_ns: int
    outcome: HeaderRecord | DataError | None


_known: OrderedDict[str, _Known] = OrderedDict()
_lock = threading.Lock()


def index_folder(
    root: Path,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> DicomIndex:
    """Read the headers of the DICOM files below a folder.

    Parameters
    ----------
    root : Path
        Looked through ten folders deep; hidden entries and DICOMDIR are left out, a folder that is
        linked twice is looked at once.
    progress : callable, optional
        Gets the number of files looked at so far, now and then.
    cancelled : callable, optional
        Asked now and then.

    Raises
    ------
    CancelledError
        If `cancelled` said so.
    """
    records: list[HeaderRecord] = []
    broken: list[tuple[Path, DataError]] = []
    count = 0
    for entry in _candidates(root):
        # A folder without candidates takes its time, too.
        if count % _TOLD_EVERY == 0 or not entry:
            if cancelled is not None and cancelled():
                raise CancelledError(f"The search of {root} was stopped.")
            if progress is not None and entry:
                progress(count)
        if not entry:
            continue
        count += 1
        outcome = _outcome(entry)
        if isinstance(outcome, HeaderRecord):
            records.append(outcome)
        elif isinstance(outcome, DataError):
            broken.append((Path(entry), outcome))
    return DicomIndex(tuple(records), tuple(broken))


def header_of(path: Path) -> HeaderRecord | None:
    """Give the header of one file, `None` where it is no DICOM; unread where it was read before.

    Raises
    ------
    DataError
        If it is broken or cannot be read.
    """
    outcome = _outcome(os.fspath(path))
    if isinstance(outcome, DataError):
        raise outcome
    return outcome


def forget_headers() -> None:
    """Forget every header; for measurements of the first look."""
    with _lock:
        _known.clear()


def _outcome(path: str) -> HeaderRecord | DataError | None:
    try:
        found = Path(path).stat()
    except OSError as error:
        return DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the link.")
    if not stat.S_ISREG(found.st_mode):
        # A pipe or a device would be waited for without end.
        return None
    with _lock:
        known = _known.get(path)
        if known is not None and (known.size, known.mtime_ns) == (found.st_size, found.st_mtime_ns):
            _known.move_to_end(path)
            return known.outcome
    outcome: HeaderRecord | DataError | None
    try:
        outcome = read_header(Path(path))
    except DataError as error:
        outcome = error
    with _lock:
        _known[path] = _Known(found.st_size, found.st_mtime_ns, outcome)
        for old in list(islice(_known, max(0, len(_known) - _KEPT))):
            del _known[old]
    return outcome


def _candidates(root: Path) -> Iterator[str]:
    """Paths of the files that may be DICOM, each folder's sorted by name behind an empty one."""
    seen: set[tuple[int, int]] = set()
    waiting = [(os.fspath(root), 0)]
    while waiting:
        folder, level = waiting.pop()
        names: list[str] = []
        below: list[tuple[str, int]] = []
        try:
            place = Path(folder).stat()
            if (place.st_dev, place.st_ino) in seen and place.st_ino:
                continue
            seen.add((place.st_dev, place.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__MACOSX")):
                        continue
                    if entry.is_dir():
                        if level < _LEVELS:
                            below.append((entry.path, level + 1))
                    elif may_be_dicom(entry.name) and entry.name.upper() != "DICOMDIR":
                        names.append(entry.path)
        except OSError:
            # What may not be looked into holds nothing for this user.
            continue
        yield ""
        yield from sorted(names)
        waiting.extend(sorted(below, reverse=True))
