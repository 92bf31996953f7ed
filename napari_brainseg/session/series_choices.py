"""A user's choices among the series of patients are made and taken back here.

`core.formats.discover` applies them.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.file_lock import file_lock
from napari_brainseg.core.formats import open_again
from napari_brainseg.core.formats.series_choices import (
    choice_key,
    choice_record,
    choices_file,
    find_choice,
    read_choices,
)
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Modality, Study

__all__ = ["SeriesChoices", "hold_series"]

_log = logging.getLogger(__name__)

_KEPT = 5000
"""Choices remembered; the oldest go first."""


def hold_series(study: Study) -> None:
    """Keep a patient to the series that a correction begins on.

    Without it a series that comes later, and looks the better one, would make another image, to
    which the correction does not belong. A fault is logged: it must not keep anybody from working.
    """
    if not study.series or study.path is None:
        return
    try:
        SeriesChoices().hold(open_again(study.path, study.patient), study.roles)
    except DataError as error:
        _log.warning("The series of %s are not held: %s", study.patient, error.message)


class SeriesChoices:
    """Choices of a user among the series of patients.

    Thread-safety: every method may be called from any thread, and from several programs.

    Parameters
    ----------
    file : Path, optional
        JSON; made at the first choice. This user's where left out.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = choices_file() if file is None else file

    def choose(self, folder: StudyFolder, roles: Mapping[Modality, str], truth: str = "") -> None:
        """Remember a choice.

        Parameters
        ----------
        folder : StudyFolder
            The patient.
        roles : mapping of Modality to str
            Key of the series for each modality; modalities left out are missing then.
        truth : str
            Key of the mask that is the ground truth; empty for none.

        Raises
        ------
        DataError
            If there is no such series, one is named twice, nothing is chosen, or the file cannot
            be written.
        """
        if not roles:
            raise DataError(
                f"No series is chosen for {folder.patient}.",
                "Choose at least one series, best the FLAIR.",
            )
        folder.with_roles(roles, truth)
        if truth and not folder.find(truth).is_mask:
            raise DataError(f"{folder.patient}: {truth} is no mask.", "Choose a mask, or none.")
        said = choice_record(folder, roles, truth)
        with self._locked():
            kept = read_choices(self._file)
            kept.pop(choice_key(folder), None)
            kept[choice_key(folder)] = said
            self._write(kept)

    def hold(self, folder: StudyFolder, roles: Mapping[Modality, str]) -> None:
        """Remember the series of a patient unless there is a choice; the truth stays free.

        Raises
        ------
        DataError
            If there is no such series, or the file cannot be written.
        """
        if self.has(folder):
            return
        said = choice_record(folder, roles, None)
        with self._locked():
            kept = read_choices(self._file)
            kept.setdefault(choice_key(folder), said)
            self._write(kept)

    def forget(self, folder: StudyFolder) -> None:
        """Go back to what was recognised.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        with self._locked():
            kept = read_choices(self._file)
            if kept.pop(find_choice(folder, kept), None) is not None:
                self._write(kept)

    def has(self, folder: StudyFolder) -> bool:
        """Whether there is a choice for a patient."""
        return bool(find_choice(folder, read_choices(self._file)))

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self._file.with_name(f".{self._file.name}.lock"))

    def _write(self, kept: dict[str, Any]) -> None:
        newest = dict(list(kept.items())[-_KEPT:])
        write_atomically(self._file, json.dumps(newest, indent=1).encode())
