"""Deleted model versions: their folders are kept in a bin until it is emptied.

The row of the catalogue says whether a version is deleted; folders follow it, also later, where a
process died in between or a file was still open.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session.model_version import DeletedVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_brainseg.session.model_log import VersionNote

__all__ = ["BIN", "deleted_versions", "empty", "put_back", "put_in"]

BIN = ".deleted"
_log = logging.getLogger(__name__)


def put_in(models: Path, version: str) -> None:
    """Move the folder of a deleted version into the bin; one that cannot be moved is tried again.

    Parameters
    ----------
    models : Path
        Folder of all versions.
    version : str
        Its row says already that it is deleted.
    """
    folder, place = models / version, models / BIN / version
    if not folder.is_dir():
        return
    try:
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            # Deleted before, then imported again: the same version holds the same model.
            shutil.rmtree(place)
        folder.rename(place)
    except OSError as error:
        _log.warning("The deleted model %s stays in its place for now: %s", folder, error)


def put_back(models: Path, version: str) -> None:
    """Move a folder out of the bin.

    Raises
    ------
    ModelError
        If it is not there, or cannot be moved.
    """
    folder, place = models / version, models / BIN / version
    if folder.is_dir():
        return
    try:
        place.rename(folder)
    except OSError as error:
        raise ModelError(
            f"The model {version} cannot be brought back from {place}: {error.strerror or error}.",
            "If the bin was emptied, import the model from an export.",
        ) from error


def empty(models: Path, notes: Mapping[str, VersionNote]) -> tuple[str, ...]:
    """Remove the files of all deleted versions for good; returns the versions.

    Raises
    ------
    ModelError
        If one cannot be removed.
    """
    places = {gone.path for gone in deleted_versions(models, notes) if gone.path is not None}
    if (models / BIN).is_dir():
        # Copies of versions that were imported again, too.
        places.update(path for path in (models / BIN).iterdir() if path.is_dir())
    for place in sorted(places):
        try:
            shutil.rmtree(place)
        except OSError as error:
            raise ModelError(
                f"{place} cannot be removed: {error.strerror or error}.",
                "Close other windows that use it, and check permissions.",
            ) from error
    return tuple(sorted(place.name for place in places))


def deleted_versions(models: Path, notes: Mapping[str, VersionNote]) -> tuple[DeletedVersion, ...]:
    """List what was deleted, the oldest first."""
    found = []
    for note in notes.values():
        if note.deleted is None:
            continue
        places = (models / BIN / note.version, models / note.version)
        found.append(
            DeletedVersion(
                version=note.version,
                name=note.name,
                parent=note.parent,
                deleted=note.deleted,
                deleted_by=note.deleted_by or "",
                path=next((place for place in places if place.is_dir()), None),
            )
        )
    return tuple(sorted(found, key=lambda version: version.deleted))
