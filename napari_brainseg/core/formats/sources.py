"""Outputs never land among the files that patients were read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = ["refuse_sources"]


def refuse_sources(
    folders: Iterable[StudyFolder], dest: Path, *, searched: Path | None = None, file: bool = False
) -> None:
    """Make sure that what is written goes into no patient's folder.

    Parameters
    ----------
    folders : iterable of StudyFolder
        All patients that are read; those of others count, too.
    dest : Path
        Folder or file to be written.
    searched : Path, optional
        What the user gave to read, e.g. an archive: it is never replaced.
    file : bool
        Whether `dest` is a file: then its folder counts.

    Raises
    ------
    DataError
        If `dest` is or lies in the folder of a patient, or among its files.
    """
    hint = "Choose another place: original data is never written to."
    target = dest.resolve()
    if searched is not None and searched.is_file() and target == searched.resolve():
        raise DataError(f"{dest} is what the patients are read from.", hint)
    place = target.parent if file else target
    for folder in folders:
        source = folder.path.resolve()
        if source.is_dir():
            among = place == source or source in place.parents
        else:
            files = (folder.path, *folder.images, *(mask for mask in folder.masks if mask))
            among = place in {one.parent.resolve() for one in files}
        if among:
            raise DataError(
                f"{dest} would lie among the files of {folder.patient} in "
                f"{source if source.is_dir() else source.parent}.",
                hint,
            )
