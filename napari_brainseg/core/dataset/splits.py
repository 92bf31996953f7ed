"""Which patients train and which validate: by patient, drawn once, frozen, hashed."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "REFERENCE_VALIDATION",
    "Split",
    "check_no_leakage",
    "draw_split",
    "freeze_split",
    "institution_of",
    "k_fold",
    "load_split",
    "same_person",
]

REFERENCE_VALIDATION: tuple[str, ...] = (
    "TCGA_HT_7616_19940813",
    "TCGA_CS_6668_20011025",
    "TCGA_CS_4944_20010208",
    "TCGA_HT_7879_19981009",
    "TCGA_DU_7014_19860618",
    "TCGA_DU_6408_19860521",
    "TCGA_DU_6404_19850629",
    "TCGA_DU_5851_19950428",
    "TCGA_CS_6667_20011105",
    "TCGA_HT_7692_19960724",
)
"""Validation patients of the published program. Taken by name: drawn again from a partial folder,
others would come out and some of these ten would be trained on."""


@dataclass(frozen=True, slots=True)
class Split:
    """Patients that train and patients that validate.

    Parameters
    ----------
    train, validation : tuple of str
        Patient names; no person may stand on both sides.
    seed : int or None
        Seed of the draw; ``None`` where the patients were named.
    digest : str
        SHA-256 of the three, computed where left out.

    Raises
    ------
    DataError
        If a person stands on both sides, a name occurs twice, or the digest does not fit.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    seed: int | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        check_no_leakage(self.train, self.validation)
        for side, names in (("training", self.train), ("validation", self.validation)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise DataError(
                    f"The {side} patients name {', '.join(twice)} twice.", "Name each once."
                )
        digest = _digest(self.train, self.validation, self.seed)
        if self.digest and self.digest != digest:
            raise DataError(
                f"The split does not fit its digest: {self.digest[:12]}... was recorded, "
                f"{digest[:12]}... is what its patients give.",
                "It was edited after it was frozen; restore it from a backup or freeze a new one.",
            )
        object.__setattr__(self, "digest", digest)


def institution_of(patient: str) -> str:
    """Institution in a TCGA name: ``DU`` for ``TCGA_DU_5851_19950428``; ``""`` for other names."""
    parts = patient.split("_")
    return parts[1] if parts[0] == "TCGA" and len(parts) > 2 else ""


def same_person(patient: str, others: Iterable[str]) -> bool:
    """Whether a patient is among others, whatever the study dates."""
    return undated(patient) in {undated(other) for other in others}


def check_no_leakage(train: Iterable[str], validation: Iterable[str]) -> None:
    """Refuse a person on both sides, also under another study date.

    Raises
    ------
    DataError
        Naming every patient concerned.
    """
    trained = {undated(name): name for name in train}
    leaks = [
        name if trained[undated(name)] == name else f"{trained[undated(name)]} as {name}"
        for name in validation
        if undated(name) in trained
    ]
    if leaks:
        raise DataError(
            f"{len(leaks)} patients would be trained on and validated on: {', '.join(leaks)}.",
            "Take them out of one of the two lists; studies of one person belong together.",
        )


def draw_split(
    patients: Iterable[str],
    *,
    seed: int,
    share: float,
    never_train: Iterable[str] = REFERENCE_VALIDATION,
    stratified: bool = False,
) -> Split:
    """Draw validation patients; studies of one person stay on one side.

    Parameters
    ----------
    patients : iterable of str
        All patients at hand; their order does not matter.
    seed : int
        Seed of the draw.
    share : float, 0 <= share < 1
        Share of persons that validate, rounded; at least one and not all where `share` is
        positive and there are two or more.
    never_train : iterable of str
        Those of them that are at hand validate in any case and count towards the share.
    stratified : bool
        Draw the same share of every institution, as far as whole persons allow.

    Returns
    -------
    Split
        Both sides sorted. The training side is empty where all patients are in `never_train`.

    Raises
    ------
    DataError
        If `share` is out of range.
    """
    if not 0 <= share < 1:
        raise DataError(f"The validation share {share} is not in [0, 1).", "Give e.g. 0.1.")
    persons = _persons(patients)
    chosen = {undated(name) for name in never_train} & persons.keys()
    wanted = math.floor(share * len(persons) + 0.5)
    if share > 0 and len(persons) > 1:
        wanted = min(max(wanted, 1), len(persons) - 1)
    free = sorted(persons.keys() - chosen)
    wanted = min(len(free), max(0, wanted - len(chosen)))
    rng = random.Random(seed)
    if stratified:
        # evenly spaced places of a row of institutions: each gives its share, give or take one
        row, start = _row(free, rng), rng.random()
        chosen |= {row[int((place + start) * len(row) / wanted)] for place in range(wanted)}
    else:
        chosen |= set(rng.sample(free, wanted))
    return _split(persons, chosen, seed)


def k_fold(
    patients: Iterable[str],
    *,
    folds: int,
    seed: int,
    never_train: Iterable[str] = REFERENCE_VALIDATION,
) -> tuple[Split, ...]:
    """Deal persons to folds, each of which validates once; stratified by institution.

    Numbers of persons differ by one at most between folds, of each institution too.

    Parameters
    ----------
    patients : iterable of str
        All patients at hand; their order does not matter.
    folds : int
        How many.
    seed : int
        Seed of the draw.
    never_train : iterable of str
        Persons that are left out of all folds.

    Returns
    -------
    tuple of Split
        One a fold; both sides sorted.

    Raises
    ------
    DataError
        If there are fewer than two folds, or fewer persons than folds.
    """
    left_out = {undated(name) for name in never_train}
    persons = _persons(name for name in patients if undated(name) not in left_out)
    if not 2 <= folds <= len(persons):
        raise DataError(
            f"{len(persons)} persons cannot be dealt to {folds} folds.",
            "Take two folds or more, and no more folds than there are persons.",
        )
    row = _row(persons, random.Random(seed))
    return tuple(_split(persons, set(row[fold::folds]), seed) for fold in range(folds))


def freeze_split(path: Path, split: Split) -> None:
    """Write a split once and for all; writing the same one again changes nothing.

    Raises
    ------
    DataError
        If another split is frozen there already, or the file cannot be read or written.
    """
    if path.exists():
        frozen = load_split(path)
        if frozen.digest != split.digest:
            raise DataError(
                f"Another split is frozen in {path} ({len(frozen.train)} training and "
                f"{len(frozen.validation)} validation patients, {frozen.digest[:12]}...).",
                "Figures would no longer compare. Use that split, or freeze this one elsewhere.",
            )
        return
    content = {
        "train": split.train,
        "validation": split.validation,
        "seed": split.seed,
        "digest": split.digest,
    }
    write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")


def load_split(path: Path) -> Split:
    """Read a frozen split and check it against its digest.

    Raises
    ------
    DataError
        If the file is missing, no split, changed since it was frozen, or leaks patients.
    """
    hint = "Restore it from a backup, or freeze a new split."
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"There is no split {path}.", "Freeze one first.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"The split {path} cannot be read: {error}.", hint) from error
    if not isinstance(content, dict) or not _is_split(content):
        raise DataError(
            f"{path} is no split: it needs train, validation (lists of names), seed and digest.",
            hint,
        )
    try:
        return Split(
            tuple(content["train"]),
            tuple(content["validation"]),
            content["seed"],
            content["digest"],
        )
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def _persons(patients: Iterable[str]) -> dict[str, list[str]]:
    """Studies by person."""
    persons: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(patients)):
        persons[undated(name)].append(name)
    return persons


def _row(persons: Iterable[str], rng: random.Random) -> list[str]:
    """Persons in a row: by institution, shuffled within each."""
    row = sorted(persons)
    rng.shuffle(row)
    return sorted(row, key=institution_of)


def _split(persons: dict[str, list[str]], chosen: set[str], seed: int) -> Split:
    validation = sorted(name for person in chosen for name in persons[person])
    train = sorted(name for person in persons.keys() - chosen for name in persons[person])
    return Split(tuple(train), tuple(validation), seed)


def _is_split(content: dict[str, Any]) -> bool:
    lists = (content.get("train"), content.get("validation"))
    seed = content.get("seed", "")
    return (
        all(isinstance(x, list) and all(isinstance(name, str) for name in x) for x in lists)
        and (seed is None or isinstance(seed, int))
        and bool(content.get("digest"))
        and isinstance(content.get("digest"), str)
    )


def _digest(train: Iterable[str], validation: Iterable[str], seed: int | None) -> str:
    """Hash the sets and the seed; the order of names carries no meaning."""
    content = [sorted(train), sorted(validation), seed]
    return sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
