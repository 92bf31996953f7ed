"""Who trains, who validates and who tests: the protocols of a run, by person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import (
    REFERENCE_VALIDATION,
    draw_split,
    k_fold,
)
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig

__all__ = ["FULL_TRAINING", "Partition", "split_patients", "test_patients"]

FULL_TRAINING = 100
"""Patients that a full training asks for; fewer are said, not refused."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Patients of a run by what they are for; no person has two parts.

    Parameters
    ----------
    train : tuple of str
        Slices are drawn from these; empty only where phantoms stand in for them.
    validation : tuple of str
        Measured after each epoch; the model may be chosen on them.
    test : tuple of str
        Measured once, by the finished model.
    notes : tuple of str
        What the user should know of the split.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def split_patients(config: RunConfig, folders: Mapping[str, StudyFolder]) -> Partition:
    """Split the patients at hand as the config's protocol asks.

    - ``free``: as named; else validation patients are drawn with the seed.
    - ``reference``: the ten validation patients of Buda et al. 2019 by name, never drawn; all
      others train.
    - ``clean``: the ten test, with `test_patients`; the rest as ``free``.
    - ``k-fold``: fold `fold` of `folds` validates, stratified by institution.
    - ``hold-out``: `validation_share` validate, stratified by institution.

    A person is known by the name without the study date. Other studies of a person who validates
    or tests are left out, with a note.

    Parameters
    ----------
    config : RunConfig
        Protocol, names, seed.
    folders : mapping of str to StudyFolder
        Patients at hand, by name.

    Raises
    ------
    ConfigError
        If patients named are not at hand, a person would have two parts or is locked, none of the
        ten is at hand for the reference protocol, or nobody is left to train on.
    DataError
        If there are fewer persons than folds.
    """
    _refuse_absent(config, folders)
    notes: list[str] = []
    test = test_patients(config, folders)
    if config.protocol in ("reference", "clean"):
        ten, absent = _the_ten(folders)
        if absent and (ten or config.protocol == "reference"):
            notes.append(
                f"{len(absent)} of the ten reference patients are not in the data: "
                f"{', '.join(absent)}. Figures do not compare with published ones."
            )
        if config.protocol == "clean" and not test:
            notes.append(
                "There is nobody to test with: none of the ten reference patients is in the "
                "data, and no test patients are named."
            )
    locked = _persons(config.locked_patients)
    kept_out = locked | _persons(test)
    if config.lock_reference:
        kept_out |= _persons(REFERENCE_VALIDATION)
    free = sorted(name for name in folders if undated(name) not in kept_out)

    if config.protocol == "reference":
        validation = ten
        if not ten:
            raise ConfigError(
                "None of the ten reference patients is in the data: "
                f"{', '.join(REFERENCE_VALIDATION)}.",
                "The reference protocol validates on these and no others. Add them to the data, "
                "or choose the hold-out or k-fold protocol.",
            )
    else:
        validation = _drawn(config, free)
    train = config.train_patients
    if train is None:
        validating = _persons(validation)
        train = tuple(name for name in free if undated(name) not in validating)
    _refuse_leakage(train, validation, test, kept_out, locked)
    if not train and not config.phantoms:
        raise ConfigError("No patient is left to train on.", "Add patients, or lock fewer of them.")
    notes += _remarks(config, folders, {*train, *validation, *test})
    return Partition(tuple(train), tuple(validation), test, tuple(notes))


def test_patients(config: RunConfig, folders: Mapping[str, StudyFolder]) -> tuple[str, ...]:
    """Name the patients that the finished model is measured with; nobody is drawn.

    Parameters
    ----------
    config : RunConfig
        Protocol and names.
    folders : mapping of str to StudyFolder
        Patients at hand, by name.
    """
    ten = _the_ten(folders)[0] if config.protocol == "clean" else ()
    return tuple(dict.fromkeys((*config.test_patients, *ten)))


def _drawn(config: RunConfig, free: list[str]) -> tuple[str, ...]:
    """Validate with these, in every protocol that may draw them."""
    if config.protocol == "k-fold":
        folds = k_fold(free, folds=config.folds, seed=config.seed, never_train=())
        return folds[config.fold - 1].validation
    if config.validation_patients is not None:
        return config.validation_patients
    if config.train_patients is not None or not free:
        return ()
    seed, share = config.seed, config.validation_share
    if config.protocol == "hold-out":
        split = draw_split(free, seed=seed, share=share, never_train=(), stratified=True)
    else:
        split = draw_split(free, seed=seed, share=share)
    return split.validation


def _the_ten(folders: Mapping[str, StudyFolder]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the ten at hand, also under a name without date; and those that are not."""
    found: list[str] = []
    absent: list[str] = []
    for name in REFERENCE_VALIDATION:
        here = next((n for n in (name, undated(name)) if n in folders), None)
        if here is None:
            absent.append(name)
        else:
            found.append(here)
    return tuple(found), tuple(absent)


def _refuse_absent(config: RunConfig, folders: Mapping[str, StudyFolder]) -> None:
    named = {
        *(config.train_patients or ()), *(config.validation_patients or ()), *config.test_patients
    }  # fmt: skip
    if absent := sorted(named - set(folders)):
        raise ConfigError(
            f"Patients named in the config are not in the data: {', '.join(absent)}.",
            "Check their names, and the folders in `data` and `corrections`.",
        )


def _refuse_leakage(
    train: Collection[str],
    validation: Collection[str],
    test: Collection[str],
    kept_out: set[str],
    locked: set[str],
) -> None:
    """Refuse a person with two parts; all of them are named."""
    testing = _persons(test)
    faults = {
        "to train on are also validation, test or locked patients":
            _among(train, kept_out | _persons(validation)),
        "to validate with are also test patients": _among(validation, testing),
        "to validate with are locked": _among(validation, locked - testing),
    }  # fmt: skip
    found = [f"Patients {what}: {', '.join(names)}." for what, names in faults.items() if names]
    if found:
        raise ConfigError(
            " ".join(found),
            "A patient is either trained on or measured with, never both; studies of one person "
            "belong together.",
        )


def _remarks(
    config: RunConfig, folders: Mapping[str, StudyFolder], used: set[str]
) -> tuple[str, ...]:
    notes = []
    persons = _persons(used)
    twice = _among(set(folders) - used, persons)
    if twice and config.train_patients is None:
        notes.append(
            f"Left out, as other studies of the same persons are measured: {', '.join(twice)}."
        )
    if config.base is None and len(persons) < FULL_TRAINING:
        notes.append(
            f"The run has {len(persons)} patients; a full training asks for {FULL_TRAINING} or "
            "more."
        )
    return tuple(notes)


def _persons(names: Iterable[str]) -> set[str]:
    return {undated(name) for name in names}


def _among(names: Iterable[str], persons: set[str]) -> list[str]:
    return sorted(name for name in names if undated(name) in persons)
