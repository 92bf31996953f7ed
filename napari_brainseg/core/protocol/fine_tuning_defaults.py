"""Settings of a fine-tuning run by the number of corrections."""

from __future__ import annotations

from typing import Any

__all__ = ["EPOCHS", "FOLDS", "REPLAY_SHARE", "fine_tuning_defaults"]

EPOCHS = 4
FOLDS = 3
REPLAY_SHARE = 0.5
"""Of each batch, where there is anybody to replay."""
STEPS = ((4, 40), (8, 50), (16, 60), (32, 80))
"""Fewer corrections than the first number: as many steps an epoch as the second."""
MOST_STEPS = 100


def fine_tuning_defaults(corrections: int, *, replayed: int) -> dict[str, Any]:
    """Give the settings of a run on so many corrected patients.

    - From the base model with all corrections, never on a chain of fine-tuned models, of which
      each would forget a little more.
    - Replay: half of each batch from patients that the base knows (Robins 1995,
      doi 10.1080/09540099550039318; Rolnick et al. 2019, arXiv 1811.11682).
    - Batch-norm statistics stay the base model's: those of a few corrected patients are noise, and
      weights with the same statistics can be averaged.
    - A rate of half the base model's or less, up over a tenth of the run and down along a cosine
      (Loshchilov and Hutter 2017, arXiv 1608.03983); weights averaged (EMA).
    - No epoch is chosen: nothing is chosen on the locked patients.
    - Inner folds of the corrections choose how much of the new weights goes into the result
      (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903) and are the gate's evidence on them;
      with two or three corrections that is leave-one-out, with one there are none.

    Steps grow slowly with the corrections, so that eight take less than a quarter of an hour on
    two cores with folds and gate; the figures behind rate, shares and steps stand in
    ``docs/decisions/0027-fine-tuning-in-stages.md``.

    Parameters
    ----------
    corrections : int
        Corrected patients, all of them.
    replayed : int
        Patients of the base model that are at hand.

    Returns
    -------
    dict
        Settings of `RunConfig`.
    """
    return {
        "epochs": EPOCHS,
        "steps_per_epoch": next((s for most, s in STEPS if corrections < most), MOST_STEPS),
        "batch_size": 16,
        "crop": 160,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "warmup_epochs": 0.4,
        "ema": 0.99,
        "lesion_share": 0.2,
        "freeze_norm": True,
        "keep": "last",
        "early_stopping": None,
        "replay_share": REPLAY_SHARE if replayed else 0.0,
        "inner_folds": min(corrections, FOLDS) if corrections >= 2 else 0,
        "interpolation": "choose",
    }
