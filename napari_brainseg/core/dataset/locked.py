"""Locked patients measure every version of a workspace and train none: who becomes one.

Drawn stratified, named by hand, or added to an earlier set; see `locked_set` for the file.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_brainseg.core.dataset.locked_set import (
    LEAST_LOCKED,
    LockedPatient,
    LockedSet,
    MaskSource,
    freeze_locked,
    load_generations,
    load_locked,
)
from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = [
    "LEAST_LOCKED",
    "NOTHING_KNOWN",
    "Known",
    "LockedPatient",
    "LockedSet",
    "MaskSource",
    "choose_locked",
    "draw_locked",
    "eligible",
    "extend_locked",
    "freeze_locked",
    "load_generations",
    "load_locked",
    "wanted_number",
]

LOCKED_SHARE = 0.2
MOST_LOCKED = 10
"""More would make every gate on a CPU wait for their prediction."""
MOST_CORRECTIONS = 1 / 3
"""Share of the corrections at hand that may be given up for measuring."""


@dataclass(frozen=True, slots=True)
class Known:
    """What models were trained on.

    Parameters
    ----------
    persons : frozenset of str
        Names without the study date.
    images, masks : frozenset of str
        Content hashes; masks without a lesion left out, they are all alike.
    """

    persons: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    masks: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        patients: Iterable[str],
        images: Mapping[str, str] | Iterable[str] = (),
        masks: Mapping[str, str] | Iterable[str] = (),
    ) -> Known:
        """Make it of names and hashes; of mappings, such as a bundle keeps, the values count."""
        return cls(frozenset(undated(name) for name in patients), _hashes(images), _hashes(masks))

    def __or__(self, other: Known) -> Known:
        """Join what two were trained on."""
        return Known(
            self.persons | other.persons, self.images | other.images, self.masks | other.masks
        )

    def why(self, patient: LockedPatient) -> str:
        """Say how a patient is known: by ``"name"``, ``"image"`` or ``"mask"``; ``""`` if not."""
        if undated(patient.patient) in self.persons:
            return "name"
        if patient.image_sha256 in self.images:
            return "image"
        return "mask" if patient.lesion_vox and patient.mask_sha256 in self.masks else ""


NOTHING_KNOWN = Known()


def wanted_number(at_hand: int) -> int:
    """How many patients to lock of those at hand: a fifth, between 5 and 10."""
    return min(max(round(LOCKED_SHARE * at_hand), LEAST_LOCKED), MOST_LOCKED)


def eligible(
    candidates: Iterable[LockedPatient], known: Known = NOTHING_KNOWN
) -> tuple[LockedPatient, ...]:
    """Leave out who cannot be locked; one study a person and one name an image stay.

    Left out are patients that a model was trained on, by person, image or mask; and ground truth
    of whom a correction is at hand, under whatever name: it may train.
    """
    found = sorted((c for c in candidates if not known.why(c)), key=_order)
    corrected = Known.of(
        (c.patient for c in found if c.mask_source == "correction"),
        (c.image_sha256 for c in found if c.mask_source == "correction"),
    )
    kept: list[LockedPatient] = []
    persons: set[str] = set()
    images: set[str] = set()
    for candidate in found:
        person, image = undated(candidate.patient), candidate.image_sha256
        is_spoilt = candidate.mask_source == "ground truth" and corrected.why(candidate)
        if is_spoilt or person in persons or image in images:
            continue
        kept.append(candidate)
        persons.add(person)
        images.add(image)
    return tuple(kept)


def draw_locked(
    candidates: Iterable[LockedPatient],
    *,
    seed: int,
    wanted: int | None = None,
    known: Known = NOTHING_KNOWN,
) -> LockedSet:
    """Draw a locked set, stratified by institution, lesion-free or not, and lesion size.

    Patients with ground truth that nobody corrected come first: locking them costs no training
    data. Corrections fill up, a third of them at most.

    The draw is systematic: candidates stand in a row ordered by the strata, and every n-th is
    taken from a random start, so that each stratum gives its share, give or take one (Cochran,
    Sampling Techniques, 3rd ed. 1977, chapter 8).

    Parameters
    ----------
    candidates : iterable of LockedPatient
        All patients with a mask at hand; their order does not matter.
    seed : int
        Seed of the draw.
    wanted : int, optional
        How many; `wanted_number` of the candidates if left out. Fewer come where fewer are
        eligible, none where nobody is.
    known : Known
        What the base model was trained on; nobody of it is drawn.
    """
    everybody = tuple(candidates)
    number = wanted_number(len(everybody)) if wanted is None else wanted
    chosen = _draw(everybody, (), number, seed, known)
    return _make(chosen, seed, 1)


def choose_locked(
    candidates: Iterable[LockedPatient], names: Iterable[str], *, known: Known = NOTHING_KNOWN
) -> LockedSet:
    """Make a locked set of patients by name.

    Raises
    ------
    DataError
        If a patient is not at hand with a mask, or the base model was trained on it.
    """
    return _make(_named(tuple(candidates), names, known), None, 1)


def extend_locked(
    earlier: LockedSet,
    candidates: Iterable[LockedPatient],
    *,
    seed: int,
    wanted: int | None = None,
    names: Iterable[str] | None = None,
    known: Known = NOTHING_KNOWN,
    gone: Collection[str] = (),
) -> LockedSet:
    """Make the next generation of a locked set; figures on the earlier one compare no more.

    Those of the earlier set stay, but for patients that a base model has come to know and those
    that are gone. One whose image or mask was changed since is taken as it is now.

    Parameters
    ----------
    earlier : LockedSet
        The latest generation.
    candidates : iterable of LockedPatient
        All patients with a mask at hand.
    seed : int
        Seed of the draw.
    wanted : int, optional
        How many in all; `wanted_number` of the candidates if left out.
    names : iterable of str, optional
        Who is added, in place of a draw.
    known : Known
        What models were trained on.
    gone : collection of str
        Patients of the earlier set that are nowhere to be found.

    Raises
    ------
    DataError
        If nothing changes, or a named patient cannot be locked.
    """
    everybody = tuple(candidates)
    now = {(c.patient, c.mask_source): c for c in everybody}
    still = (p for p in earlier.patients if not known.why(p) and p.patient not in gone)
    # As they are now: files that were exchanged may hold what a model was trained on.
    as_now = (now.get((p.patient, p.mask_source), p) for p in still)
    kept = tuple(patient for patient in as_now if not known.why(patient))
    if names is not None:
        there = {undated(p.patient) for p in kept}
        added = _named(everybody, (n for n in names if undated(n) not in there), known)
        chosen = (*kept, *added)
    else:
        number = wanted_number(len(everybody)) if wanted is None else wanted
        chosen = _draw(everybody, kept, number, seed, known)
    following = _make(chosen, None if names is not None else seed, earlier.generation + 1)
    if _contents(following) == _contents(earlier):
        raise DataError(
            f"Nobody can be added to the {len(earlier.patients)} locked patients.",
            "Open a folder with patients that have ground truth and that no model was trained "
            "on, or approve more corrections.",
        )
    return following


def _contents(locked: LockedSet) -> list[tuple[str, str, str]]:
    return [(p.patient, p.image_sha256, p.mask_sha256) for p in locked.patients]


def _make(patients: tuple[LockedPatient, ...], seed: int | None, generation: int) -> LockedSet:
    try:
        return LockedSet(patients=patients, seed=seed, generation=generation)
    except ValidationError as error:
        said = "; ".join(f["msg"].removeprefix("Value error, ") for f in error.errors())
        raise DataError(
            f"These patients cannot be locked together: {said}.", "Name each person once."
        ) from error


def _named(
    candidates: Sequence[LockedPatient], names: Iterable[str], known: Known
) -> tuple[LockedPatient, ...]:
    by_name = {c.patient: c for c in sorted(candidates, key=_order, reverse=True)}
    wanted = tuple(dict.fromkeys(names))
    if absent := [name for name in wanted if name not in by_name]:
        raise DataError(
            f"Patients to be locked are not at hand with a mask: {', '.join(absent)}.",
            "Open the folder that holds them, and check their names.",
        )
    spoilt = [f"{name} ({why})" for name in wanted if (why := known.why(by_name[name]))]
    if spoilt:
        raise DataError(
            f"A model was trained on patients to be locked: {', '.join(spoilt)}.",
            "They would flatter it. Name patients that no model has seen.",
        )
    return tuple(by_name[name] for name in wanted)


def _draw(
    candidates: Sequence[LockedPatient],
    kept: tuple[LockedPatient, ...],
    wanted: int,
    seed: int,
    known: Known,
) -> tuple[LockedPatient, ...]:
    """Add to `kept` until there are `wanted`, as far as the pools go."""
    locked = Known.of((p.patient for p in kept), (p.image_sha256 for p in kept))
    fit = eligible(candidates, known | locked)
    rng = random.Random(seed)
    spare = [c for c in fit if c.mask_source == "ground truth"]
    chosen = [*kept, *_systematic(spare, max(0, wanted - len(kept)), rng)]
    corrections = [c for c in fit if c.mask_source == "correction"]
    given_up = sum(p.mask_source == "correction" for p in kept)
    room = int((len(corrections) + given_up) * MOST_CORRECTIONS) - given_up
    more = min(wanted - len(chosen), room)
    return (*chosen, *_systematic(corrections, max(0, more), rng))


def _systematic(
    pool: Collection[LockedPatient], wanted: int, rng: random.Random
) -> list[LockedPatient]:
    if wanted >= len(pool):
        return list(pool)
    row = sorted(pool, key=lambda c: c.patient)
    rng.shuffle(row)
    # equal sizes, such as none, stay in the shuffled order
    row.sort(key=lambda c: (c.institution, c.lesion_vox > 0, c.lesion_vox))
    start = rng.random()
    return [row[int((place + start) * len(row) / wanted)] for place in range(wanted)]


def _order(candidate: LockedPatient) -> tuple[bool, str]:
    """Corrections before ground truth: a correction is at hand of those, and may train."""
    return candidate.mask_source == "ground truth", candidate.patient


def _hashes(source: Mapping[str, str] | Iterable[str]) -> frozenset[str]:
    values = source.values() if hasattr(source, "values") else source
    return frozenset(values)
