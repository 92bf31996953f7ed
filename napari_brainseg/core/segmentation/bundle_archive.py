"""Bundles on their way out and in: a folder or a zip file; what comes in is refused or copied.

A zip from elsewhere may name paths outside its folder, hold links, or grow without end when it is
unpacked. So its list of contents is judged first, and only files that a bundle has are read.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_brainseg.core.dataset.durable import sync_folder
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import CARD, MANIFEST, file_sha256
from napari_brainseg.core.segmentation.bundle_check import (
    FILE_LIMITS,
    SUMS,
    TOTAL_LIMIT,
    refuse_code,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["export_bundle", "take_in"]

_MOST_ENTRIES: Final = 256
_MOST_RATIO: Final = 200
"""Unpacked to packed; a ``model.xml`` packs to a fortieth."""
_CHUNK: Final = 2**20
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_OUTSIDE: Final = re.compile(r"[\\\x00-\x1f]|^/|^[A-Za-z]:|(^|/)\.{1,2}(/|$)|//")
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)
_MISTRUST: Final = "Do not use it; ask those who made it for a bundle that BrainSeg exported."
_ENCRYPTED: Final = 0x1


def export_bundle(bundle: Bundle, target: Path) -> Path:
    """Write a bundle as a folder, or as a zip file where `target` ends with ``.zip``.

    Both hold `SUMS`. The zip holds the files unpacked, in one folder, with a fixed date: the same
    bundle gives the same bytes.

    Parameters
    ----------
    bundle : Bundle
        Its hashes are checked.
    target : Path
        Must not exist; its folder is made where missing.

    Raises
    ------
    ModelError
        If `target` exists, the bundle is damaged, or it cannot be written; then nothing is left.
    """
    if target.exists() or target.is_symlink():
        raise ModelError(f"{target} exists already; nothing is overwritten.", "Give a new name.")
    bundle.verify()
    names = sorted({MANIFEST, *bundle.manifest.files} | ({CARD} & _names(bundle.path)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
        try:
            folder = staging / bundle.version
            folder.mkdir()
            for name in names:
                shutil.copyfile(bundle.path / name, folder / name)
            lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names]
            (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
            made = _zipped(folder, staging) if target.suffix.lower() == ".zip" else folder
            for path in (made,) if made.is_file() else made.iterdir():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
            _put(made, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        sync_folder(target.parent)
    except OSError as error:
        raise ModelError(
            f"The model cannot be written to {target}: {error.strerror or error}.",
            "Check permissions and free space.",
        ) from error
    return target


def take_in(source: Path, into: Path) -> None:
    """Copy the files of a bundle from a folder or a zip file, after judging all that is there.

    Parameters
    ----------
    source : Path
        Folder of a bundle, or a zip file with a bundle at its top or in one folder.
    into : Path
        Empty folder; it has files of known names only afterwards, none longer than allowed.

    Raises
    ------
    ModelError
        With the reason, if anything in `source` is suspicious or damaged.
    """
    refuse_code(source.name, source.parent)
    try:
        if source.is_dir():
            _take_folder(source, into)
        elif source.is_file():
            _take_zip(source, into)
        else:
            raise ModelError(f"There is no folder or file {source}.", "Check the path.")
    except OSError as error:
        raise ModelError(
            f"The model {source} cannot be read: {error.strerror or error}.",
            "Check permissions and free space.",
        ) from error


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _zipped(folder: Path, staging: Path) -> Path:
    path = staging / "bundle.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(_names(folder)):
            entry = zipfile.ZipInfo(f"{folder.name}/{name}", _DATE)
            entry.create_system = 3  # Unix, whatever the machine
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with (
                (folder / name).open("rb") as file,
                archive.open(entry, "w", force_zip64=True) as out,
            ):
                shutil.copyfileobj(file, out, _CHUNK)
    return path


def _put(made: Path, target: Path) -> None:
    """Give the name, unless someone else took it meanwhile."""
    made.chmod(0o755 if made.is_dir() else 0o644)
    if target.exists():
        raise ModelError(f"{target} exists already; nothing is overwritten.", "Give a new name.")
    made.rename(target)


# from a folder ------------------------------------------------------------------------------------


def _take_folder(source: Path, into: Path) -> None:
    total = 0
    with os.scandir(source) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        refuse_code(entry.name, source)
        if entry.name not in FILE_LIMITS:
            continue
        if not entry.is_file(follow_symlinks=False):
            raise ModelError(
                f"{entry.name} of {source} is a link or no plain file: what it names lies outside "
                "its folder.",
                _MISTRUST,
            )
        total += entry.stat(follow_symlinks=False).st_size
        _refuse_size(entry.name, entry.stat(follow_symlinks=False).st_size, total)
        with Path(entry.path).open("rb") as file:
            _copy(file.read, into / entry.name, FILE_LIMITS[entry.name])


# from a zip ---------------------------------------------------------------------------------------


def _take_zip(source: Path, into: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for name, entry in _judge(archive, source).items():
                with archive.open(entry) as file:
                    _copy(file.read, into / name, entry.file_size)
    except _DAMAGE as error:
        raise ModelError(
            f"{source} is no sound zip file: {error}.", "Copy or download it again."
        ) from error


def _judge(archive: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """Look at the list of contents; returns the files to take by their bare names."""
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise ModelError(f"{source} has {len(entries)} entries; a bundle has six.", _MISTRUST)
    seen: set[str] = set()
    chosen: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    total = packed = 0
    for entry in entries:
        # As it stands in the file: `filename` was cut and mended already.
        name = entry.orig_filename
        _refuse_entry(entry, name, source)
        if name.casefold() in seen:
            raise ModelError(f"{source} holds {name} twice.", _MISTRUST)
        seen.add(name.casefold())
        folder, _, last = name.rpartition("/")
        if entry.is_dir() or last not in FILE_LIMITS or folder == "__MACOSX":
            continue
        total, packed = total + entry.file_size, packed + entry.compress_size
        _refuse_size(name, entry.file_size, total)
        if entry.file_size > _CHUNK and entry.file_size > _MOST_RATIO * entry.compress_size:
            raise ModelError(
                f"{name} of {source} would grow to {entry.file_size} bytes from "
                f"{entry.compress_size}: a zip bomb.",
                _MISTRUST,
            )
        chosen[last] = entry
        folders.add(folder)
    if len(folders) > 1:
        raise ModelError(
            f"{source} holds more than one bundle: {', '.join(sorted(folders))}.",
            "Give each in a zip file of its own.",
        )
    if packed > source.stat().st_size:
        raise ModelError(f"Files of {source} overlap: a zip bomb.", _MISTRUST)
    return chosen


def _refuse_entry(entry: zipfile.ZipInfo, name: str, source: Path) -> None:
    if _OUTSIDE.search(name):
        raise ModelError(f"{source} names the path {name!r} outside its folder.", _MISTRUST)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise ModelError(
            f"{name} of {source} is a link or no plain file: what it names lies outside its "
            "folder.",
            _MISTRUST,
        )
    refuse_code(name, source)
    if entry.flag_bits & _ENCRYPTED:
        raise ModelError(f"{source} is encrypted.", "Unpack it, and import the folder.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelError(
            f"{name} of {source} is packed in a way that is not taken.",
            "Unpack it, and import the folder.",
        )


def _refuse_size(name: str, size: int, total: int) -> None:
    most = FILE_LIMITS[name.rpartition("/")[2]]
    if size > most:
        raise ModelError(f"{name} has {size} bytes; at most {most} are taken.", _MISTRUST)
    if total > TOTAL_LIMIT:
        raise ModelError(f"The model has more than {TOTAL_LIMIT} bytes.", _MISTRUST)


def _copy(read: Callable[[int], bytes], target: Path, most: int) -> None:
    left = most
    with target.open("xb") as out:
        while chunk := read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ModelError(f"{target.name} is longer than it says: a zip bomb.", _MISTRUST)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
