"""Which stages a run has: who is held out when, and what each stage costs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import k_fold
from napari_brainseg.core.formats import undated
from training.course import PREDICTION_STEPS, Course, Part
from training.epochs import steps_of
from training.fine_tuning.interpolation import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.protocol import RunConfig
    from training.data import Cohort
    from training.setting import Setting

__all__ = ["MOST_WITNESSES", "Plan", "deal_folds", "plan_stages", "shares_of", "witnesses_of"]

MOST_WITNESSES = 4
"""Replayed patients that the folds leave out, to see what a fine-tuning forgets."""
REPLAY_PER_WITNESS = 4
"""Replayed patients for each of them: the folds must still replay what the run replays."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The stages of a run.

    Parameters
    ----------
    folds : tuple of tuple of str
        Corrected patients that each inner fold holds out; empty without folds.
    witnesses : tuple of str
        Replayed patients that no fold is trained on.
    shares : tuple of float
        Shares of the new weights that the folds are measured with.
    course : Course
        All stages in order: the folds first.
    training : int
        Number of the training among them, from 0.
    interpolation, gate : int or None
        Likewise, where the run has them.
    """

    folds: tuple[tuple[str, ...], ...]
    witnesses: tuple[str, ...]
    shares: tuple[float, ...]
    course: Course
    training: int
    interpolation: int | None
    gate: int | None


def plan_stages(setting: Setting, cohort: Cohort) -> Plan:
    """Plan the stages that the config asks for and the patients allow."""
    config = setting.config
    if config.base is None:
        return Plan((), (), (), Course([Part("training", 1.0)]), 0, None, None)
    replayed = [name for name in cohort.train_folders if name in config.replay_patients]
    corrected = [name for name in cohort.train_folders if name not in config.replay_patients]
    folds = deal_folds(corrected, config.inner_folds, config.seed)
    witnesses = witnesses_of(replayed, config.seed) if folds else ()
    shares = shares_of(config)
    parts = []
    for number, held_out in enumerate(folds, 1):
        pool = cohort.pool.without({*held_out, *witnesses})
        predictions = len(shares) * (len(held_out) + len(witnesses))
        parts.append(
            Part(
                "inner fold",
                config.epochs * steps_of(setting, pool) + PREDICTION_STEPS * predictions,
                f"Inner fold {number} of {len(folds)}",
            )
        )
    training = len(parts)
    steps = config.epochs * steps_of(setting, cohort.pool)
    parts.append(
        Part(
            "training",
            steps,
            f"Training on all {len(corrected)} corrected patients",
        )
    )
    interpolation = gate = None
    if config.interpolation != 1.0:
        interpolation = len(parts)
        cost = PREDICTION_STEPS * len(cohort.validation)
        parts.append(Part("interpolation", cost, "Between old and new weights"))
    if config.locked is not None or folds:
        gate = len(parts)
        measured = len(cohort.validation) + (len(corrected) if folds else 0)
        parts.append(
            Part("gate", 2 * PREDICTION_STEPS * measured, "New model against the one in use")
        )
    return Plan(folds, witnesses, shares, Course(parts), training, interpolation, gate)


def deal_folds(corrected: Sequence[str], folds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Deal corrected patients to inner folds, by person and stratified by institution.

    Fewer folds than asked for where there are fewer persons, down to one person a fold, which is
    leave-one-out; none for a single person, of whom nothing would be left to learn from.
    """
    number = min(folds, len({undated(name) for name in corrected}))
    if number < 2:
        return ()
    splits = k_fold(corrected, folds=number, seed=seed, never_train=())
    return tuple(split.validation for split in splits)


def witnesses_of(replayed: Sequence[str], seed: int) -> tuple[str, ...]:
    """Draw the replayed patients that the folds leave out: a quarter at most, four at most."""
    number = min(MOST_WITNESSES, len(replayed) // REPLAY_PER_WITNESS)
    return tuple(sorted(random.Random(seed).sample(sorted(replayed), number)))


def shares_of(config: RunConfig) -> tuple[float, ...]:
    """Give all that may be chosen, or the one given; and the base model, to compare with."""
    if config.interpolation == "choose":
        return SHARES
    return tuple(sorted({0.0, float(config.interpolation)}))
