"""Which series a user chose for a patient.

They are part of finding, so that every part of the program reads the same study. One JSON file a
user, written by `session.series_choices`. It holds hashes only: neither names nor
UIDs of a hospital get into it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from napari_brainseg.core.imaging import KAGGLE_ORDER, DataError, Modality, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from napari_brainseg.core.formats.kaggle3m import StudyFolder

    Moved: TypeAlias = Mapping[str, list[tuple[str, Mapping[str, Any]]]]

__all__ = [
    "CHOICES_VARIABLE",
    "choice_key",
    "choice_record",
    "choices_file",
    "chosen_words",
    "find_choice",
    "read_choices",
    "with_choices",
]

CHOICES_VARIABLE = "BRAINSEG_SERIES_CHOICES"
"""Overrides the file, so that the computers of a department read the same series."""

_log = logging.getLogger(__name__)

_FILE = "series-choices.json"
_NAMES = {Modality.PRE: "pre", Modality.FLAIR: "flair", Modality.POST: "post"}
_PROBE = 16_384
"""Bytes at the start and in the middle of a file that tell it from others of its size."""

_told: set[tuple[str, float]] = set()
"""Broken files that were told of."""


def choices_file() -> Path:
    """File of this user's choices, for all folders."""
    if (said := os.environ.get(CHOICES_VARIABLE)) and said.strip():
        return Path(said.strip()).expanduser().absolute()
    return Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False), _FILE)


def with_choices(
    folders: Iterable[StudyFolder], file: Path | None = None
) -> tuple[StudyFolder, ...]:
    """Put the choices into patients.

    Parameters
    ----------
    folders : iterable of StudyFolder
        As they were recognised.
    file : Path, optional
        The choices; this user's where left out.

    Returns
    -------
    tuple of StudyFolder
        Where a series that was chosen is not there any more, the patient is as it was recognised,
        with a warning.
    """
    kept = read_choices(choices_file() if file is None else file)
    moved = _by_first_mark(kept)
    return tuple(_applied(folder, kept, moved) if folder.series else folder for folder in folders)


def read_choices(file: Path) -> dict[str, Any]:
    """Read all choices by `choice_key`; a file that cannot be read counts as empty."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(kept, dict):
            raise ValueError(f"{type(kept).__name__} instead of an object")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        mark = (str(file), _time_of(file))
        if mark not in _told:
            _told.add(mark)
            _log.warning(
                "Choices of series in %s cannot be read (%s): patients have the series that were "
                "recognised.", file, error,
            )  # fmt: skip
        return {}
    return kept


def choice_key(folder: StudyFolder) -> str:
    """Key of a patient in the file.

    A DICOM study has its pseudonym, which is its own wherever the files lie; NIfTI files their
    path too, for many patients have files of the same names.
    """
    place = "" if folder.format is StudyFormat.DICOM else str(folder.path)
    return _digest(f"{folder.format}|{folder.patient}|{place}")


def choice_record(
    folder: StudyFolder, roles: Mapping[Modality, str], truth: str | None
) -> dict[str, str]:
    """Make what the file keeps of a choice.

    Parameters
    ----------
    folder : StudyFolder
        The patient.
    roles : mapping of Modality to str
        Key of the series for each modality; modalities left out are missing then.
    truth : str or None
        Key of the mask that is the ground truth; empty for none; `None` leaves it as recognised.

    Raises
    ------
    DataError
        If there is no such series.
    """
    said = {_NAMES[modality]: _digest(key) for modality, key in roles.items()}
    if truth is not None:
        said["truth"] = _digest(truth) if truth else ""
    if folder.format is not StudyFormat.DICOM:
        files = _files(folder, [*roles.values(), *filter(None, [truth])])
        said |= {"sizes": _sizes(files), "content": _content(files)}
    return said


def chosen_words(folder: StudyFolder) -> str:
    """Say where the series are not those that were recognised; empty where they are.

    Series have their number in the list of series, as options of commands take it: their
    descriptions are free text that may tell who the patient is.
    """
    if folder.as_found is None:
        return ""
    before, now = dict(folder.as_found[0]), dict(folder.roles)
    images = [series for series in folder.series if not series.is_mask]
    parts = []
    for modality in KAGGLE_ORDER:
        key = now.get(modality)
        if key is None and modality in before:
            parts.append(f"{modality} left out")
        elif key is not None and key != before.get(modality):
            number = next(n for n, series in enumerate(images, 1) if series.key == key)
            role = images[number - 1].role
            taken = "not recognised" if role is None else str(role)
            parts.append(f"{modality} from series {number} of {len(images)} ({taken})")
    if folder.truth != folder.as_found[1]:
        parts.append("ground truth from another mask" if folder.truth else "no ground truth")
    words = "; ".join(parts)
    return f"Series as chosen or corrected before, not as recognised: {words}." if parts else ""


def find_choice(folder: StudyFolder, kept: Mapping[str, Any], moved: Moved | None = None) -> str:
    """Key of the choice that holds for a patient; empty without one.

    NIfTI files that lie elsewhere now (moved, renamed, unpacked again) are known by what they hold.
    """
    own = choice_key(folder)
    if own in kept or folder.format is StudyFormat.DICOM:
        return own if own in kept else ""
    moved = _by_first_mark(kept) if moved is None else moved
    keys = _by_mark(folder)
    looks: dict[tuple[str, ...], _Look] = {}
    with suppress(DataError):
        for name, said in (pair for mark in keys for pair in moved.get(mark, ())):
            marks = tuple(_marks(said))
            if all(mark in keys for mark in marks):
                if marks not in looks:
                    looks[marks] = _Look(_files(folder, [keys[mark] for mark in marks]))
                if looks[marks].fits(said):
                    return name
    return ""


class _Look:
    """What files hold, looked at no further and no more often than is needed.

    A root of thousands may have files of the same names in each folder.
    """

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._sizes = _sizes(files)
        self._content = ""

    def fits(self, said: Mapping[str, Any]) -> bool:
        """Whether a choice was made for them."""
        if said.get("sizes") != self._sizes:
            return False
        self._content = self._content or _content(self._files)
        return bool(said["content"] == self._content)


def _applied(folder: StudyFolder, kept: Mapping[str, Any], moved: Moved) -> StudyFolder:
    said = kept.get(find_choice(folder, kept, moved))
    if not isinstance(said, Mapping):
        return folder
    keys = _by_mark(folder)
    marks = _marks(said)
    wanted = {m: said[name] for m, name in _NAMES.items() if said.get(name) in marks}
    if not wanted:
        return folder
    if any(mark not in keys for mark in marks):
        return folder.with_warning(
            "A series that was chosen, or corrected on, is not there any more: all are as "
            "recognised."
        )
    try:
        roles = {modality: keys[mark] for modality, mark in wanted.items()}
        truth = said.get("truth")
        return folder.with_roles(roles, None if truth is None else keys.get(str(truth), ""))
    except DataError as error:
        return folder.with_warning(f"The series that were chosen cannot be used: {error.message}")


def _by_mark(folder: StudyFolder) -> dict[str, str]:
    return {_digest(series.key): series.key for series in folder.series}


def _marks(said: Mapping[str, Any]) -> list[str]:
    names = (*_NAMES.values(), "truth")
    return [mark for name in names if isinstance(mark := said.get(name), str) and mark]


def _by_first_mark(kept: Mapping[str, Any]) -> Moved:
    """Sort choices that files may be known by, after a series that they name."""
    moved: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for name, said in kept.items():
        if isinstance(said, Mapping) and said.get("content") and (marks := _marks(said)):
            moved[marks[0]].append((name, said))
    return moved


def _files(folder: StudyFolder, keys: Iterable[str]) -> list[Path]:
    return sorted({file for key in keys for file in folder.find(key).files})


def _sizes(files: Iterable[Path]) -> str:
    try:
        return _digest(";".join(f"{path.name}|{path.stat().st_size}" for path in files))
    except OSError as error:
        raise _unreadable(error) from error


def _content(files: Iterable[Path]) -> str:
    """Mark what files hold, cheaply: bytes at their start and in the middle."""
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                digest.update(file.read(_PROBE))
                file.seek(os.fstat(file.fileno()).st_size // 2)
                digest.update(file.read(_PROBE))
        except OSError as error:
            raise _unreadable(error) from error
    return digest.hexdigest()[:24]


def _unreadable(error: OSError) -> DataError:
    return DataError(
        f"{error.filename} cannot be read: {error.strerror or error}.",
        "Check that it is still there and that you may read it.",
    )


def _time_of(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
