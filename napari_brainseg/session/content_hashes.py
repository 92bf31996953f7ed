"""Hashes of what patients' folders hold, remembered by the stamps of their files.

Pixels are read once; a folder whose files have the size and times that they had is not read again.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import BrainSegError, DataError, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Content", "ContentHashes"]

_FILE = "content_hashes.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Content:
    """What a patient's folder holds.

    Parameters
    ----------
    image_sha256 : str
        Of the intensities.
    mask_sha256 : str or None
        Of the masks; `None` if there are none.
    lesion_vox : int
        Voxels of the masks.
    shape : tuple of int
        (Z, Y, X).
    """

    image_sha256: str
    mask_sha256: str | None
    lesion_vox: int
    shape: tuple[int, int, int]


class ContentHashes:
    """Reads and remembers contents of folders.

    Parameters
    ----------
    cache : Path
        Folder of the workspace that may be deleted at any time.
    catalogue : Catalogue, optional
        Its worklist knows the image hashes of patients that were looked at.
    """

    def __init__(self, cache: Path, catalogue: Catalogue | None = None) -> None:
        self._path = cache / _FILE
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        self._figures: dict[str, float] = {}
        self._images: dict[str, tuple[str, str]] | None = None
        self._is_changed = False
        self._read()

    def of(self, folder: StudyFolder) -> Content:
        """Return what a folder holds; reads its pixels if they may have changed.

        Raises
        ------
        DataError
            If it cannot be read, slices differ in shape, or images and masks do not pair up.
        """
        key, stamp = str(folder.path), _stamp(folder)
        with self._lock:
            known = self._known.get(key)
        if known is not None and known.get("stamp") == stamp:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return _content(known)
        content = self._look(folder)
        with self._lock:
            self._known[key] = {"stamp": stamp} | asdict(content)
            self._is_changed = True
        return content

    def note(self, key: str, value: float | None = None) -> float | None:
        """Remember a figure that follows from contents, or return one; `None` if unknown."""
        with self._lock:
            if value is not None:
                self._figures[key] = value
                self._is_changed = True
            return self._figures.get(key)

    def voxels(self, patients: Collection[str]) -> int:
        """Voxels of patients whose folders were looked at; others count as their mean."""
        names = set(patients)
        with self._lock:
            sizes = {
                Path(key).name: prod(known["shape"])
                for key, known in self._known.items()
                if Path(key).name in names
            }
        return round(sum(sizes.values()) * len(names) / len(sizes)) if sizes else 0

    def save(self) -> None:
        """Keep what was learnt; where that fails it is learnt again."""
        from napari_brainseg.core.dataset.durable import write_atomically

        with self._lock:
            if not self._is_changed:
                return
            content = json.dumps(
                {"format": _FORMAT, "folders": self._known, "figures": self._figures}
            )
            self._is_changed = False
        with contextlib.suppress(BrainSegError):
            write_atomically(self._path, content.encode())

    def _read(self) -> None:
        # What cannot be read is learnt again.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(self._path.read_bytes())
            if content["format"] == _FORMAT:
                figures = {str(key): float(value) for key, value in content["figures"].items()}
                folders = {str(key): dict(value) for key, value in content["folders"].items()}
                self._figures, self._known = figures, folders

    def _look(self, folder: StudyFolder) -> Content:
        from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
        from napari_brainseg.core.formats import load_masks, load_study

        digest = self._looked_at(folder)
        if digest is not None and folder.has_masks and folder.format is StudyFormat.KAGGLE_3M:
            mask, _ = load_masks(folder.path)
            return _made(digest, mask.data.shape, mask_sha256(mask), int(mask.data.sum()))
        study = load_study(folder)
        truth = study.truth
        return _made(
            image_sha256(study),
            study.image.grid_shape,
            None if truth is None else mask_sha256(truth),
            0 if truth is None else int(truth.data.sum(dtype="int64")),
        )

    def _looked_at(self, folder: StudyFolder) -> str | None:
        """Image hash that the worklist learnt from the same files."""
        if self._catalogue is None:
            return None
        if self._images is None:
            self._images = _images_of(self._catalogue)
        mark, digest = self._images.get(str(folder.path), ("", ""))
        if not mark:
            return None
        from napari_brainseg.session.pixel_facts import fingerprint

        with contextlib.suppress(OSError):
            return digest if fingerprint(folder) == mark else None
        return None


def _images_of(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """Fingerprint and image hash of all patients that were looked at, by path."""
    from sqlalchemy import select

    from napari_brainseg.session.tables import patients

    columns = (patients.c.path, patients.c.fingerprint, patients.c.image_sha256)
    with catalogue.read() as connection:
        rows = connection.execute(select(*columns).where(patients.c.image_sha256.is_not(None)))
        return {path: (mark, digest) for path, mark, digest in rows}


def _made(image: str, shape: tuple[int, ...], mask: str | None, lesion_vox: int) -> Content:
    z, y, x = shape
    return Content(image, mask, lesion_vox, (int(z), int(y), int(x)))


def _content(known: dict[str, Any]) -> Content:
    return _made(
        known["image_sha256"], tuple(known["shape"]), known["mask_sha256"], known["lesion_vox"]
    )


def _stamp(folder: StudyFolder) -> str:
    """Names, sizes and times; the inode's time cannot be set back as the file's can."""
    digest = hashlib.sha256()
    for path in folder.files:
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(
                f"The slice {path} cannot be read: {error.strerror or error}.",
                "Check that it is still there and that you may read it.",
            ) from error
        line = f"{path.name}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns};"
        digest.update(line.encode())
    digest.update(repr((folder.roles, folder.truth)).encode())
    return digest.hexdigest()
