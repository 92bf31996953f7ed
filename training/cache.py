"""Prepared patients on disk, so that a second run does not prepare them again. No torch.

A folder ``patients/<key>`` for each, with ``.npy`` files that are mapped, never loaded, and
``entry.json``. The key hashes the patient's voxels and the recipe, so that nothing in the cache is
ever out of date. ``sources/`` remembers which voxels lay behind which files, by their names, sizes
and times: the files need not be read again as long as these stay.

Entries are made in a hidden folder that takes its name when it is whole. Every file's size and
checksum are compared whenever it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import sync_folder, write_atomically
from napari_brainseg.core.imaging import DataError
from training.cache_entry import ENTRY, read_entry, remove_entry, write_entry
from training.preparation import content_sha256, prepare_patient

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.preprocessing import Recipe
    from training.preparation import PreparedPatient, Purpose
    from training.sources import Source

__all__ = ["CACHE_VERSION", "LIMIT_BYTES", "PreparedCache", "default_cache"]

CACHE_VERSION = 2
"""Goes up when what is read from files, or what an entry holds, changes."""
LIMIT_BYTES = 20 * 2**30
"""What was not used for longest is removed beyond this."""
RESERVE_BYTES = 2 * 2**30
"""The disk keeps this much free: a run has checkpoints to write."""
ABANDONED_S = 3600.0
"""Half-written folders older than this belong to nobody any more."""


def default_cache() -> Path:
    """Folder of prepared patients in the user's cache folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-brainseg", appauthor=False)) / "prepared"


class PreparedCache:
    """A folder of prepared patients; several threads and processes may use it at once.

    Parameters
    ----------
    root : Path
        Made where missing. If it cannot be written, patients stay in memory and `notes` says so.

    Attributes
    ----------
    notes : list of str
        What the user should know: damaged entries that were made anew, a full disk.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []
        self._patients = root / "patients"
        self._sources = root / "sources"
        self._used: set[Path] = set()
        self._writable = True
        self._lock = threading.Lock()

    def patient(self, source: Source, recipe: Recipe, purpose: Purpose) -> PreparedPatient:
        """Give a prepared patient, from the cache where it is there.

        Parameters
        ----------
        source : Source
            Where the study comes from.
        recipe : Recipe
            The preprocessing.
        purpose : {'training', 'validation'}
            What it is for; each has its own entry.

        Raises
        ------
        DataError
            If the study cannot be read, has no masks, or nothing is found in it.
        """
        stamp = source.stamp()  # before reading: a change meanwhile shows the next time
        known = self._remembered(source, stamp)
        if known is not None and (found := self._open(*known, recipe, purpose)) is not None:
            return found
        study = source.load()
        name, content = study.patient, content_sha256(study)
        if known != (name, content):
            self._remember(source, stamp, name, content)
            if (found := self._open(name, content, recipe, purpose)) is not None:
                return found
        made = prepare_patient(study, recipe, purpose, content=content)
        return self._store(made, recipe, purpose)

    def trim(self, limit: int = LIMIT_BYTES) -> int:
        """Remove entries that were not used for longest until the rest fits `limit` bytes.

        What this object gave out stays whatever its size.

        Returns
        -------
        int
            Bytes that the cache holds afterwards.
        """
        entries = []
        with contextlib.suppress(OSError):
            for folder in self._patients.iterdir():
                with contextlib.suppress(OSError):
                    used = (folder / ENTRY if _is_key(folder.name) else folder).stat().st_mtime
                    if _is_key(folder.name):
                        entries.append((used, _bytes(folder), folder))
                    elif folder.name.startswith(".") and time.time() - used > ABANDONED_S:
                        remove_entry(folder)
        total = sum(size for _, size, _ in entries)
        for _, size, folder in sorted(entries, key=lambda entry: entry[0]):
            if total <= limit:
                break
            if folder not in self._used:
                remove_entry(folder)
                total -= size
        return total

    def _open(
        self, name: str, content: str, recipe: Recipe, purpose: Purpose
    ) -> PreparedPatient | None:
        """Map an entry; ``None`` where there is none, or it is damaged."""
        folder = self._patients / _key(content, recipe, purpose)
        try:
            patient = read_entry(folder)
        except (PermissionError, NotADirectoryError):
            return None  # nor can it be written, and `notes` will say so
        except FileNotFoundError:
            if not folder.is_dir():
                return None
            fault = "a file is missing"
        except (OSError, ValueError, KeyError, TypeError) as error:
            fault = str(error)
        else:
            with contextlib.suppress(OSError):
                os.utime(folder / ENTRY)
            self._used.add(folder)
            # the same voxels may go by another name elsewhere
            return replace(patient, patient=name)
        self.notes.append(f"The cache entry {folder} was damaged ({fault}); it is made anew.")
        remove_entry(folder)
        return None

    def _store(self, made: PreparedPatient, recipe: Recipe, purpose: Purpose) -> PreparedPatient:
        """Write an entry and map it; the patient as it is where that fails."""
        if not self._writable:
            return made
        folder = self._patients / _key(made.content_sha256, recipe, purpose)
        scratch = self._patients / f".{folder.name[:16]}-{uuid.uuid4().hex[:8]}"
        try:
            scratch.mkdir(parents=True)
            try:
                if shutil.disk_usage(scratch).free < made.nbytes + RESERVE_BYTES:
                    raise OSError(f"less than {RESERVE_BYTES >> 30} GB would stay free")
                write_entry(scratch, made)
                renamed = _rename(scratch, folder)
                sync_folder(self._patients)
            finally:
                remove_entry(scratch)
            # what another process put there meanwhile holds the same, if it is whole
            stored = read_entry(folder, check=not renamed)
        except DataError as error:
            self._give_up(error.message)
        except OSError as error:
            self._give_up(error.strerror or error)
        except (ValueError, KeyError, TypeError) as error:
            self._give_up(error)
        else:
            self._used.add(folder)
            return stored
        return made

    def _give_up(self, reason: object) -> None:
        with self._lock:
            if not self._writable:
                return
            self._writable = False
            self.notes.append(
                f"The cache {self.root} cannot be written ({reason}); the run goes on without it. "
                "Free space there, or name another folder as cache."
            )

    def _source_file(self, source: Source) -> Path:
        return self._sources / f"{hashlib.sha256(source.address.encode()).hexdigest()[:32]}.json"

    def _remembered(self, source: Source, stamp: str) -> tuple[str, str] | None:
        """Patient and content that lay behind a source when it had this stamp."""
        try:
            known = json.loads(self._source_file(source).read_text(encoding="utf-8"))
            current = known["stamp"] == stamp and known["version"] == CACHE_VERSION
            return (str(known["patient"]), str(known["content"])) if current else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _remember(self, source: Source, stamp: str, patient: str, content: str) -> None:
        if not self._writable:
            return
        known = {
            "address": source.address,
            "stamp": stamp,
            "patient": patient,
            "content": content,
            "version": CACHE_VERSION,
        }
        try:
            write_atomically(self._source_file(source), json.dumps(known).encode())
        except DataError as error:
            self._give_up(error.message)


def _key(content: str, recipe: Recipe, purpose: Purpose) -> str:
    facts = {
        "cache": CACHE_VERSION,
        "content": content,
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "parameters": recipe.parameters(),
        "purpose": purpose,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_key(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _rename(scratch: Path, folder: Path) -> bool:
    """Give a folder its name; False where that name is taken."""
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False
    return True
