"""What patients are called on the screen: short, or by number where names are hidden."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.core.formats.names import parse_slice_name, undated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Names"]

_TOKEN = re.compile(r"[\w.\-]+")
_LETTER = re.compile(r"[^\W\d_]")
_BETWEEN = "_- "


class Names:
    """Names of the patients of one worklist.

    Parameters
    ----------
    patients : iterable of str
        All patients, in worklist order: the number of a patient is its place.
    hidden : bool
        Whether identifiers are hidden; then no method returns a name.
    people : mapping of str to str, optional
        What the files call patients whose names here are pseudonyms.
    """

    def __init__(
        self,
        patients: Iterable[str] = (),
        *,
        hidden: bool = False,
        people: Mapping[str, str] | None = None,
    ) -> None:
        self.hidden = hidden
        self._people = {} if people is None else dict(people)
        self._numbers = {patient: i for i, patient in enumerate(patients, 1)}
        self._persons = {undated(patient): patient for patient in self._numbers}
        self._dated_needed = len(self._persons) < len(self._numbers)
        self._prefix = _common_prefix([*(self._numbers if self._dated_needed else self._persons)])

    def full(self, patient: str) -> str:
        """Whole name, with what the files call a pseudonymous patient; or ``Patient 12``."""
        if self.hidden:
            return self._by_number(patient)
        person = self._people.get(patient)
        return f"{person} ({patient})" if person else patient

    def short(self, patient: str) -> str:
        """Name without what all have in common, and without the date where it tells nothing."""
        if self.hidden:
            return self._by_number(patient)
        person = self._people.get(patient)
        if person:
            date = patient.removeprefix(undated(patient)).lstrip("_")
            return f"{person}, {_date_words(date)}" if self._dated_needed and date else person
        return self._undated(patient).removeprefix(self._prefix)

    def number(self, patient: str) -> int:
        """Place in the worklist, from 1; 0 for a patient that is not in it."""
        return self._numbers.get(patient, 0)

    def scrub(self, text: str) -> str:
        """Return a text, e.g. a fault with its path, without the names of patients."""
        if not self.hidden or not text:
            return text
        return _TOKEN.sub(self._scrub_token, text)

    def _undated(self, patient: str) -> str:
        return patient if self._dated_needed else undated(patient)

    def _scrub_token(self, match: re.Match[str]) -> str:
        token = match[0]
        bare = token.rstrip(".")
        parsed = parse_slice_name(bare)
        # Files that were made of a patient are called PATIENT_report.pdf and the like.
        cuts = [cut for cut, mark in enumerate(bare) if mark in "_-."]
        beginnings = [bare[:cut] for cut in reversed(cuts)]
        for name in (bare, parsed.patient if parsed else bare, *beginnings):
            known = name if name in self._numbers else self._persons.get(name)
            if known is not None:
                return self._by_number(known) + token[len(name) :]
        return token

    def _by_number(self, patient: str) -> str:
        text = QCoreApplication.translate("Worklist", "Patient {n}")
        return text.format(n=self._numbers.get(patient, "?"))


def _date_words(date: str) -> str:
    """``2024-03-12`` for ``20240312``."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def _common_prefix(names: list[str]) -> str:
    """Longest beginning of all names that ends between two words and leaves more than numbers."""
    if len(names) < 2:
        return ""
    # All others lie between these two.
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    for end in range(same, 0, -1):
        if first[end - 1] in _BETWEEN and all(_LETTER.search(name, end) for name in names):
            return first[:end]
    return ""
