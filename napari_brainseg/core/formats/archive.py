"""Zip archives of images, unpacked safely into the user's cache.

An archive is a stranger: nothing in it may leave its folder, fill the disk or run. What is in the
directory of the archive is checked before a byte is written, and what is written is counted.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.archive_names import SafeNames
from napari_brainseg.core.formats.unpacked import (
    MARK,
    cache_folder,
    is_whole,
    mark_whole,
    remove_old,
)
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["unpack"]

_MOST_FILES = 200_000
_MOST_BYTES = 64 << 30
_MOST_RATIO = 250
"""Images shrink 2 to 10 times, masks 100 times and more."""
_RATIO_FROM = 1 << 30
"""An archive that unpacks to less than this may shrink as it likes."""
_SPARE_BYTES = 1 << 30
"""Left free on the disk."""
_CHUNK = 1 << 20
_DIRECTORY_BYTES = _MOST_FILES * 400
"""The directory of an archive takes 46 bytes and the name for each file."""

_TRUST = "If you trust it, unpack it by hand and open the folder."


def unpack(
    zip_path: Path,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    into: Path | None = None,
) -> Path:
    """Unpack an archive, or find where it was unpacked before.

    Parameters
    ----------
    zip_path : Path
        The archive; it stays as it is. Archives inside it are not unpacked.
    progress : callable, optional
        Gets the number of files written so far.
    cancelled : callable, optional
        Asked for every megabyte; nothing stays behind then.
    into : Path, optional
        Folder to make the new folder in; by default the user's cache
        (``BRAINSEG_CACHE`` overrides it), where old ones are removed by and by.

    Returns
    -------
    Path
        The new folder, named like the archive and by a hash of its path, size and time.

    Raises
    ------
    DataError
        If the archive is damaged, protected by a password, of suspicious size, leads out of its
        folder, or does not fit on the disk.
    CancelledError
        If `cancelled` said so.
    """
    place = cache_folder() if into is None else into
    try:
        found = zip_path.stat()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataError(
            f"The archive {zip_path} cannot be unpacked to {place}: {error.strerror or error}.",
            "Check the permissions of both.",
        ) from error
    target = place / _folder_name(zip_path, found)
    if is_whole(target):
        return target
    if into is None:
        remove_old(place)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=place))
    except OSError as error:
        raise _no_room(zip_path, place, error) from error
    try:
        written = _unpack_to(zip_path, scratch, progress, cancelled)
        mark_whole(scratch, *written)
        _settle(scratch, target)
    except OSError as error:
        raise _no_room(zip_path, place, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _unpack_to(
    zip_path: Path,
    folder: Path,
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[int, int]:
    """Write the files; returns how many, and their bytes."""
    _check_directory(zip_path)
    try:
        with zipfile.ZipFile(zip_path) as archive:
            entries = _wanted(zip_path, archive.infolist())
            _check_sizes(zip_path, folder, entries)
            names = SafeNames(str(zip_path))
            allowance = sum(entry.file_size for entry in entries)
            total = files = 0
            for entry in entries:
                parts = names.path_of(entry.filename)
                if not parts or parts == (MARK,):
                    continue
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, path.open("xb") as sink:
                    while chunk := source.read(_CHUNK):
                        if cancelled is not None and cancelled():
                            raise CancelledError(f"Unpacking of {zip_path.name} was stopped.")
                        total += len(chunk)
                        if total > allowance:
                            raise _suspicious(zip_path, "it holds more than its directory says")
                        sink.write(chunk)
                files += 1
                if progress is not None:
                    progress(files)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise _damaged(zip_path, str(error)) from error
    except (RuntimeError, OverflowError, UnicodeError, lzma.LZMAError, struct.error) as error:
        raise _damaged(zip_path, str(error)) from error
    except OSError as error:
        # bz2 says so of damaged data; errors of the disk have a number.
        if error.errno is None:
            raise _damaged(zip_path, str(error)) from error
        raise
    if not total:
        raise DataError(f"The archive {zip_path} is empty.", "Export it again.")
    return files, total


def _wanted(zip_path: Path, entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Leave out folders, links, devices and what systems add."""
    wanted = []
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        parts = entry.filename.replace("\\", "/").split("/")
        if entry.is_dir() or parts[-1] == "" or (kind and not stat.S_ISREG(kind)):
            continue
        if any(part.startswith("._") or part in ("__MACOSX", ".DS_Store") for part in parts):
            continue
        if entry.flag_bits & 0x1:
            raise DataError(
                f"The archive {zip_path} is protected by a password.",
                "Unpack it with the password and open the folder.",
            )
        wanted.append(entry)
    return wanted


def _check_directory(zip_path: Path) -> None:
    """Look at the end of the archive: how long the list of its entries is.

    zipfile reads all of it at once (APPNOTE 6.3.10, 4.3.14 and 4.3.16).
    """
    with zip_path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        length = file.tell()
        file.seek(max(0, length - (1 << 16) - 256))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        raise _damaged(zip_path, "its end is missing")
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if wide >= 0:
        size = max(size if size != 0xFFFFFFFF else 0, _u64(tail[wide + 40 : wide + 48]))
    if size > _DIRECTORY_BYTES:
        raise _suspicious(zip_path, f"the list of its files alone has {size >> 20} MB")


def _u64(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _check_sizes(zip_path: Path, folder: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_FILES:
        raise _suspicious(zip_path, f"it holds {len(entries)} files")
    total = sum(entry.file_size for entry in entries)
    if total > _MOST_BYTES:
        raise _suspicious(zip_path, f"it unpacks to {_gigabytes(total)}")
    packed = max(1, zip_path.stat().st_size)
    if total > _RATIO_FROM and total > _MOST_RATIO * packed:
        raise _suspicious(
            zip_path, f"{_gigabytes(packed)} unpack to {_gigabytes(total)}, as no images do"
        )
    free = shutil.disk_usage(folder).free
    if total + _SPARE_BYTES > free:
        raise DataError(
            f"The archive {zip_path} unpacks to {_gigabytes(total)}, but only {_gigabytes(free)} "
            f"are free in {folder.parent}.",
            "Make room there, or unpack it elsewhere and open the folder.",
        )


def _settle(scratch: Path, target: Path) -> None:
    """Move to the final name; what another program put there first is taken as it is."""
    if target.exists() and not is_whole(target):
        aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
        target.replace(aside / "damaged")
        shutil.rmtree(aside, ignore_errors=True)
    try:
        scratch.rename(target)
    except OSError:
        if not is_whole(target):
            raise


def _folder_name(zip_path: Path, found: os.stat_result) -> str:
    place = zip_path.absolute()
    said = f"{place}|{found.st_size}|{found.st_mtime_ns}"
    digest = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", zip_path.stem).strip("._-")[:60]
    return f"{stem or 'archive'}-{digest}"


def _gigabytes(size: int) -> str:
    return f"{size / (1 << 30):.1f} GB" if size >= 1 << 29 else f"{size / (1 << 20):.1f} MB"


def _suspicious(zip_path: Path, why: str) -> DataError:
    return DataError(f"The archive {zip_path} was not unpacked: {why}.", _TRUST)


def _damaged(zip_path: Path, why: str) -> DataError:
    return DataError(
        f"The archive {zip_path} is damaged: {why.rstrip('.')}.", "Export or download it again."
    )


def _no_room(zip_path: Path, place: Path, error: OSError) -> DataError:
    return DataError(
        f"The archive {zip_path} cannot be unpacked to {place}: {error.strerror or error}.",
        "Check permissions and free space.",
    )
