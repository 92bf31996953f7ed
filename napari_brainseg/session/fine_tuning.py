"""What a fine-tuning run is made of: who trains, who validates, and why.

The validation patients of a workspace are drawn once and frozen, so that the figures of all its
versions compare. A patient corrected later who stands among them never trains.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.splits import (
    REFERENCE_VALIDATION,
    Split,
    check_no_leakage,
    load_split,
    same_person,
)
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.protocol import RunConfig, parse_config
from napari_brainseg.session.training_set import exported_patients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.workspace import Workspace

__all__ = ["DEFAULTS", "FineTuningPlan", "plan_fine_tuning"]

DEFAULTS: dict[str, Any] = {
    "name": "fine-tuned",
    "epochs": 5,
    "learning_rate": 3e-4,
    "freeze_norm": True,
}
"""What a fine-tuning run does unlike a run from scratch: few, small steps, statistics kept."""

VALIDATION_SHARE = 0.2
MOST_VALIDATION = 10
"""More patients would make every epoch on a CPU wait for its validation."""
REPLAY_EACH = 3
LEAST_REPLAY = 4
"""Patients the base model knows already are trained on again, so that it does not forget them."""


@dataclass(frozen=True, slots=True)
class FineTuningPlan:
    """A run that is ready to start.

    Parameters
    ----------
    config : RunConfig
        For the trainer.
    corrected : tuple of str
        Corrected patients that train.
    replayed : tuple of str
        Patients known to the base model that train again.
    split : Split
        Frozen split of the workspace; not written yet where `is_new_split`.
    is_new_split : bool
        Whether the split was drawn just now.
    notes : tuple of str
        What the user should know.
    """

    config: RunConfig
    corrected: tuple[str, ...]
    replayed: tuple[str, ...]
    split: Split
    is_new_split: bool
    notes: tuple[str, ...]


def plan_fine_tuning(
    workspace: Workspace, base: Bundle, studies: Discovery | None, **changes: Any
) -> FineTuningPlan:
    """Choose patients and settings of a fine-tuning run. Nothing is written.

    Parameters
    ----------
    workspace : Workspace
        With exported corrections.
    base : Bundle
        Model in use.
    studies : Discovery or None
        Original data at hand; patients with masks validate and are replayed.
    **changes
        Fields of `RunConfig` that the user set.

    Raises
    ------
    DataError
        If nothing was exported, or no patient is left to validate with or to train on.
    ConfigError
        If a changed field does not fit.
    """
    corrected = exported_patients(workspace.training_set)
    if not corrected:
        raise DataError(
            f"The training set {workspace.training_set} holds no corrections.",
            "Correct a patient and export it first.",
        )
    with_truth = () if studies is None else _with_truth(studies)
    seed = int(changes.get("seed", RunConfig.model_fields["seed"].default))
    at_hand = tuple(sorted({*with_truth, *corrected}))
    is_new = not workspace.splits.is_file()
    split = (
        _draw(at_hand, corrected, base.train_patients, seed)
        if is_new
        else _frozen(workspace.splits, at_hand)
    )
    training = tuple(p for p in corrected if not same_person(p, split.validation))
    if not training:
        raise DataError(
            "All corrected patients are validation patients of this workspace: "
            f"{', '.join(corrected)}.",
            "They measure every version, so they never train. Correct and export another patient.",
        )
    replayed = _replay(
        with_truth,
        base.train_patients,
        taken=(*corrected, *split.validation),
        wanted=max(LEAST_REPLAY, REPLAY_EACH * len(training)),
        seed=seed,
    )
    check_no_leakage((*training, *replayed), split.validation)
    reference = tuple(p for p in training if same_person(p, REFERENCE_VALIDATION))
    config = parse_config(
        {
            **DEFAULTS,
            "lock_reference": not reference,
            **changes,
            "base": base.path,
            "data": _data(studies, with_truth),
            "corrections": workspace.training_set,
            "train_patients": (*training, *replayed),
            "validation_patients": split.validation,
        },
        source="the Training panel",
    )
    notes = _notes(training, replayed, split, base, reference)
    return FineTuningPlan(config, training, replayed, split, is_new, notes)


def _with_truth(studies: Discovery) -> tuple[str, ...]:
    return tuple(f.patient for f in studies.folders if f.has_masks)


def _data(studies: Discovery | None, with_truth: Collection[str]) -> tuple[Path, ...]:
    if studies is None or not with_truth:
        return ()
    if studies.faults:
        # One faulty patient must not stop the run: name the good ones, not the root.
        return tuple(f.path for f in studies.folders if f.has_masks)
    return (studies.root,)


def _frozen(path: Path, at_hand: Collection[str]) -> Split:
    split = load_split(path)
    absent = sorted(set(split.validation) - set(at_hand))
    if absent:
        raise DataError(
            f"Validation patients of this workspace are not at hand: {', '.join(absent)}.",
            "Open the folder of patients that holds them, so that figures stay comparable.",
        )
    return split


def _draw(
    at_hand: tuple[str, ...], corrected: tuple[str, ...], seen: Iterable[str], seed: int
) -> Split:
    """Draw validation patients, from the pool that spoils least.

    Best are patients whom neither this run nor the base model trains on; next a corrected one
    that is given up for training; last those whom the base model has seen.
    """
    known = {undated(name) for name in seen}
    persons = {undated(name) for name in at_hand}
    mine = {undated(name) for name in corrected}
    others = persons - mine
    spare = mine if len(mine) > 1 else set()
    pools = (others - known, spare - known, others, spare)
    pool = next((p for p in pools if p), None)
    if pool is None:
        raise DataError(
            f"Only one patient with a correction or ground truth is at hand: "
            f"{', '.join(corrected)}. It cannot train and validate at the same time.",
            "Correct and export a second patient, or open a folder with patients that have masks.",
        )
    wanted = min(max(round(VALIDATION_SHARE * len(persons)), 1), MOST_VALIDATION, len(pool))
    if not pool - mine:
        wanted = min(wanted, len(mine) - 1)
    chosen = set(random.Random(seed).sample(sorted(pool), wanted))
    validation = tuple(name for name in at_hand if undated(name) in chosen)
    train = tuple(name for name in at_hand if undated(name) not in chosen)
    return Split(train, validation, seed)


def _replay(
    with_truth: Iterable[str],
    seen: Iterable[str],
    *,
    taken: Iterable[str],
    wanted: int,
    seed: int,
) -> tuple[str, ...]:
    known = {undated(name) for name in seen}
    barred = {undated(name) for name in (*taken, *REFERENCE_VALIDATION)}
    free = sorted(n for n in with_truth if undated(n) in known and undated(n) not in barred)
    return tuple(sorted(random.Random(seed).sample(free, min(len(free), wanted))))


def _notes(
    training: tuple[str, ...],
    replayed: tuple[str, ...],
    split: Split,
    base: Bundle,
    reference: tuple[str, ...],
) -> tuple[str, ...]:
    again = f" and {_count(len(replayed), 'patient')} that {base.version} knows already"
    notes = [
        f"Trains on {_count(len(training), 'corrected patient')}{again if replayed else ''}; "
        f"validates on {_count(len(split.validation), 'patient')}."
    ]
    flattered = [p for p in split.validation if same_person(p, base.train_patients)]
    if flattered:
        notes.append(
            f"{base.version} was trained on {', '.join(flattered)}: its DSC there flatters it."
        )
    if reference:
        notes.append(
            f"{', '.join(reference)} belongs to the ten reference validation patients: the new "
            "version must not be compared with published figures."
        )
    return tuple(notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
