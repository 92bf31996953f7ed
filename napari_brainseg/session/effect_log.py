"""Who looked at which patients before a version was promoted, kept in the catalogue.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Look", "Reviewed", "note_cases", "note_look", "reviewed"]

_KEY = "effect review "  # of settings, which hold 80 characters


@dataclass(frozen=True, slots=True)
class Look:
    """One patient that somebody looked at.

    Parameters
    ----------
    patient : str
        Name with its date.
    editor : str
        Who; empty where nobody was named.
    seen : float
        When for the first time, Unix seconds.
    """

    patient: str
    editor: str
    seen: float


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How far an effect review came.

    Parameters
    ----------
    candidate, current : str
        Versions that were compared.
    patients : tuple of str
        Those to look at.
    looks : tuple of Look
        Those of them that were looked at, in that order.
    """

    candidate: str
    current: str
    patients: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def seen(self) -> int:
        """How many were looked at."""
        return len(self.looks)

    @property
    def total(self) -> int:
        """How many there are to look at."""
        return len(self.patients)

    @property
    def is_complete(self) -> bool:
        """Whether there was something to look at, and all of it was."""
        return 0 < self.total == self.seen


def reviewed(catalogue: Catalogue, candidate: str, current: str) -> Reviewed:
    """Tell how far the review of a candidate against the version in use came.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    text = catalogue.get(_key(candidate, current))
    if text is None:
        return Reviewed(candidate, current)
    content = json.loads(text)
    patients = tuple(content["patients"])
    looks = tuple(Look(**look) for look in content["looks"] if look["patient"] in patients)
    return Reviewed(candidate, current, patients, looks)


def note_cases(
    catalogue: Catalogue, candidate: str, current: str, patients: Iterable[str]
) -> Reviewed:
    """Keep which patients there are to look at; what was looked at before stays.

    Raises
    ------
    DataError
        If the catalogue cannot be written.
    """
    before = reviewed(catalogue, candidate, current)
    wanted = tuple(patients)
    looks = tuple(look for look in before.looks if look.patient in wanted)
    return _keep(catalogue, Reviewed(candidate, current, wanted, looks))


def note_look(
    catalogue: Catalogue, candidate: str, current: str, patient: str, *, editor: str
) -> Reviewed:
    """Keep that somebody looked at a patient; the first time counts.

    Raises
    ------
    DataError
        If the catalogue cannot be written.
    """
    before = reviewed(catalogue, candidate, current)
    if patient in {look.patient for look in before.looks}:
        return before
    patients = before.patients if patient in before.patients else (*before.patients, patient)
    looks = (*before.looks, Look(patient, editor, time.time()))
    return _keep(catalogue, Reviewed(candidate, current, patients, looks))


def _keep(catalogue: Catalogue, found: Reviewed) -> Reviewed:
    catalogue.set(_key(found.candidate, found.current), json.dumps(asdict(found)))
    return found


def _key(candidate: str, current: str) -> str:
    # Versions may be longer than a key; they stand in the value as well.
    return _KEY + sha256(f"{candidate}\n{current}".encode()).hexdigest()[:40]
