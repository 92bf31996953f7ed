"""Folders that archives were unpacked to: whole or not, and removed when long unused."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import platformdirs

__all__ = ["CACHE_VARIABLE", "MARK", "cache_folder", "is_whole", "mark_whole", "remove_old"]

CACHE_VARIABLE = "BRAINSEG_CACHE"
"""Overrides the user's cache folder."""

MARK = ".brainseg-unpacked.json"
"""Made last; only folders with it are ever removed."""
_NAME = re.compile(r".+-[0-9a-f]{12}")
_SCRATCH = ".unpacking-"
_UNUSED_S = 14 * 86400.0
_RECENT_S = 86400.0
"""What was used within a day may be open and stays, whatever its size."""
_MOST_BYTES = 40 << 30


def cache_folder() -> Path:
    """Folder for unpacked archives; it need not exist."""
    said = os.environ.get(CACHE_VARIABLE)
    base = said or platformdirs.user_cache_dir("napari-brainseg", appauthor=False)
    return Path(base).expanduser() / "unpacked"


def mark_whole(folder: Path, files: int, size: int) -> None:
    """Note that all of an archive is there."""
    text = json.dumps({"made_by": "BrainSeg", "files": files, "bytes": size})
    (folder / MARK).write_text(text, encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all that was unpacked to it; counts as a use."""
    mark = _mark_of(folder)
    if mark is None or _size_of(folder) != mark:
        return False
    try:
        os.utime(folder / MARK)
    except OSError:
        return True
    return True


def remove_old(place: Path) -> None:
    """Remove what was not used for two weeks, and the longest unused where all is too much.

    Parameters
    ----------
    place : Path
        Of `cache_folder`; only folders that this program made are touched.
    """
    now = time.time()
    kept: list[tuple[float, int, Path]] = []
    for folder in _folders(place):
        if folder.name.startswith(_SCRATCH):
            # A program that was killed left it.
            if now - _time_of(folder) > _RECENT_S:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        mark = _mark_of(folder)
        if mark is None or not _NAME.fullmatch(folder.name):
            continue
        used = _time_of(folder / MARK)
        if now - used > _UNUSED_S:
            _remove(folder)
        else:
            kept.append((used, mark[1], folder))
    total = sum(size for _, size, _ in kept)
    for used, size, folder in sorted(kept):
        if total <= _MOST_BYTES or now - used < _RECENT_S:
            break
        _remove(folder)
        total -= size


def _remove(folder: Path) -> None:
    """Take the name away first, so that half a folder is never taken for a whole one."""
    aside = folder.with_name(f"{_SCRATCH}{folder.name}")
    try:
        folder.rename(aside)
    except OSError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def _folders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _mark_of(folder: Path) -> tuple[int, int] | None:
    """Files and bytes that a folder should hold; `None` where it is none of ours."""
    try:
        said = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return (int(said["files"]), int(said["bytes"])) if said["made_by"] == "BrainSeg" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size_of(folder: Path) -> tuple[int, int]:
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name != MARK:
                try:
                    size += Path(place, name).stat().st_size
                except OSError:
                    continue
                files += 1
    return files, size


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
