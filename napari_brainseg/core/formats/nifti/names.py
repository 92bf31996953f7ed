"""What names of NIfTI files say: whose, and which sequence.

Covered: BraTS 2018 to 2024 (``_t1ce``, ``-t2f``), BIDS (``sub-01_ses-02_ce-gadolinium_T1w``,
https://bids-specification.readthedocs.io), UPENN-GBM and UCSF-PDGM (``_T1GD``, ``_T1c_bias``), and
what hospitals write (``AX T1 post contrast``).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.formats.nifti.words import Kind, Word, is_series_word, meaning, split

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Modality

__all__ = ["NameFacts", "name_facts", "plain", "session_name"]


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a file name says.

    Parameters
    ----------
    owner : str
        What files of the same patient and session share; empty where the name is a sequence only.
    kind : Kind
        What the file holds.
    role : Modality or None
        The sequence.
    why : str
        What it was recognised by, or why not.
    extras : int
        Further words beside the sequence: of two candidates the plainer name is taken.
    is_bids : bool
        Whether the owner is a subject of BIDS.
    """

    owner: str
    kind: Kind
    role: Modality | None
    why: str
    extras: int = 0
    is_bids: bool = False


_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_BIDS = re.compile(r"(sub-[0-9A-Za-z]+(?:_ses-[0-9A-Za-z]+)?)_(.+)", re.IGNORECASE)
_BIDS_SPACE = re.compile(r"(^|_)(space|from|to)-[0-9A-Za-z]+", re.IGNORECASE)
_DATE = re.compile(r"((?:19|20)[0-9]{6})(?:[0-9]{6})?")
_VISIT = re.compile(r"(ses|session|visit|timepoint|tp|baseline|followup|fu)[0-9]*")
_SESSION_FOLDER = re.compile(
    r"(ses|session|visit|timepoint|tp|scan|baseline|follow-?up|fu|pre-?op|post-?op|year|month|week"
    r"|day|bl|m|v|t)[-_ ]?[0-9]*(-[0-9]+)?|(19|20)[0-9]{2}[-_.]?[0-9]{2}[-_.]?[0-9]{2}",
    re.IGNORECASE,
)
_GENERIC_FOLDER = re.compile(
    r"anat|nii|niftis?|images?|imgs?|mri?|data|raw|scans?|series|preprocessed|processed|native"
    r"|structural",
    re.IGNORECASE,
)
_EDGES = " _-.,;"
_LONGEST = 80


def name_facts(name: str) -> NameFacts:
    """Take a file name apart.

    Parameters
    ----------
    name : str
        File name with its ending, without folder.
    """
    stem = _ENDING.sub("", name)
    if bids := _BIDS.fullmatch(stem):
        words = split(_BIDS_SPACE.sub("", bids[2]))
        kind, role, why = meaning([word.text for word in words])
        return NameFacts(bids[1], kind, role, why, len(words), is_bids=True)
    words = split(stem)
    first, last = _series_run(words)
    kind, role, why = meaning([word.text for word in words[first:last]])
    return NameFacts(
        _owner(stem, words, first, last), kind, role, why, len(words) - first if words else 0
    )


def plain(text: str) -> str:
    """Letters, digits, ``-`` and ``_`` only; what does not fit ASCII is told apart by a hash.

    Parameters
    ----------
    text : str
        Name of a file or folder.
    """
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    name = re.sub(r"[^0-9A-Za-z_-]+", "_", bare.encode("ascii", "ignore").decode()).strip("_-")
    if not name or not bare.isascii() or len(name) > _LONGEST:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        name = f"{name[:_LONGEST] or 'patient'}_{digest}"
    return name


def session_name(folders: tuple[str, ...]) -> str:
    """Name of a patient by the folders around the files.

    Parameters
    ----------
    folders : tuple of str
        Names of folders from the outermost to the one of the files.

    Returns
    -------
    str
        The nearest folder that is no mere ``anat`` or ``images``; one that is a visit or a date
        goes behind the name of the folder above, dates as YYYYMMDD, visits that no name could
        tell (``m6``) as ``ses-m6``.
    """
    names = [name for name in folders if name]
    while len(names) > 1 and _GENERIC_FOLDER.fullmatch(names[-1]):
        names.pop()
    if not names:
        return "patient"
    if len(names) > 1 and _SESSION_FOLDER.fullmatch(names[-1]):
        digits = re.sub(r"[-_.]", "", names[-1])
        visit = digits if _DATE.fullmatch(digits) else plain(names[-1])
        named = f"{plain(names[-2])}_{visit}"
        if undated(named) != named:
            return named
        # Else the visits of a person would count as so many people.
        return f"{plain(names[-2])}_ses-{re.sub(r'[^0-9A-Za-z]', '', visit)}"
    return plain(names[-1])


def _series_run(words: list[Word]) -> tuple[int, int]:
    """Find the last run of words about the sequence, as range of indices; empty without one."""
    end = len(words)
    while end:
        while end and not words[end - 1].is_about_series:
            end -= 1
        first = end
        while first and words[first - 1].is_about_series:
            first -= 1
        if any(is_series_word(word.text) for word in words[first:end]):
            return first, end
        end = first
    return len(words), len(words)


def _owner(stem: str, words: list[Word], first: int, last: int) -> str:
    if first == last:
        return stem.strip(_EDGES)
    before = stem[: words[first].start].strip(_EDGES)
    after = [word for word in words[last:] if not word.is_about_series]
    if not before:
        # ``t1_P01``: the patient stands behind the sequence.
        return "_".join(stem[word.start : word.end] for word in after)
    for word in after:
        if date := _DATE.fullmatch(word.text):
            return f"{before}_{date[1]}"
    if after and _VISIT.fullmatch(after[0].text):
        return f"{before}_{stem[after[0].start : after[-1].end]}"
    return before
