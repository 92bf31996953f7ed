"""Names of DICOM studies: who they are of stays out of them.

``PT-3f9a0c12be_20240131``: a pseudonym and the date of the study. A second study of the same day
gets a letter. Which study has which letter is remembered beside the key, so that a study keeps its
name whichever of its neighbours are there when it is opened.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import platformdirs

from napari_brainseg.core.formats.pseudonym import keyed_digest, pseudonym

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord

__all__ = ["StudyIdentity", "identity_of", "name_studies"]

_CLAIMS = "dicom_names.txt"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NO_ID = "without PatientID"


class StudyIdentity(NamedTuple):
    """Whose study of when it is."""

    person: str
    """PatientID; name and birth date where there is none; else the study stands for itself."""
    issuer: str
    study_uid: str
    date: str
    """YYYYMMDD, or empty."""
    time: str


def identity_of(record: HeaderRecord) -> StudyIdentity:
    """Identity of the study that a file belongs to."""
    dates = (record.study_date, record.series_date, record.acquisition_date)
    date = next((d for d in map(_date, dates) if d), "")
    if record.patient_id:
        person, issuer = record.patient_id, record.patient_issuer
    elif record.patient_name or record.birth_date:
        person, issuer = f"{record.patient_name}|{record.birth_date}", _NO_ID
    else:
        person, issuer = record.study_uid or record.series_uid or str(record.path.parent), _NO_ID
    return StudyIdentity(person, issuer, record.study_uid, date, record.study_time)


def name_studies(studies: Sequence[StudyIdentity]) -> list[str]:
    """Name studies, each differently.

    Raises
    ------
    DataError
        If the user's key can neither be read nor made.
    """
    order = sorted(range(len(studies)), key=lambda i: (studies[i].time, studies[i].study_uid, i))
    wanted = [""] * len(studies)
    for i in order:
        study = studies[i]
        name = pseudonym(study.person, study.issuer)
        wanted[i] = f"{name}_{study.date}" if study.date else name
    marks = [
        keyed_digest(f"study|{study.study_uid or f'{study.person}|{study.date}'}")[:16]
        for study in studies
    ]
    claims = _claim([f"{wanted[i]} {marks[i]}" for i in order])
    return [_lettered(wanted[i], claims[wanted[i]].index(marks[i])) for i in range(len(studies))]


def _lettered(name: str, index: int) -> str:
    if index == 0:
        return name
    letter = _LETTERS[index] if index < len(_LETTERS) else f"-{index + 1}"
    return f"{name}{letter}" if re.search(r"_\d{8}$", name) else f"{name}-{index + 1}"


def _date(text: str) -> str:
    """Give a date as YYYYMMDD, empty where it is none (PS3.5, 6.2; of old with ``.`` between)."""
    digits = re.sub(r"[.\-/]", "", text.strip())[:8]
    return digits if re.fullmatch(r"(19|20|21)\d\d[01]\d[0-3]\d", digits) else ""


def _claim(lines: Sequence[str]) -> dict[str, list[str]]:
    """Claim names for studies that have none; all claims by name, the first come first.

    Lines are only ever appended, so that two programs at once agree on who came first. Where
    nothing can be written the order of this call counts.
    """
    folder = Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False))
    path = folder / _CLAIMS
    try:
        known = _read(path)
        new = [line for line in dict.fromkeys(lines) if line not in known]
        if new:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="ascii") as file:
                file.write("".join(f"{line}\n" for line in new))
            known = _read(path)
    except OSError:
        known = {}
    claims: dict[str, list[str]] = {}
    for line in dict.fromkeys([*known, *lines]):
        name, _, mark = line.partition(" ")
        claims.setdefault(name, []).append(mark)
    return claims


def _read(path: Path) -> dict[str, None]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return {}
    return dict.fromkeys(line for line in text.splitlines() if " " in line)
